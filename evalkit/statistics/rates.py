"""One rate with its exact interval, the exact test of paired flips, and the test that a difference is zero."""

from __future__ import annotations

import math

from evalkit.types import Estimate


def clopper_pearson(successes: int, n: int, *, level: float = 0.95) -> Estimate:
    """A rate with its exact (Clopper-Pearson) interval: at least `level` coverage at every true rate.

    se: the binomial sqrt(p(1 - p) / n). With n = 0 there is no value and no interval.
    Raises ValueError unless 0 <= successes <= n.
    Source: Clopper and Pearson 1934, Biometrika 26:404-413.
    """
    method = "Clopper-Pearson"
    if not 0 < level < 1:
        raise ValueError(f"level={level!r}: must lie between 0 and 1, as in 0.95")
    if not 0 <= successes <= n:
        raise ValueError(f"successes={successes}, n={n}: must satisfy 0 <= successes <= n")
    if n == 0:
        return Estimate(math.nan, None, None, None, level, method, 0, ("no item was scored",))
    rate = successes / n
    low, high = limits_at_size(rate, n, level)
    return Estimate(rate, math.sqrt(rate * (1 - rate) / n), low, high, level, method, n)


def limits_at_size(rate: float, n: float, level: float) -> tuple[float, float]:
    """Clopper and Pearson's limits of a rate seen over `n` items, which need be no whole number, nor the events among them."""
    from scipy.special import betaincinv

    tail, hits = (1 - level) / 2, rate * n
    low = float(betaincinv(hits, n - hits + 1, tail)) if rate > 0 else 0.0
    high = float(betaincinv(hits + 1, n - hits, 1 - tail)) if rate < 1 else 1.0
    return low, high


def mcnemar_exact(regressed: int, fixed: int) -> float:
    """Two-sided exact p-value of "flips go either way equally often". 1.0 where nothing flipped.

    Source: McNemar 1947, Psychometrika 12:153-157, with the binomial distribution in place of the normal.
    """
    from scipy.special import bdtr

    if regressed < 0 or fixed < 0:
        raise ValueError(f"regressed={regressed}, fixed={fixed}: counts must be >= 0")
    return min(1.0, 2 * float(bdtr(min(regressed, fixed), regressed + fixed, 0.5)))


def p_of_no_difference(estimate: Estimate) -> float | None:
    """Two-sided p-value of "the true difference is zero", by t from the estimate's own se and df.

    For what is binary and not clustered `mcnemar_exact` is the better one. None where there is no se, and where it is 0.
    """
    from scipy.special import stdtr

    if not estimate.se or estimate.df is None or math.isnan(estimate.value):
        return None
    return 2 * float(stdtr(estimate.df, -abs(estimate.value) / estimate.se))
