"""How often a judge preferred the tuned model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.statistics.cautions import too_few
from evalkit.statistics.event_rate import effective_clusters
from evalkit.statistics.paired import FEWEST_CLUSTERS, cluster_labels, paired_difference
from evalkit.types import Estimate


def win_rate(
    scores: ArrayLike, groups: Sequence[object] | NDArray[np.generic] | None = None, *, level: float = 0.95
) -> Estimate:
    """The tuned model's win rate: the mean of one score a prompt, with a t interval cut to [0, 1].

    scores: shape (n,), in [0, 1], both orders of a prompt averaged: 1 won, 0 lost, 0.5 tied or flipped with the order.
    The prompt is the unit: two orders of one prompt are not two observations. groups: shape (n,), a cluster label a prompt
    (the turns of one question), None where it is on its own: then as `paired_difference` has it.

    Where all prompts score the same value c a t interval would have no width. Then the Clopper-Pearson bound u on the
    share of prompts that would score anything else gives [c - u c, c + u (1 - c)]: at c = 0 and 1 the Clopper-Pearson
    interval itself; of clusters as many count as `effective_clusters` says. Fewer than 20 prompts with a score other than a tie: a caution that begins with TOO_FEW.
    Fewer than two prompts: no interval. Raises ValueError for scores that are NaN or outside [0, 1].
    """
    from scipy.special import stdtrit

    if not 0 < level < 1:
        raise ValueError(f"level={level!r}: must lie between 0 and 1, as in 0.95")
    s = np.asarray(scores, dtype=float)
    if s.ndim != 1:
        raise ValueError(f"scores has shape {s.shape}: must be (n,), one score a prompt")
    outside = ~((s >= 0) & (s <= 1))
    if outside.any():
        where = int(np.argmax(outside))
        raise ValueError(f"scores[{where}] is {s[where]}: must lie in [0, 1]; leave unscored prompts out")
    n = s.size
    if groups is not None and len({*groups} - {None}) < sum(one is not None for one in groups):
        return _clustered(s, groups, level)
    method = "t, by prompt"
    if n < 2:
        reason = f"no interval: {n} prompt(s) judged in both orders, and two are the least"
        return Estimate(float(s[0]) if n else math.nan, None, None, None, level, method, n, (reason,))
    differing = int(np.count_nonzero(s != 0.5))
    cautions = too_few(differing, "prompts")
    value = float(s.mean())
    if np.ptp(s) == 0:
        value = float(s[0])
        low, high = _around(value, n, level)
        return Estimate(value, 0.0, low, high, level, "Clopper-Pearson, by prompt", n, cautions, differing=differing)
    se = float(s.std(ddof=1)) / math.sqrt(n)
    half = float(stdtrit(n - 1, (1 + level) / 2)) * se
    low, high = max(0.0, value - half), min(1.0, value + half)
    return Estimate(value, se, low, high, level, method, n, cautions, df=float(n - 1), differing=differing)


def _clustered(s: NDArray[np.float64], groups: Sequence[object] | NDArray[np.generic], level: float) -> Estimate:
    """Held against a tie, so that what differs is what is no tie."""
    found = paired_difference(np.full(s.size, 0.5), s, groups, level=level)
    sizes = np.bincount(cluster_labels(groups, s.size))
    if np.ptp(s) == 0 and sizes.size >= FEWEST_CLUSTERS:
        low, high = _around(float(s[0]), effective_clusters(sizes), level)
        method = f"Clopper-Pearson ({sizes.size} clusters), by prompt"
        cautions = too_few(found.differing or 0, "clusters")
        return replace(found, value=float(s[0]), low=low, high=high, method=method, cautions=cautions)
    low = None if found.low is None else max(0.0, found.low + 0.5)
    high = None if found.high is None else min(1.0, found.high + 0.5)
    return replace(found, value=float(s.mean()), low=low, high=high, method=f"{found.method}, by prompt")


def _around(value: float, n: float, level: float) -> tuple[float, float]:
    """Limits where all `n` scored `value`: how many others may score anything else without one having been seen."""
    other = 1 - ((1 - level) / 2) ** (1 / n)
    return value - other * value, value + other * (1 - value)
