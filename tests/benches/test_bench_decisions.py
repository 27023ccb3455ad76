"""What `bench/decisions.py` prints, on fewer runs: intervals hold what they claim, and losses are not shipped."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench import coverage, limits, rules
from bench.rules import Setting
from bench.simulated import SimulatedSuite, draw_counts, five_suites, outcomes, simulated_comparison
from evalkit.comparing.comparison import compare_records
from evalkit.config import PolicySpec
from evalkit.deciding.gate import decide
from evalkit.stored.records import Records, verdicts_frame
from evalkit.types import Manifest, ModelRecord, SuiteRecord, TaskRecord

RUNS = 1500
SCRIPT = Path(__file__).parents[2] / "bench" / "decisions.py"


def error(share: float, runs: int = RUNS) -> float:
    """Four standard errors of a simulated share."""
    return 4 * math.sqrt(share * (1 - share) / runs)


def frame_of(name: str, counts: np.ndarray) -> pd.DataFrame:
    """An item a row and arm, as stored records give them: only base right, only tuned, both, neither."""
    n = int(counts.sum())
    values = [np.repeat(scores, counts) for scores in ((1.0, 0.0, 1.0, 0.0), (0.0, 1.0, 1.0, 0.0))]
    frame = pd.DataFrame(
        {
            "suite": name,
            "task": "all",
            "id": np.tile(np.arange(n).astype(str), 2),
            "arm": np.repeat(["base", "tuned"], n),
            "value": np.concatenate(values),
            "overlap": np.nan,
        }
    )
    frame["group"] = frame["cause"] = frame["failure"] = None
    return frame


def test_a_simulated_comparison_is_the_one_that_records_of_the_same_items_give():
    suites = [SimulatedSuite("one", 300, 0.1, -0.02, 0.05), SimulatedSuite("two", 120, 0.2, 0.0, 0.1, weight=2.0)]
    counts = draw_counts(suites, 1, np.random.default_rng(3))[0]
    records = tuple(
        SuiteRecord(
            suite.name,
            "retain",
            "",
            (TaskRecord("all", "generate", "accuracy", suite.n, suite.n, binary=True),),
            margin=suite.margin,
            weight=suite.weight,
        )
        for suite in suites
    )
    model = ModelRecord("simulated", "simulated", "", "")
    manifest = Manifest(1, "", "", "", model, model, records, (), {}, {}, {})
    samples = pd.concat([frame_of(s.name, row) for s, row in zip(suites, counts, strict=True)], ignore_index=True)
    reference = compare_records(samples, verdicts_frame(Records().table()), manifest, describe=False)
    comparison = simulated_comparison(suites, counts)
    assert comparison.tax == reference.tax
    for mine, stored in zip(comparison.suites, reference.suites, strict=True):
        for field in ("name", "n", "base", "tuned", "delta", "regressed", "fixed", "margin", "weight", "role"):
            assert getattr(mine, field) == getattr(stored, field), field
    assert (comparison.n, comparison.missing) == (reference.n, reference.missing)
    policy = PolicySpec()
    assert decide(comparison, policy).outcome == decide(reference, policy).outcome


def test_outcomes_are_those_of_each_run_by_itself():
    suites = five_suites(40, 0.3, margin=0.3)
    counts = draw_counts(suites, 60, np.random.default_rng(1))
    policy = PolicySpec(tax={"max": 0.2})  # pyright: ignore[reportArgumentType]
    alone = [decide(simulated_comparison(suites, row, level=0.9), policy).outcome for row in counts]
    together = outcomes(suites, counts, policy=policy, level=0.9)
    assert list(together) == alone and len(set(alone)) > 1


def test_counts_of_a_prefix_make_a_comparison_of_so_many_items():
    suites = five_suites(100, 0.1)
    parts = [draw_counts([replace(suite, n=20) for suite in suites], 3, np.random.default_rng(i)) for i in range(5)]
    look = np.cumsum(parts, axis=0)[1]
    assert [suite.n for suite in simulated_comparison(suites, look[0]).suites] == [40] * 5


@pytest.mark.parametrize("impossible", [{"discordance": 0.02, "delta": -0.03}, {"discordance": 0.9, "base": 0.99}])
def test_a_suite_that_cannot_be_is_refused(impossible):
    with pytest.raises(ValueError, match="can be like this"):
        _ = SimulatedSuite("none", 10, **impossible).chances


def by_name(part: str) -> coverage.Case:
    (found,) = [case for case in coverage.cases() if case.name.startswith(part)]
    return found


@pytest.mark.parametrize(
    "name",
    [
        "binary, n 50, 3 % lost, 0 % won",
        "binary, n 200, 15 % lost",
        "binary, n 500, 2 % unanswered",
        "graded, n 30",
        "repeats, n 50, K 4",
        "20 clusters of 10",
        "30 clusters of 5, one of 60",
        "5 clusters of 20",
        "8 clusters of 10 to 80",
        "tax, 100 to 5,000",
    ],
)
def test_intervals_hold_the_truth_as_often_as_is_claimed(name):
    case = by_name(name)
    measured = coverage.simulate(case, RUNS, seed=1)["evalkit"]
    assert measured.given >= 0.99 * RUNS
    assert measured.keeps(case.claim), f"{measured.held:.4f} is not {case.claim}"


@pytest.mark.parametrize(("held", "kept"), [(0.930, False), (0.936, True), (0.95, True), (0.964, True), (0.97, False)])
def test_a_claim_is_broken_by_more_than_simulation_error_only(held, kept):
    # at 94 % of 10,000 sets: 2.58 sqrt(.94 * .06 / 10,000) = .0061
    assert coverage.Measured(held, 0, 0, 0, 10_000, 10_000).keeps(coverage.AROUND) is kept
    assert not coverage.Measured(held, 0, 0, 0, 10_000, 10_000).keeps(coverage.REFUSED)


def test_four_clusters_give_no_interval():
    case = by_name("4 clusters")
    measured = coverage.simulate(case, 50, seed=0)["evalkit"]
    assert measured.given == 0 and measured.keeps(case.claim)


def test_peers_intervals_are_too_wide_too_narrow_or_blind_to_clusters():
    few = coverage.simulate(by_name("binary, n 50, 3 % lost, 0 % won"), RUNS, seed=0)
    assert few["paired z"].held < 0.85 and few["bootstrap"].held < 0.85
    many = coverage.simulate(by_name("binary, n 5000, 6 %"), 300, seed=0)
    assert many["unpaired z"].half_width > 2 * many["evalkit"].half_width
    clusters = coverage.simulate(by_name("20 clusters of 10"), 400, seed=0)
    assert clusters["paired z"].held < 0.85 and clusters["bootstrap"].held < 0.85


def test_equal_models_get_go_where_the_items_suffice_and_never_for_ever_inconclusive():
    rates = rules.measure(Setting("equal", 0.03, 0.10, 2000), 300, seed=0)
    assert rates.go > 0.85 and rates.no_go < 0.02


@pytest.mark.parametrize(
    "setting",
    [
        Setting("one at margin", 0.03, 0.05, 5000),
        Setting("one at margin", 0.05, 0.10, 5000),
        Setting("one at margin", 0.05, 0.05, 200),
        Setting("tax at limit", 0.05, 0.05, 5000),
        Setting("all at margin", 0.015, 0.05, 1000),
    ],
)
def test_a_true_loss_at_the_limit_gets_go_at_most_2_5_percent_of_the_time(setting):
    assert rules.measure(setting, RUNS, seed=0).go <= 0.025 + error(0.025)


def test_peers_rules_ship_losses_that_evalkit_does_not():
    small = rules.measure(Setting("all at margin", 0.05, 0.10, 50), 300, seed=0)
    assert small.go == 0 and small.peers["McNemar"] > 0.5 and small.peers["2 SE"] > 0.9
    large = rules.measure(Setting("all at 2x", 0.05, 0.20, 1000), 100, seed=0)
    assert large.no_go == 1


def test_peers_point_rule_turns_on_noise():
    assert rules.measure(Setting("equal", 0.05, 0.10, 200), 300, seed=0).peers["point"] < 0.3


def test_peers_rules_hand_worked():
    # 9 lost, 1 won of 100: McNemar .021; -8 points; 69 against 61 of 100 with errors of 4.6 and 4.9 points
    lost = np.array([[[9, 1, 60, 30]]])
    assert not rules.not_significant(lost)[0]
    assert not rules.small_point_difference(lost)[0]
    assert rules.overlapping(lost)[0]
    even = np.array([[[5, 5, 60, 30], [9, 1, 60, 30]]])
    assert not rules.not_significant(even)[0]
    assert rules.not_significant(even[:, :1])[0] and rules.small_point_difference(even[:, :1])[0]


@pytest.mark.parametrize(("part", "rows"), [(coverage, "cases"), (rules, "settings")])
def test_a_table_has_a_line_a_case_and_is_the_same_again(part, rows, monkeypatch):
    few = getattr(part, rows)()[:3]
    monkeypatch.setattr(part, rows, lambda: few)
    first, second = (list(part.lines(4, 0)) for _ in range(2))
    assert first == second and len(first) == len(few) + 3


def test_the_script_finds_its_parts_from_wherever_it_is_called(tmp_path):
    told = subprocess.run(
        [sys.executable, str(SCRIPT), "--help"], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert "{coverage,rules" in told.stdout


def test_what_is_at_a_limit_is_told_from_what_is_equal():
    assert {one.at_limit for one in rules.settings()} == {True, False}
    assert all(-min(one.deltas) <= one.discordance for one in rules.settings())


@pytest.mark.parametrize(
    "case",
    [
        limits.relative(500, 0.03),
        limits.relative(500, 0.10, lost=0.05, base=0.9),
        limits.clustered(100, 5, regressed=0.10, fixed=0.07, alike=1.0),
        limits.macro(60, 4, regressed=0.10, fixed=0.07, alike=1.0),
        limits.rate(300, 0.05),
        limits.rate(200, 0.05, size=5, alike=1.0),
        limits.increase(500, 0.01, 0.01),
    ],
    ids=lambda case: case.name,
)
def test_gates_of_items_and_of_whole_clusters_hold_their_limits(case):
    found = limits.measure(case, RUNS, seed=0)
    assert found.go <= limits.ALLOWED + error(limits.ALLOWED)
    assert found.go + found.no_go + found.inconclusive == pytest.approx(1)


def test_a_gate_that_passes_too_often_is_named():
    """Few clusters lost whole, while most lose an item here and there: the shortfall that docs/decisions.md tells of."""
    mixed = limits.clustered(100, 10, regressed=0.05, fixed=0.0, alike=0.3)
    assert 0.05 < limits.measure(mixed, RUNS, seed=0).go < 0.25
    assert limits.Rates(0.026, 0.0, 0.974).holds(10_000)
    assert not limits.Rates(0.06, 0.0, 0.94).holds(10_000)
