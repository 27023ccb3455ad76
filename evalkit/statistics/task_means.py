"""The mean over tasks, each counting the same, where one cluster may have items of several tasks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.statistics.cautions import too_few
from evalkit.statistics.cr2 import cr2
from evalkit.statistics.paired import (
    FEWEST_CLUSTERS,
    NOISE,
    cluster_labels,
    no_spread,
    paired_differences,
    with_t_interval,
    without_interval,
)
from evalkit.types import Estimate

Labels = Sequence[object] | NDArray[np.generic] | None


def mean_over_tasks(
    base: ArrayLike,
    tuned: ArrayLike,
    tasks: Sequence[object] | NDArray[np.generic],
    groups: Labels = None,
    *,
    level: float = 0.95,
    share: float = 1.0,
) -> Estimate:
    """The mean of the tasks' mean differences, tuned - share * base, with one cluster-robust interval.

    base, tuned, groups, share: as in `paired_difference`. tasks: shape (n,), a task label an item. An item of task t has the
    weight 1 / (T n_t), and what a cluster adds is the sum over its items of all tasks: versions of one problem in several
    tasks err together, and the mean of independent intervals (`macro_average`) would be too narrow. CR2 with
    Bell-McCaffrey degrees of freedom; fewer than 5 clusters, or no spread at all: no interval. differing: clusters whose
    weighted total of tuned - base is not zero; fewer than 20 of them: a caution that begins with TOO_FEW.

    Raises ValueError if the shapes differ, a value is NaN, or there is no item.
    Source: Miller 2024, arXiv:2411.00640, section 2.2, for the clusters; `cr2` for the rest.
    """
    d, change = paired_differences(base, tuned, share)
    if not d.size:
        raise ValueError("no item: a mean over tasks needs one of each")
    labels = np.arange(d.size) if groups is None else cluster_labels(groups, d.size)
    codes = cluster_labels(tasks, d.size)
    sizes = np.bincount(codes)
    means = np.bincount(codes, weights=d) / sizes
    weights = 1 / (sizes.size * sizes[codes])
    count = int(labels.max()) + 1
    differing = int(np.count_nonzero(np.abs(np.bincount(labels, weights=weights * change)) > NOISE / d.size))
    method = f"mean of tasks, CR2, Bell-McCaffrey ({count} clusters)"
    cautions = too_few(differing, "clusters")
    plain = Estimate(float(means.mean()), None, None, None, level, method, d.size, cautions, differing=differing)
    if count < FEWEST_CLUSTERS:
        return without_interval(plain, f"no interval: {count} cluster(s), and {FEWEST_CLUSTERS} are the least")
    residuals = d - means[codes]
    if np.all(np.abs(np.bincount(labels, weights=weights * residuals)) <= NOISE / d.size):
        return no_spread(plain)
    return with_t_interval(plain, *cr2(residuals, labels, codes))


def clusters_span(groups: Sequence[Labels]) -> bool:
    """Whether any cluster has items of more than one task. groups: of each task, a label an item; None where it has none."""
    from pandas import Series

    seen: set[object] = set()
    for labels in groups:
        mine = set() if labels is None else set(Series(list(labels), dtype=object).dropna().unique())
        if seen & mine:
            return True
        seen |= mine
    return False
