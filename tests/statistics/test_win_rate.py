from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from evalkit.statistics import clopper_pearson, rests_on_too_few, win_rate


def test_hand_worked():
    # 0, .5, 1, 1: mean .625, sd .478714, se .239357, t(3, .975) = 3.182446, cut at 1
    estimate = win_rate([0, 0.5, 1, 1])
    assert estimate.value == 0.625
    assert estimate.se == pytest.approx(0.239357, abs=1e-6)
    assert (estimate.low, estimate.high) == (0.0, 1.0)
    assert (estimate.method, estimate.n) == ("t, by prompt", 4)


def test_against_scipy_ttest_1samp():
    scores = np.random.default_rng(0).choice([0, 0.5, 1], 150)
    reference = stats.ttest_1samp(scores, 0.5).confidence_interval(0.9)
    estimate = win_rate(scores, level=0.9)
    assert (estimate.low, estimate.high) == pytest.approx((reference.low, reference.high))


@pytest.mark.parametrize("won", [0.0, 1.0])
def test_prompts_all_won_or_all_lost_have_the_clopper_pearson_interval(won):
    estimate = win_rate([won] * 60)
    reference = clopper_pearson(int(60 * won), 60)
    assert (estimate.low, estimate.high) == pytest.approx((reference.low, reference.high))
    assert not rests_on_too_few(estimate)


def test_a_judge_that_flips_every_time_gets_a_width_and_a_caution():
    estimate = win_rate([0.5] * 60)
    share = clopper_pearson(0, 60).high
    assert (estimate.low, estimate.high) == pytest.approx((0.5 - share / 2, 0.5 + share / 2))
    assert rests_on_too_few(estimate)


@pytest.mark.parametrize(("decided", "cautioned"), [(19, True), (20, False)])
def test_fewer_than_20_prompts_that_are_no_tie_are_too_few(decided, cautioned):
    assert rests_on_too_few(win_rate(np.r_[np.ones(decided), np.full(200, 0.5)])) is cautioned


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_prompts_give_no_interval(n):
    estimate = win_rate([1.0] * n)
    assert (estimate.se, estimate.low, estimate.high) == (None, None, None)
    assert math.isnan(estimate.value) if n == 0 else estimate.value == 1
    assert estimate.cautions


def test_unscored_prompts_are_refused():
    with pytest.raises(ValueError, match=r"scores\[1\] is nan"):
        win_rate([1, math.nan])
    with pytest.raises(ValueError, match=r"scores\[0\] is 2"):
        win_rate([2, 1])


@pytest.mark.parametrize("chances", [(0.3, 0.4, 0.3), (0.1, 0.2, 0.7), (0.05, 0.9, 0.05)])
def test_coverage_is_near_nominal(chances):
    rng = np.random.default_rng(5)
    truth = float(np.dot(chances, [0, 0.5, 1]))
    covered = 0
    for draw in rng.choice([0, 0.5, 1], (4000, 200), p=chances):
        estimate = win_rate(draw)
        covered += estimate.low <= truth <= estimate.high
    assert 0.935 <= covered / 4000 <= 0.965


def test_hand_worked_clusters():
    # Twenty questions of two turns each, the turns alike: as twenty prompts, with n counting both.
    per_question = np.r_[np.ones(12), np.zeros(5), np.full(3, 0.5)]
    twice = win_rate(np.repeat(per_question, 2), np.repeat(np.arange(20), 2))
    once = win_rate(per_question)
    assert (twice.value, twice.n, twice.differing) == (once.value, 40, 17)
    assert (twice.se, twice.low, twice.high) == pytest.approx((once.se, once.low, once.high))


def test_clusters_against_statsmodels():
    sm = pytest.importorskip("statsmodels.api")
    rng = np.random.default_rng(3)
    groups = rng.integers(0, 40, 120)
    scores = np.clip(0.5 + rng.normal(0, 0.3, 40)[groups] + rng.normal(0, 0.2, 120), 0, 1)
    fit = sm.OLS(scores, np.ones(120)).fit(cov_type="cluster", cov_kwds={"groups": groups, "df_correction": True})
    assert win_rate(scores, groups).se == pytest.approx(fit.bse[0], rel=0.01)


def test_clusters_of_one_prompt_are_prompts():
    scores = [0, 0.5, 1, 1]
    assert win_rate(scores, ["a", "b", None, None]) == win_rate(scores)


@pytest.mark.parametrize("won", [0.0, 0.5, 1.0])
def test_prompts_that_all_score_the_same_have_a_width_by_the_number_of_clusters(won):
    paired = np.repeat(np.arange(30), 2)
    twice, once = win_rate([won] * 60, paired), win_rate([won] * 30)
    assert (twice.low, twice.high) == pytest.approx((once.low, once.high))
    assert rests_on_too_few(twice) == rests_on_too_few(once) == (won == 0.5)
    assert (twice.n, twice.method) == (60, "Clopper-Pearson (30 clusters), by prompt")


def test_one_pair_of_prompts_in_a_cluster_costs_little_of_thirty_wins():
    # hand-worked: 30^2 / (28 + 2^2) = 28.1 clusters of equal size
    found = win_rate([1.0] * 30, ["a", "a", *[None] * 28])
    assert found.low == pytest.approx(0.025 ** (32 / 900)) and found.high == 1.0


def test_few_clusters_give_no_interval():
    estimate = win_rate([0, 1, 1, 0.5], ["a", "a", "b", "b"])
    assert estimate.low is None and "2 cluster(s)" in estimate.cautions[0]


def test_clustered_coverage_is_near_nominal():
    rng = np.random.default_rng(11)
    groups, covered = np.repeat(np.arange(80), 2), 0
    for _ in range(2000):
        leaning = rng.beta(0.8, 0.8, 80)
        scores = (rng.random(160) < leaning[groups]).astype(float)
        estimate = win_rate(scores, groups)
        covered += estimate.low <= 0.5 <= estimate.high
    assert 0.935 <= covered / 2000 <= 0.965
