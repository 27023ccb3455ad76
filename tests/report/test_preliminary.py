"""What shows while a run goes on: how base and tuned stand so far, and that nothing is decided."""

import io

import pytest
from rich.console import Console

from evalkit import api
from evalkit.config import ModelSpec, SuiteSpec
from evalkit.report import progress as progress_
from evalkit.report.preliminary import Preliminary
from evalkit.report.progress import LiveProgress
from evalkit.types import Silent, Watching


def shown(preliminary, **options):
    console = Console(file=io.StringIO(), width=120)
    console.print(preliminary.table(**options))
    return console.file.getvalue()


def test_the_difference_is_over_what_both_models_were_scored_on():
    so_far = Preliminary()
    so_far.scoring({"sums": 4, "words": 2})
    assert not so_far.any
    for id_, value in (("1", 1.0), ("2", 1.0), ("3", 0.0)):
        so_far.scored("sums", ("t", id_, 0), "base", value)
    assert "66.7 %" in shown(so_far) and so_far.line() == ""  # one model alone has no difference
    for id_, value in (("2", 0.0), ("3", 0.0), ("4", 1.0)):  # 4 waits for base
        so_far.scored("sums", ("t", id_, 0), "tuned", value)
    so_far.scored("sums", ("t", "1", 0), "incumbent", 0.0)
    so_far.scored("sums", ("t", "1", 0), "tuned", None)  # never answered
    row = next(line for line in shown(so_far).splitlines() if "sums" in line).split()
    assert " ".join(row) == "sums 2 of 4 50.0 % 0.0 % -50.0 pp"
    assert so_far.line() == "preliminary, nothing decided: sums 50.0 % to 0.0 % (-50.0 pp, n 2)"


def test_samples_are_paired_one_by_one_and_scores_without_bounds_are_no_rates():
    so_far = Preliminary()
    so_far.scoring({"text": 1})
    for arm, values in (("base", (1.5, 2.5)), ("tuned", (1.0, 2.5))):
        for sample, value in enumerate(values):
            so_far.scored("text", ("t", "1", sample), arm, value)
    row = next(line for line in shown(so_far).splitlines() if "text" in line and "2.000" in line)
    assert row.split() == ["text", "2", "2.000", "1.750", "-0.250"]


def test_a_new_run_begins_anew_and_a_long_list_is_cut():
    so_far = Preliminary()
    so_far.scoring({"old": 1})
    so_far.scored("old", ("t", "1", 0), "base", 1.0)
    so_far.scoring({f"s{i}": 1 for i in range(9)})
    so_far.scored("s1", ("t", "1", 0), "base", 1.0)
    text = shown(so_far, rows=3)
    assert "old" not in text and "and 6 more" in text
    assert "Preliminary: so far, and nothing decided" in text


def test_in_a_log_it_is_a_line_a_minute(monkeypatch):
    class Clock:
        now = 1000.0

    monkeypatch.setattr("evalkit.report.progress.time.monotonic", lambda: Clock.now)
    console = Console(file=io.StringIO(), width=200, force_terminal=False)
    with LiveProgress(console, every_s=1e9) as live:
        live.scoring({"sums": 300})
        for i in range(150):
            for arm in ("base", "tuned"):
                live.scored("sums", ("t", str(i), 0), arm, 1.0)
            Clock.now += 1
    assert [line.rpartition("n ")[2] for line in console.file.getvalue().splitlines()] == ["60)", "120)"]


def test_on_a_terminal_the_table_stands_over_the_bar_and_is_drawn_twice_a_second():
    console = Console(file=io.StringIO(), width=120, force_terminal=True)
    live = LiveProgress(console)
    assert live._bars.live.refresh_per_second == progress_._DRAWN_A_SECOND == 2
    live.phase("base: generating", 10)
    live.scoring({"sums": 10})
    live.scored("sums", ("t", "1", 0), "base", 1.0)
    live._bars.refresh()
    assert "Preliminary" in console.file.getvalue() and "difference so far" in console.file.getvalue()
    live.close()
    assert list(live._preliminary.table().columns)


@pytest.fixture
def suite(tmp_path):
    rows = "".join(f'{{"id": {i}, "q": "q{i}", "a": "42"}}\n' for i in range(6))
    (tmp_path / "d.jsonl").write_text(rows)
    task = {"name": "t", "data": "d.jsonl", "prompt": "{{ q }}", "answer": "{{ a }}", "score": "number"}
    return SuiteSpec.model_validate({"name": "s", "tasks": [task]}).model_copy(update={"folder": str(tmp_path)})


def test_a_run_tells_whoever_watches_every_score_of_both_arms(fake, suite):
    class Watcher(Silent):
        seen = []  # noqa: RUF012

        def scoring(self, suites):
            self.seen.append(dict(suites))

        def scored(self, suite, place, arm, value):
            self.seen.append((suite, *place, arm, value))

    watcher = Watcher()
    assert isinstance(watcher, Watching) and not isinstance(Silent(), Watching)
    models = [ModelSpec(name=name, backend="fake", model=name) for name in ("base", "tuned")]
    api.run_comparison(*models, suites=[suite], progress=watcher, probes=False)
    assert watcher.seen[0] == {"s": 6}
    expected = [("s", "t", str(i), 0, arm, 1.0) for i in range(6) for arm in ("base", "tuned")]
    assert sorted(watcher.seen[1:]) == sorted(expected)
