"""Both models' answers to the same questions, side by side, and the change of a measure between them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalkit.statistics import rests_on_too_few, widened_difference
from evalkit.stored.columns import is_, is_in, matched, places, words
from evalkit.types import Drift, Estimate, TaskRecord

Values = NDArray[np.generic]

_KEY = ["task", "id", "sample"]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Answers of both models, aligned: row i of `base` and of `tuned` answer the same question.

    item: shape (n,), the number of the item that a row belongs to, from 0; an item has a row a sample. groups: a cluster
    label an item, None where items are independent.
    """

    base: pd.DataFrame
    tuned: pd.DataFrame
    item: NDArray[np.intp]
    groups: NDArray[np.object_] | None

    def __len__(self) -> int:
        return len(self.item)

    @property
    def items(self) -> int:
        """How many items there are."""
        return int(self.item.max()) + 1 if len(self) else 0

    @property
    def units(self) -> NDArray[np.intp]:
        """The number of the independent unit that each row belongs to: its cluster, else its item."""
        if self.groups is None:
            return self.item
        label, names = pd.factorize(self.groups)
        alone = label < 0
        label[alone] = len(names) + np.arange(int(alone.sum()))
        return label[self.item]

    def mean_by_item(self, values: Values) -> NDArray[np.float64]:
        """The mean of a row's values over each item's samples: shape (items,)."""
        total = np.bincount(self.item, weights=np.asarray(values, dtype=float), minlength=self.items)
        return total / np.bincount(self.item, minlength=self.items)

    def where(self, keep: NDArray[np.bool_]) -> Pairs:
        """Only these rows."""
        number, kept = pd.factorize(self.item[keep])
        groups = None if self.groups is None else self.groups[kept]
        return Pairs(self.base.loc[keep, :], self.tuned.loc[keep, :], number, groups)


def pair(rows: pd.DataFrame, tasks: Sequence[TaskRecord]) -> Pairs:
    """The answers to these tasks that both models gave, in the order of task, id and sample."""
    mine = np.flatnonzero(is_in(rows["task"], [task.name for task in tasks]))
    place = places(rows[_KEY].iloc[mine], _KEY)
    is_base = is_(rows["arm"].iloc[mine], "base")
    one, other = matched(place[is_base], place[~is_base])
    base, tuned = rows.iloc[mine[is_base][one]], rows.iloc[mine[~is_base][other]]
    _, item = np.unique(places(tuned, ["task", "id"]), return_inverse=True)
    groups = None
    if any(task.clustered for task in tasks):
        _, first = np.unique(item, return_index=True)
        groups = words(tuned["group"].iloc[first])
    return Pairs(base, tuned, item, groups)


def rate_change(name: str, pairs: Pairs, base: Values, tuned: Values, level: float) -> Iterator[Drift]:
    """A rate, of rows that are so or not: Tango's interval where items are single answers, else a t interval."""
    if len(pairs):
        binary = pairs.items == len(pairs)
        yield from change(
            name, "rate", pairs.mean_by_item(base), pairs.mean_by_item(tuned), pairs.groups, level, binary
        )


def change(
    name: str,
    unit: str,
    base: NDArray[np.float64],
    tuned: NDArray[np.float64],
    groups: NDArray[np.object_] | None,
    level: float,
    binary: bool = False,
) -> Iterator[Drift]:
    """The change of a mean over items, paired; nothing where there is no item."""
    if base.size:
        found = widened_difference(base, tuned, groups, level=level, binary=binary, bounded=binary)
        yield Drift(name, float(base.mean()), float(tuned.mean()), told(found), unit)


def told(estimate: Estimate) -> Estimate:
    """An estimate that may be called a change: without its interval where that rests on too few differences."""
    if rests_on_too_few(estimate) or not math.isfinite(estimate.value):
        return replace(estimate, low=None, high=None)
    return estimate
