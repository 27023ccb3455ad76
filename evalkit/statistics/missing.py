"""Missing items at their worst: how far the answers that never came could have moved the difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.statistics.event_rate import event_rate
from evalkit.statistics.kept_share import kept_share_interval
from evalkit.statistics.paired import paired_difference
from evalkit.statistics.tango import tango_interval
from evalkit.statistics.task_means import mean_over_tasks
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
    share: float = 1.0,
    tasks: Sequence[object] | NDArray[np.generic] | None = None,
) -> Estimate:
    """Mean of tuned - base over the items scored on both sides, its interval widened for those that were not.

    base, tuned: shape (n,), in [0, 1], NaN where missing. groups: a cluster label an item. binary: every score is 0 or
    1; without groups the interval is then Tango's, else that of `paired_difference`. bounded: scores lie in [0, 1];
    without bounds there is no worst case, and with anything missing no interval. share: of base that tuned is held
    against, for the mean of tuned - share * base; what is binary has then the interval of `kept_share_interval`. tasks: a task
    label an item; the mean is then the mean of the tasks' means, by `mean_over_tasks`.

    value, se and n come from the items scored on both sides. `low` is the lower limit had every missing answer gone
    against the tuned model, `high` the upper limit had every one gone for it, and `worst` holds those two values. With
    nothing missing it is the plain interval; where one of the three has none, neither has this. Raises ValueError for
    shapes that differ and scores outside [0, 1].
    """
    if not bounded:
        return _unbounded(np.asarray(base, dtype=float), np.asarray(tuned, dtype=float), groups, level, share, tasks)
    base_lo, tuned_lo, base_hi, tuned_hi = worst_case(base, tuned)
    missing = np.isnan(np.asarray(base, dtype=float)) | np.isnan(np.asarray(tuned, dtype=float))
    how = _How(_labels(groups, "groups", missing.size), _labels(tasks, "tasks", missing.size), level, binary, share)
    both = ~missing
    plain = how.only(both).difference(base_lo[both], tuned_lo[both])
    if not missing.any():
        return plain
    lower, upper = how.difference(base_lo, tuned_lo), how.difference(base_hi, tuned_hi)
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


def widened_rate(
    values: ArrayLike, groups: Sequence[object] | NDArray[np.generic] | None = None, *, level: float = 0.95
) -> Estimate:
    """`event_rate` over the items that were answered, its interval widened for those that were not.

    values: shape (n,), in [0, 1], NaN where missing. `low` is the lower limit had no missing answer shown the event, `high`
    the upper limit had every one.
    """
    a = np.asarray(values, dtype=float)
    missing = np.isnan(a)
    labels = _labels(groups, "groups", a.size)
    plain = event_rate(a[~missing], None if labels is None else labels[~missing], level=level)
    if not missing.any():
        return plain
    lower, upper = (event_rate(np.where(missing, worst, a), labels, level=level) for worst in (0.0, 1.0))
    return replace(
        plain,
        low=lower.low,
        high=upper.high,
        method=f"{plain.method}, worst case for {int(missing.sum())} missing",
        worst=(lower.value, upper.value),
    )


def _labels(labels: Sequence[object] | NDArray[np.generic] | None, name: str, n: int) -> NDArray[np.object_] | None:
    if labels is None:
        return None
    found = np.asarray(labels, dtype=object)
    if found.shape != (n,):
        raise ValueError(f"{name} has shape {found.shape} for {n} items: give one label an item")
    return found


def _unbounded(
    base: Floats,
    tuned: Floats,
    groups: Sequence[object] | NDArray[np.generic] | None,
    level: float,
    share: float,
    tasks: Sequence[object] | NDArray[np.generic] | None,
) -> Estimate:
    both = ~(np.isnan(base) | np.isnan(tuned))
    how = _How(_labels(groups, "groups", base.size), _labels(tasks, "tasks", base.size), level, False, share)
    plain = how.only(both).difference(base[both], tuned[both])
    missing = int((~both).sum())
    if not missing:
        return plain
    caution = f"no interval: {missing} items are missing, and a score without bounds has no worst case"
    return replace(plain, low=None, high=None, cautions=(caution, *plain.cautions))


@dataclass(frozen=True, slots=True)
class _How:
    """How complete scores make a difference. groups, tasks: labels an item."""

    groups: NDArray[np.object_] | None
    tasks: NDArray[np.object_] | None
    level: float
    binary: bool
    share: float

    def only(self, kept: NDArray[np.bool_]) -> _How:
        groups, tasks = (None if one is None else one[kept] for one in (self.groups, self.tasks))
        return replace(self, groups=groups, tasks=tasks)

    def difference(self, base: Floats, tuned: Floats) -> Estimate:
        if self.tasks is not None:
            return mean_over_tasks(base, tuned, self.tasks, self.groups, level=self.level, share=self.share)
        if not self.binary or self.groups is not None:
            return paired_difference(base, tuned, self.groups, level=self.level, share=self.share)
        for name, scores in (("base", base), ("tuned", tuned)):
            between = (scores != 0) & (scores != 1)
            if between.any():
                found = scores[int(np.argmax(between))]
                raise ValueError(f"{name} holds {found}: binary scores are 0 or 1; pass binary=False for graded ones")
        regressed, fixed = int(np.sum(tuned < base)), int(np.sum(tuned > base))
        if self.share == 1:
            return tango_interval(regressed, fixed, base.size, level=self.level)
        kept = int(np.sum(base * tuned))
        return kept_share_interval(kept, regressed, fixed, base.size, share=self.share, level=self.level)
