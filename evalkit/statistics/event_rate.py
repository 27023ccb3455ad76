"""How often something happens, over items that may come in clusters or be asked several times."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.statistics.cautions import ENOUGH
from evalkit.statistics.paired import FEWEST_CLUSTERS, cluster_labels
from evalkit.statistics.rates import clopper_pearson, limits_at_size
from evalkit.types import Estimate


def event_rate(
    values: ArrayLike, groups: Sequence[object] | NDArray[np.generic] | None = None, *, level: float = 0.95
) -> Estimate:
    """The mean of values in [0, 1], such as the share of an item's samples that did what must not be done.

    values: shape (n,), without NaN. groups: shape (n,), a cluster label an item; None is an item on its own.

    Single items that are all 0 or 1 have the Clopper-Pearson interval. Else it is Korn and Graubard's: Clopper-Pearson at the
    number of items that would have this much (cluster-robust) variance, times (t_{n-1} / t_{G-1})^2 for G clusters. That
    number is not to be trusted where fewer than 20 clusters have an event at all (or fewer than 20 lack one): one event
    alone looks the same whether its cluster goes along with it or not. There it is at most the number of clusters, of equal
    size as `effective_clusters` counts them, as though each did as one. So no event in G clusters has the interval of no
    event in G items, and a further event never makes the upper end smaller while they are that few.

    se: sqrt of that variance, 0 where nothing happened. differing: clusters (or items) with an event. Without an item there is no value; with fewer than 5 clusters no
    interval. Raises ValueError for values outside [0, 1].
    Source: Korn and Graubard 1998, Survey Methodology 24:193-201.
    """
    from scipy.special import stdtrit

    a = np.asarray(values, dtype=float)
    if a.ndim != 1 or not bool(np.all((a >= 0) & (a <= 1))):
        raise ValueError(f"values of shape {a.shape}: must be (n,), each in [0, 1]; see widened_rate for missing ones")
    n = a.size
    if n == 0 or (groups is None and bool(np.all((a == 0) | (a == 1)))):
        hits = int(a.sum())
        return replace(clopper_pearson(hits, n, level=level), differing=hits)
    labels = np.arange(n) if groups is None else cluster_labels(groups, n)
    sizes, totals = np.bincount(labels), np.bincount(labels, weights=a)
    count, value = sizes.size, float(np.clip(a.mean(), 0, 1))
    method = "Korn-Graubard" if groups is None else f"Korn-Graubard ({count} clusters)"
    if count < FEWEST_CLUSTERS:
        why = f"no interval: {count} cluster(s), and {FEWEST_CLUSTERS} are the least"
        return Estimate(value, None, None, None, level, method, n, (why,))
    having = int(np.count_nonzero(totals > 0))
    variance = count / (count - 1) * float(np.sum((totals - sizes * value) ** 2)) / n**2
    size = effective_clusters(sizes)
    if variance > 0:
        t = [float(stdtrit(df, (1 + level) / 2)) for df in (n - 1, count - 1)]
        by_variance = value * (1 - value) / variance * (t[0] / t[1]) ** 2
        seen = min(having, np.count_nonzero(totals < sizes))
        size = by_variance if seen >= ENOUGH else min(size, by_variance)
    low, high = limits_at_size(value, size, level)
    return Estimate(value, math.sqrt(variance), low, high, level, method, n, differing=having)


def effective_clusters(sizes: NDArray[np.integer]) -> float:
    """How many clusters of equal size say as much: (sum m)^2 / sum m^2, their number where all are of one size.

    Source: Kish 1965, Survey Sampling, section 11.7.
    """
    return float(sizes.sum()) ** 2 / float(np.sum(sizes.astype(float) ** 2))
