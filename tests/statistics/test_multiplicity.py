from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from evalkit.statistics import (
    benjamini_hochberg,
    holm,
    max_t_critical,
    p_of_no_difference,
    paired_difference,
    rests_on_too_few,
    tango_interval,
    widened_difference,
    worst_of,
)


def test_hand_worked_adjustments():
    # Holm: 3 x .01; then max(2 x .02, .03) = .04; then max(.04, .04). BH: 3 x .01 / 1 = .03, 3 x .02 / 2 = .03, .04.
    assert holm([0.04, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    assert benjamini_hochberg([0.04, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.03])


@pytest.mark.parametrize(("ours", "theirs"), [(holm, "holm"), (benjamini_hochberg, "fdr_bh")])
def test_adjustments_against_statsmodels(ours, theirs):
    rng = np.random.default_rng(0)
    for size in (1, 2, 7, 500):
        p = np.r_[rng.random(size - size // 2), rng.random(size // 2) ** 4]
        assert ours(p) == pytest.approx(multipletests(p, method=theirs)[1])
    assert ours([0.2, 0.2, 0.2]) == pytest.approx(multipletests([0.2, 0.2, 0.2], method=theirs)[1])


def test_adjustments_of_nothing_and_of_no_probability():
    assert holm([]).size == benjamini_hochberg([]).size == 0
    for adjust in (holm, benjamini_hochberg):
        with pytest.raises(ValueError, match="leave out what was not tested"):
            adjust([0.1, math.nan])


def test_holm_errs_anywhere_no_more_often_than_it_says_and_bh_flags_few_that_are_false():
    rng = np.random.default_rng(1)
    anywhere, shares = 0, []
    for _ in range(4000):
        null, real = rng.random(15), stats.norm.sf(rng.normal(3, 1, 5))
        p = np.r_[null, real]
        anywhere += (holm(p)[:15] <= 0.05).any()
        flagged = benjamini_hochberg(p) <= 0.05
        shares.append(flagged[:15].sum() / max(1, flagged.sum()))
    assert anywhere / 4000 <= 0.055
    assert np.mean(shares) <= 0.055


def test_a_t_test_of_no_difference_against_scipy():
    rng = np.random.default_rng(2)
    base, tuned = rng.random(40), rng.random(40)
    assert p_of_no_difference(paired_difference(base, tuned)) == pytest.approx(stats.ttest_rel(tuned, base).pvalue)
    assert p_of_no_difference(paired_difference([1.0, 1.0], [1.0, 1.0])) is None
    assert p_of_no_difference(tango_interval(0, 0, 0)) is None


def test_one_estimate_alone_has_its_own_critical_value():
    assert max_t_critical([12]) == pytest.approx(stats.t.ppf(0.975, 12))
    assert max_t_critical([math.inf], sides=1) == pytest.approx(stats.norm.ppf(0.95))


def test_independent_critical_values_are_sidaks():
    assert max_t_critical([math.inf] * 5) == pytest.approx(stats.norm.ppf((1 + 0.95**0.2) / 2))
    assert max_t_critical([30, 8, 99]) == pytest.approx(
        next(c for c in np.arange(2, 4, 1e-5) if np.prod([2 * stats.t.cdf(c, df) - 1 for df in (30, 8, 99)]) >= 0.95),
        abs=2e-5,
    )


@pytest.mark.parametrize(("k", "table"), [(2, 2.21), (3, 2.35), (4, 2.44)])
def test_candidates_that_share_a_base_against_dunnetts_table(k, table):
    """Two-sided 5 %, infinite degrees of freedom, correlation one half."""
    correlation = np.full((k, k), 0.5) + 0.5 * np.eye(k)
    found = max_t_critical([math.inf] * k, correlation=correlation, rng=np.random.default_rng(3))
    assert found == pytest.approx(table, abs=0.012)
    again = stats.multivariate_normal(np.zeros(k), correlation).cdf(np.full(k, found), lower_limit=np.full(k, -found))
    assert again == pytest.approx(0.95, abs=0.002)


def test_a_correlation_needs_its_shape_and_an_rng():
    for options in ({"correlation": np.eye(2)}, {"correlation": np.eye(3), "rng": np.random.default_rng(0)}):
        with pytest.raises(ValueError, match="for 2 estimates"):
            max_t_critical([9, 9], **options)
    for dfs in ([], [0.0]):
        with pytest.raises(ValueError, match="dfs"):
            max_t_critical(dfs)


def graded(rng, n, delta):
    base = rng.uniform(0.3, 0.7, n)
    return paired_difference(base, base + delta + rng.uniform(-0.3, 0.3, n))


def test_the_worst_of_t_intervals_is_hand_worked():
    rng = np.random.default_rng(4)
    small, large = graded(rng, 30, 0.0), graded(rng, 900, -0.05)
    worst = worst_of([small, large], ["small", "large"])
    c = max_t_critical([29, 899])
    assert worst.name == "large" and worst.loss.value == -large.value
    assert worst.loss.low == pytest.approx(max(-small.value - c * small.se, -large.value - c * large.se))
    assert worst.loss.high == pytest.approx(max(-small.value + c * small.se, -large.value + c * large.se))
    assert worst.loss.method == "max-t over 2"


def test_a_small_suite_may_hide_more_than_the_named_one():
    named, hiding = tango_interval(60, 30, 1000), tango_interval(3, 2, 40)
    worst = worst_of([named, hiding], ["named", "hiding"])
    assert worst.name == "named" and worst.loss.high > 0.15 > -named.low


def test_one_suite_keeps_its_own_interval():
    alone = tango_interval(119, 35, 1319)
    worst = worst_of([alone], ["gsm8k"])
    assert (worst.loss.low, worst.loss.high) == pytest.approx((-alone.high, -alone.low))
    assert worst.loss.method == "Tango score"


def test_an_upper_limit_alone_is_nearer():
    suites = [tango_interval(20, 12, 300), tango_interval(15, 15, 200)]
    one, two = (worst_of(suites, ["a", "b"], sides=sides).loss for sides in (1, 2))
    assert one.low == -math.inf and one.high < two.high


def test_tangos_intervals_are_those_of_the_higher_level():
    suites = [tango_interval(0, 0, 100)] * 3
    worst = worst_of(suites, ["a", "b", "c"])
    c = max_t_critical([99] * 3)
    own = tango_interval(0, 0, 100, level=2 * stats.t.cdf(c, 99) - 1)
    assert worst.loss.high == pytest.approx(-own.low)


def test_missing_items_count_at_their_worst():
    base, tuned = np.ones(200), np.r_[np.ones(180), np.full(20, np.nan)]
    suite = widened_difference(base, tuned, binary=True)
    worst = worst_of([suite, tango_interval(9, 9, 200)], ["a", "b"])
    assert worst.loss.high > -suite.low > 0.1


def test_a_suite_without_an_interval_leaves_none_and_is_named():
    blind = paired_difference([1.0], [0.0])
    worst = worst_of([blind, tango_interval(5, 5, 100)], ["tiny", "s"])
    assert worst.name == "tiny" and worst.loss.high is None and "none for tiny" in worst.loss.cautions[0]
    assert worst_of([], []) is None
    assert worst_of([tango_interval(0, 0, 0)], ["empty"]) is None


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="2 names"):
        worst_of([tango_interval(1, 1, 9)], ["a", "b"])
    with pytest.raises(ValueError, match="another level"):
        worst_of([tango_interval(1, 1, 9, level=0.9)], ["a"])


@pytest.mark.parametrize(
    ("losses", "gains", "n"),
    [((0.05, 0.05, 0.05, 0.05, 0.05), (0.05,) * 5, 400), ((0.06, 0.03, 0.02), (0.02, 0.03, 0.02), 250)],
)
def test_the_largest_true_loss_is_covered_at_least_as_often_as_stated(losses, gains, n):
    rng = np.random.default_rng(5)
    truth = max(loss - gain for loss, gain in zip(losses, gains, strict=True))
    below = above = 0
    for _ in range(1500):
        drawn = [rng.multinomial(n, [loss, gain, 1 - loss - gain]) for loss, gain in zip(losses, gains, strict=True)]
        suites = [tango_interval(int(lost), int(won), n) for lost, won, _ in drawn]
        loss = worst_of(suites, [str(place) for place in range(len(suites))]).loss
        below, above = below + (truth > loss.high), above + (truth < loss.low)
    assert below / 1500 <= 0.03 and above / 1500 <= 0.035


def test_all_limits_hold_at_once_about_as_often_as_stated():
    """Where all suites are alike the lower limit is exact: it is missed when any suite's own is."""
    rng = np.random.default_rng(6)
    missed = 0
    for _ in range(2000):
        d = rng.normal(0, 0.3, (4, 60))
        suites = [paired_difference(np.zeros(60), one) for one in d]
        missed += worst_of(suites, list("abcd")).loss.low > 0
    assert 0.015 <= missed / 2000 <= 0.037


def test_few_differences_are_passed_on():
    few = paired_difference(np.zeros(50), np.r_[0.1, -0.2, np.zeros(48)])
    assert rests_on_too_few(worst_of([few, tango_interval(9, 9, 100)], ["few", "s"]).loss)
