"""What is kept of base's score: the score interval of tuned - share * base, both proportions of the same items."""

from __future__ import annotations

import math
from collections.abc import Callable

from evalkit.types import Estimate

METHOD = "paired score, share of base"


def kept_share_interval(
    kept: int, regressed: int, fixed: int, n: int, *, share: float, level: float = 0.95
) -> Estimate:
    """Rate of tuned minus `share` times the rate of base over the same n items, each right or wrong.

    kept: items both got right; regressed, fixed: items only base, or only tuned, got right. The limits are those values
    that Pearson's chi-square, with the four kinds of items at their best fit under the value, does not reject. At
    share 1 that is Tango's interval; whether 0 lies in it is Nam and Blackwelder's, and Tang, Tang and Chan's, test of the ratio
    of two paired proportions. se: sd(d) / sqrt(n), None for n < 2.

    A t interval would not do: every kept item has the difference 1 - share, whatever the two models have in common, so that
    its spread shrinks to nothing where few items flip, and with it the width. This one keeps a width, of z^2 share / (n + z^2)
    downwards where no item is right at all.

    Raises ValueError for counts that no n items could give and a share outside (0, 1]. With n = 0 there is no value.
    Sources: Tango 1998, Statistics in Medicine 17:891-908; Nam and Blackwelder 2002, Statistics in Medicine 21:689-699;
    Tang, Tang and Chan 2003, Statistics in Medicine 22:1217-1233.
    """
    from scipy.optimize import brentq
    from scipy.special import ndtri

    if not 0 < level < 1:
        raise ValueError(f"level={level!r}: must lie between 0 and 1, as in 0.95")
    if not 0 < share <= 1:
        raise ValueError(f"share={share!r}: must be above 0 and at most 1, as in 0.98")
    if min(kept, regressed, fixed) < 0 or kept + regressed + fixed > n:
        raise ValueError(
            f"kept={kept}, regressed={regressed}, fixed={fixed}, n={n}: counts must be >= 0 and add up to at most n"
        )
    if n == 0:
        return Estimate(math.nan, None, None, None, level, METHOD, 0, ("no item was scored on both sides",))
    counts = ((1.0, fixed), (1 - share, kept), (0.0, n - kept - regressed - fixed), (-share, regressed))
    mean = math.fsum(value * count for value, count in counts) / n
    se = None
    if n > 1:
        se = math.sqrt(math.fsum(count * (value - mean) ** 2 for value, count in counts) / (n - 1) / n)
    critical = float(ndtri((1 + level) / 2)) ** 2
    shares = [(value, count / n) for value, count in counts]

    def limit(end: float) -> float:
        """Between the mean and the end of what is possible."""
        if mean == end:
            return end

        def excess(at: float) -> float:
            return n * _multiplier(shares, at, brentq) * (mean - at) - critical

        # At the mean there is nothing to reject, at the end everything: there the best fit has a zero where items are.
        return float(brentq(excess, mean, end + 1e-12 * (mean - end), xtol=1e-12))  # pyright: ignore[reportArgumentType]

    df = float(n - 1) if n > 1 else None
    return Estimate(mean, se, limit(-share), limit(1.0), level, METHOD, n, df=df, differing=regressed + fixed)


def _multiplier(shares: list[tuple[float, float]], at: float, root_of: Callable[..., object]) -> float:
    """Lagrange's multiplier of "the mean is `at`" at the best fit p_i = f_i / (1 + multiplier (value_i - at)).

    shares: each kind's value, and its share f of the items. Pearson's chi-square is n * multiplier * (mean - at). A kind of
    which there is no item takes what is left over where the others cannot reach `at` by themselves.
    """
    seen = [(value - at, f) for value, f in shares if f > 0]
    below = min(value for value, _ in shares) - at
    above = max(value for value, _ in shares) - at

    def slope(multiplier: float) -> float:
        return math.fsum(f * u / (1 + multiplier * u) for u, f in seen)

    at_rest = slope(0.0)
    if at_rest == 0:
        return 0.0
    # Towards the outermost kind: a kind that is seen has p >= its share, one that is not seen has p >= 0.
    outermost = above if at_rest < 0 else below
    f = math.fsum(f for u, f in seen if u == outermost)
    edge = -(1 - f) / outermost
    if f == 0 and slope(edge) * at_rest >= 0:
        return edge
    return float(root_of(slope, 0.0, edge, xtol=1e-15, rtol=1e-14))  # pyright: ignore[reportArgumentType]
