"""Missing items at their worst: how far the answers that never came could have moved the difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.statistics.paired import paired_difference
from evalkit.statistics.tango import tango_interval
from evalkit.types import Estimate

Floats = NDArray[np.float64]


def worst_case(base: ArrayLike, tuned: ArrayLike) -> tuple[Floats, Floats, Floats, Floats]:
    """Complete scores in [0, 1] that have NaN for what was never answered, once at the worst and once at the best.

    Returns (base_lo, tuned_lo, base_hi, tuned_hi): the pair with the smallest and the pair with the largest mean of
    tuned - base. Only the arm that is missing moves; what was answered stays.
    """
    first, second = np.asarray(base, dtype=float), np.asarray(tuned, dtype=float)
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(f"base has shape {first.shape}, tuned {second.shape}: both must be (n,), one score an item")
    for name, scores in (("base", first), ("tuned", second)):
        outside = (scores < 0) | (scores > 1)
        if outside.any():
            where = int(np.argmax(outside))
            raise ValueError(f"{name}[{where}] is {scores[where]}: scores must lie in [0, 1], or be NaN where missing")
    no_base, no_tuned = np.isnan(first), np.isnan(second)
    return (
        np.where(no_base, 1.0, first),
        np.where(no_tuned, 0.0, second),
        np.where(no_base, 0.0, first),
        np.where(no_tuned, 1.0, second),
    )


def widened_difference(
    base: ArrayLike,
    tuned: ArrayLike,
    groups: Sequence[object] | NDArray[np.generic] | None = None,
    *,
    level: float = 0.95,
    binary: bool,
    bounded: bool = True,
) -> Estimate:
    """Mean of tuned - base over the items scored on both sides, its interval widened for those that were not.

    base, tuned: shape (n,), in [0, 1], NaN where missing. groups: a cluster label an item. binary: every score is 0 or
    1; without groups the interval is then Tango's, else that of `paired_difference`. bounded: scores lie in [0, 1];
    without bounds there is no worst case, and with anything missing no interval.

    value, se and n come from the items scored on both sides. `low` is the lower limit had every missing answer gone
    against the tuned model, `high` the upper limit had every one gone for it, and `worst` holds those two values. With
    nothing missing it is the plain interval; where one of the three has none, neither has this. Raises ValueError for
    shapes that differ and scores outside [0, 1].
    """
    if not bounded:
        return _unbounded(np.asarray(base, dtype=float), np.asarray(tuned, dtype=float), groups, level)
    base_lo, tuned_lo, base_hi, tuned_hi = worst_case(base, tuned)
    missing = np.isnan(np.asarray(base, dtype=float)) | np.isnan(np.asarray(tuned, dtype=float))
    labels = None if groups is None else np.asarray(groups, dtype=object)
    if labels is not None and labels.shape != missing.shape:
        raise ValueError(f"groups has shape {labels.shape} for {missing.size} items: give one label an item")
    both = ~missing
    plain = _difference(base_lo[both], tuned_lo[both], None if labels is None else labels[both], level, binary)
    if not missing.any():
        return plain
    lower = _difference(base_lo, tuned_lo, labels, level, binary)
    upper = _difference(base_hi, tuned_hi, labels, level, binary)
    parts = (plain, lower, upper)
    told = all(part.low is not None for part in parts)
    # A worst case with enough differences does not make up for too few among the items that were scored.
    cautions = plain.cautions if told else tuple(dict.fromkeys(text for part in parts for text in part.cautions))
    return replace(
        plain,
        low=lower.low if told else None,
        high=upper.high if told else None,
        method=f"{plain.method}, worst case for {int(missing.sum())} missing",
        cautions=cautions,
        worst=(lower.value, upper.value),
    )


def _unbounded(
    base: Floats, tuned: Floats, groups: Sequence[object] | NDArray[np.generic] | None, level: float
) -> Estimate:
    both = ~(np.isnan(base) | np.isnan(tuned))
    labels = None if groups is None else np.asarray(groups, dtype=object)[both]
    plain = paired_difference(base[both], tuned[both], labels, level=level)
    missing = int((~both).sum())
    if not missing:
        return plain
    caution = f"no interval: {missing} items are missing, and a score without bounds has no worst case"
    return replace(plain, low=None, high=None, cautions=(caution, *plain.cautions))


def _difference(
    base: Floats, tuned: Floats, groups: NDArray[np.object_] | None, level: float, binary: bool
) -> Estimate:
    if not binary or groups is not None:
        return paired_difference(base, tuned, groups, level=level)
    for name, scores in (("base", base), ("tuned", tuned)):
        between = (scores != 0) & (scores != 1)
        if between.any():
            found = scores[int(np.argmax(between))]
            raise ValueError(f"{name} holds {found}: binary scores are 0 or 1; pass binary=False for graded ones")
    d = tuned - base
    return tango_interval(int(np.sum(d < 0)), int(np.sum(d > 0)), d.size, level=level)
