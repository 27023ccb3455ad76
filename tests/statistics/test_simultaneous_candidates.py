import math

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import multivariate_normal, norm, t

from evalkit.statistics import paired_difference, pairwise_contributions, pareto_front, simultaneous_level


def level_of(contributions, **options):
    return simultaneous_level(contributions, rng=np.random.default_rng(0), **options)


def columns(correlation, n=4000):
    """Two columns of this very correlation."""
    rng = np.random.default_rng(1)
    a, b = np.linalg.qr(rng.standard_normal((n, 2)))[0].T
    return np.column_stack([a, correlation * a + math.sqrt(1 - correlation**2) * b])


# --- the critical value ----------------------------------------------------------------------------------------------


def test_one_candidate_needs_no_correction():
    assert level_of(np.ones((5, 1))) == 0.95


def test_candidates_that_err_alike_need_none_either():
    same = np.random.default_rng(0).standard_normal(50)
    assert level_of(np.column_stack([same] * 6)) == pytest.approx(0.95, abs=2e-3)


def test_independent_candidates_need_sidaks():
    assert level_of(np.eye(10)) == pytest.approx(0.95 ** (1 / 10), abs=5e-4)


@pytest.mark.parametrize("correlation", [0.3, 0.7, 0.95, -0.7])
def test_two_candidates_against_the_bivariate_normal(correlation):
    cov = [[1, correlation], [correlation, 1]]

    def covered(c):
        box = multivariate_normal(cov=cov).cdf
        return box([c, c]) - box([-c, c]) - box([c, -c]) + box([-c, -c])

    critical = brentq(lambda c: covered(c) - 0.95, 1.9, 2.4)
    assert level_of(columns(correlation)) == pytest.approx(2 * norm.cdf(critical) - 1, abs=1e-3)


def test_dunnetts_published_value_for_treatments_that_share_a_control():
    """Dunnett 1964, two-sided .05, five treatments, equal groups (correlation 0.5): 2.51 at infinite df, 2.82 at 15."""
    shared = np.eye(6)[:, 1:] - np.eye(6)[:, :1]
    assert norm.ppf((1 + level_of(shared)) / 2) == pytest.approx(2.51, abs=0.015)
    assert t.ppf((1 + level_of(shared, df=15)) / 2, 15) == pytest.approx(2.82, abs=0.03)


def test_a_column_without_spread_counts_as_independent():
    assert level_of(np.column_stack([np.eye(3)[:, 0], np.zeros(3)])) == pytest.approx(0.95**0.5, abs=1e-3)


def test_the_same_seed_gives_the_same_answer_and_nonsense_is_refused():
    assert level_of(columns(0.5)) == level_of(columns(0.5))
    with pytest.raises(ValueError, match="at least one column"):
        level_of(np.empty((3, 0)))
    with pytest.raises(ValueError, match="between 0 and 1"):
        level_of(np.eye(2), level=1.0)


def test_what_candidates_share_cancels_between_them():
    a, b, base = np.eye(3)
    assert pairwise_contributions(np.column_stack([a - base, b - base])).T.tolist() == [(b - a).tolist()]


def test_five_equal_candidates_are_covered_at_once_where_intervals_for_each_alone_are_not():
    """Graded scores, a base that all share: nominal 95 % for the five together."""
    rng = np.random.default_rng(7)
    at_once = alone = 0
    rounds = 600
    for _ in range(rounds):
        base = rng.normal(size=120)
        tuned = rng.normal(size=(120, 5))  # equal in truth: every mean difference is 0
        d = tuned - base[:, None]
        each = simultaneous_level(d - d.mean(axis=0), df=119, rng=rng, draws=10_000)
        for level in (each, 0.95):
            ends = [paired_difference(base, one, level=level) for one in tuned.T]
            covered = all(one.low <= 0 <= one.high for one in ends)
            at_once, alone = (at_once + covered, alone) if level == each else (at_once, alone + covered)
    assert at_once / rounds == pytest.approx(0.95, abs=0.027)  # three standard errors
    assert alone / rounds < 0.88


# --- the front -------------------------------------------------------------------------------------------------------


def test_a_front_worked_by_hand():
    """B gains more than A at a higher tax; C is beaten by A in both, D by B in gain alone; E equals A."""
    gains, taxes = [0.10, 0.20, 0.09, 0.15, 0.10], [0.01, 0.02, 0.02, 0.02, 0.01]
    assert pareto_front(gains, taxes) == (0, 1, 4)


def test_with_one_axis_alone_the_front_is_its_best():
    none = [math.nan] * 3
    assert pareto_front(none, [0.02, 0.01, 0.03]) == (1,)
    assert pareto_front([0.02, 0.05, 0.03], none) == (1,)


def test_what_is_unknown_is_on_no_front():
    assert pareto_front([math.nan, 0.1], [math.nan, 0.2]) == (1,)
    assert pareto_front([], []) == ()
    assert pareto_front([math.nan], [math.nan]) == ()
    with pytest.raises(ValueError, match="one a candidate"):
        pareto_front([0.1], [0.1, 0.2])
