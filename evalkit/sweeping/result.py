"""Finished runs of one base and several candidates -> a `Sweep` (pure)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from evalkit.comparing.comparison import compare_records
from evalkit.statistics import pairwise_contributions, pareto_front, simultaneous_level
from evalkit.stored.records import verdicts_as_frame
from evalkit.sweeping.contributions import AXES, aligned, contributions
from evalkit.types import (
    AgainstBest,
    Candidate,
    Comparison,
    Decision,
    Estimate,
    Manifest,
    SuiteRecord,
    Sweep,
    TaskRecord,
)

_RANK = {"go": 0, "inconclusive": 1, "no_go": 2}


@dataclass(frozen=True, eq=False)
class Finished:
    """One candidate's run as a sweep needs it. samples: `contributions.COLUMNS` of a samples frame, no texts."""

    name: str
    file: str
    folder: str
    step: int | None
    manifest: Manifest
    comparison: Comparison
    decision: Decision
    samples: pd.DataFrame


def sweep_of(
    base: str,
    finished: Sequence[Finished],
    failed: Sequence[Candidate] = (),
    *,
    rng: np.random.Generator,
) -> Sweep:
    """The Pareto front, intervals that hold for all candidates at once, and what sets each apart from the best.

    finished: at the same level, over the same suites. failed: candidates whose runs broke off. Only complete runs are
    put in an order: what an engine left unanswered is no property of its model. rng: simulates critical values.
    """
    candidates = [_candidate(one) for one in finished]
    whole = [one for one in finished if one.decision.complete]
    level = finished[0].comparison.level if finished else 0.95
    columns = {axis: [contributions(one.samples, one.manifest, one.comparison, axis) for one in whole] for axis in AXES}
    each = _each_level(whole, columns, level, rng)
    front = _front(whole)
    best = min(whole, key=_order, default=None)
    pairs_level = _pairs_level(whole, columns, level, rng)
    for place, one in enumerate(finished):
        if not one.decision.complete:
            continue
        apart = None
        if best is not None and one is not best:
            apart = _against(best, one, pairs_level)
        wide = _at_level(one.samples, one.manifest, each) if each is not None else one.comparison
        candidates[place] = dataclasses.replace(
            candidates[place],
            gain=wide.gain if each is not None else None,
            tax=wide.tax if each is not None else None,
            on_front=one.name in front,
            against_best=apart,
        )
    ordered = sorted([*candidates, *failed], key=lambda one: (not one.on_front, *_shown_order(one)))
    return Sweep(
        base=base,
        level=level,
        candidates=tuple(ordered),
        best=best.name if best is not None else None,
        each_level=each,
        hold_out=finished[0].manifest.hold_out if finished else 0.0,
        fresh=_fresh(finished),
        inconclusive_passes=any(one.manifest.policy.get("inconclusive") == "pass" for one in finished),
        cautions=tuple(_cautions(ordered)),
    )


def _candidate(one: Finished) -> Candidate:
    return Candidate(
        one.name, one.file, one.folder, one.manifest.tuned.fingerprint, one.step, one.comparison, one.decision
    )


def _each_level(
    whole: Sequence[Finished], columns: Mapping[str, list[pd.Series]], level: float, rng: np.random.Generator
) -> float | None:
    """The level of one interval by itself at which all candidates' intervals, on both axes, hold together."""
    estimates = [getattr(one.comparison, axis) for axis in AXES for one in whole]
    matrix = aligned([column for axis in AXES for column in columns[axis]])
    there = [place for place, estimate in enumerate(estimates) if estimate is not None and estimate.low is not None]
    if not there:
        return None
    return simultaneous_level(matrix[:, there], level=level, df=_fewest(estimates), rng=rng)


def _pairs_level(
    whole: Sequence[Finished], columns: Mapping[str, list[pd.Series]], level: float, rng: np.random.Generator
) -> float:
    """As `_each_level`, for the differences of every two candidates."""
    if len(whole) < 2:
        return level
    axes = [axis for axis in AXES if all(getattr(one.comparison, axis) is not None for one in whole)]
    if not axes:
        return level
    k = len(whole)
    matrix = aligned([column for axis in axes for column in columns[axis]])
    pairs = [pairwise_contributions(matrix[:, place * k : (place + 1) * k]) for place in range(len(axes))]
    fewest = _fewest([getattr(one.comparison, axis) for axis in axes for one in whole])
    return simultaneous_level(np.hstack(pairs), level=level, df=fewest, rng=rng)


def _fewest(estimates: Sequence[Estimate | None]) -> float:
    return min((one.df for one in estimates if one is not None and one.df is not None), default=math.inf)


def _front(whole: Sequence[Finished]) -> set[str]:
    gains, taxes = (
        [math.nan if value is None else value.value for value in (getattr(one.comparison, axis) for one in whole)]
        for axis in ("gain", "tax")
    )
    return {whole[place].name for place in pareto_front(gains, taxes)}


def _order(one: Finished) -> tuple[float, ...]:
    return _sort_key(one.decision, one.comparison)


def _shown_order(one: Candidate) -> tuple[float, ...]:
    if one.comparison is None or one.decision is None:
        return (9.0,)
    return _sort_key(one.decision, one.comparison)


def _sort_key(decision: Decision, comparison: Comparison) -> tuple[float, float, float, float]:
    """GO, undecided, NO-GO, incomplete; then the fewest estimates beyond their limits; the larger gain; the smaller tax."""

    def number(estimate: Estimate | None, sign: int) -> float:
        return sign * estimate.value if estimate is not None and math.isfinite(estimate.value) else math.inf

    rank = _RANK[decision.outcome] if decision.complete else 8
    return float(rank), _beyond(decision, comparison), number(comparison.gain, -1), number(comparison.tax, 1)


def _beyond(decision: Decision, comparison: Comparison) -> float:
    """How many required gates would fail were their estimates exact. Undecided is not all the same."""
    guards = {pool.name for pool in comparison.pools if pool.role == "guard"}
    count = 0
    for gate in decision.gates:
        falls = gate.kind in ("tax", "guard_rate", "guard_increase") or (gate.kind == "pool" and gate.subject in guards)
        beyond = gate.estimate.value - gate.threshold
        count += gate.required and (beyond > 0 if falls else beyond < 0)
    return float(count)


def _at_level(samples: pd.DataFrame, manifest: Manifest, level: float) -> Comparison:
    """The same differences with intervals at another level; judges are left as they were."""
    return compare_records(
        samples, verdicts_as_frame([]), dataclasses.replace(manifest, judges=()), level=level, describe=False
    )


def _against(best: Finished, other: Finished, level: float) -> AgainstBest | None:
    """The difference other - best, item by item, with the best in the base's place."""
    shown = [suite.name for suite in best.manifest.suites]
    if shown != [suite.name for suite in other.manifest.suites]:
        return None
    mine, theirs = (one.samples.loc[one.samples["arm"] == "tuned", :] for one in (other, best))
    # Arms are a categorical column: as plain words, so that one can take the other's place.
    pair = pd.concat([theirs.assign(arm="base"), mine.assign(arm="tuned")], ignore_index=True)
    suites = tuple(map(_of_both, best.manifest.suites, other.manifest.suites))
    compared = _at_level(pair, dataclasses.replace(other.manifest, suites=suites), level)
    return AgainstBest(compared.gain, compared.tax)


def _of_both(first: SuiteRecord, second: SuiteRecord) -> SuiteRecord:
    """A suite as both runs saw it: right or wrong only if it was in both, and as many samples as the more had."""

    def of(one: TaskRecord, other: TaskRecord) -> TaskRecord:
        return dataclasses.replace(one, binary=one.binary and other.binary, samples=max(one.samples, other.samples))

    return dataclasses.replace(second, tasks=tuple(map(of, first.tasks, second.tasks)))


def _fresh(finished: Sequence[Finished]) -> dict[str, int]:
    if not finished:
        return {}
    suites = finished[0].manifest.suites
    return {suite.name: sum(task.available - task.items for task in suite.tasks) for suite in suites}


def _cautions(candidates: Sequence[Candidate]) -> list[str]:
    told: list[str] = []
    by_content: dict[str, list[str]] = {}
    for one in candidates:
        if one.fingerprint:
            by_content.setdefault(one.fingerprint, []).append(one.name)
        if one.decision is not None and one.decision.complete:
            lacking = [axis for axis in AXES if (found := getattr(one, axis)) is not None and found.low is None]
            told += [f"{one.name}: no interval of its {axis}, so it has no region" for axis in lacking]
    told += [f"{', '.join(names)}: the same model, by content" for names in by_content.values() if len(names) > 1]
    unread = [one.name for one in candidates if one.step is None]
    if unread and len(unread) < len(candidates):
        told.append(f"no step is known of {', '.join(unread)}: not on the curves; say `step: 1200` in the model file")
    return told
