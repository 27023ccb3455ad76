from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from evalkit.statistics import (
    clopper_pearson,
    detectable_difference,
    more_items_needed,
    paired_difference,
    sample_size,
    tango_interval,
)
from evalkit.types import Estimate


def test_sample_size_of_millers_example():
    # arXiv:2411.00640, section 5: variance 1/9, an effect of .03, power .8: n = 969
    assert sample_size(0.03, 1 / 9) == 969


@pytest.mark.parametrize(("discordance", "margin", "exact"), [(0.10, 0.03, 1496.4), (0.20, 0.015, 11971.1)])
def test_five_gates_at_a_joint_power_of_80_percent(discordance, margin, exact):
    assert sample_size(margin, discordance, power=0.8 ** (1 / 5)) == math.ceil(exact)


def test_sample_size_hand_worked_with_a_true_loss():
    # (1.959964 + .841621)^2 (.1 - .0001) / (.03 - .01)^2 = 7.848880 * .0999 / .0004 = 1960.26
    assert sample_size(0.03, 0.1, delta=-0.01) == 1961


def test_sample_size_has_the_power_it_promises():
    n = sample_size(0.05, 0.2)
    rng = np.random.default_rng(6)
    counts = rng.multinomial(n, [0.1, 0.1, 0.8], size=4000)[:, :2]
    outcomes, times = np.unique(counts, axis=0, return_counts=True)
    passed = sum(t * (tango_interval(int(r), int(f), n).low > -0.05) for (r, f), t in zip(outcomes, times, strict=True))
    assert passed / 4000 == pytest.approx(0.8, abs=0.025)


def test_no_sample_size_shows_a_loss_at_the_margin_to_be_within_it():
    with pytest.raises(ValueError, match="margin"):
        sample_size(0.02, 0.1, delta=-0.02)
    with pytest.raises(ValueError, match="discordance"):
        sample_size(0.3, 0.1, delta=-0.2)


@pytest.mark.parametrize(("n", "discordance"), [(100, 0.1), (969, 1 / 9), (5000, 0.3)])
def test_the_detectable_difference_and_the_sample_size_agree(n, discordance):
    margin = detectable_difference(n, discordance)
    assert sample_size(margin * 1.000001, discordance) == n
    assert sample_size(margin * 0.999, discordance) > n


def test_detectable_difference_refuses_what_is_no_size_or_share():
    with pytest.raises(ValueError, match="n=0"):
        detectable_difference(0, 0.1)
    with pytest.raises(ValueError, match="discordance"):
        detectable_difference(10, 1.1)


def test_no_more_items_once_the_threshold_is_outside_the_interval():
    estimate = tango_interval(119, 35, 1319)
    assert more_items_needed(estimate, -0.02) == 0
    assert more_items_needed(estimate, -0.10) == 0


def test_more_items_hand_worked():
    # gap .02 at sigma .4: (1.959964 * .4 / .02)^2 = 1536.6, so 1537 in all
    estimate = Estimate(-0.01, 0.04, -0.09, 0.07, 0.95, "t, paired", 100, df=99.0)
    assert more_items_needed(estimate, -0.03) == 1437


def test_so_many_more_items_of_the_same_kind_do_decide_and_fewer_do_not():
    # Multiples of 40 items keep value and spread as they are, but for the t quantile and n - 1.
    more = more_items_needed(tango_interval(40, 30, 400), -0.05)

    def repeated(times: int) -> Estimate:
        return tango_interval(4 * times, 3 * times, 40 * times)

    assert repeated(math.ceil((400 + more) * 1.02 / 40)).low > -0.05
    assert repeated(math.floor((400 + more) * 0.95 / 40)).low < -0.05


def test_an_undecided_suite_without_a_difference_still_needs_more():
    more = more_items_needed(tango_interval(0, 0, 50), -0.02)
    assert more > 0
    assert tango_interval(0, 0, 50 + more).low > -0.02


@pytest.mark.parametrize("n", [20, 100])
def test_without_a_difference_the_number_that_is_enough_is_nearly_the_least(n):
    """No spread was seen, so the interval closes as 1 / N: by 1 / sqrt(N) it would be several times as many."""
    more = more_items_needed(tango_interval(0, 0, n), -0.01)
    assert tango_interval(0, 0, n + more).low > -0.01 > tango_interval(0, 0, n + more - 2).low
    more = more_items_needed(clopper_pearson(0, n), 0.02)
    assert clopper_pearson(0, n + more).high < 0.02
    assert clopper_pearson(0, math.floor(0.85 * (n + more))).high > 0.02


def test_what_a_look_left_undecided_is_counted_at_the_level_of_the_last():
    wide = tango_interval(10, 10, 200, level=0.999999)
    plain = replace(wide, low=tango_interval(10, 10, 200).low, level=0.95)
    assert more_items_needed(wide, -0.02, level=0.95) == more_items_needed(plain, -0.02)
    assert more_items_needed(wide, -0.02) > 4 * more_items_needed(wide, -0.02, level=0.95)
    none = tango_interval(0, 0, 50, level=0.999999)
    assert more_items_needed(none, -0.02, level=0.95) == more_items_needed(tango_interval(0, 0, 50), -0.02)


def test_none_where_no_number_would_do():
    at_threshold = tango_interval(30, 20, 200)
    assert more_items_needed(at_threshold, at_threshold.value) is None
    assert more_items_needed(replace(at_threshold, low=None, high=None), 0.0) is None
    assert more_items_needed(tango_interval(0, 0, 0), 0.0) is None


def test_an_estimate_on_too_few_differences_needs_items_until_20_differ():
    estimate = paired_difference(np.zeros(400), np.r_[np.full(8, 0.5), np.zeros(392)])
    assert estimate.low > -0.05
    assert more_items_needed(estimate, -0.05) == 600
    assert more_items_needed(replace(estimate, differing=0), -0.05) is None
