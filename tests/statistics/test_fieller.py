from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from evalkit.statistics import Moments, fieller_limits, paired_difference, retention


def test_hand_worked():
    # under 10, over 9, variances 1 and 1, covariance 0.5, t = 2 (so 4 t-squared units): a = 96, b = 88, c = 77.
    t = 2.0
    df, level = 60, 2 * stats.t.cdf(t, 60) - 1
    low, high = fieller_limits(Moments(9, 10, 1, 1, 0.5, df, 61, 61), level=level)
    half = math.sqrt(88**2 - 96 * 77)
    assert (low, high) == pytest.approx(((88 - half) / 96, (88 + half) / 96))


def test_against_its_definition_by_tests_of_each_ratio():
    """Inside the interval a paired t test of tuned = theta base is not rejected; outside it is."""
    rng = np.random.default_rng(1)
    base = rng.uniform(0.3, 1, 80)
    tuned = 0.8 * base + rng.uniform(-0.2, 0.2, 80)
    found = retention(base, tuned, chance=0.25)
    for theta, rejected in [(found.low - 1e-6, True), (found.low + 1e-6, False), (found.high + 1e-6, True)]:
        p = stats.ttest_1samp(tuned - 0.25 - theta * (base - 0.25), 0).pvalue
        assert bool(p < 0.05) is rejected


def test_for_a_steady_denominator_it_is_the_delta_method():
    rng = np.random.default_rng(2)
    base = rng.uniform(0.6, 0.8, 4000)
    tuned = base - 0.1 + rng.uniform(-0.1, 0.1, 4000)
    found = retention(base, tuned)
    half = 1.96 * found.se
    assert (found.low, found.high) == pytest.approx((found.value - half, found.value + half), abs=1e-4)


def test_clusters_of_equal_items_count_once_each():
    rng = np.random.default_rng(3)
    base, noise = rng.uniform(0.4, 1, 40), rng.uniform(-0.3, 0.1, 40)
    once = retention(base, base + noise)
    thrice = retention(np.repeat(base, 3), np.repeat(base + noise, 3), np.repeat(np.arange(40), 3))
    assert (thrice.low, thrice.high) == pytest.approx((once.low, once.high), rel=1e-6)
    assert (once.n, thrice.n) == (40, 120)


def test_ten_clusters_use_cr2_throughout():
    """The set is where the CR2 test of tuned = theta base does not reject."""
    rng = np.random.default_rng(4)
    groups = np.repeat(np.arange(10), rng.integers(4, 12, 10))
    base = rng.uniform(0.5, 1, groups.size)
    tuned = base - rng.uniform(0, 0.3, groups.size)
    found = retention(base, tuned, groups)
    at_the_end = paired_difference(found.low * base, tuned, groups)
    assert at_the_end.low == pytest.approx(0, abs=1e-9)


def test_tasks_that_count_the_same_are_averaged_by_task():
    rng = np.random.default_rng(5)
    base, task = rng.uniform(0.4, 1, 300), np.repeat(["a", "b"], [250, 50])
    tuned = base - np.where(task == "a", 0.1, 0.3) + rng.uniform(-0.05, 0.05, 300)
    found = retention(base, tuned, strata=task)
    means = [(tuned[task == one].mean(), base[task == one].mean()) for one in ("a", "b")]
    assert found.value == pytest.approx(sum(m[0] for m in means) / sum(m[1] for m in means))
    assert found.value < retention(base, tuned).value
    assert found.df == 49


def test_base_near_chance_hides_the_number():
    rng = np.random.default_rng(6)
    base, tuned = (rng.random(200) < 0.28).astype(float), (rng.random(200) < 0.27).astype(float)
    found = retention(base, tuned, chance=0.25)
    assert math.isnan(found.value) and found.low is None and found.cautions[0].startswith("hidden: base stands")
    assert math.isnan(retention(np.zeros(50), np.ones(50)).value)


def test_an_unbounded_set_is_no_interval():
    # t(2) at 95 % is 4.3: base is 3.5 standard errors above zero, and the set is unbounded all the same.
    assert fieller_limits(Moments(1, 3.5, 1, 1, 0, 2, 3, 3)) is None
    found = retention([0.2, 0.5, 0.75], [0.1, 0.6, 0.6])
    assert found.low is None or found.low < found.value


def test_models_that_do_not_differ_have_no_interval_of_no_width():
    base = np.r_[np.ones(80), np.zeros(20)]
    found = retention(base, base)
    assert (found.value, found.low, found.high) == (1.0, None, None)
    assert "every difference is the same" in found.cautions[0]


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_items_give_nothing(n):
    found = retention(np.ones(n), np.ones(n))
    assert math.isnan(found.value) and found.cautions


def test_four_clusters_give_nothing():
    groups = np.repeat(np.arange(4), 10)
    found = retention(np.ones(40), np.tile([0.5, 1], 20), groups)
    assert math.isnan(found.value) and "4 cluster(s)" in found.cautions[0]


def test_chance_must_leave_room():
    with pytest.raises(ValueError, match="chance=1"):
        retention([1.0], [1.0], chance=1)


@pytest.mark.parametrize(("n", "chance", "p_base", "kept"), [(150, 0.25, 0.55, 0.9), (600, 0.0, 0.3, 0.8)])
def test_coverage_is_near_nominal(n, chance, p_base, kept):
    rng = np.random.default_rng(7)
    truth_tuned = chance + kept * (p_base - chance)
    covered = shown = 0
    for _ in range(2000):
        base = rng.random(n) < p_base
        # tuned keeps a right answer or finds one at rates that make its mean what it should be, with flips both ways
        gained = 0.1
        keep = (truth_tuned - (1 - p_base) * gained) / p_base
        tuned = np.where(base, rng.random(n) < keep, rng.random(n) < gained)
        found = retention(base.astype(float), tuned.astype(float), chance=chance)
        if found.low is not None:
            shown += 1
            covered += found.low <= kept <= found.high
    assert shown > 1990
    assert 0.94 <= covered / shown <= 0.96
