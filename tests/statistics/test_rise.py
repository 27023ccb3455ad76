from __future__ import annotations

import math

import numpy as np
import pytest

from evalkit.statistics import event_rate, rests_on_too_few, rise_of_rate, tango_interval, widened_difference

GROUPS = np.repeat(np.arange(200), 3)


def test_of_single_items_it_is_tangos_interval():
    base, tuned = np.zeros(200), np.r_[np.ones(3), np.zeros(197)]
    assert rise_of_rate(base, tuned, binary=True) == tango_interval(0, 3, 200)


def test_two_models_that_never_did_it_have_limits_from_their_own_rates():
    found = rise_of_rate(np.zeros(600), np.zeros(600), GROUPS, binary=True)
    limit = event_rate(np.zeros(600), GROUPS).high
    assert (found.value, found.low, found.high) == (0.0, -limit, limit)
    assert not rests_on_too_few(found) and found.method.startswith("no more than tuned's own rate, Korn-Graubard")


def test_few_events_of_tuned_bound_its_rise_from_above_and_show_it_from_below():
    tuned = (GROUPS < 15).astype(float)
    found = rise_of_rate(np.zeros(600), tuned, GROUPS, binary=True)
    plain = widened_difference(np.zeros(600), tuned, GROUPS, binary=True)
    assert found.low == plain.low > 0.02 and rests_on_too_few(plain)
    assert found.high == event_rate(tuned, GROUPS).high


def test_where_events_are_many_and_few_differ_nothing_is_added():
    base = (GROUPS < 60).astype(float)
    tuned = (GROUPS < 65).astype(float)
    found = rise_of_rate(base, tuned, GROUPS, binary=True)
    assert found == widened_difference(base, tuned, GROUPS, binary=True) and rests_on_too_few(found)


def test_without_enough_clusters_there_are_no_limits():
    assert rise_of_rate(np.zeros(8), np.zeros(8), np.arange(8) // 2, binary=True).low is None


@pytest.mark.parametrize("rate", [0.0, 0.03])
def test_a_true_rise_at_the_limit_passes_at_most_one_time_in_forty(rate):
    """Base shows it at `rate`, tuned at 2 points more, whole clusters at a time."""
    rng = np.random.default_rng(3)
    passed, runs = 0, 600
    for _ in range(runs):
        drawn = rng.random(200)
        base, tuned = (drawn < rate)[GROUPS].astype(float), (drawn < rate + 0.02)[GROUPS].astype(float)
        passed += (found := rise_of_rate(base, tuned, GROUPS, binary=True)).high < 0.02 and not rests_on_too_few(found)
    assert passed / runs <= 0.025 + 3 * math.sqrt(0.025 * 0.975 / runs)
