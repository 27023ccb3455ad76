"""Where the variance of a difference comes from: known by hand, and found again in what is simulated."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from statsmodels.stats.anova import anova_lm

from evalkit.statistics import VarianceComponents, variance_components

NAN = math.nan


def simulated(rng: np.random.Generator, n: int, k_base: int, k_tuned: int) -> tuple[np.ndarray, np.ndarray]:
    """Right and wrong: chances p uniform on [.1, .7] and p + u, u uniform on [0, .3]: w^2 = .09 / 12 = .0075.

    E p = .4, E p^2 = .16 + .03 = .19, so s_A^2 = .21; q = p + u: E q = .55, E q^2 = .3025 + .03 + .0075 = .34, so
    s_B^2 = .21.
    """
    p = rng.uniform(0.1, 0.7, n)
    q = p + rng.uniform(0, 0.3, n)
    base, tuned = (
        (rng.random((n, k)) < chance[:, None]).astype(float) for k, chance in ((k_base, p), (k_tuned, q))
    )  # fmt: skip
    return base, tuned


def test_hand_worked():
    # means: base .5, 0, 1; tuned 1, .5, .5; d = .5, .5, -.5 with variance 1/3
    # within: base .5, 0, 0: mean 1/6; tuned 0, .5, .5: mean 1/3; w^2 = 1/3 - 1/12 - 1/6 = 1/12
    found = variance_components([[0, 1], [0, 0], [1, 1]], [[1, 1], [0, 1], [1, 0]])
    assert (found.between, found.base_within, found.tuned_within) == pytest.approx((1 / 12, 1 / 6, 1 / 3))
    assert found.n == 3
    assert found.variance_of_difference(2, 2) == pytest.approx(1 / 3)  # what was observed
    assert found.variance_of_difference(1, 4) == pytest.approx(1 / 12 + 1 / 6 + 1 / 12)


def test_missing_samples_hand_worked():
    # base: item 0 has 2 of 3 samples, item 1 all 3, item 2 one, item 3 none. means: 0, 1/3, 1
    # s^2: 0, 1/3, and for item 2 their mean 1/6; noise: mean of 0, 1/9, 1/6 = 5/54
    base = [[0, NAN, 0], [0, 1, 0], [NAN, 1, NAN], [NAN, NAN, NAN]]
    tuned = [[1, 1], [1, 1], [1, 1], [1, 0]]
    found = variance_components(base, tuned)
    assert (found.n, found.tuned_within) == (3, 0)
    assert found.base_within == pytest.approx(1 / 6)
    assert found.between == pytest.approx(np.var([1, 2 / 3, 0], ddof=1) - 5 / 54)


def test_one_arm_against_the_textbook_anova_of_statsmodels():
    rng = np.random.default_rng(2)
    scores = rng.normal(rng.normal(0, 2, 40)[:, None], 1, (40, 5))
    items = np.repeat(np.arange(40), 5)
    table = anova_lm(sm.OLS.from_formula("y ~ C(item)", pd.DataFrame({"y": scores.ravel(), "item": items})).fit())
    between = (table.loc["C(item)", "mean_sq"] - table.loc["Residual", "mean_sq"]) / 5
    found = variance_components(np.zeros((40, 2)), scores)
    assert found.tuned_within == pytest.approx(table.loc["Residual", "mean_sq"])
    assert found.between == pytest.approx(between)


@pytest.mark.parametrize(("k_base", "k_tuned", "lost"), [(2, 2, 0.0), (5, 3, 0.0), (4, 4, 0.3)])
def test_simulated_components_are_found_without_bias(k_base, k_tuned, lost):
    rng = np.random.default_rng(11)
    found = []
    for _ in range(1500):
        base, tuned = simulated(rng, 60, k_base, k_tuned)
        for scores in (base, tuned):
            scores[rng.random(scores.shape) < lost] = NAN
        found.append(variance_components(base, tuned))
    for name, truth in (("between", 0.0075), ("base_within", 0.21), ("tuned_within", 0.21)):
        values = np.array([getattr(one, name) for one in found])
        assert values.mean() == pytest.approx(truth, abs=4 * values.std() / math.sqrt(len(values)))


def test_what_another_k_would_give_is_what_it_gives():
    pilot = variance_components(*simulated(np.random.default_rng(4), 40_000, 3, 3))
    base, tuned = simulated(np.random.default_rng(5), 40_000, 1, 8)
    assert pilot.variance_of_difference(1, 8) == pytest.approx(np.var(tuned.mean(1) - base.mean(1)), rel=0.03)


def test_swapping_the_models_swaps_their_parts():
    base, tuned = simulated(np.random.default_rng(6), 30, 2, 4)
    one, other = variance_components(base, tuned), variance_components(tuned, base)
    assert one.between == pytest.approx(other.between)
    assert (one.base_within, one.tuned_within) == pytest.approx((other.tuned_within, other.base_within))


def test_without_repeats_or_items_the_split_is_unknown_not_zero():
    assert variance_components([[0], [1], [0]], [[1, 1], [0, 1], [1, 0]]) is None
    assert variance_components([[0, NAN], [NAN, 1]], [[1, 1], [0, 1]]) is None
    assert variance_components([[0, 1], [NAN, NAN]], [[1, 1], [0, 1]]) is None
    assert variance_components(np.zeros((0, 2)), np.zeros((0, 2))) is None


def test_samples_that_always_agree_leave_only_the_items():
    found = variance_components([[0, 0], [1, 1], [1, 1]], [[1, 1], [1, 1], [0, 0]])
    assert (found.between, found.base_within, found.tuned_within) == (1, 0, 0)


def test_a_variance_estimated_below_0_counts_as_0():
    assert VarianceComponents(-0.01, 0.2, 0.1, 9).variance_of_difference(2, 1) == pytest.approx(0.2)


def test_input_that_means_nothing_is_refused():
    with pytest.raises(ValueError, match="same n items"):
        variance_components([0, 1], [1, 1])
    with pytest.raises(ValueError, match="same n items"):
        variance_components([[0, 1]], [[0, 1], [1, 1]])
    with pytest.raises(ValueError, match="at least one sample"):
        VarianceComponents(0.1, 0.1, 0.1, 5).variance_of_difference(0, 1)
