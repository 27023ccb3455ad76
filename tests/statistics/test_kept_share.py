from __future__ import annotations

import functools
import math

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import ndtri

from evalkit.statistics import kept_share_interval, tango_interval, widened_difference

Z2 = float(ndtri(0.975)) ** 2


@pytest.mark.parametrize(
    ("kept", "regressed", "fixed", "n"),
    [(50, 7, 1, 80), (0, 0, 0, 30), (30, 0, 0, 30), (0, 5, 0, 5), (900, 119, 35, 1319)],
)
def test_the_whole_of_base_is_tangos_interval(kept, regressed, fixed, n):
    whole, tango = kept_share_interval(kept, regressed, fixed, n, share=1.0), tango_interval(regressed, fixed, n)
    assert (whole.value, whole.low, whole.high) == pytest.approx((tango.value, tango.low, tango.high), abs=1e-9)
    assert (whole.se, whole.df, whole.differing) == (pytest.approx(tango.se), tango.df, tango.differing)


def test_a_ratio_of_paired_proportions_is_left_where_its_published_interval_ends():
    """Airway hyper-responsiveness, Bentur 2009: 2 of 21 after and 8 before, 1 in both. Tang's asymptotic score interval of
    the ratio is .065 to .907 (Fagerland, Lydersen and Laake 2014, BMC Med Res Methodol 14:21).
    """
    assert kept_share_interval(1, 7, 1, 21, share=0.0654).low == pytest.approx(0, abs=2e-4)
    assert kept_share_interval(1, 7, 1, 21, share=0.9069).high == pytest.approx(0, abs=2e-4)


def keeps(at: float, counts: np.ndarray, values: np.ndarray) -> bool:
    """Whether Pearson's chi-square keeps `at`, its best fit found by maximising the likelihood numerically."""
    n = counts.sum()
    constraints = [
        {"type": "eq", "fun": lambda p: p.sum() - 1},
        {"type": "eq", "fun": lambda p: p @ values - at},
    ]
    start = counts / n * 0.9 + 0.025
    fit = minimize(
        lambda p: -np.sum(counts * np.log(np.maximum(p, 1e-12))) / n,
        start,
        bounds=[(0, 1)] * 4,
        constraints=constraints,
        options={"ftol": 1e-12, "maxiter": 500},
    )
    p = np.maximum(fit.x, 1e-15)
    return float(np.sum((counts - n * p) ** 2 / (n * p))) <= Z2


@pytest.mark.parametrize(("kept", "regressed", "fixed", "n"), [(60, 8, 4, 90), (25, 6, 9, 60)])
def test_limits_against_a_chi_square_test_inverted_numerically(kept, regressed, fixed, n):
    share = 0.95
    counts = np.array([fixed, kept, n - kept - regressed - fixed, regressed])
    values = np.array([1.0, 1 - share, 0.0, -share])
    found = kept_share_interval(kept, regressed, fixed, n, share=share)
    assert found.value == pytest.approx(counts @ values / n)
    for limit, inwards in ((found.low, 1), (found.high, -1)):
        assert keeps(limit + inwards * 3e-3, counts, values) and not keeps(limit - inwards * 3e-3, counts, values)


@pytest.mark.parametrize("n", [1, 50, 5000])
def test_hand_worked_where_nothing_flipped(n):
    """n (value - limit) / (share + limit) = z^2: what was never seen, a regressed item, takes what the limit needs."""
    none_right = kept_share_interval(0, 0, 0, n, share=0.98)
    assert none_right.low == pytest.approx(-Z2 * 0.98 / (n + Z2), rel=1e-6)
    all_right = kept_share_interval(n, 0, 0, n, share=0.98)
    assert all_right.value == pytest.approx(0.02)
    assert all_right.low == pytest.approx((0.02 * n - Z2 * 0.98) / (n + Z2), rel=1e-6)


def test_the_ends_of_what_is_possible():
    assert kept_share_interval(0, 7, 0, 7, share=0.9).low == -0.9
    assert kept_share_interval(0, 0, 7, 7, share=0.9).high == 1
    nothing = kept_share_interval(0, 0, 0, 0, share=0.9)
    assert math.isnan(nothing.value) and nothing.low is None and nothing.cautions
    assert kept_share_interval(1, 0, 0, 1, share=0.9).se is None


def test_what_is_no_share_or_no_count_is_refused():
    for share in (0, 1.1):
        with pytest.raises(ValueError, match="share"):
            kept_share_interval(1, 0, 0, 2, share=share)
    with pytest.raises(ValueError, match="counts"):
        kept_share_interval(3, 0, 0, 2, share=0.9)


@pytest.mark.parametrize("fixed", [0.0, 0.02])
@pytest.mark.parametrize("n", [100, 200, 500, 1000])
def test_a_loss_at_the_limit_passes_at_most_one_time_in_forty(n, fixed):
    """Base is right on 80 %, tuned on 2 % fewer of them; a t interval passes 22 % of such runs of 100 items, losses only."""
    rng = np.random.default_rng(12)
    chances = [0.8 - 0.016 - fixed, 0.016 + fixed, fixed]
    counts = rng.multinomial(n, [*chances, 1 - sum(chances)], size=3000)[:, :3]
    interval = functools.cache(lambda k, r, f: kept_share_interval(k, r, f, n, share=0.98))
    passed = np.mean([interval(*row).low > 0 for row in counts.tolist()])
    assert passed <= 0.025 + 3 * math.sqrt(0.025 * 0.975 / 3000)


def test_an_answer_of_base_that_is_missing_counts_for_the_share_of_it_that_must_be_kept():
    base, tuned = np.ones(100), np.ones(100)
    base[0], tuned[1] = math.nan, math.nan
    found = widened_difference(base, tuned, binary=True, share=0.9)
    # scored: 98 kept. At worst base has the one and tuned has not the other: 99 kept, one regressed.
    assert (found.value, found.n) == (pytest.approx(0.1), 98)
    assert found.low == kept_share_interval(99, 1, 0, 100, share=0.9).low
    assert found.high == kept_share_interval(99, 0, 1, 100, share=0.9).high
    assert found.worst == pytest.approx((0.1 - 1 / 100, 0.1 + 0.9 / 100))
