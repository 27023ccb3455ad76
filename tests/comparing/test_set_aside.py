"""The difference once more without the answers that were lost to their form: what it is, and where it is said."""

import html
import json
import os
import re
import subprocess
import sys

import pytest

from evalkit.comparing.comparison import compare_records, with_set_aside
from evalkit.config import PolicySpec
from evalkit.deciding.gate import decide
from evalkit.statistics import tango_interval
from evalkit.stored.records import Records, samples_frame, verdicts_frame
from evalkit.types import (
    Completion,
    Example,
    Failure,
    Manifest,
    ModelRecord,
    Score,
    SuiteRecord,
    TaskRecord,
)

MODEL = ModelRecord("m", "replay", "m", "f")
RIGHT = None


def compared(items, **suite):
    """items: (task, id, base, tuned), an arm's side being one cause (None: right; "missing") or a list, one a sample."""
    held, tasks = Records(), {}
    for task, id_, *sides in items:
        for arm, side in zip(("base", "tuned"), sides, strict=True):
            causes = side if isinstance(side, list) else [side]
            tasks[task] = len(causes)
            for sample, cause in enumerate(causes):
                failure = Failure(arm, "timeout", "no reply") if cause == "missing" else None
                score = Score("accuracy", None if failure else float(cause is None), cause=cause, failure=failure)
                held.add("s", task, arm, sample, Example(id_, ()), Completion("x"), score)
    records = tuple(TaskRecord(name, "generate", "accuracy", 9, 9, samples=n) for name, n in tasks.items())
    manifest = Manifest(
        1, "r", "now", "", MODEL, MODEL, (SuiteRecord("s", suite.pop("role", "retain"), "h", records, **suite),),
        (), {}, {}, {},
    )  # fmt: skip
    table = held.table()
    return compare_records(samples_frame(table), verdicts_frame(table), manifest).suites[0]


def by_hand():
    """100 items. Base lost 5 to form. Tuned lost 10 to form, 2 of them the same; 3 are wrong, 2 were cut off."""
    pairs = [("unparsed", "unparsed")] * 2 + [("unparsed", RIGHT)] * 3
    pairs += [(RIGHT, "unparsed")] * 4 + [(RIGHT, "unextracted")] * 4
    pairs += [(RIGHT, "wrong")] * 3 + [(RIGHT, "truncated")] * 2 + [(RIGHT, RIGHT)] * 82
    return [("t", str(i), base, tuned) for i, (base, tuned) in enumerate(pairs)]


def test_items_that_either_arm_lost_to_form_are_set_aside_and_the_rest_compared_as_ever():
    suite = compared(by_hand())
    assert suite.delta.value == pytest.approx(0.85 - 0.95)
    assert suite.lost_to_form == {"base": 5, "tuned": 10}
    left = suite.without_format
    assert (left.n, left.value) == (100 - 13, pytest.approx(-5 / 87))
    expected = tango_interval(5, 0, 87)
    assert (left.low, left.high) == (expected.low, expected.high)


def test_an_answer_cut_off_is_not_lost_to_form():
    assert compared([("t", str(i), RIGHT, "truncated" if i < 5 else RIGHT) for i in range(30)]).without_format is None


def test_without_a_loss_to_form_there_is_no_second_number():
    suite = compared([("t", str(i), RIGHT, "wrong" if i < 5 else RIGHT) for i in range(30)])
    assert suite.without_format is None and suite.lost_to_form == {"base": 0, "tuned": 0}


def test_a_guard_has_no_form_to_lose():
    assert compared(by_hand(), role="guard").without_format is None


def test_one_sample_out_of_form_sets_the_whole_item_aside():
    items = [("t", str(i), [RIGHT, RIGHT], [RIGHT, "wrong"]) for i in range(20)]
    items += [("t", "x", [RIGHT, RIGHT], [RIGHT, "unparsed"]), ("t", "y", [RIGHT, RIGHT], [RIGHT, RIGHT])]
    suite = compared(items)
    assert suite.lost_to_form == {"base": 0, "tuned": 1}
    assert (suite.without_format.n, suite.without_format.value) == (21, pytest.approx(-10 / 21))


def test_a_missing_answer_still_widens_what_is_left_unless_its_other_side_was_out_of_form():
    items = by_hand()
    whole = compared(items).without_format
    lacking = compared([*items, ("t", "gone", RIGHT, "missing")]).without_format
    assert lacking.n == whole.n and lacking.low < whole.low
    assert compared([*items, ("t", "gone", "missing", "unparsed")]).without_format == whole


def test_tasks_that_count_alike_still_do_without_what_is_set_aside():
    small = [("a", str(i), RIGHT, "unparsed" if i < 10 else "wrong" if i < 15 else RIGHT) for i in range(30)]
    large = [("b", str(i), RIGHT, RIGHT) for i in range(90)]
    suite = compared([*small, *large], aggregate="macro")
    assert suite.delta.value == pytest.approx((-15 / 30 + 0) / 2)
    assert suite.without_format.value == pytest.approx((-5 / 20 + 0) / 2)


def test_where_everything_was_lost_to_form_nothing_is_left_and_no_number_is_made_up():
    left = compared([("t", str(i), RIGHT, "unparsed") for i in range(30)]).without_format
    assert left.n == 0 and left.value != left.value and (left.low, left.high) == (None, None)


def pooled_by_hand(relative=None):
    """Two suites of the 100 items each, pooled: the gates of both, of the pool and the tax see the same items twice."""
    held = Records()
    for suite in ("a", "b"):
        for _, id_, *causes in by_hand():
            for arm, cause in zip(("base", "tuned"), causes, strict=True):
                score = Score("accuracy", float(cause is None), cause=cause)
                held.add(suite, "t", arm, 0, Example(id_, ()), Completion("x"), score)
    task = TaskRecord("t", "generate", "accuracy", 100, 100)
    records = tuple(SuiteRecord(name, "retain", "h", (task,)) for name in ("a", "b"))
    manifest = Manifest(1, "r", "now", "", MODEL, MODEL, records, (), {}, {}, {})
    table = held.table()
    return compare_records(
        samples_frame(table), verdicts_frame(table), manifest, pools={"both": ["a", "b"]}, relative=relative
    )


def test_a_pool_and_the_tax_are_told_without_format_losses_too():
    comparison = pooled_by_hand()
    assert (comparison.pools[0].without_format.n, comparison.pools[0].lost_to_form["tuned"]) == (174, 20)
    left = with_set_aside(comparison, "form")
    assert (comparison.tax.value, left.tax.value) == (pytest.approx(0.1), pytest.approx(5 / 87))
    assert left.pools[0].delta.value == pytest.approx(-5 / 87)
    assert with_set_aside(comparison, "overlap") is comparison


def test_a_caution_names_every_gate_that_would_fall_out_otherwise_and_no_verdict_changes():
    comparison = pooled_by_hand()
    policy = PolicySpec(retain={"margin": 0.04}, tax={"max": 0.04}, pools={"both": ("a", "b")})
    decision = decide(comparison, policy)
    verdicts = {gate.subject: gate.verdict for gate in decision.gates}
    assert verdicts == {"tax": "fail", "a": "inconclusive", "b": "inconclusive", "both": "fail"}
    told = [
        re.match(r"(.*) fails at .*, but is undecided at .* with the (\d+) items", one)
        for one in decision.cautions
        if "the same weights" not in one  # one model stands for both here
    ]
    assert [(one[1], one[2]) for one in told] == [("the pooled tax", "26"), ("both", "26")]
    assert decide(comparison, PolicySpec(retain={"margin": 0.5}, tax={"max": 0.5})).cautions[1:] == ()


def test_a_gate_on_the_share_of_bases_score_is_told_without_what_is_set_aside_too():
    comparison = pooled_by_hand(relative=0.04)
    (suite, _), (pool,) = comparison.suites, comparison.pools
    assert suite.relative.value == pytest.approx(suite.tuned - 0.96 * suite.base)
    # 87 items are left, of which base had all right and tuned 82.
    left = suite.relative_without["form"]
    assert (left.n, left.value) == (87, pytest.approx(82 / 87 - 0.96))
    assert list(suite.relative_without) == ["form"] and pool.relative_without["form"].n == 174
    assert with_set_aside(comparison, "form").suites[0].relative == left
    decision = decide(comparison, PolicySpec(retain={"relative": 0.04}, tax={"max": 0.5}, pools={"both": ("a", "b")}))
    assert {gate.subject: gate.verdict for gate in decision.gates}["both"] == "fail"
    assert any(
        re.match(r"both fails at .*, but is undecided at .* with the 26 items", one) for one in decision.cautions
    )
    assert pooled_by_hand().suites[0].relative_without == {}


# --- through the command line -------------------------------------------------------------------------------------


def evalkit(*args, cwd):
    return subprocess.run(
        [sys.executable, "-m", "evalkit", *map(str, args)],
        cwd=cwd, capture_output=True, text=True, env=os.environ, timeout=300,
    )  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """400 capitals of made-up lands. Tuned leaves 60 answers unsaid, puts 20 into a sentence, and is wrong on 4."""
    folder = tmp_path_factory.mktemp("form")
    golds = [f"Town{i}" for i in range(400)]
    rows = [{"id": str(i), "q": f"Capital of land {i}?", "a": gold} for i, gold in enumerate(golds)]
    (folder / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "lands.yaml").write_text(
        "name: lands\ntasks:\n  - {data: items.jsonl, prompt: '{{ q }}', answer: '{{ a }}', "
        "extract: [{after: 'Answer:'}, {regex: '^(\\w+)$'}], score: exact}\n"
    )
    said = {
        "base": lambda i: golds[i],
        "tuned": lambda i: (
            "Let me think." if i < 60 else f"It is {golds[i]}, of course." if i < 80 else "Nowhere" if i < 84 else golds[i]
        ),
    }  # fmt: skip
    for name, answer in said.items():
        lines = [json.dumps({"id": str(i), "output": answer(i)}) + "\n" for i in range(400)]
        (folder / f"{name}.jsonl").write_text("".join(lines))
        (folder / f"{name}.yaml").write_text(f"name: {name}\nbackend: replay\noutputs: {name}.jsonl\n")
    done = evalkit("compare", "base.yaml", "tuned.yaml", "--suite", "lands.yaml", "--out", "out", cwd=folder)
    assert done.returncode == 1, done.stderr
    return folder, done


def suite_of(text):
    return json.loads(text)["suites"][0]


def test_the_summary_holds_the_difference_without_format_losses(run):
    suite = suite_of((run[0] / "out" / "summary.json").read_text())
    assert suite["causes"] == {"unparsed": 60, "unextracted": 20, "wrong": 4}
    assert suite["delta"] == pytest.approx(-84 / 400)
    expected = tango_interval(4, 0, 320)
    assert suite["without_format_losses"] == {
        "delta": pytest.approx(-4 / 320),
        "low": pytest.approx(expected.low),
        "high": pytest.approx(expected.high),
        "n": 320,
        "set_aside": {"base": 0, "tuned": 80},
    }


def test_a_verdict_that_rests_on_form_is_a_caution_wherever_the_verdict_stands(run):
    folder, done = run
    words = re.compile(
        r"lands fails at -21\.0 \[[^]]+\] pp, but passes at -1\.2 \[[^]]+\] pp with the 80 items set aside of which "
        r"an answer was lost to its form"
    )
    assert words.search(re.sub(r"\s+", " ", done.stdout))
    cautions = json.loads((folder / "out" / "summary.json").read_text())["cautions"]
    assert any(words.fullmatch(one) for one in cautions)
    assert any(one.startswith("the pooled tax fails at +21.0") for one in cautions)
    assert words.search((folder / "out" / "report.html").read_text())
    assert "lands fails at" in (folder / "out" / "summary.md").read_text()


def test_the_page_says_it_in_a_line_that_can_be_read_aloud_and_opens_the_samples(run):
    page = (run[0] / "out" / "report.html").read_text()
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page))
    assert re.search(
        r"lands: -1\.2 pp \[[^]]+\] with 80 items set aside whose answer was out of form \(tuned's on 80\); "
        r"-21\.0 pp \[[^]]+\] as measured\.",
        html.unescape(text),
    )
    assert 'href="#samples?suite=lands&amp;form=either"' in page
    assert "Setting items aside depends on the answers" in text


def test_a_stored_run_shows_it_too(run):
    folder, _ = run
    again = evalkit("gate", "out", "--json", cwd=folder)
    assert again.returncode == 1
    written = (folder / "out" / "summary.json").read_text()
    assert suite_of(again.stdout)["without_format_losses"] == suite_of(written)["without_format_losses"]
