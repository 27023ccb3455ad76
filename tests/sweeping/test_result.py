"""Finished runs side by side: the front, regions that hold at once, and what sets a candidate apart from the best."""

import dataclasses
import math

import numpy as np
import pytest

from evalkit.comparing.comparison import compare_records
from evalkit.config import PolicySpec
from evalkit.deciding.gate import decide
from evalkit.stored.records import samples_frame, verdicts_frame
from evalkit.sweeping.contributions import aligned, contributions
from evalkit.sweeping.result import Finished, sweep_of
from evalkit.types import Candidate
from tests.comparing.scored import manifest, record, records

TARGET, RETAIN = record("t", role="target"), record("r", weight=1.0)


def finished(name, rows, *suites, policy=None, step=None):
    table = records(rows)
    made = dataclasses.replace(manifest(*(suites or (TARGET, RETAIN))), policy={})
    tuned = dataclasses.replace(made.tuned, name=name, fingerprint=name)
    made = dataclasses.replace(made, tuned=tuned)
    compared = compare_records(samples_frame(table), verdicts_frame(table), made, describe=False)
    decision = decide(compared, policy or PolicySpec())
    return Finished(name, f"{name}.yaml", name, step, made, compared, decision, samples_frame(table))


def rows(gained, lost, n=300):
    """Base is right on the first half of target and on all of retain; so many more are right, so many are lost."""
    target = [("t", "t", str(i), i < n // 2, i < n // 2 + gained) for i in range(n)]
    return target + [("r", "t", str(i), 1, i >= lost) for i in range(n)]


def swept(*runs, failed=()):
    return sweep_of("base", runs, failed, rng=np.random.default_rng(0))


def test_the_front_worked_by_hand():
    """A gains 60 and loses 9 of 300; B gains 30 and loses 3; C gains 30 and loses 6: B beats it."""
    got = swept(finished("a", rows(60, 9)), finished("b", rows(30, 3)), finished("c", rows(30, 6)))
    assert {one.name for one in got.front} == {"a", "b"}
    assert (got.candidate("a").gain.value, got.candidate("a").tax.value) == (pytest.approx(0.2), pytest.approx(0.03))


def test_regions_are_wider_than_own_intervals_and_hold_the_same_values():
    got = swept(*(finished(name, rows(gain, loss)) for name, gain, loss in (("a", 60, 9), ("b", 30, 3), ("c", 5, 0))))
    assert 0.95 < got.each_level <= 0.95 ** (1 / 6)
    for one in got.candidates:
        for axis in ("gain", "tax"):
            own, region = getattr(one.comparison, axis), getattr(one, axis)
            assert region.value == own.value and region.level == got.each_level
            assert region.low < own.low and region.high > own.high


def test_a_lone_candidate_has_a_region_for_its_two_axes_and_nobody_to_be_held_against():
    got = swept(finished("a", rows(60, 9)))
    assert got.each_level == pytest.approx(0.95**0.5, abs=1e-3)
    assert got.best == "a" and got.candidate("a").against_best is None


def test_who_is_told_apart_from_the_best_and_in_what():
    got = swept(finished("a", rows(60, 0)), finished("near", rows(58, 0)), finished("far", rows(20, 0)))
    assert got.best == "a"
    assert not got.candidate("near").against_best.apart
    far = got.candidate("far").against_best
    assert far.apart and far.gain.value == pytest.approx(-40 / 300) and far.gain.high < 0
    assert far.tax.low <= 0 <= far.tax.high


def test_candidates_are_held_against_each_other_item_by_item():
    """Both gain 30, on different items: 60 differ between them, which two separate intervals could not know."""
    n = 300
    other = [("t", "t", str(i), i < 150, i < 150 or i >= n - 30) for i in range(n)]
    got = swept(finished("a", rows(30, 0)), finished("b", other + rows(0, 0)[n:]))
    held = (got.candidate("b") if got.best == "a" else got.candidate("a")).against_best
    assert held.gain.value == 0 and held.gain.differing in (60, None)
    assert held.gain.high > 0.03


def test_go_comes_before_a_larger_gain_and_a_point_within_the_limits_before_one_beyond():
    got = swept(finished("greedy", rows(90, 60)), finished("safe", rows(40, 0)))
    assert [one.decision.outcome for one in got.candidates] == ["go", "no_go"]
    assert got.best == "safe" and {one.name for one in got.front} == {"greedy", "safe"}
    open_ones = swept(finished("beyond", rows(60, 8)), finished("within", rows(50, 4)))
    assert {one.decision.outcome for one in open_ones.candidates} == {"inconclusive"}
    assert open_ones.best == "within"


def test_what_is_incomplete_is_shown_but_put_in_no_order():
    broken = [(s, t, i, b, math.nan if s == "r" and int(i) < 40 else v) for s, t, i, b, v in rows(90, 0)]
    gone = Candidate("gone", "gone.yaml", None, failure="out of memory")
    got = swept(finished("a", rows(60, 9)), finished("broken", broken), failed=[gone])
    assert [one.name for one in got.candidates] == ["a", "broken", "gone"]
    assert got.best == "a" and not got.complete
    assert got.candidate("broken").gain is None and got.candidate("broken").comparison.gain is not None


def test_with_no_run_complete_there_is_no_best():
    got = swept(failed=[Candidate("gone", "gone.yaml", None, failure="x")])
    assert (got.best, got.front, got.each_level) == (None, (), None)


def test_retain_suites_alone_make_a_front_of_the_smallest_tax():
    runs = [
        finished(name, [("r", "t", str(i), 1, i >= lost) for i in range(300)], RETAIN)
        for name, lost in (("a", 9), ("b", 3))
    ]
    got = swept(*runs)
    assert [one.name for one in got.front] == ["b"] and got.candidate("a").gain is None


def test_a_candidate_without_steps_is_named_only_where_others_have_them():
    some = swept(finished("a", rows(30, 3), step=100), finished("b", rows(31, 3)))
    assert any("no step is known of b" in one for one in some.cautions)
    assert not swept(finished("a", rows(30, 3)), finished("b", rows(31, 3))).cautions


def test_fresh_items_are_those_that_the_suite_has_and_nobody_was_asked():
    tasks = tuple(dataclasses.replace(task, items=6, available=9) for task in RETAIN.tasks)
    got = swept(finished("a", rows(30, 3), TARGET, dataclasses.replace(RETAIN, tasks=tasks)))
    assert got.fresh == {"t": 0, "r": 3}


# --- contributions ----------------------------------------------------------------------------------------------------


def graded(seed, suites, groups=None, n=60):
    rng = np.random.default_rng(seed)
    return [
        (suite, task, str(i), tuple(np.round(rng.random(2), 3)), tuple(np.round(rng.random(2), 3)), *([groups(i)] if groups else []))
        for suite, task in suites
        for i in range(n)
    ]  # fmt: skip


def square_sum(run, axis="tax"):
    return float((contributions(run.samples, run.manifest, run.comparison, axis) ** 2).sum())


def test_their_squares_sum_to_the_pooled_variance():
    heavy = record("r", weight=3.0, samples=2, binary=False)
    light = record("q", samples=2, binary=False)
    run = finished("a", graded(0, [("r", "t"), ("q", "t")]), heavy, light)
    assert square_sum(run) * 60 / 59 == pytest.approx(run.comparison.tax.se**2, rel=1e-9)


def test_so_they_do_with_clusters():
    clustered = record("r", samples=2, binary=False, clustered=True)
    run = finished("a", graded(1, [("r", "t")], groups=lambda i: f"p{i // 2}"), clustered)
    assert square_sum(run) * 30 / 29 == pytest.approx(run.comparison.tax.se**2, rel=1e-9)
    assert len(contributions(run.samples, run.manifest, run.comparison, "tax")) == 30


def test_so_they_do_for_means_of_tasks():
    macro = record("r", ("one", "two"), samples=2, binary=False, aggregate="macro")
    run = finished("a", graded(2, [("r", "one"), ("r", "two")]), macro)
    assert square_sum(run) * 60 / 59 == pytest.approx(run.comparison.tax.se**2, rel=1e-9)


def test_a_shared_base_correlates_candidates_as_much_as_their_item_differences():
    first, second = (
        finished(name, graded(seed, [("r", "t")]), record("r", samples=2, binary=False))
        for name, seed in (("a", 3), ("b", 3))
    )
    columns = aligned([contributions(one.samples, one.manifest, one.comparison, "tax") for one in (first, second)])
    assert np.corrcoef(columns.T)[0, 1] == pytest.approx(1)


def test_a_missing_item_has_no_part_and_others_keep_theirs():
    whole, lacking = rows(30, 3), rows(30, 3)
    lacking[300] = ("r", "t", "0", 1, math.nan)
    runs = [finished(name, made) for name, made in (("a", whole), ("b", lacking))]
    matrix = aligned([contributions(one.samples, one.manifest, one.comparison, "tax") for one in runs])
    assert matrix.shape == (300, 2) and (matrix[:, 1] == 0).sum() == 1


def test_five_equal_candidates_lie_in_their_regions_at_once():
    """Through the whole of it, binary scores: 95 % nominal, where intervals of each alone cover all five less often."""
    rng = np.random.default_rng(11)
    at_once = alone = 0
    rounds, n = 20, 150
    for _ in range(rounds):
        base = rng.random(n) < 0.7
        runs = []
        for name in "abcde":
            tuned = np.where(rng.random(n) < 0.5, base, rng.random(n) < 0.7)
            made = [("r", "t", str(i), b, t) for i, (b, t) in enumerate(zip(base, tuned, strict=True))]
            runs.append(finished(name, made, RETAIN))
        got = sweep_of("base", runs, rng=rng)
        # base's own luck is part of the error: its true rate is the tuned models'.
        at_once += all(one.tax.low <= 0 <= one.tax.high for one in got.candidates)
        alone += all(one.comparison.tax.low <= 0 <= one.comparison.tax.high for one in got.candidates)
    assert at_once >= 17 and alone <= at_once
