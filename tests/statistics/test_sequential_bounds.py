"""Group-sequential bounds against published ones, and their error and power against simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from evalkit.statistics import conditional_power, crossing_probability, repeated_level, spending_bounds


def equal(looks: int) -> list[float]:
    return [(look + 1) / looks for look in range(looks)]


def scores(fractions: list[float], drift: float, runs: int, seed: int) -> np.ndarray:
    """Z at each look of so many runs: sums of independent increments."""
    rng = np.random.default_rng(seed)
    steps = np.diff(np.r_[0, fractions])
    increments = rng.normal(drift * steps, np.sqrt(steps), size=(runs, len(steps)))
    return np.cumsum(increments, axis=1) / np.sqrt(fractions)


@pytest.mark.parametrize(
    ("fractions", "spending", "published"),
    [
        (equal(5), "obrien_fleming", (4.877, 3.357, 2.680, 2.290, 2.031)),
        (equal(4), "obrien_fleming", (4.333, 2.963, 2.359, 2.014)),
        (equal(3), "obrien_fleming", (3.710, 2.511, 1.993)),
        (equal(5), "pocock", (2.438, 2.427, 2.410, 2.397, 2.386)),
        (equal(3), "pocock", (2.279, 2.295, 2.296)),
        ([0.3, 0.9, 1.0], "obrien_fleming", (3.929, 2.094, 2.053)),
    ],
)
def test_against_published_bounds(fractions, spending, published):
    # One-sided .025 of Reboussin, DeMets, Kim, Lan 2000, Controlled Clinical Trials 21:190-207; R gives the same:
    # gsDesign(test.type = 1, alpha = .025, sfu = sfLDOF or sfLDPocock)
    assert [round(bound, 3) for bound in spending_bounds(fractions, spending=spending)] == list(published)


def test_the_error_of_pococks_constant_bound_is_the_published_one():
    # Pocock 1977, Biometrika 64:191-199: 2.413 at five looks, two-sided .05; the two sides cross together next to never
    assert sum(crossing_probability([2.413] * 5, equal(5))) == pytest.approx(0.025, abs=3e-5)


def test_one_look_hand_worked():
    assert spending_bounds([1.0]) == pytest.approx((stats.norm.isf(0.025),), abs=1e-9)
    # at half the items: 2 (1 - Phi(2.241403 / sqrt .5)) = 2 (1 - Phi(3.169823)) = .00152533, whose z is 2.962588
    assert spending_bounds([0.5])[0] == pytest.approx(2.962588, abs=1e-6)


@pytest.mark.parametrize("spending", ["obrien_fleming", "pocock"])
@pytest.mark.parametrize("fractions", [[0.3, 0.45, 0.9, 1], [0.01, 0.5, 1], [0.5, 0.501, 0.9, 1], equal(20)])
def test_all_looks_together_spend_alpha(fractions, spending):
    bounds = spending_bounds(fractions, alpha=0.01, spending=spending)
    assert sum(crossing_probability(bounds, fractions)) == pytest.approx(0.01, abs=1e-9)


def test_two_looks_against_the_bivariate_normal():
    fractions = [0.37, 1.0]
    bounds = spending_bounds(fractions)
    joint = stats.multivariate_normal([0, 0], [[1, math.sqrt(0.37)], [math.sqrt(0.37), 1]])
    assert 1 - joint.cdf(bounds) == pytest.approx(0.025, abs=1e-5)


def test_a_look_does_not_depend_on_those_planned_after_it():
    assert spending_bounds([0.2, 0.5])[1] == pytest.approx(spending_bounds([0.2, 0.5, 0.6, 1.0])[1], abs=1e-9)


@pytest.mark.parametrize("drift", [0.0, 1.0, 3.24, -2.0])
def test_crossings_against_simulation(drift):
    fractions = [0.25, 0.4, 0.7, 1.0]
    bounds = spending_bounds(fractions)
    runs = 200_000
    above = scores(fractions, drift, runs, 7) > bounds
    first = np.where(above.any(axis=1), above.argmax(axis=1), len(fractions))
    shares = np.bincount(first, minlength=5)[:4] / runs
    assert crossing_probability(bounds, fractions, drift) == pytest.approx(shares, abs=4 * math.sqrt(0.25 / runs))


def test_repeated_intervals_hold_the_truth_at_all_looks_together():
    fractions = equal(5)
    levels = [repeated_level(bound) for bound in spending_bounds(fractions)]
    halves = stats.norm.isf((1 - np.array(levels)) / 2)
    inside = np.abs(scores(fractions, 1.7, 100_000, 3) - 1.7 * np.sqrt(fractions)) <= halves
    assert inside.all(axis=1).mean() == pytest.approx(0.95, abs=0.003)


def test_repeated_level_hand_worked():
    assert repeated_level(1.959964) == pytest.approx(0.95, abs=1e-7)
    assert repeated_level(2.031) == pytest.approx(0.957745, abs=1e-6)
    with pytest.raises(ValueError, match="above 0"):
        repeated_level(-0.1)


def test_a_very_early_look_can_hardly_stop_and_its_level_stays_below_1():
    bounds = spending_bounds([0.01, 1.0])
    assert bounds[0] == 8
    assert 0.999999 < repeated_level(bounds[0]) < 1
    assert bounds[1] == pytest.approx(stats.norm.isf(0.025), abs=1e-6)


def test_conditional_power_hand_worked():
    # S = .5 sqrt .5 = .353553; the trend adds .707107 * .5; (2 - .707107) / sqrt .5 = 1.828427
    assert conditional_power(0.5, 0.5, 2.0) == pytest.approx(stats.norm.sf(1.828427), abs=1e-6)
    # at the drift of 90 % power it is still to be expected: (2 - .353553 - 3.24 / 2) / sqrt .5 = .037402
    assert conditional_power(0.5, 0.5, 2.0, drift=3.24) == pytest.approx(stats.norm.sf(0.037402), abs=1e-6)


def test_conditional_power_against_simulation():
    rng = np.random.default_rng(5)
    final = 0.9 * math.sqrt(0.6) + rng.normal(2.5 * 0.4, math.sqrt(0.4), 100_000)
    assert conditional_power(0.9, 0.6, 1.98, drift=2.5) == pytest.approx(np.mean(final > 1.98), abs=0.006)


@pytest.mark.parametrize("fractions", [[], [0.0, 1.0], [0.5, 0.5], [0.6, 0.5, 1.0], [0.5, 0.5001], [math.nan], [1.1]])
def test_fractions_that_are_no_looks_are_refused(fractions):
    with pytest.raises(ValueError, match="fraction"):
        spending_bounds(fractions)
    with pytest.raises(ValueError, match="fraction"):
        crossing_probability([2.0] * len(fractions), fractions)


def test_other_input_that_means_nothing_is_refused():
    with pytest.raises(ValueError, match="alpha"):
        spending_bounds([1.0], alpha=0.5)
    with pytest.raises(ValueError, match="obrien_fleming"):
        spending_bounds([1.0], spending="linear")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="1 bounds for 2 looks"):
        crossing_probability([2.0], [0.5, 1.0])
    with pytest.raises(ValueError, match="numbers"):
        crossing_probability([math.nan], [1.0])
    with pytest.raises(ValueError, match="nothing is left"):
        conditional_power(1.0, 1.0, 2.0)


def test_a_look_that_cannot_stop_passes_everything_on():
    assert crossing_probability([math.inf, 1.96], [0.5, 1.0]) == pytest.approx((0, stats.norm.sf(1.96)), abs=1e-9)
    assert crossing_probability([-math.inf, 1.96], [0.5, 1.0]) == pytest.approx((1, 0), abs=1e-9)
