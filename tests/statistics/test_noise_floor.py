import math

import numpy as np
import pytest

from evalkit.statistics import repeat_noise


def test_a_case_by_hand():
    """Of 8 items two flipped: mean square 1/4, over 100 items a standard error of 0.05."""
    d = [1, -1, 0, 0, 0, 0, 0, 0]
    assert repeat_noise([d], [100]) == pytest.approx(1.959964 * 0.05)


def test_tasks_weigh_by_their_items_or_alike():
    d = [[1.0, 0.0, 0.0, 0.0], [0.0, 0.0]]
    assert repeat_noise(d, [30, 10]) == pytest.approx(1.959964 * math.sqrt(0.75**2 * 0.25 / 30))
    assert repeat_noise(d, [30, 10], macro=True) == pytest.approx(1.959964 * math.sqrt(0.5**2 * 0.25 / 30))


def test_two_runs_of_a_sampled_model_differ_by_more_than_that_one_time_in_twenty():
    """Items of all difficulties; the noise is known from 200 of 500 items, and tried on two further runs over all 500."""
    rng = np.random.default_rng(7)
    inside = 0
    for _ in range(2000):
        p = rng.beta(0.3, 0.3, 500)
        first, again, third = (rng.random(500) < p for _ in range(3))
        floor = repeat_noise([again[:200].astype(float) - first[:200]], [500])
        inside += abs(third.mean() - again.mean()) <= floor
    assert 0.93 < inside / 2000 < 0.97


def test_nothing_known_is_no_zero():
    assert math.isnan(repeat_noise([[]], [10]))
    assert math.isnan(repeat_noise([], []))
    assert repeat_noise([[0.0, 0.0]], [10]) == 0
    with pytest.raises(ValueError, match="one of each"):
        repeat_noise([[1.0]], [])
