"""Parts of a suite: which they are, what is tested, what is flagged; and what the run as a whole lost."""

import json
import time

import numpy as np
import pandas as pd
import pytest

from evalkit.comparing.comparison import compare_records
from evalkit.comparing.pairing import pair
from evalkit.comparing.slicing import suite_slices, with_flags
from evalkit.config import SuiteSpec
from evalkit.statistics import holm, mcnemar_exact, worst_of
from evalkit.stored.records import Records, read_table, samples_frame, verdicts_frame, write_table
from evalkit.tasks import load_suite
from evalkit.types import Completion, Example, InputError, Score
from evalkit.yamlfile import validate
from tests.comparing.scored import compared, manifest, record


def sliced(rows, *suites):
    """rows: (task, id, base, tuned, slices)."""
    held = Records()
    for task, id_, base, tuned, slices in rows:
        for arm, value in (("base", base), ("tuned", tuned)):
            example = Example(id_, (), "x", slices=slices)
            held.add("s", task, arm, 0, example, Completion(f"{arm} {value}"), Score("accuracy", float(value)))
    table = held.table()
    return compare_records(samples_frame(table), verdicts_frame(table), manifest(*suites)), table


def algebra_lost():
    """Of 40 algebra items 12 regress; of 40 others 3 regress and 3 are fixed; 5 geometry items are too few to show."""
    rows = [("t", f"a{i}", 1, int(i >= 12), {"topic": "algebra", "level": "1"}) for i in range(40)]
    rows += [("t", f"b{i}", int(i >= 3), int(not 3 <= i < 6), {"topic": "logic"}) for i in range(40)]
    return rows + [("t", f"c{i}", 1, 1, {"topic": "geometry"}) for i in range(5)]


def test_slices_are_hand_worked_and_the_one_that_changed_is_flagged():
    comparison, _ = sliced(algebra_lost(), record())
    (suite,) = comparison.suites
    found = {(one.name, one.value): one for one in suite.slices}
    assert set(found) == {("level", "1"), ("topic", "algebra"), ("topic", "logic")} and suite.slices_left_out == 1
    algebra, logic = found["topic", "algebra"], found["topic", "logic"]
    assert (algebra.n, algebra.base, algebra.tuned, algebra.regressed, algebra.fixed) == (40, 1.0, 0.7, 12, 0)
    assert algebra.p == mcnemar_exact(12, 0) and algebra.delta.method == "Tango score"
    assert (logic.delta.value, logic.regressed, logic.fixed, logic.p) == (0.0, 3, 3, 1.0)
    assert (algebra.flagged, logic.flagged) == (True, False)


def test_tasks_are_slices_where_there_are_several():
    rows = [("ab"[i % 2], str(i), 1, int(i % 2 or i % 3 > 0), {}) for i in range(120)]
    comparison, _ = sliced(rows, record(tasks=("a", "b")))
    assert [(one.name, one.value, one.flagged) for one in comparison.suites[0].slices] == [
        ("task", "a", True),
        ("task", "b", False),
    ]
    assert sliced(rows[::2], record(tasks=("a",)))[0].suites[0].slices == ()


def test_graded_and_clustered_slices_are_tested_by_t():
    rng = np.random.default_rng(0)
    rows = [("s", "a", str(i), x := rng.random(), min(1.0, x + 0.2 * rng.random())) for i in range(60)]
    rows += [("s", "b", str(i), x := rng.random(), x) for i in range(60)]
    (suite,) = compared(rows, record(tasks=("a", "b"), binary=False)).suites
    a, b = suite.slices
    assert a.delta.method == "t, paired" and a.p < 1e-6 and a.flagged
    assert b.p == 1.0 and not b.flagged
    grouped = [("s", "ab"[i % 2], str(i), 1, int(i % 4 != 0), f"g{i // 12}") for i in range(24)]
    few = compared(grouped, record(tasks=("a", "b"), clustered=True)).suites[0].slices
    assert few[0].p is None and not few[0].flagged  # two clusters test nothing


def test_flags_are_drawn_over_all_suites_of_the_run():
    """Alone p = .016 is flagged; among nine slices in which nothing changed it is not."""
    lost = [("t", f"a{i}", 1, int(i >= 7), {"topic": "x"}) for i in range(40)]
    assert sliced(lost, record())[0].suites[0].slices[0].flagged
    calm = [("t", f"{k}-{i}", 1, 1, {"topic": f"calm {k}"}) for k in range(9) for i in range(20)]
    suite = sliced([*lost, *calm], record())[0].suites[0]
    assert len(suite.slices) == 10 and not any(one.flagged for one in suite.slices)


def test_slices_survive_the_table_and_older_tables_have_none(tmp_path):
    comparison, table = sliced(algebra_lost(), record())
    write_table(table, tmp_path / "samples.parquet")
    again = read_table(tmp_path / "samples.parquet")
    assert compare_records(samples_frame(again), verdicts_frame(again), manifest(record())) == comparison
    write_table(table.drop_columns(["slices"]), tmp_path / "old.parquet")
    old = read_table(tmp_path / "old.parquet")
    bare = compare_records(samples_frame(old), verdicts_frame(old), manifest(record()))
    assert bare.suites[0].slices == () and bare.tax == comparison.tax


def test_fifty_seven_subjects_of_fourteen_thousand_items_take_no_time():
    n, rng = 14_042, np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "suite": "s", "task": np.tile([f"t{i % 57}" for i in range(n)], 2), "id": np.tile(np.arange(n).astype(str), 2),
            "arm": np.repeat(["base", "tuned"], n), "group": None, "value": rng.integers(0, 2, 2 * n).astype(float),
            "cause": None, "overlap": np.nan, "slices": np.tile([f'{{"topic": "{i % 300}"}}' for i in range(n)], 2),
        }
    )  # fmt: skip
    asked = record(tasks=tuple(f"t{i}" for i in range(57)))
    paired = pair(frame, [asked])
    suite = compared_suite(asked, paired)
    began = time.perf_counter()
    (suite,) = with_flags([suite])
    assert len(suite.slices) == 57 + 300
    assert time.perf_counter() - began < 5  # a loop over items for each slice would take minutes


def compared_suite(asked, paired):
    from evalkit.comparing.suites import suite_result

    return suite_result(asked, {task.name: paired["s", task.name] for task in asked.tasks}, 0.95, False)


def test_a_suite_file_names_slices_by_templates(tmp_path):
    rows = [{"q": "1+1?", "a": "2", "topic": "sums"}, {"q": "2*2?", "a": "4", "topic": " "}]
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def suite(**task):
        fields = {"data": "d.jsonl", "prompt": "{{ q }}", "answer": "{{ a }}", "score": "number", **task}
        spec = validate(SuiteSpec, {"name": "s", "tasks": [fields]})
        return load_suite(spec.model_copy(update={"folder": str(tmp_path), "file": "s.yaml"}))

    plain, told = suite(), suite(slices={"topic": "{{ topic }}", "length": "{{ q | length }}"})
    assert [dict(one.slices) for one in told.tasks[0].examples] == [{"topic": "sums", "length": "4"}, {"length": "4"}]
    assert plain.hash == told.hash  # neither a question nor a mark has changed
    with pytest.raises(InputError, match=r"d\.jsonl:1: s\.yaml: tasks\[0\]\.slices\.kind: 'kind' is undefined"):
        suite(slices={"kind": "{{ kind }}"})
    with pytest.raises(InputError, match="a suite's tasks are slices by themselves"):
        suite(slices={"task": "{{ q }}"})


# --- the run as a whole ---------------------------------------------------------------------------------------------


def three_suites():
    rows = [("a", "t", str(i), 1, int(i >= 40)) for i in range(300)]
    rows += [("b", "t", str(i), int(i >= 12), int(not 12 <= i < 24)) for i in range(300)]
    rows += [("c", "t", str(i), 1, int(i >= 5)) for i in range(300)]
    return compared(rows, record("a"), record("b"), record("c"))


def test_the_worst_suite_has_limits_over_all_retain_suites():
    comparison = three_suites()
    assert comparison.worst_tax == worst_of([one.delta for one in comparison.suites], ["a", "b", "c"])
    assert comparison.worst_tax.name == "a" and comparison.worst_tax.loss.value == pytest.approx(40 / 300)
    assert comparison.worst_tax.loss.high > -comparison.suites[0].delta.low


def test_losses_found_are_those_that_survive_holm():
    adjusted = holm([mcnemar_exact(40, 0), mcnemar_exact(12, 12), mcnemar_exact(5, 0)])
    assert mcnemar_exact(5, 0) > 0.05 > adjusted[0]
    assert three_suites().losses_found == {"a": pytest.approx(adjusted[0])}


def test_targets_and_guards_have_no_retention_and_no_part_in_the_worst_tax():
    rows = [("g", "t", str(i), 0, int(i < 30)) for i in range(100)] + [("x", "t", str(i), 1, 0) for i in range(100)]
    comparison = compared(rows, record("g", role="guard"), record("x", role="target"))
    assert comparison.worst_tax is None and comparison.losses_found == {}
    assert [one.retention for one in comparison.suites] == [None, None]


def test_retention_is_told_above_chance():
    rows = [("s", "t", str(i), int(i < 75), int(i < 65)) for i in range(100)]
    (suite,) = compared(rows, record(chance=0.25)).suites
    assert suite.retention.value == pytest.approx(0.4 / 0.5) and suite.retention.low < 0.8 < suite.retention.high
    (low,) = compared([("s", "t", str(i), int(i < 28), int(i < 26)) for i in range(100)], record(chance=0.25)).suites
    assert low.retention.value != low.retention.value and low.retention.cautions[0].startswith("hidden")


def test_suite_slices_of_one_task_without_fields_are_none():
    rows = [("s", "t", str(i), 1, 1) for i in range(20)]
    (suite,) = compared(rows, record()).suites
    assert (suite.slices, suite.slices_left_out) == ((), 0)
    assert suite_slices((), (), joined_of_nothing(), 0.95) == ((), 0)


def joined_of_nothing():
    from evalkit.comparing.pairing import PairedScores

    empty = np.array([])
    return PairedScores(empty, empty, None, empty, np.zeros((0, 2)), empty, True)
