import numpy as np
import pandas as pd
import pytest

from evalkit.comparing.comparison import compare_records
from evalkit.config import PolicySpec
from evalkit.deciding.gate import decide
from evalkit.statistics import rests_on_too_few
from evalkit.stored.records import Records, samples_frame, verdicts_frame
from evalkit.types import (
    Completion,
    Example,
    InputError,
    Score,
    SuiteRecord,
    TaskRecord,
)
from tests.comparing.scored import compared, manifest, record, records


def test_a_difference_is_tuned_minus_base_and_counts_its_flips():
    rows = [
        ("s", "t", "1", 1, 0),
        ("s", "t", "2", 0, 1),
        ("s", "t", "3", 1, 0),
        ("s", "t", "4", 1, 1),
        ("s", "t", "5", 0, 0),
    ]
    (suite,) = compared(rows, record()).suites
    assert (suite.n, suite.base, suite.tuned, suite.delta.value) == (5, 0.6, 0.4, pytest.approx(-0.2))
    assert (suite.regressed, suite.fixed, suite.kept, suite.both_wrong) == (2, 1, 1, 1)
    assert suite.causes == {"wrong": 2}
    assert suite.delta.method == "Tango score"


def test_the_order_of_landing_does_not_matter():
    rows = [("s", "t", str(i), i % 3 == 0, i % 2) for i in range(40)]
    assert compared(rows, record()) == compared(rows[::-1], record())


def test_repeats_are_averaged_by_item_and_use_t():
    rows = [("s", "t", str(i), (1, 0), (1, 1)) for i in range(30)]
    (suite,) = compared(rows, record(samples=2)).suites
    assert (suite.n, suite.base, suite.delta.value) == (30, 0.5, 0.5)
    assert suite.delta.method.startswith("t")


def test_an_item_with_one_sample_missing_is_missing():
    rows = [("s", "t", str(i), (1, 0), (1, 1)) for i in range(30)]
    rows[0] = ("s", "t", "0", (1, np.nan), (1, 1))
    (suite,) = compared(rows, record(samples=2)).suites
    assert (suite.n, suite.missing) == (29, 1)


def test_a_missing_answer_widens_the_interval_toward_its_worst():
    whole = [("s", "t", str(i), 1, 1) for i in range(99)]
    full = compared([*whole, ("s", "t", "99", 1, 1)], record()).suites[0]
    lacking = compared([*whole, ("s", "t", "99", 1, np.nan)], record()).suites[0]
    assert (lacking.n, lacking.missing) == (99, 1)
    assert lacking.delta.low < full.delta.low and lacking.delta.high <= full.delta.high + 1e-3


def test_an_item_present_on_one_side_only_is_missing():
    table = records([("s", "t", "1", 1, 1), ("s", "t", "2", 1, 1)])
    frame = samples_frame(table)
    frame = frame[~((frame["id"] == "2") & (frame["arm"] == "tuned"))]
    (suite,) = compare_records(frame, verdicts_frame(table), manifest(record())).suites
    assert (suite.n, suite.missing) == (1, 1)


def test_clusters_are_shared_between_the_tasks_of_a_suite():
    rows = [("s", task, f"{task}{i}", i % 2, (i + 1) % 2, f"p{i}") for task in ("a", "b") for i in range(24)]
    (suite,) = compared(rows, record(tasks=("a", "b"), clustered=True)).suites
    assert "24 clusters" in suite.delta.method


def test_a_suite_pools_items_and_macro_averages_tasks():
    rows = [("s", "a", str(i), 1, 0) for i in range(30)] + [("s", "b", str(i), 1, 1) for i in range(90)]
    (pooled,) = compared(rows, record(tasks=("a", "b"))).suites
    (macro,) = compared(rows, record(tasks=("a", "b"), aggregate="macro")).suites
    assert pooled.delta.value == pytest.approx(-0.25)
    assert macro.delta.value == pytest.approx(-0.5)
    assert [task.delta.value for task in macro.tasks] == [-1.0, 0.0]


def test_tasks_of_a_macro_average_that_share_their_problems_err_together():
    """Five languages of the same 60 problems, lost or won in all five: 60 things were seen, not 300."""
    tasks = ("de", "en", "fr", "ja", "th")
    rows = [("s", task, f"{i}", i % 6 > 0, (i + 2) % 6 > 0, f"p{i}") for task in tasks for i in range(60)]
    (macro,) = compared(rows, record(tasks=tasks, aggregate="macro", clustered=True)).suites
    (pooled,) = compared(rows, record(tasks=tasks, clustered=True)).suites
    assert macro.delta.se == pytest.approx(pooled.delta.se)
    assert macro.delta.method == "mean of tasks, CR2, Bell-McCaffrey (60 clusters)"
    assert macro.retention is not None and pooled.retention is not None
    assert macro.retention.low == pytest.approx(pooled.retention.low)
    alone = [(*row[:5], f"{row[1]} {row[5]}") for row in rows]
    (apart,) = compared(alone, record(tasks=tasks, aggregate="macro", clustered=True)).suites
    assert apart.delta.se == pytest.approx(macro.delta.se / np.sqrt(5), rel=0.02)


def test_a_task_of_a_macro_average_that_nobody_answered_leaves_no_interval():
    rows = [("s", task, f"{i}", 1, np.nan if task == "b" else i % 5 > 0, f"p{i}") for task in "ab" for i in range(60)]
    (suite,) = compared(rows, record(tasks=("a", "b"), aggregate="macro", clustered=True)).suites
    assert suite.delta.low is None and "in b" in " ".join(suite.delta.cautions)


def test_without_a_flip_a_share_of_base_is_not_shown_to_be_kept_by_a_hundred_items():
    """Every item that both got right has tuned - 0.98 base = 0.02: that is no difference seen between the models."""
    rows = [("s", "t", str(i), i < 80, i < 80) for i in range(100)]
    got = compared(rows, record(), relative=0.02, pools={"all": ["s"]})
    for found in (got.suites[0].relative, got.pools[0].relative):
        assert found is not None and found.low < 0 < found.value
        assert found.differing == 0
    repeated = [(*row[:3], (row[3], row[3]), (row[4], row[4])) for row in rows]
    (suite,) = compared(repeated, record(samples=2), relative=0.02).suites
    assert suite.relative is not None and rests_on_too_few(suite.relative)


def test_tax_is_the_weighted_loss_over_retain_suites_and_gain_that_over_targets():
    rows = [("a", "t", str(i), 1, i >= 30) for i in range(100)]
    rows += [("b", "t", str(i), 1, i >= 60) for i in range(100)]
    rows += [("c", "t", str(i), 0, i < 40) for i in range(100)]
    got = compared(rows, record("a", weight=3), record("b"), record("c", role="target"))
    assert got.tax is not None and got.tax.value == pytest.approx(0.75 * 0.3 + 0.25 * 0.6)
    assert got.gain is not None and got.gain.value == pytest.approx(0.4)
    assert compared(rows, record("c", role="target")).tax is None


def test_a_guard_carries_tuneds_own_rate_with_missing_at_their_worst():
    rows = [("s", "t", str(i), 0, i < 5) for i in range(99)] + [("s", "t", "99", 0, np.nan)]
    (suite,) = compared(rows, record(role="guard")).suites
    assert suite.rate is not None and suite.rate.value == pytest.approx(5 / 99)
    plain = compared(rows[:-1], record(role="guard")).suites[0].rate
    assert plain is not None and suite.rate.high > plain.high and suite.rate.low < plain.low


@pytest.mark.parametrize("how", ["clustered", "repeated"])
def test_a_guard_of_which_nothing_was_seen_can_pass_in_clusters_and_in_repeats_too(how):
    value = (0, 0) if how == "repeated" else 0
    rows = [("s", "t", str(i), value, value, f"p{i // 2}") for i in range(500)]
    fields = {"clustered": True} if how == "clustered" else {"samples": 2}
    got = compared(rows, record(role="guard", **fields))
    rate = got.suites[0].rate
    assert rate is not None and rate.high == pytest.approx(1 - 0.025 ** (1 / (250 if how == "clustered" else 500)))
    assert {gate.kind: gate.verdict for gate in decide(got, PolicySpec()).gates} == {
        "guard_rate": "pass",
        "guard_increase": "pass",
    }


def test_a_suite_that_is_the_only_one_of_its_role_has_one_interval():
    rows = [("s", "t", str(i), 1, i >= 25) for i in range(200)]
    got = compared(rows, record())
    delta = got.suites[0].delta
    assert got.tax is not None and (got.tax.low, got.tax.high) == (-delta.high, -delta.low)


def test_a_pool_joins_the_items_of_its_suites():
    rows = [(s, "t", str(i), 1, i % 10 > 0) for s in ("a", "b") for i in range(50)]
    got = compared(rows, record("a"), record("b"), pools={"code": ["a", "b"]})
    assert (got.pools[0].name, got.pools[0].n) == ("code", 100)
    with pytest.raises(InputError, match=r"pools\.code: no suite 'z' in this run; it has: a, b"):
        compared(rows, record("a"), record("b"), pools={"code": ["a", "z"]})


def test_tasks_for_a_judge_alone_are_not_scored():
    kept = Records()
    for arm in ("base", "tuned"):
        kept.add("s", "t", arm, 0, Example("1", ()), Completion("x"), Score("judge only", None))
    table = kept.table()
    suite = SuiteRecord("s", "retain", "h", (TaskRecord("t", "generate", "judge only", 1, 1),))
    got = compare_records(samples_frame(table), verdicts_frame(table), manifest(suite))
    assert got.suites == () and got.tax is None


def test_a_hundred_thousand_items_are_paired_without_a_python_loop_over_them():
    n = 100_000
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "suite": "s", "task": "t", "id": np.tile(np.arange(n).astype(str), 2),
            "arm": np.repeat(["base", "tuned"], n), "sample": 0, "group": None, "metric": "accuracy",
            "value": rng.integers(0, 2, 2 * n).astype(float), "cause": None, "failure": None, "text": "It is 4.", "reasoning": None, "gold": "4",
            "finish_reason": "stop", "completion_tokens": rng.integers(1, 90, 2 * n), "logprobs": None,
            "overlap": np.nan,
        }
    )  # fmt: skip
    empty = verdicts_frame(Records().table())
    (suite,) = compare_records(frame, empty, manifest(record())).suites
    assert suite.n == n and suite.regressed + suite.fixed + suite.kept + suite.both_wrong == n
