"""How much of what a model could do above chance is left: a ratio of two paired means, by Fieller's theorem."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.statistics.cautions import too_few
from evalkit.statistics.paired import paired_difference
from evalkit.statistics.task_means import clusters_span, mean_over_tasks
from evalkit.types import Estimate

Labels = Sequence[object] | NDArray[np.generic] | None

METHOD = "Fieller"

STEADY = 3.0
"""Standard errors that base must stand above chance before the ratio means anything."""


@dataclass(frozen=True, slots=True)
class Moments:
    """Two paired means, tuned's over base's, with the variances and the covariance of those means.

    df: degrees of freedom of the variances. n: items. differing: how many items (or clusters) differ between the two.
    """

    over: float
    under: float
    var_over: float
    var_under: float
    covariance: float
    df: float
    n: int
    differing: int


def fieller_limits(moments: Moments, *, level: float = 0.95) -> tuple[float, float] | None:
    """The set of ratios over / under that the data do not reject, where that set is an interval; else None.

    All theta with (over - theta under)^2 <= t^2 (var_over - 2 theta covariance + theta^2 var_under). Its ends are the
    roots of a quadratic in theta, an interval only while `under` is clear of zero: under^2 > t^2 var_under. Elsewhere the
    set is a half-line, everything but an interval, or everything, and no two numbers say that.
    Source: Fieller 1954, Journal of the Royal Statistical Society B 16:175-185.
    """
    from scipy.special import stdtrit

    t = float(stdtrit(moments.df, (1 + level) / 2))
    a = moments.under**2 - t**2 * moments.var_under
    b = moments.over * moments.under - t**2 * moments.covariance
    c = moments.over**2 - t**2 * moments.var_over
    if a <= 0:
        return None
    # Not negative while `a` is positive, but for rounding: the set then holds at least the ratio itself.
    half = math.sqrt(max(b * b - a * c, 0.0))
    return (b - half) / a, (b + half) / a


def retention(
    base: ArrayLike,
    tuned: ArrayLike,
    groups: Labels = None,
    *,
    chance: float = 0.0,
    strata: Labels = None,
    level: float = 0.95,
) -> Estimate:
    """(mean tuned - chance) / (mean base - chance) with Fieller's interval: 1 keeps all of what base can do, 0 none.

    base, tuned: shape (n,), aligned by item, without NaN. groups: a cluster label an item, as in `paired_difference`, whose
    variances these are. strata: a task label an item; the means are then means of the tasks' means, each task counting
    the same, and the degrees of freedom are those of the smallest; where a cluster has items of several tasks, the variances
    are those of `mean_over_tasks`.

    The value is NaN ("hidden"), and a caution says why, while base is not `STEADY` standard errors above chance: the ratio
    of two numbers near zero says nothing. No interval where the variances are not known (few clusters), where every
    difference is the same, or where Fieller's set is unbounded. Fewer than 20 differing items: a caution.

    Raises ValueError if shapes differ, a value is NaN, or `chance` is not in [0, 1).
    """
    if not 0 <= chance < 1:
        raise ValueError(f"chance={chance!r}: must lie in [0, 1)")
    first, second = np.asarray(base, dtype=float) - chance, np.asarray(tuned, dtype=float) - chance
    moments, cautions = _moments(first, second, groups, strata)
    n = moments.n if isinstance(moments, Moments) else first.size
    plain = Estimate(math.nan, None, None, None, level, METHOD, n, cautions)
    if not isinstance(moments, Moments):
        return plain
    under, se = moments.under, math.sqrt(moments.var_under)
    if not under > 0 or under < STEADY * se:
        why = f"hidden: base stands {100 * under:+.1f} pp from chance, not {STEADY:g} standard errors ({100 * se:.1f} pp) above it"
        return Estimate(math.nan, None, None, None, level, METHOD, n, (why,), differing=moments.differing)
    value = moments.over / under
    if not _scatters(moments):
        same = "no interval: every difference is the same, which says nothing of how far others would scatter"
        return Estimate(value, None, None, None, level, METHOD, n, (same, *cautions), differing=moments.differing)
    variance = moments.var_over - 2 * value * moments.covariance + value**2 * moments.var_under
    limits = fieller_limits(moments, level=level)
    low, high = limits if limits else (None, None)
    if not limits:
        cautions = ("no interval: Fieller's set is unbounded", *cautions)
    return Estimate(
        value, math.sqrt(max(variance, 0.0)) / under, low, high, level, METHOD, n, cautions,
        df=moments.df, differing=moments.differing,
    )  # fmt: skip


def _scatters(moments: Moments) -> bool:
    """Whether the differences have any spread."""
    return moments.var_over - 2 * moments.covariance + moments.var_under > 1e-24


def _moments(
    base: NDArray[np.float64], tuned: NDArray[np.float64], groups: Labels, strata: Labels
) -> tuple[Moments | None, tuple[str, ...]]:
    if strata is None:
        return _of_one(base, tuned, groups)
    labels, kind = np.asarray(strata, dtype=object), None if groups is None else np.asarray(groups, dtype=object)
    parts: list[Moments] = []
    places = [labels == name for name in dict.fromkeys(labels.tolist())]
    if kind is not None and clusters_span([kind[mine] for mine in places]):
        return _of_one(base, tuned, kind, labels)
    for name, mine in zip(dict.fromkeys(labels.tolist()), places, strict=True):
        part, cautions = _of_one(base[mine], tuned[mine], None if kind is None else kind[mine])
        if part is None:
            return None, tuple(f"{text} (in {name})" for text in cautions)
        parts.append(part)
    if not parts:
        return None, ("no item was scored on both sides",)
    k, differing = len(parts), sum(part.differing for part in parts)
    together = Moments(
        over=math.fsum(part.over for part in parts) / k,
        under=math.fsum(part.under for part in parts) / k,
        var_over=math.fsum(part.var_over for part in parts) / k**2,
        var_under=math.fsum(part.var_under for part in parts) / k**2,
        covariance=math.fsum(part.covariance for part in parts) / k**2,
        df=min(part.df for part in parts),
        n=sum(part.n for part in parts),
        differing=differing,
    )
    return together, too_few(differing)


def _of_one(
    base: NDArray[np.float64], tuned: NDArray[np.float64], groups: Labels, tasks: Labels = None
) -> tuple[Moments | None, tuple[str, ...]]:
    """The covariance by polarisation: var(tuned - base) = var(tuned) + var(base) - 2 cov. So clusters need no own formula."""
    zero = np.zeros_like(base)

    def difference(first: NDArray[np.float64], second: NDArray[np.float64]) -> Estimate:
        if tasks is None:
            return paired_difference(first, second, groups)
        return mean_over_tasks(first, second, tasks, groups)

    d, over, under = difference(base, tuned), difference(zero, tuned), difference(zero, base)
    if over.se is None or under.se is None or d.se is None:
        return None, d.cautions or over.cautions or under.cautions
    known = [one.df for one in (d, over, under) if one.df is not None]
    covariance = (over.se**2 + under.se**2 - d.se**2) / 2
    moments = Moments(
        over.value, under.value, over.se**2, under.se**2, covariance, min(known, default=1.0), d.n, d.differing or 0
    )
    # Without any spread there is a caution of `paired_difference`'s own, which is said in words of this one's.
    return moments, tuple(text for text in d.cautions if not text.startswith("no interval"))
