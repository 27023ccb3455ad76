"""How far two runs of one model differ by chance."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike


def repeat_noise(
    differences: Sequence[ArrayLike], items: Sequence[int], *, macro: bool = False, level: float = 0.95
) -> float:
    """The half-width around zero in which the difference of two runs of one model lies, `level` of the time.

    differences: by task, again - first of the items asked twice, shape (n_t,), a random part of the task. items: by task, how many
    items the runs are over. macro: tasks count the same; else items do.

    Two runs of one model are exchangeable: whatever the item, their difference has mean zero, so its variance is the mean
    square, and none of it is between items:

        z * sqrt(sum_t w_t^2 mean(d_t^2) / items_t),   w_t = items_t / sum(items), or 1 / tasks.

    It is 0 where nothing differed, which of a few items says little. NaN where a task with items has no difference known.
    Raises ValueError for counts that differ.
    """
    from scipy.special import ndtri

    if len(differences) != len(items):
        raise ValueError(f"differences has {len(differences)} tasks, items {len(items)}: give one of each a task")
    parts = [(np.asarray(d, dtype=float), m) for d, m in zip(differences, items, strict=True) if m]
    total = sum(m for _, m in parts)
    if not parts or any(d.size == 0 for d, _ in parts):
        return math.nan
    weights = [1 / len(parts) if macro else m / total for _, m in parts]
    variance = math.fsum(w * w * float(np.mean(d * d)) / m for w, (d, m) in zip(weights, parts, strict=True))
    return float(ndtri((1 + level) / 2)) * math.sqrt(variance)
