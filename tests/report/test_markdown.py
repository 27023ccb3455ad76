import re
from dataclasses import replace

import pytest

from evalkit.report.markdown import MOST, plain, summary_markdown
from evalkit.report.strips import _Line, _strip
from evalkit.types import Estimate


def test_the_verdict_and_the_sentence_come_first(run):
    lines = summary_markdown(run.comparison, run.decision, run.manifest).splitlines()
    assert lines[0] == "## ❔ INCONCLUSIVE: tuned-model over base-model"
    assert lines[2].startswith("Tuned gained 36.2 pp on arithmetic-json")


def test_every_suite_is_a_row_with_as_many_cells_as_the_head(run):
    text = summary_markdown(run.comparison, run.decision, run.manifest)
    table = [line for line in text.splitlines() if line.startswith("|")]
    for suite in run.comparison.suites:
        row = next(line for line in table if line.startswith(f"| {suite.name} "))
        assert row.count("|") == table[0].count("|")


def test_an_unexamined_judge_is_called_advisory(run):
    assert "advisory: not examined" in summary_markdown(run.comparison, run.decision, run.manifest)


def test_no_name_or_reason_becomes_markup(run):
    hostile = "<img src=x onerror=alert(1)> | [a](http://b) `c` @everyone **d**\n# e \u202e\x1b[31m"
    named = replace(run.manifest, tuned=replace(run.manifest.tuned, name=hostile))
    text = summary_markdown(replace(run.comparison, cautions=(hostile,)), run.decision, named)
    assert "<img" not in text and "@everyone" not in text
    assert r"\[a\](http://b) \`c\`" in text and r"\*\*d\*\*" in text
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", text)
    assert "\n# e" not in text


def test_plain_text_stays_readable():
    assert plain("gsm8k: 6.4 pp (n = 1319), a-b") == "gsm8k: 6.4 pp (n = 1319), a-b"


def test_a_drawing_of_every_interval_shows_without_any_picture(run):
    text = summary_markdown(run.comparison, run.decision, run.manifest)
    drawn = re.search("```text\n(.*?)```", text, re.DOTALL).group(1).splitlines()
    assert "<svg" not in text and "data:" not in text
    roles = [line.split()[0] for line in drawn if not line.startswith("  ")]
    assert roles == ["target", "retain", "guard"]  # a scale each
    lines = [line for line in drawn if line.startswith("  ")]
    names = [suite.name for suite in run.comparison.suites]
    assert sorted(line.split()[0] for line in lines) == sorted(names)
    # One cell a character: the strips of all lines begin and end in the same place.
    start = max(map(len, names)) + 4
    for line in lines:
        strip = line[start : start + 41]
        assert strip.count("●") == 1 and strip[20] in "│●┼├┤─" and line[start + 41 : start + 43] == "  "


def estimated(value, low, high):
    return Estimate(value, 0.01, low, high, 0.95, "t", 100)


@pytest.mark.parametrize(
    ("estimate", "limit", "drawn"),
    [
        # reach 8 points: 2.5 cells a point on either side of zero, in the 21st cell
        (estimated(0.0, -0.02, 0.02), -0.05, " " * 8 + "┊" + " " * 6 + "├────●────┤" + " " * 15),
        (estimated(-0.04, -0.06, -0.02), None, " " * 5 + "├────●────┤" + " " * 4 + "│" + " " * 20),
        (estimated(0.04, 0.02, 0.16), None, " " * 20 + "│" + " " * 4 + "├────●" + "─" * 9 + "►"),
        (estimated(0.02, -0.02, 0.06), 0.0, " " * 15 + "├────┼────●─────────┤" + " " * 5),
    ],
)
def test_a_strip_by_hand(estimate, limit, drawn):
    assert _strip(_Line("retain x", estimate, limit, "pass"), 0.08) == drawn


def test_a_name_cannot_end_the_block_that_it_stands_in(run):
    suites = (replace(run.comparison.suites[0], name="```\n# out"), *run.comparison.suites[1:])
    text = summary_markdown(replace(run.comparison, suites=suites), run.decision, run.manifest)
    assert text.count("```") == 2 and "\n# out" not in text


def test_a_huge_run_stays_within_a_comment_and_says_what_is_left_out(run):
    one = run.comparison.suites[0]
    suites = tuple(replace(one, name=f"suite-{i}-{'x' * 40}") for i in range(2000))
    cautions = tuple(f"caution {i} " + "y" * 2000 for i in range(300))
    text = summary_markdown(replace(run.comparison, suites=suites, cautions=cautions), run.decision, run.manifest)
    assert 50_000 < len(text) <= MOST and len(text.encode()) < 1 << 20
    left = [int(number.replace("\u202f", "")) for number in re.findall(r"([\d\u202f]+) more (?:suites|cautions)", text)]
    shown = sum(line.startswith("| suite-") for line in text.splitlines())
    assert shown + left[0] == 2000 and 0 < shown < 2000
    assert sum(line.startswith("- caution") for line in text.splitlines()) + left[1] == 300 + len(run.manifest.cautions)
    assert "pooled tax" in text and text.rstrip().endswith("`report.html`.")
    assert text.startswith("## ❔ INCONCLUSIVE")
