from __future__ import annotations

import math

import numpy as np
import pytest

from evalkit.statistics import ratio_of_totals


def test_two_items_by_hand():
    # R = 9 / 6; residuals 3 - 1.5 * 2 = 0, 6 - 1.5 * 4 = 0
    assert ratio_of_totals([3, 6], [2, 4]).value == 1.5
    # R = 8 / 4; residuals (5 - 2 * 2, 3 - 2 * 2) / 2 = (.5, -.5); se = .7071 / sqrt(2)
    estimate = ratio_of_totals([5, 3], [2, 2])
    assert (estimate.value, estimate.se) == (2.0, pytest.approx(0.5))


def test_the_standard_error_against_a_bootstrap():
    rng = np.random.default_rng(0)
    base = rng.gamma(2.0, 100, 400)
    tuned = base * rng.lognormal(0.2, 0.4, 400)
    rows = rng.integers(0, 400, (4000, 400))
    spread = (tuned[rows].sum(axis=1) / base[rows].sum(axis=1)).std()
    assert ratio_of_totals(tuned, base).se == pytest.approx(spread, rel=0.05)


def test_on_the_log_scale_swapping_the_models_inverts_the_interval():
    rng = np.random.default_rng(1)
    base, tuned = rng.gamma(2.0, 100, 200), rng.gamma(3.0, 100, 200)
    one, other = (ratio_of_totals(*pair, log_scale=True) for pair in ((tuned, base), (base, tuned)))
    assert (one.low, one.high) == pytest.approx((1 / other.high, 1 / other.low))
    assert 0 < one.low < one.value < one.high


def test_clusters_widen_the_interval():
    rng = np.random.default_rng(2)
    shift = np.repeat(rng.lognormal(0, 0.5, 40), 10)
    base = rng.gamma(5.0, 20, 400)
    alone = ratio_of_totals(base * shift, base)
    grouped = ratio_of_totals(base * shift, base, np.repeat(np.arange(40), 10))
    assert grouped.se > 1.5 * alone.se and "40 clusters" in grouped.method


@pytest.mark.parametrize("log_scale", [False, True])
def test_coverage_is_about_the_level(log_scale):
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(1000):
        base = rng.gamma(2.0, 100, 80)
        estimate = ratio_of_totals(base * rng.lognormal(0, 0.5, 80), base, log_scale=log_scale)
        covered += estimate.low <= math.exp(0.125) <= estimate.high
    assert 0.92 <= covered / 1000 <= 0.97


def test_nothing_below_has_no_ratio():
    estimate = ratio_of_totals([1, 2], [0, 0])
    assert math.isnan(estimate.value) and estimate.low is None and estimate.cautions
    assert math.isnan(ratio_of_totals([], []).value)


def test_a_ratio_that_never_varies_has_no_interval():
    estimate = ratio_of_totals([2.0] * 50, [1.0] * 50)
    assert estimate.value == 2 and estimate.low is None
