from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import linalg, stats

from evalkit.statistics import TOO_FEW, paired_difference, rests_on_too_few


def graded(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    return rng.random(n), rng.random(n)


def cr2_by_definition(d: np.ndarray, groups: np.ndarray) -> tuple[float, float]:
    """CR2 and Bell-McCaffrey degrees of freedom with whole matrices, as Pustejovsky and Tipton 2018 define them."""
    n = d.size
    x = np.ones((n, 1))
    bread = np.linalg.inv(x.T @ x)
    hat = x @ bread @ x.T
    residual = (np.eye(n) - hat) @ d
    variance, columns = 0.0, []
    for group in np.unique(groups):
        inside = np.flatnonzero(groups == group)
        adjust = linalg.fractional_matrix_power(np.eye(inside.size) - hat[np.ix_(inside, inside)], -0.5).real
        row = (bread @ x[inside].T @ adjust)[0]
        variance += float(row @ residual[inside]) ** 2
        columns.append((np.eye(n) - hat)[inside].T @ row)
    p = np.array(columns)
    quadratic = p @ p.T
    return math.sqrt(variance), float(np.trace(quadratic) ** 2 / np.sum(quadratic**2))


def test_hand_worked():
    # d = 1, 2, 3: mean 2, sd 1, se 1/sqrt(3), t(2, .975) = 4.302653
    estimate = paired_difference([0, 0, 0], [1, 2, 3])
    assert estimate.value == 2
    assert estimate.se == pytest.approx(1 / math.sqrt(3))
    assert estimate.low == pytest.approx(2 - 4.302653 / math.sqrt(3), abs=1e-6)
    assert estimate.high == pytest.approx(2 + 4.302653 / math.sqrt(3), abs=1e-6)
    assert (estimate.method, estimate.n, estimate.df) == ("t, paired", 3, 2)


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_against_scipy_ttest_rel(level):
    base, tuned = graded(np.random.default_rng(1), 57)
    estimate = paired_difference(base, tuned, level=level)
    reference = stats.ttest_rel(tuned, base).confidence_interval(level)
    assert (estimate.low, estimate.high) == pytest.approx((reference.low, reference.high), rel=1e-10)


@pytest.mark.parametrize("clusters", [20, 34, 200])
def test_many_clusters_against_statsmodels_ols(clusters):
    rng = np.random.default_rng(clusters)
    base, tuned = graded(rng, 600)
    groups = rng.permutation(np.r_[np.arange(clusters), rng.integers(0, clusters, 600 - clusters)])
    fit = sm.OLS(tuned - base, np.ones(600)).fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
    estimate = paired_difference(base, tuned, [f"passage {g}" for g in groups])
    assert estimate.se == pytest.approx(fit.bse[0], rel=1e-10)
    assert (estimate.low, estimate.high) == pytest.approx(tuple(fit.conf_int()[0]), rel=1e-9)
    assert (estimate.df, estimate.method) == (clusters - 1, f"t, cluster-robust ({clusters} clusters)")


def test_every_item_its_own_cluster_is_the_paired_t_interval():
    base, tuned = graded(np.random.default_rng(3), 40)
    plain = paired_difference(base, tuned)
    for groups in (range(40), [None] * 40, [math.nan] * 40):
        clustered = paired_difference(base, tuned, list(groups))
        assert (clustered.low, clustered.high) == pytest.approx((plain.low, plain.high), rel=1e-12)


@pytest.mark.parametrize(
    "sizes", [[4] * 8, [1, 2, 3, 4, 10], [30, 2, 2, 2, 2, 2, 2], list(range(1, 20)), [60, *[5] * 29]]
)
def test_few_or_very_unequal_clusters_against_cr2_and_bell_mccaffrey_by_definition(sizes):
    rng = np.random.default_rng(sum(sizes))
    groups = np.repeat(np.arange(len(sizes)), sizes)
    base, tuned = graded(rng, groups.size)
    se, df = cr2_by_definition(tuned - base, groups)
    estimate = paired_difference(base, tuned, groups)
    assert estimate.se == pytest.approx(se, rel=1e-9)
    assert estimate.df == pytest.approx(df, rel=1e-9)
    assert estimate.high - estimate.value == pytest.approx(stats.t.ppf(0.975, df) * se, rel=1e-9)
    assert estimate.method == f"CR2, Bell-McCaffrey ({len(sizes)} clusters)"


def test_few_clusters_of_equal_size_have_one_degree_of_freedom_less_than_clusters():
    # Hand-worked: cluster means 0, 1, 2, 3, 4 give the t interval of those five numbers.
    means = np.arange(5.0)
    estimate = paired_difference(np.zeros(15), np.repeat(means, 3), np.repeat(np.arange(5), 3))
    assert estimate.df == pytest.approx(4)
    assert estimate.se == pytest.approx(means.std(ddof=1) / math.sqrt(5))


def test_the_order_of_items_does_not_matter():
    rng = np.random.default_rng(5)
    base, tuned = graded(rng, 90)
    groups = rng.integers(0, 12, 90)
    order = rng.permutation(90)
    one, other = paired_difference(base, tuned, groups), paired_difference(base[order], tuned[order], groups[order])
    assert (one.low, one.high, one.df) == pytest.approx((other.low, other.high, other.df), rel=1e-12)


def test_fewer_than_five_clusters_give_no_interval():
    estimate = paired_difference([0.0] * 8, [1, 0, 1, 0, 1, 1, 0.0, 0.5], [1, 1, 2, 2, 3, 3, 4, 4])
    assert (estimate.low, estimate.high) == (None, None)
    assert "4 cluster(s)" in estimate.cautions[0]


@pytest.mark.parametrize(("differing", "cautioned"), [(19, True), (20, False)])
def test_fewer_than_20_differing_items_are_too_few(differing, cautioned):
    tuned = np.r_[np.linspace(0.1, 0.9, differing), np.zeros(300 - differing)]
    estimate = paired_difference(np.zeros(300), tuned)
    assert rests_on_too_few(estimate) is cautioned
    assert any(c.startswith("too few differences") for c in estimate.cautions) is cautioned
    assert estimate.low is not None


@pytest.mark.parametrize(("differing", "cautioned"), [(19, True), (20, False)])
def test_fewer_than_20_differing_clusters_are_too_few_however_many_items_differ(differing, cautioned):
    groups = np.repeat(np.arange(50), 10)
    estimate = paired_difference(np.zeros(500), np.where(groups < differing, 1.0, 0.0), groups)
    assert rests_on_too_few(estimate) is cautioned


@pytest.mark.parametrize("groups", [None, np.repeat(np.arange(100), 3)])
def test_held_against_a_share_of_base_what_differs_is_still_tuned_from_base(groups):
    """Every item that both got right has the difference 1 - share, which is no difference between the models."""
    base = np.ones(300)
    tuned = np.where(np.arange(300) < 57, 0.0, 1.0) if groups is not None else np.where(np.arange(300) < 19, 0.0, 1.0)
    estimate = paired_difference(base, tuned, groups, share=0.98)
    assert estimate.value == pytest.approx(tuned.mean() - 0.98)
    assert estimate.differing == 19 and rests_on_too_few(estimate)
    plain = paired_difference(base, tuned, groups)
    assert (estimate.se, estimate.differing) == (pytest.approx(plain.se), plain.differing)


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_items_give_no_interval(n):
    estimate = paired_difference([0.0] * n, [1.0] * n)
    assert (estimate.se, estimate.low, estimate.high) == (None, None, None)
    assert estimate.cautions
    assert math.isnan(estimate.value) if n == 0 else estimate.value == 1


@pytest.mark.parametrize("groups", [None, np.arange(100) % 10, np.arange(100) % 25])
@pytest.mark.parametrize("d", [0.0, 0.1])
def test_differences_that_are_all_the_same_give_no_interval(d, groups):
    base = np.random.default_rng(0).random(100)
    estimate = paired_difference(base, base + d, groups)
    assert (estimate.low, estimate.high) == (None, None)
    assert any(caution.startswith("no interval") for caution in estimate.cautions)
    assert any(caution.startswith(TOO_FEW) for caution in estimate.cautions) or d


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match=r"\(3,\).*\(2,\)"):
        paired_difference([0, 0, 0], [1, 1])
    with pytest.raises(ValueError, match="2 labels for 3 items"):
        paired_difference([0, 0, 0], [1, 1, 0], ["a", "b"])


def test_a_missing_score_is_refused():
    with pytest.raises(ValueError, match="item 1 "):
        paired_difference([0, math.nan], [1, 1])


@pytest.mark.parametrize("clusters", [8, 30])
def test_coverage_with_clusters_of_unequal_size_is_near_nominal(clusters):
    rng = np.random.default_rng(7)
    groups = np.repeat(np.arange(clusters), rng.integers(2, 15, clusters))
    covered = 0
    for _ in range(2000):
        d = 0.3 + rng.normal(0, 1, clusters)[groups] + rng.normal(0, 1, groups.size)
        estimate = paired_difference(np.zeros(groups.size), d, groups)
        covered += estimate.low <= 0.3 <= estimate.high
    assert 0.93 <= covered / 2000 <= 0.97
