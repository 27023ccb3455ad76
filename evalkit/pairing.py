"""Records -> scores of both models, item by item: what every difference is computed from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from evalkit.scorers import UNSCORED
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
    """Item scores of both arms by (suite, task). samples: as `records.samples_frame` gives them."""
    columns = {name: samples[name].to_numpy(dtype=object) for name in ("suite", "task", "arm", "id", "cause", "group")}
    columns["slices"] = samples["slices"].to_numpy(dtype=object) if "slices" in samples else np.full(len(samples), None)
    columns |= {name: samples[name].to_numpy(dtype=float) for name in ("value", "overlap")}
    codes, places = pd.factorize(pd.MultiIndex.from_arrays([columns["suite"], columns["task"]]))
    rows_of = {tuple(place): np.flatnonzero(codes == code) for code, place in enumerate(places)}
    none = np.array([], dtype=int)
    return {
        (record.name, task.name): _pair_task(columns, rows_of.get((record.name, task.name), none), task)
        for record in suites
        for task in scored(record)
    }


def _pair_task(columns: Mapping[str, np.ndarray], rows: np.ndarray, task: TaskRecord) -> PairedScores:
    """An item's score is the mean over its samples; it is missing as soon as one of them is."""
    code, ids = pd.factorize(columns["id"][rows])
    arm, value, cause = columns["arm"][rows], columns["value"][rows], columns["cause"][rows]

    def mean_by_item(name: str) -> np.ndarray:
        mine = arm == name
        total = np.bincount(code[mine], weights=value[mine], minlength=len(ids))
        count = np.bincount(code[mine], minlength=len(ids))
        return np.divide(total, count, out=np.full(len(ids), np.nan), where=count > 0)

    causes = np.full(len(ids), None, dtype=object)
    lost = np.flatnonzero((arm == "tuned") & np.array([isinstance(one, str) for one in cause], dtype=bool))[::-1]
    causes[code[lost]] = cause[lost]  # reversed, so that the first sample's cause is the one that stays
    formless = np.zeros((len(ids), len(ARMS)), dtype=bool)
    of_form = np.array([one in LOST_TO_FORM for one in cause], dtype=bool)
    for place, name in enumerate(ARMS):
        formless[code[of_form & (arm == name)], place] = True
    overlap = np.full(len(ids), np.nan)
    np.fmax.at(overlap, code, columns["overlap"][rows])
    groups = None
    if task.clustered:
        groups = np.full(len(ids), None, dtype=object)
        groups[code] = columns["group"][rows]
    binary = task.binary and task.samples == 1
    return PairedScores(
        mean_by_item("base"),
        mean_by_item("tuned"),
        groups,
        causes,
        formless,
        overlap,
        binary,
        task.bounded,
        _slices(code, columns["slices"][rows], len(ids)),
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
    groups = [
        np.array([f"{name} {label}" for label in part.groups], dtype=object)
        if part.groups is not None
        else np.array([f"{name} task {place} item {i}" for i in range(part.base.size)], dtype=object)
        for place, (part, name) in enumerate(zip(parts, names, strict=True))
    ]
    return PairedScores(
        base=np.concatenate([part.base for part in parts]),
        tuned=np.concatenate([part.tuned for part in parts]),
        groups=np.concatenate(groups) if any(part.groups is not None for part in parts) else None,
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
