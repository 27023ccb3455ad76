import math

import numpy as np
import pytest

from evalkit.statistics import linearised_ratio, ratio_difference


def drawn(rng, n):
    """Tokens and solved samples of items, longer where they are hard."""
    solved = rng.binomial(8, rng.beta(2, 2, n))
    tokens = rng.gamma(4, 200, n) * (1.5 - solved / 8) * 8
    return tokens, solved


def test_by_hand():
    # 60 tokens for 3 solved is 20 each. Mean solved 1: values 20 + (10 - 20), 20 + (20 - 20), 20 + (30 - 20).
    assert linearised_ratio([10, 20, 30], [1, 1, 1]) == pytest.approx([10, 20, 30])
    # 90 for 3 is 30 each: 30 + (40 - 60), 30 + (20 - 0), 30 + (30 - 30).
    assert linearised_ratio([40, 20, 30], [2, 0, 1]) == pytest.approx([10, 50, 30])


def test_its_mean_is_the_ratio_of_the_totals():
    tokens, solved = drawn(np.random.default_rng(0), 400)
    assert linearised_ratio(tokens, solved).mean() == pytest.approx(tokens.sum() / solved.sum())


def test_a_difference_is_tuned_less_base():
    base, tuned = (np.full(30, 100.0), np.ones(30)), (np.arange(30.0), np.ones(30))
    estimate = ratio_difference(base, tuned)
    assert estimate is not None and estimate.value == pytest.approx(14.5 - 100)
    assert estimate.method == "delta method, t, paired"


def test_the_standard_error_against_a_bootstrap_of_items():
    rng = np.random.default_rng(1)
    base, tuned = drawn(rng, 300), drawn(rng, 300)
    estimate = ratio_difference(base, tuned)
    differences = []
    for _ in range(3000):
        again = rng.integers(0, 300, 300)
        differences.append(tuned[0][again].sum() / tuned[1][again].sum() - base[0][again].sum() / base[1][again].sum())
    assert estimate is not None and estimate.se == pytest.approx(np.std(differences), rel=0.06)


def test_coverage_is_near_nominal():
    rng = np.random.default_rng(5)
    whole = drawn(rng, 400_000)
    truth = whole[0].sum() / whole[1].sum()
    covered = 0
    for _ in range(1000):
        estimate = ratio_difference((np.full(100, truth), np.ones(100)), drawn(rng, 100))
        assert estimate is not None and estimate.low is not None and estimate.high is not None
        covered += estimate.low <= 0 <= estimate.high
    assert 0.93 <= covered / 1000 <= 0.97


def test_a_group_is_one_observation():
    rng = np.random.default_rng(6)
    (base, solved), (tuned, also) = drawn(rng, 60), drawn(rng, 60)
    once = ratio_difference((base, solved), (tuned, also))
    groups = np.repeat(np.arange(60), 3)
    thrice = [np.repeat(part, 3) for part in (base, solved, tuned, also)]
    again = ratio_difference((thrice[0], thrice[1]), (thrice[2], thrice[3]), groups)
    assert once is not None and again is not None
    assert (again.low, again.high) == pytest.approx((once.low, once.high))


def test_nothing_solved_has_no_ratio():
    assert ratio_difference(([10, 20], [0, 0]), ([10, 20], [1, 1])) is None
    with pytest.raises(ValueError, match="add up to 0"):
        linearised_ratio([1, 2], [0, 0])


def test_a_ratio_over_few_solved_items_has_no_interval():
    solved = np.r_[np.ones(19), np.zeros(81)]
    tokens = np.random.default_rng(7).gamma(4, 100, 100)
    estimate = ratio_difference((tokens, np.ones(100)), (tokens[::-1], solved))
    assert estimate is not None and math.isfinite(estimate.value)
    assert (estimate.low, estimate.high) == (None, None)
    assert estimate.cautions[0] == "no interval: a ratio over 19 item(s), and 20 are the least"


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match=r"\(2,\).*\(1,\)"):
        linearised_ratio([1, 2], [1])
