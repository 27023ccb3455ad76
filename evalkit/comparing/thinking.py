"""Test-time compute: what more samples and more tokens buy each model, from the stored samples. It describes, and gates nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalkit.comparing.texts import Texts, texts_of
from evalkit.scorers import UNSCORED
from evalkit.scorers.agreement import vote_of
from evalkit.statistics import (
    clusters_span,
    log_spaced,
    macro_average,
    maj_at_k,
    mean_over_tasks,
    paired_difference,
    pass_at_k,
    ratio_difference,
    score_within,
)
from evalkit.stored.columns import is_, places, words
from evalkit.types import ARMS, Manifest, Measure, SuiteAtTestTime, SuiteRecord, TaskRecord

BUDGETS = 24
"""Points of the curve of accuracy against tokens."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Arm:
    """One model's answers to a task's items; arrays of shape (items, samples).

    votes: what each answer votes for, or None. cut_off: 1 where it ran into its limit, NaN where nobody knows.
    """

    scores: Floats
    tokens: Floats
    votes: NDArray[np.object_]
    cut_off: Floats


@dataclass(frozen=True, slots=True)
class _Part:
    """One task: both models' answers to the items that both answered in every sample. groups: cluster labels."""

    base: _Arm
    tuned: _Arm
    groups: NDArray[np.object_] | None

    @property
    def items(self) -> int:
        return self.base.scores.shape[0]

    @property
    def samples(self) -> int:
        """How many samples of an item both models have."""
        return min(self.base.scores.shape[1], self.tuned.scores.shape[1])


def at_test_time(
    samples: pd.DataFrame, manifest: Manifest, *, level: float = 0.95, texts: Texts | None = None
) -> tuple[SuiteAtTestTime, ...]:
    """The suites whose answers were sampled, or written by a reasoning model, seen by samples and by tokens.

    samples: as `records.samples_frame` gives them. Guards are left out, where a higher score is no success; so are
    tasks whose samples have no mark of their own. texts: of a frame that does not hold them itself.
    """
    texts = texts_of(samples, texts)
    reasons = manifest.base.reasoning or manifest.tuned.reasoning
    found = (_suite(record, samples, texts, reasons, level) for record in manifest.suites if record.role != "guard")
    return tuple(one for one in found if one is not None)


def _suite(
    record: SuiteRecord, samples: pd.DataFrame, texts: Texts, reasons: bool, level: float
) -> SuiteAtTestTime | None:
    tasks = [
        task
        for task in record.tasks
        if task.kind == "generate" and task.metric != UNSCORED and task.bounded and task.separate
        if task.samples > 1 or reasons
    ]
    if not tasks:
        return None
    mine = samples.loc[is_(samples["suite"], record.name), :]
    read = ((task, _read(mine.loc[is_(mine["task"], task.name), :], texts, task)) for task in tasks)
    parts = [(task, part) for task, part in read if part is not None]
    if not parts:
        return None
    seen = _Seen([part for _, part in parts], record.aggregate == "macro", level)
    binary = all(task.binary for task, _ in parts)
    votes = binary and all(task.votes for task, _ in parts)
    counted = seen.counts_tokens
    if seen.samples == 1 and not counted:
        return None
    budgets = seen.budgets() if counted else ()
    return SuiteAtTestTime(
        name=record.name,
        metric=parts[0][0].metric if len({task.metric for task, _ in parts}) == 1 else "mean score",
        n=sum(part.items for _, part in parts),
        samples=seen.samples,
        pass_at_k={k: seen.mean(lambda arm, k=k: _passes(arm, k)) for k in seen.powers_of_two()} if binary else {},
        maj_at_k={k: seen.mean(lambda arm, k=k: _majorities(arm, k)) for k in seen.powers_of_two()} if votes else {},
        truncated=seen.mean(lambda arm: arm.cut_off.mean(axis=1)) if seen.knows_ends else None,
        tokens=seen.mean(lambda arm: arm.tokens.mean(axis=1)) if counted else None,
        tokens_per_solved=seen.tokens_per_solved() if counted and binary else None,
        budgets=budgets,
        base_curve=seen.curve("base", budgets) if counted else (),
        tuned_curve=seen.curve("tuned", budgets) if counted else (),
    )


# --- reading ----------------------------------------------------------------------------------------------------


def _read(rows: pd.DataFrame, texts: Texts, task: TaskRecord) -> _Part | None:
    """Both models' answers to a task; None where no item has all of its samples scored on both sides."""
    # Sorted, so that sums do not depend on the order of rows.
    ids, code = np.unique(places(rows, ["id"]), return_inverse=True)
    own = [is_(rows["arm"], arm) for arm in ARMS]
    arms = [_read_arm(rows.loc[mine, :], texts, code[mine], len(ids), task) for mine in own]
    whole = ~np.isnan(arms[0].scores).any(axis=1) & ~np.isnan(arms[1].scores).any(axis=1)
    if not whole.any() or not all(arm.scores.shape[1] for arm in arms):
        return None
    groups = None
    if task.clustered:
        groups = np.full(len(ids), None, dtype=object)
        groups[code] = words(rows["group"])
        groups = groups[whole]
    base, tuned = (_Arm(*(getattr(arm, name)[whole] for name in _Arm.__slots__)) for arm in arms)
    return _Part(base, tuned, groups)


def _read_arm(rows: pd.DataFrame, texts: Texts, code: NDArray[np.intp], items: int, task: TaskRecord) -> _Arm:
    place = code, rows["sample"].to_numpy(dtype=int)
    shape = items, int(place[1].max(initial=-1)) + 1

    def table(values: object, empty: object, kind: type) -> NDArray:
        filled = np.full(shape, empty, dtype=kind)
        filled[place] = values
        return filled

    cut_off = is_(rows["finish_reason"], "length").astype(float)
    said = texts.values(rows.index.to_numpy(), "answer") if task.votes else [None] * len(rows)
    votes = [vote_of(one, boxed=task.votes == "box") for one in said]
    return _Arm(
        scores=table(rows["value"].to_numpy(dtype=float), np.nan, float),
        tokens=table(rows["completion_tokens"].to_numpy(dtype=float), 0.0, float),
        votes=table(np.array([*votes, None], dtype=object)[:-1], None, object),
        cut_off=table(np.where(is_(rows["finish_reason"], "recorded"), np.nan, cut_off), np.nan, float),
    )


# --- an item of one model ---------------------------------------------------------------------------------------


def _passes(arm: _Arm, k: int) -> Floats:
    n = arm.scores.shape[1]
    by_count = np.array([pass_at_k(n, c, k) for c in range(n + 1)])
    return by_count[arm.scores.sum(axis=1).astype(int)]


def _majorities(arm: _Arm, k: int) -> Floats:
    return np.array([maj_at_k(votes, marks, k) for votes, marks in zip(arm.votes, arm.scores, strict=True)])


# --- both models ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Seen:
    """A suite's tasks, put together as the suite puts them together: all items alike, or (macro) all tasks alike."""

    parts: list[_Part]
    macro: bool
    level: float

    @property
    def samples(self) -> int:
        return min(part.samples for part in self.parts)

    @property
    def counts_tokens(self) -> bool:
        """Whether the engines of both models said how many tokens they wrote."""
        return all(any(arm.tokens.any() for arm in self._arms(side)) for side in ARMS)

    @property
    def knows_ends(self) -> bool:
        return not any(np.isnan(arm.cut_off).any() for side in ARMS for arm in self._arms(side))

    def powers_of_two(self) -> list[int]:
        return [2**power for power in range(self.samples.bit_length())]

    def mean(self, by_item: Callable[[_Arm], Floats]) -> Measure:
        """The mean over items of what `by_item` makes of either model, with the paired interval of the difference."""
        base, tuned = (self._joined(side, by_item) for side in ARMS)
        if not self.macro:
            delta = paired_difference(base, tuned, self._groups(), level=self.level)
            return Measure(float(base.mean()), float(tuned.mean()), delta)
        base_mean, tuned_mean = (float(np.mean([by_item(arm).mean() for arm in self._arms(side)])) for side in ARMS)
        if clusters_span([part.groups for part in self.parts]):
            tasks = np.repeat(np.arange(len(self.parts)), [part.items for part in self.parts])
            delta = mean_over_tasks(base, tuned, tasks, self._groups(), level=self.level)
            return Measure(base_mean, tuned_mean, delta)
        deltas = [
            paired_difference(by_item(part.base), by_item(part.tuned), part.groups, level=self.level)
            for part in self.parts
        ]
        return Measure(base_mean, tuned_mean, macro_average(deltas, level=self.level))

    def tokens_per_solved(self) -> Measure:
        """All tokens over all solved samples, items of every task alike."""
        tokens, solved = (
            [self._joined(side, lambda arm, name=name: getattr(arm, name).mean(axis=1)) for side in ARMS]
            for name in ("tokens", "scores")
        )
        base, tuned = (float(t.sum() / s.sum()) if s.any() else None for t, s in zip(tokens, solved, strict=True))
        delta = ratio_difference((tokens[0], solved[0]), (tokens[1], solved[1]), self._groups(), level=self.level)
        return Measure(base, tuned, delta)

    def budgets(self) -> tuple[int, ...]:
        """Budgets from the shortest answer of either model to the longest."""
        tokens = np.concatenate([self._joined(side, lambda arm: arm.tokens.ravel()) for side in ARMS])
        return log_spaced(max(1, int(tokens.min())), max(1, int(tokens.max())), BUDGETS)

    def curve(self, side: str, budgets: tuple[int, ...]) -> tuple[float, ...]:
        """The mean score of one model had every answer been cut off at each budget."""

        def weights(arm: _Arm) -> Floats:
            items, samples = arm.scores.shape
            return np.full(arm.scores.size, 1 / (samples * (items if self.macro else 1)))

        scores, tokens = (
            self._joined(side, lambda arm: arm.scores.ravel()),
            self._joined(side, lambda arm: arm.tokens.ravel()),
        )
        return tuple(float(one) for one in score_within(scores, tokens, budgets, weights=self._joined(side, weights)))

    def _arms(self, side: str) -> list[_Arm]:
        return [getattr(part, side) for part in self.parts]

    def _joined(self, side: str, of: Callable[[_Arm], Floats]) -> Floats:
        return np.concatenate([of(arm) for arm in self._arms(side)])

    def _groups(self) -> NDArray[np.object_] | None:
        """Cluster labels of all items; tasks of a suite share clusters of the same label."""
        if all(part.groups is None for part in self.parts):
            return None
        none = [np.full(part.items, None, dtype=object) for part in self.parts]
        labels = [part.groups if part.groups is not None else none[place] for place, part in enumerate(self.parts)]
        return np.concatenate(labels)
