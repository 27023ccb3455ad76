import io
import math
import re
from dataclasses import replace
from pathlib import Path

from example_run import Planned, make_run
from rich.console import Console

from evalkit.report.console import print_summary
from evalkit.report.judged import judge_views
from evalkit.types import Estimate, LengthControl

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def shown(run, *, terminal=False, encoding="utf-8", width=100):
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, write_through=True)
    console = Console(file=file, force_terminal=terminal, width=width, color_system="standard" if terminal else None)
    print_summary(run.comparison, run.decision, run.manifest, Path("runs/x/report.html"), console=console)
    return raw.getvalue().decode(encoding)


def test_the_terminal_says_verdict_reason_suites_and_where_the_report_is(run):
    text = shown(run)
    flat = re.sub(r"[\s│]+", " ", text.replace("\u202f", ""))
    assert "INCONCLUSIVE" in text
    assert "Tuned gained 36.2 pp on arithmetic-json [29.4, 43.1]" in flat
    assert "gsm8k 400 93.2 % 86.5 % -6.8 pp [-9.6, -3.9] 31/4 undecided" in flat
    assert "advisory: not examined" in flat
    assert "! the two models' rendered prompts differ in their system turn" in flat
    assert flat.strip().endswith("Report runs/x/report.html")


def test_a_log_gets_no_escape_sequence_and_a_terminal_gets_colour(run):
    assert "\x1b" not in shown(run)
    assert ESCAPE.search(shown(run, terminal=True))


def test_a_console_that_knows_only_ascii_still_gets_its_summary(run):
    text = shown(run, encoding="ascii")
    assert "INCONCLUSIVE" in text and "1 120 more" in text


def test_names_cannot_style_or_steer_the_terminal(run):
    hostile = "[red]evil[/red]\x1b[2J\u202e"
    suites = (replace(run.comparison.suites[1], name=hostile),)
    text = shown(replace(run, comparison=replace(run.comparison, suites=suites)), terminal=True)
    assert "\x1b[2J" not in text and "\u202e" not in text
    assert "[red]evil[/red]" in re.sub(r"\s", "", ESCAPE.sub("", text))


def test_long_names_fold_and_are_not_cut(run):
    name = "a-suite-with-a-name-of-eighty-characters-that-somebody-generated-from-a-config-x"
    suites = (replace(run.comparison.suites[1], name=name),)
    text = shown(replace(run, comparison=replace(run.comparison, suites=suites)), terminal=True, width=80)
    assert "…" not in text


def test_an_incomplete_run_says_so_in_the_title():
    run = make_run((Planned("b", "retain", 0.9, 0.8, 40, missing=6),), judge=None, complete=False)
    assert "INCOMPLETE" in shown(run)
    assert "! 6 failed: out of memory" in shown(run)


def test_where_every_pair_ties_nothing_is_said_of_equal_length_and_no_nan_is_shown(run):
    """Nothing that length could explain: no win rate at equal length, no slope."""
    none = Estimate(math.nan, None, None, None, 0.95, "logistic in length", 0, ("every pair ties",))
    (judge,) = run.comparison.judges
    judge = replace(judge, length_controlled=LengthControl(none, none))
    tied = replace(run.comparison, judges=(judge,))
    assert "at equal length" not in shown(replace(run, comparison=tied))
    (view,) = judge_views(tied, run.manifest)
    facts = {fact.term: fact for fact in view.facts}
    assert (
        facts["Win rate at equal length"].value == "n/a" and "every pair ties" in facts["Win rate at equal length"].more
    )
    assert "Length slope" not in facts
