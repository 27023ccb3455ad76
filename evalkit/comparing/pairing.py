"""Records -> scores of both models, item by item: what every difference is computed from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from evalkit.scorers import UNSCORED
from evalkit.stored.columns import coded, with_none, words
from evalkit.types import ARMS, LOST_TO_FORM, SuiteRecord, TaskRecord


@dataclass(frozen=True, slots=True)
class PairedScores:
    """One metric of both models, aligned by item. base, tuned: shape (n,), NaN where never answered.

    bounded: scores lie in [0, 1]. groups: cluster labels, or None where items are independent. causes: why tuned fell
    short, None where it did not. lost_to_form: shape (n, 2), whether any of an arm's samples was lost to its form, in
    the order of ARMS. overlap: the share of the item that stands in training data of either arm, NaN where unknown.
    slices: by field, each item's value, None where it has none.
    """

    base: np.ndarray
    tuned: np.ndarray
    groups: np.ndarray | None
    causes: np.ndarray
    lost_to_form: np.ndarray
    overlap: np.ndarray
    binary: bool
    bounded: bool = True
    slices: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def both(self) -> np.ndarray:
        """Which items are scored on both sides."""
        return ~(np.isnan(self.base) | np.isnan(self.tuned))

    def only(self, kept: np.ndarray) -> PairedScores:
        """These items alone. kept: which of them, as a mask of shape (n,) or as places."""
        return PairedScores(
            base=self.base[kept],
            tuned=self.tuned[kept],
            groups=None if self.groups is None else self.groups[kept],
            causes=self.causes[kept],
            lost_to_form=self.lost_to_form[kept],
            overlap=self.overlap[kept],
            binary=self.binary,
            bounded=self.bounded,
            slices={name: values[kept] for name, values in self.slices.items()},
        )


def scored(record: SuiteRecord) -> list[TaskRecord]:
    """The tasks of a suite that a scorer marks; the others are read by a judge alone."""
    return [task for task in record.tasks if task.metric != UNSCORED]


def pair(samples: pd.DataFrame, suites: Sequence[SuiteRecord]) -> dict[tuple[str, str], PairedScores]:
    """Item scores of both arms by (suite, task). samples: as `records.samples_frame` or `narrow_frame` gives them."""
    (suite, suite_names), (task, task_names) = coded(samples["suite"]), coded(samples["task"])
    place = suite * (len(task_names) + 1) + task
    # A stable sort of what is sorted already costs little, and no order of rows is taken for granted.
    order = np.argsort(place, kind="stable")
    place = place[order]
    columns = _Columns.of(samples)

    def rows_of(suite: str, task: str) -> np.ndarray:
        at = [
            names.get_indexer(pd.Index([name], dtype=object))[0]
            for names, name in ((suite_names, suite), (task_names, task))
        ]
        if min(at) < 0:
            return order[:0]
        wanted = at[0] * (len(task_names) + 1) + at[1]
        return order[np.searchsorted(place, wanted) : np.searchsorted(place, wanted, side="right")]

    return {
        (record.name, task.name): _pair_task(columns, rows_of(record.name, task.name), task)
        for record in suites
        for task in scored(record)
    }


@dataclass(frozen=True, slots=True)
class _Columns:
    """What pairing reads of a frame: numbers, and words as numbers with what they stand for."""

    arm: np.ndarray
    arms: tuple[int, ...]
    id: np.ndarray
    cause: np.ndarray
    causes: np.ndarray
    group: Any
    slices: Any
    value: np.ndarray
    overlap: np.ndarray

    @classmethod
    def of(cls, samples: pd.DataFrame) -> _Columns:
        arm, arm_names = coded(samples["arm"])
        cause, cause_names = coded(samples["cause"])
        return cls(
            arm=arm,
            arms=tuple(int(at) for at in arm_names.get_indexer(pd.Index(ARMS, dtype=object))),
            id=coded(samples["id"])[0],
            cause=cause,
            causes=with_none(cause_names),
            group=samples["group"],
            slices=samples["slices"] if "slices" in samples else None,
            value=samples["value"].to_numpy(dtype=float),
            overlap=samples["overlap"].to_numpy(dtype=float),
        )


def _pair_task(columns: _Columns, rows: np.ndarray, task: TaskRecord) -> PairedScores:
    """An item's score is the mean over its samples; it is missing as soon as one of them is."""
    code, ids = pd.factorize(columns.id[rows])
    n = len(ids)
    arm, value, cause = columns.arm[rows], columns.value[rows], columns.cause[rows]

    def mean_by_item(which: int) -> np.ndarray:
        mine = arm == which if which >= 0 else np.zeros(len(rows), dtype=bool)
        total = np.bincount(code[mine], weights=value[mine], minlength=n)
        count = np.bincount(code[mine], minlength=n)
        return np.divide(total, count, out=np.full(n, np.nan), where=count > 0)

    base, tuned = columns.arms
    causes = np.full(n, None, dtype=object)
    lost = np.flatnonzero((arm == tuned) & (cause >= 0))[::-1]
    causes[code[lost]] = columns.causes[cause[lost]]  # reversed, so that the first sample's cause is the one that stays
    formless = np.zeros((n, len(ARMS)), dtype=bool)
    of_form = np.array([one in LOST_TO_FORM for one in columns.causes], dtype=bool)[cause]
    for place, which in enumerate(columns.arms):
        formless[code[of_form & (arm == which)], place] = True
    overlap = np.full(n, np.nan)
    np.fmax.at(overlap, code, columns.overlap[rows])
    groups = None
    if task.clustered:
        groups = np.full(n, None, dtype=object)
        groups[code] = words(columns.group.iloc[rows])
    told = np.full(len(rows), None) if columns.slices is None else words(columns.slices.iloc[rows])
    return PairedScores(
        mean_by_item(base),
        mean_by_item(tuned),
        groups,
        causes,
        formless,
        overlap,
        task.binary and task.samples == 1,
        task.bounded,
        _slices(code, told, n),
    )


def _slices(code: np.ndarray, told: np.ndarray, n: int) -> dict[str, np.ndarray]:
    """Each field's values by item, from JSON objects of which most rows repeat one that was read before."""
    which, texts = pd.factorize(told)
    read = [json.loads(text) for text in texts]
    values: dict[str, np.ndarray] = {}
    for name in sorted({name for one in read for name in one}):
        by_text = np.array([*(one.get(name) for one in read), None], dtype=object)
        values[name] = np.full(n, None, dtype=object)
        values[name][code] = by_text[which]  # -1, a row without any, is the last
    return values


def join(parts: Sequence[PairedScores], names: Sequence[str]) -> PairedScores:
    """Several tasks' items as one sample.

    names: parts of the same name share clusters of the same label; an item without a label is a cluster of its own.
    """
    groups = None
    if any(part.groups is not None for part in parts):
        # Independent items are clusters of their own: None, as an item without a label is.
        labels = [
            np.full(part.base.size, None, dtype=object)
            if part.groups is None
            else np.array([None if label is None else f"{name} {label}" for label in part.groups], dtype=object)
            for part, name in zip(parts, names, strict=True)
        ]
        groups = np.concatenate(labels)
    return PairedScores(
        base=np.concatenate([part.base for part in parts]),
        tuned=np.concatenate([part.tuned for part in parts]),
        groups=groups,
        causes=np.concatenate([part.causes for part in parts]),
        lost_to_form=np.concatenate([part.lost_to_form for part in parts]),
        overlap=np.concatenate([part.overlap for part in parts]),
        binary=all(part.binary for part in parts),
        bounded=all(part.bounded for part in parts),
        slices={
            name: np.concatenate([part.slices.get(name, np.full(part.base.size, None)) for part in parts])
            for name in sorted({name for part in parts for name in part.slices})
        },
    )
