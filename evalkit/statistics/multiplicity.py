"""Many questions at once: adjusted p-values, and intervals that hold for all suites together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.statistics import tango
from evalkit.statistics.cautions import rests_on_too_few
from evalkit.types import Estimate, Worst

Floats = NDArray[np.float64]

_DRAWS = 200_000


def holm(p_values: ArrayLike) -> Floats:
    """Holm's adjusted p-values, shape (n,): rejecting those up to alpha errs anywhere at most alpha of the time.

    Raises ValueError for what is no probability. Source: Holm 1979, Scandinavian Journal of Statistics 6:65-70.
    """
    p = _probabilities(p_values)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * (p.size - np.arange(p.size)))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def benjamini_hochberg(p_values: ArrayLike) -> Floats:
    """Benjamini and Hochberg's adjusted p-values, shape (n,): of those up to q, at most a share q is false on average.

    Raises ValueError for what is no probability. Source: Benjamini and Hochberg 1995, JRSS B 57:289-300, by scipy.
    """
    from scipy.stats import false_discovery_control

    p = _probabilities(p_values)
    return np.asarray(false_discovery_control(p, method="bh")) if p.size else p


def max_t_critical(
    dfs: Sequence[float],
    *,
    level: float = 0.95,
    sides: Literal[1, 2] = 2,
    correlation: ArrayLike | None = None,
    rng: np.random.Generator | None = None,
) -> float:
    """The number c with P(every |T_i| <= c) = level, T_i of Student's t with dfs[i] (`sides` 1: every T_i <= c).

    Independent T_i, as of suites: the product of their own probabilities. correlation: shape (k, k), of estimates that
    share data, as several candidates held against one base do; then `rng` draws a normal vector with it, divided by
    each one's own chi, 200,000 times (standard error of c below .01). inf is a normal's df.

    Raises ValueError for no or non-positive dfs, and for a correlation of another shape or without `rng`.
    Sources: Sidak 1967, JASA 62:626-633 (independent); Dunnett 1955, JASA 50:1096-1121 (correlated).
    """
    from scipy.optimize import root_scalar
    from scipy.special import ndtr, stdtr

    degrees = np.asarray(dfs, dtype=float)
    if degrees.ndim != 1 or not degrees.size or not bool(np.all(degrees > 0)):
        raise ValueError(f"dfs={list(dfs)!r}: give at least one, each above 0")
    if not 0 < level < 1:
        raise ValueError(f"level={level!r}: must lie between 0 and 1, as in 0.95")
    if correlation is not None:
        return _drawn_critical(degrees, level, sides, np.asarray(correlation, dtype=float), rng)

    def missed(c: float) -> float:
        below = np.where(np.isinf(degrees), ndtr(c), stdtr(degrees, c))
        return math.prod((below if sides == 1 else 2 * below - 1).tolist()) - level

    top = 2.0
    while missed(top) < 0:
        top *= 2
    bottom = 0.0 if sides == 2 else -10.0
    return float(root_scalar(missed, bracket=(bottom, top), method="brentq", xtol=1e-10).root)


def _drawn_critical(
    degrees: Floats, level: float, sides: int, correlation: Floats, rng: np.random.Generator | None
) -> float:
    k = degrees.size
    if correlation.shape != (k, k) or rng is None:
        raise ValueError(f"correlation of shape {correlation.shape} for {k} estimates: give ({k}, {k}), and an rng")
    drawn = rng.multivariate_normal(np.zeros(k), correlation, _DRAWS, method="eigh")
    for place, df in enumerate(degrees):
        if math.isfinite(df):
            drawn[:, place] /= np.sqrt(rng.chisquare(df, _DRAWS) / df)
    furthest = (np.abs(drawn) if sides == 2 else drawn).max(axis=1)
    return float(np.quantile(furthest, level))


def worst_of(
    estimates: Sequence[Estimate],
    names: Sequence[str],
    *,
    level: float = 0.95,
    sides: Literal[1, 2] = 2,
    correlation: ArrayLike | None = None,
    rng: np.random.Generator | None = None,
) -> Worst | None:
    """Which of several differences is the largest loss, with limits for the largest true loss among them all.

    estimates: differences tuned - base, each with its interval at `level`. The result counts a loss positive. Each
    interval is widened until all hold at once with probability `level`; the largest true loss then lies between the
    largest lower and the largest upper limit, whichever suite it is in. The upper end may come from another suite than
    the one named: a small suite with a wide interval may hide more. sides 1: an upper limit alone, low is -inf.
    correlation, rng: as in `max_t_critical`. None for no estimates.

    Tango's intervals are computed anew; a t interval is stretched exactly, others in proportion (in proportion to the
    square where few items differ, as an exact one would at no difference at all). Without an interval of one of them
    there is none, and a caution says of which.
    Raises ValueError where counts differ and where an estimate has another level.
    """
    if len(estimates) != len(names):
        raise ValueError(f"{len(estimates)} estimates and {len(names)} names: give one of each")
    if not estimates:
        return None
    known = [(name, one) for name, one in zip(names, estimates, strict=True) if not math.isnan(one.value)]
    if not known:
        return None
    off = [name for name, one in known if one.level != level]
    if off:
        raise ValueError(f"{off[0]} has an interval at another level than {level}: compute all alike")
    name, worst = min(known, key=lambda pair: pair[1].value)
    n = sum(one.n for _, one in known)
    method = f"max-t over {len(known)}" if len(known) > 1 else worst.method
    cautions = tuple(
        dict.fromkeys(f"{text} (in {suite})" for suite, one in known for text in one.cautions if rests_on_too_few(one))
    )
    result = Worst(name, Estimate(-worst.value, worst.se, None, None, level, method, n, cautions, df=worst.df))
    blind = [suite for suite, one in zip(names, estimates, strict=True) if one.low is None or one.high is None]
    if blind:
        said = f"no interval: there is none for {', '.join(blind)}"
        return replace(result, loss=replace(result.loss, cautions=(said, *cautions)))
    degrees = [one.df if one.df else math.inf for _, one in known]
    c = max_t_critical(degrees, level=level, sides=sides, correlation=correlation, rng=rng)
    limits = [_widened(one, df, c) for (_, one), df in zip(known, degrees, strict=True)]
    low = max(-high for _, high in limits) if sides == 2 else -math.inf
    return replace(result, loss=replace(result.loss, low=low, high=max(-low for low, _ in limits)))


def _widened(one: Estimate, df: float, c: float) -> tuple[float, float]:
    """The interval at the level that critical value `c` has for this estimate alone."""
    from scipy.special import ndtr, ndtri, stdtr, stdtrit

    assert one.low is not None and one.high is not None
    alone = float(ndtri((1 + one.level) / 2) if math.isinf(df) else stdtrit(df, (1 + one.level) / 2))
    own = 2 * float(ndtr(c) if math.isinf(df) else stdtr(df, c)) - 1
    if one.method == tango.METHOD and one.differing is not None and 0 < own < 1:
        moved = round(one.value * one.n)
        again = tango.tango_interval((one.differing - moved) // 2, (one.differing + moved) // 2, one.n, level=own)
        assert again.low is not None and again.high is not None
        return again.low, again.high
    stretch = c / alone
    if stretch > 1 and rests_on_too_few(one):
        stretch *= stretch
    lowest, highest = one.worst if one.worst else (one.value, one.value)
    return lowest - stretch * (lowest - one.low), highest + stretch * (one.high - highest)


def _probabilities(p_values: ArrayLike) -> Floats:
    p = np.asarray(p_values, dtype=float)
    if p.ndim != 1 or not bool(np.all((p >= 0) & (p <= 1))):
        raise ValueError("p-values must be (n,), each in [0, 1]; leave out what was not tested")
    return p
