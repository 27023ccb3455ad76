"""The mean paired difference with a t interval, cluster-robust where items come in clusters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.statistics.cautions import too_few
from evalkit.types import Estimate

MANY_CLUSTERS = 20
FEWEST_CLUSTERS = 5
_NOISE = 1e-12  # differences of scores in [0, 1] below this are rounding, not spread


def paired_difference(
    base: ArrayLike,
    tuned: ArrayLike,
    groups: Sequence[object] | NDArray[np.generic] | None = None,
    *,
    level: float = 0.95,
) -> Estimate:
    """Mean of tuned - base with a t interval, cluster-robust when `groups` is given.

    base, tuned: shape (n,), in score units, aligned by example id, without NaN. groups: shape (n,), a cluster label an
    item; None or NaN is an item on its own.

    Of G clusters: 20 or more give the CR1 standard error with t at G - 1; 5 to 19 give CR2 with Bell-McCaffrey degrees
    of freedom, and so do 20 or more of sizes so unequal that these are fewer than half of G - 1 (one of 60 items beside
    29 of 5: CR1 covers 90 % where 95 % is claimed, CR2 95 %); fewer than 5 give no interval. Neither does n < 2, nor differences that are all equal: a spread of zero is a
    spread not seen yet. A caution says which, and one that begins with TOO_FEW says that fewer than 20 items (or
    clusters) differ at all.

    Raises ValueError if the shapes differ or a value is NaN.
    Sources: Miller 2024, arXiv:2411.00640; Bell and McCaffrey 2002, Survey Methodology 28:169-181.
    """
    d = _differences(base, tuned)
    n = d.size
    if not 0 < level < 1:
        raise ValueError(f"level={level!r}: must lie between 0 and 1, as in 0.95")
    if groups is not None:
        return _clustered(d, cluster_labels(groups, n), level)
    differing = int(np.count_nonzero(np.abs(d) > _NOISE))
    value = float(d.mean()) if n else math.nan
    plain = Estimate(value, None, None, None, level, "t, paired", n, too_few(differing), differing=differing)
    if n < 2:
        return _without_interval(plain, f"no interval: {n} item(s), and two are the least")
    if np.ptp(d) <= _NOISE:
        return _without_interval(replace(plain, se=0.0), _NO_SPREAD)
    return _t_interval(plain, float(d.std(ddof=1)) / math.sqrt(n), n - 1)


_NO_SPREAD = "no interval: every difference is the same, which says nothing of how far others would scatter"


def _clustered(d: NDArray[np.float64], labels: NDArray[np.intp], level: float) -> Estimate:
    n = d.size
    value = float(d.mean()) if n else math.nan
    sizes = np.bincount(labels)
    count = sizes.size
    totals = np.bincount(labels, weights=d)
    scatter = totals - sizes * value
    differing = int(np.count_nonzero(np.abs(totals) > _NOISE * sizes))
    method = f"t, cluster-robust ({count} clusters)"
    cautions = too_few(differing, "clusters")
    plain = Estimate(value, None, None, None, level, method, n, cautions, differing=differing)
    if count < FEWEST_CLUSTERS:
        return _without_interval(plain, f"no interval: {count} cluster(s), and {FEWEST_CLUSTERS} are the least")
    if np.all(np.abs(scatter) <= _NOISE * sizes):
        return _without_interval(replace(plain, se=0.0), _NO_SPREAD)
    se, df = _cr2(scatter, sizes / n, n)
    if count >= MANY_CLUSTERS and df >= (count - 1) / 2:
        return _t_interval(plain, math.sqrt(count / (count - 1) * float(scatter @ scatter)) / n, count - 1)
    return _t_interval(replace(plain, method=f"CR2, Bell-McCaffrey ({count} clusters)"), se, df)


def _cr2(scatter: NDArray[np.float64], share: NDArray[np.float64], n: int) -> tuple[float, float]:
    """CR2 standard error of a mean and its Bell-McCaffrey degrees of freedom, in closed form.

    With an intercept alone, X = 1 and the hat matrix is 11'/n. Within cluster g of share p_g it has the eigenvector 1
    with eigenvalue p_g, so the CR2 adjustment (I - H_gg)^(-1/2) multiplies the cluster's total residual S_g by
    (1 - p_g)^(-1/2):

        variance = sum_g S_g^2 / (1 - p_g) / n^2.

    Under the working model of independent errors with equal variance the variance estimate is a quadratic form with
    matrix B_gh = (p_g [g = h] - p_g p_h) / sqrt((1 - p_g)(1 - p_h)) / n. Its diagonal is p_g / n, its trace 1 / n, so

        df = (tr B)^2 / tr(B^2) = 1 / (sum_g p_g^2 + sum_{g != h} p_g^2 p_h^2 / ((1 - p_g)(1 - p_h))),

    which is G - 1 for clusters of equal size.
    """
    rest = 1 - share
    variance = float(np.sum(scatter**2 / rest)) / n**2
    u = share**2 / rest
    df = 1 / float(np.sum(share**2) + np.sum(u) ** 2 - np.sum(u**2))
    return math.sqrt(variance), df


def _differences(base: ArrayLike, tuned: ArrayLike) -> NDArray[np.float64]:
    first, second = np.asarray(base, dtype=float), np.asarray(tuned, dtype=float)
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(f"base has shape {first.shape}, tuned {second.shape}: both must be (n,), one score an item")
    d = second - first
    if np.isnan(d).any():
        raise ValueError(f"item {int(np.argmax(np.isnan(d)))} has no score on one side: see widened_difference")
    return d


def cluster_labels(groups: Sequence[object] | NDArray[np.generic], n: int) -> NDArray[np.intp]:
    """Cluster numbers 0..G-1; items without a cluster get one each."""
    from pandas import factorize

    if len(groups) != n:
        raise ValueError(f"groups has {len(groups)} labels for {n} items: give one an item")
    labels, names = factorize(np.asarray(groups, dtype=object))
    alone = labels < 0
    labels[alone] = len(names) + np.arange(np.count_nonzero(alone))
    return labels


def _t_interval(plain: Estimate, se: float, df: float) -> Estimate:
    from scipy.special import stdtrit

    half = float(stdtrit(df, (1 + plain.level) / 2)) * se
    return replace(plain, se=se, low=plain.value - half, high=plain.value + half, df=float(df))


def _without_interval(plain: Estimate, reason: str) -> Estimate:
    return replace(plain, cautions=(reason, *plain.cautions))
