"""A suite's items by parts: its tasks, and what its file names with `slices`. They describe, and gate nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from evalkit.comparing.pairing import PairedScores
from evalkit.statistics import benjamini_hochberg, mcnemar_exact, p_of_no_difference, widened_difference
from evalkit.types import BY_TASK, SMALLEST_SLICE, Estimate, Slice, SuiteResult, TaskResult

FALSE_FLAGS = 0.05
"""The share of flagged slices that may be false, on average (Benjamini and Hochberg's q)."""


def suite_slices(
    tasks: Sequence[TaskResult], parts: Sequence[PairedScores], joined: PairedScores, level: float
) -> tuple[tuple[Slice, ...], int]:
    """The slices of one suite, not flagged yet, and how many were left out for having fewer than `SMALLEST_SLICE` items.

    tasks, parts: the suite's tasks and their scores, in one order; they are slices where there are several. joined: all
    items as one, with the slices that the suite's file names.
    """
    found = [*(_of_tasks(tasks, parts) if len(tasks) > 1 else ()), *_of_fields(joined, level)]
    kept = tuple(one for one in found if one.n >= SMALLEST_SLICE)
    return kept, sum(0 < one.n < SMALLEST_SLICE for one in found)


def with_flags(suites: Sequence[SuiteResult]) -> tuple[SuiteResult, ...]:
    """The same suites with their slices flagged, by Benjamini and Hochberg over all slices of the run."""
    p = [one.p for suite in suites for one in suite.slices if one.p is not None]
    adjusted = iter(benjamini_hochberg(p))

    def flagged(one: Slice) -> Slice:
        return replace(one, flagged=bool(next(adjusted) <= FALSE_FLAGS)) if one.p is not None else one

    return tuple(replace(suite, slices=tuple(flagged(one) for one in suite.slices)) for suite in suites)


def p_of_change(delta: Estimate, regressed: int, fixed: int, *, exact: bool) -> float | None:
    """Two-sided p-value of "no difference": McNemar's exact one where `exact` (binary, no clusters), else the t test's.

    None where nothing can be tested. Where no item differs it is 1.
    """
    if exact or not regressed + fixed:
        return mcnemar_exact(regressed, fixed) if delta.n else None
    return p_of_no_difference(delta)


def _of_tasks(tasks: Sequence[TaskResult], parts: Sequence[PairedScores]) -> Iterator[Slice]:
    for task, scores in zip(tasks, parts, strict=True):
        exact = scores.binary and scores.groups is None
        yield Slice(
            name=BY_TASK,
            value=task.name,
            n=task.n,
            base=task.base,
            tuned=task.tuned,
            regressed=task.regressed,
            fixed=task.fixed,
            delta=task.delta,
            p=p_of_change(task.delta, task.regressed, task.fixed, exact=exact),
        )


def _of_fields(scores: PairedScores, level: float) -> Iterator[Slice]:
    both = scores.both
    for name, rows in places_by_value(scores.slices):
        # A slice too small to be shown takes no interval; its size is all that is counted.
        part = scores.only(rows)
        held = int(both[rows].sum())
        yield _slice(*name, part, level) if held >= SMALLEST_SLICE else _small(*name, held, level)


def _slice(name: str, value: str, part: PairedScores, level: float) -> Slice:
    both = part.both
    base, tuned = part.base[both], part.tuned[both]
    delta = widened_difference(
        part.base, part.tuned, part.groups, level=level, binary=part.binary, bounded=part.bounded
    )
    regressed, fixed = int((tuned < base).sum()), int((tuned > base).sum())
    return Slice(
        name=name,
        value=value,
        n=int(both.sum()),
        base=float(base.mean()),
        tuned=float(tuned.mean()),
        regressed=regressed,
        fixed=fixed,
        delta=delta,
        p=p_of_change(delta, regressed, fixed, exact=part.binary and part.groups is None),
    )


def _small(name: str, value: str, n: int, level: float) -> Slice:
    nothing = Estimate(float("nan"), None, None, None, level, "too few items", n)
    return Slice(name, value, n, nothing.value, nothing.value, 0, 0, nothing, None)


def places_by_value(slices: Mapping[str, np.ndarray]) -> Iterator[tuple[tuple[str, str], np.ndarray]]:
    """For each field and value, in the order of first items, which items have it; items without a value have none."""
    for name, values in slices.items():
        codes, found = pd.factorize(values)
        order = np.argsort(codes, kind="stable")
        first = np.searchsorted(codes[order], np.arange(len(found) + 1))
        for place, value in enumerate(found):
            yield (name, str(value)), np.sort(order[first[place] : first[place + 1]])
