from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from evalkit.statistics import clopper_pearson, event_rate, rests_on_too_few, widened_rate


def limits(estimate):
    return estimate.low, estimate.high


def test_single_items_have_the_clopper_pearson_interval():
    values = np.r_[np.ones(3), np.zeros(197)]
    assert event_rate(values) == replace(clopper_pearson(3, 200), differing=3)
    # As clusters of one they are 199 independent ones to the variance.
    assert limits(event_rate(values, np.arange(200))) == pytest.approx(limits(clopper_pearson(3, 200)), rel=0.01)


def test_no_event_in_clusters_is_no_event_in_as_many_items():
    found = event_rate(np.zeros(500), np.repeat(np.arange(250), 2))
    assert limits(found) == pytest.approx(limits(clopper_pearson(0, 250)))
    assert (found.value, found.se, found.n, found.method) == (0.0, 0.0, 500, "Korn-Graubard (250 clusters)")
    assert not rests_on_too_few(found)


def test_hand_worked_clusters_of_unequal_size_count_for_fewer():
    # sizes 40 and 60 of 1: (100)^2 / (40^2 + 60) = 6.02 clusters
    found = event_rate(np.zeros(100), np.r_[np.zeros(40), np.arange(1, 61)])
    assert found.high == pytest.approx(1 - 0.025 ** (1 / (10_000 / 1660)))


def test_hand_worked_with_many_clusters_that_have_an_event():
    """30 of 100 clusters of 2, both items alike: the variance is that of 100 items."""
    found = event_rate(np.repeat(np.r_[np.ones(30), np.zeros(70)], 2), np.repeat(np.arange(100), 2))
    assert found.se == pytest.approx(math.sqrt(0.3 * 0.7 / 99))
    size = 99 * (stats.t.ppf(0.975, 199) / stats.t.ppf(0.975, 99)) ** 2
    assert found.low == pytest.approx(stats.beta.ppf(0.025, 0.3 * size, 0.7 * size + 1))
    assert found.high == pytest.approx(stats.beta.ppf(0.975, 0.3 * size + 1, 0.7 * size))


def test_one_event_more_never_makes_the_upper_end_smaller_while_they_are_few():
    """One event in a cluster looks like independent items, none like nothing at all: the first would be the tighter one."""
    groups = np.repeat(np.arange(50), 10)
    highs = [event_rate((np.arange(500) % 10 == 0) & (groups < k), groups).high for k in range(20)]
    assert all(a < b for a, b in zip(highs, highs[1:], strict=False))


def test_samples_of_an_item_are_no_items_of_their_own():
    found = event_rate(np.r_[0.25, np.zeros(199)])
    assert found.high > clopper_pearson(0, 200).high
    assert found.high < clopper_pearson(1, 200).high


def test_no_item_few_clusters_and_what_is_no_rate():
    assert math.isnan(event_rate([]).value)
    few = event_rate(np.zeros(8), [0, 0, 1, 1, 2, 2, 3, 3])
    assert few.low is None and "4 cluster(s)" in few.cautions[0]
    for values in ([2.0], [math.nan]):
        with pytest.raises(ValueError, match=r"each in \[0, 1\]"):
            event_rate(values)


def test_what_is_missing_counts_for_the_worst_both_ways():
    values, groups = np.r_[np.zeros(98), math.nan, math.nan], np.repeat(np.arange(50), 2)
    found = widened_rate(values, groups)
    assert (found.value, found.n, found.worst) == (0.0, 98, (0.0, 0.02))
    assert found.high == event_rate(np.nan_to_num(values, nan=1.0), groups).high
    assert found.method.endswith("worst case for 2 missing")
    alone = widened_rate([*([0.0] * 94), *([1.0] * 5), math.nan])
    assert limits(alone) == (clopper_pearson(5, 100).low, clopper_pearson(6, 100).high)


@pytest.mark.parametrize("alike", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("rate", [0.03, 0.15])
def test_a_true_rate_lies_beyond_the_interval_at_most_one_time_in_forty(rate, alike):
    """alike: the correlation within clusters of one to ten items."""
    rng = np.random.default_rng(8)
    groups = np.repeat(np.arange(120), np.tile([1, 2, 3, 10], 30))
    above, runs = 0, 600
    for _ in range(runs):
        own = {0.0: np.full(120, rate), 1.0: (rng.random(120) < rate).astype(float)}.get(alike)
        own = rng.beta(rate * (1 - alike) / alike, (1 - rate) * (1 - alike) / alike, 120) if own is None else own
        above += event_rate(rng.random(groups.size) < own[groups], groups).high < rate
    assert above / runs <= 0.025 + 3 * math.sqrt(0.025 * 0.975 / runs)
