"""The mean paired difference with a t interval, cluster-robust where items come in clusters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.statistics.cautions import too_few
from evalkit.statistics.cr2 import cr2
from evalkit.types import Estimate

MANY_CLUSTERS = 20
FEWEST_CLUSTERS = 5
NOISE = 1e-12
"""Differences of scores in [0, 1] below this are rounding, not spread."""


def paired_difference(
    base: ArrayLike,
    tuned: ArrayLike,
    groups: Sequence[object] | NDArray[np.generic] | None = None,
    *,
    level: float = 0.95,
    share: float = 1.0,
) -> Estimate:
    """Mean of tuned - base with a t interval, cluster-robust when `groups` is given.

    base, tuned: shape (n,), in score units, aligned by example id, without NaN. groups: shape (n,), a cluster label an
    item; None or NaN is an item on its own. share: of base that tuned is held against, for the mean of tuned - share * base.

    Of G clusters: 20 or more give the CR1 standard error with t at G - 1; 5 to 19 give CR2 with Bell-McCaffrey degrees
    of freedom, and so do 20 or more of sizes so unequal that these are fewer than half of G - 1 (one of 60 items beside
    29 of 5: CR1 covers 90 % where 95 % is claimed, CR2 95 %); fewer than 5 give no interval. Neither does n < 2, nor differences that are all equal: a spread of zero is a
    spread not seen yet. A caution says which, and one that begins with TOO_FEW says that fewer than 20 items (or
    clusters) differ between the models at all: tuned from base, whatever the share.

    Raises ValueError if the shapes differ or a value is NaN.
    Sources: Miller 2024, arXiv:2411.00640; Bell and McCaffrey 2002, Survey Methodology 28:169-181.
    """
    d, change = paired_differences(base, tuned, share)
    n = d.size
    if not 0 < level < 1:
        raise ValueError(f"level={level!r}: must lie between 0 and 1, as in 0.95")
    if groups is not None:
        return _clustered(d, change, cluster_labels(groups, n), level)
    differing = int(np.count_nonzero(np.abs(change) > NOISE))
    value = float(d.mean()) if n else math.nan
    plain = Estimate(value, None, None, None, level, "t, paired", n, too_few(differing), differing=differing)
    if n < 2:
        return without_interval(plain, f"no interval: {n} item(s), and two are the least")
    if np.ptp(d) <= NOISE:
        return no_spread(plain)
    return with_t_interval(plain, float(d.std(ddof=1)) / math.sqrt(n), n - 1)


def _clustered(d: NDArray[np.float64], change: NDArray[np.float64], labels: NDArray[np.intp], level: float) -> Estimate:
    n = d.size
    value = float(d.mean()) if n else math.nan
    sizes = np.bincount(labels)
    count = sizes.size
    scatter = np.bincount(labels, weights=d) - sizes * value
    differing = int(np.count_nonzero(np.abs(np.bincount(labels, weights=change)) > NOISE * sizes))
    method = f"t, cluster-robust ({count} clusters)"
    cautions = too_few(differing, "clusters")
    plain = Estimate(value, None, None, None, level, method, n, cautions, differing=differing)
    if count < FEWEST_CLUSTERS:
        return without_interval(plain, f"no interval: {count} cluster(s), and {FEWEST_CLUSTERS} are the least")
    if np.all(np.abs(scatter) <= NOISE * sizes):
        return no_spread(plain)
    se, df = cr2(d - value, labels, np.zeros(n, dtype=np.intp))
    if count >= MANY_CLUSTERS and df >= (count - 1) / 2:
        return with_t_interval(plain, math.sqrt(count / (count - 1) * float(scatter @ scatter)) / n, count - 1)
    return with_t_interval(replace(plain, method=f"CR2, Bell-McCaffrey ({count} clusters)"), se, df)


def paired_differences(
    base: ArrayLike, tuned: ArrayLike, share: float = 1.0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Tuned - share * base, and tuned - base, an item each. Raises ValueError if the shapes differ or a value is NaN."""
    first, second = np.asarray(base, dtype=float), np.asarray(tuned, dtype=float)
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(f"base has shape {first.shape}, tuned {second.shape}: both must be (n,), one score an item")
    change = second - first
    if np.isnan(change).any():
        raise ValueError(f"item {int(np.argmax(np.isnan(change)))} has no score on one side: see widened_difference")
    return (change if share == 1 else second - share * first), change


def cluster_labels(groups: Sequence[object] | NDArray[np.generic], n: int) -> NDArray[np.intp]:
    """Cluster numbers 0..G-1; items without a cluster get one each."""
    from pandas import factorize

    if len(groups) != n:
        raise ValueError(f"groups has {len(groups)} labels for {n} items: give one an item")
    labels, names = factorize(np.asarray(groups, dtype=object))
    alone = labels < 0
    labels[alone] = len(names) + np.arange(np.count_nonzero(alone))
    return labels


def with_t_interval(plain: Estimate, se: float, df: float) -> Estimate:
    """The estimate with this standard error and its t interval."""
    from scipy.special import stdtrit

    half = float(stdtrit(df, (1 + plain.level) / 2)) * se
    return replace(plain, se=se, low=plain.value - half, high=plain.value + half, df=float(df))


def without_interval(plain: Estimate, reason: str) -> Estimate:
    """The estimate with a caution, before its others, that says why it has no interval."""
    return replace(plain, cautions=(reason, *plain.cautions))


def no_spread(plain: Estimate) -> Estimate:
    """The estimate of differences that are all the same."""
    reason = "no interval: every difference is the same, which says nothing of how far others would scatter"
    return without_interval(replace(plain, se=0.0), reason)
