"""One suite's paired outcome, and a pool's: its difference, what is kept of base's score, tasks, slices, what was set aside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from evalkit.comparing.pairing import PairedScores, join, scored
from evalkit.comparing.saturation import saturation
from evalkit.comparing.setaside import form_losses, overlap, without_form, without_overlap
from evalkit.comparing.slicing import suite_slices
from evalkit.statistics import (
    clusters_span,
    macro_average,
    retention,
    rise_of_rate,
    widened_difference,
    widened_rate,
)
from evalkit.types import Estimate, InputError, Manifest, Overlap, Role, SuiteRecord, SuiteResult, TaskResult


def _metric(metrics: Sequence[str]) -> str:
    """What several tasks' scores are together."""
    return metrics[0] if len(set(metrics)) == 1 else "mean score"


def _task(name: str, metric: str, scores: PairedScores, level: float) -> TaskResult:
    both = scores.both
    base, tuned = scores.base[both], scores.tuned[both]
    d = tuned - base
    lost = scores.causes[both][d < 0]
    causes = pd.Series([cause or "wrong" for cause in lost], dtype=object).value_counts()
    delta = _difference(scores, level)
    return TaskResult(
        name=name,
        metric=metric,
        n=int(both.sum()),
        missing=int((~both).sum()),
        base=float(base.mean()) if base.size else float("nan"),
        tuned=float(tuned.mean()) if tuned.size else float("nan"),
        delta=delta,
        regressed=int((d < 0).sum()),
        fixed=int((d > 0).sum()),
        kept=int(((d == 0) & (tuned > 0)).sum()),
        both_wrong=int(((d == 0) & (tuned == 0)).sum()),
        causes={str(cause): int(count) for cause, count in causes.items()},
        cautions=delta.cautions,
        bounded=scores.bounded,
    )


def _difference(scores: PairedScores, level: float, share: float = 1.0, tasks: np.ndarray | None = None) -> Estimate:
    return widened_difference(
        scores.base,
        scores.tuned,
        scores.groups,
        level=level,
        binary=scores.binary,
        bounded=scores.bounded,
        share=share,
        tasks=tasks,
    )


def _rise(scores: PairedScores, level: float) -> Estimate:
    """Of a guard: what hardly ever happens has limits all the same."""
    if not scores.bounded:
        return _difference(scores, level)
    return rise_of_rate(scores.base, scores.tuned, scores.groups, level=level, binary=scores.binary)


def _macro(
    parts: Sequence[PairedScores], joined: PairedScores, level: float, share: float, names: Sequence[str]
) -> Estimate:
    """The mean over tasks. Where a cluster has items of several the tasks err together, and make one estimate."""
    if clusters_span([part.groups for part in parts]) and all(part.both.any() for part in parts):
        return _difference(joined, level, share, np.repeat(np.arange(len(parts)), [part.base.size for part in parts]))
    return macro_average([_difference(part, level, share) for part in parts], level=level, names=names)


def suite_result(
    record: SuiteRecord,
    scores: Mapping[str, PairedScores],
    level: float,
    checked: bool,
    relative: float | None = None,
) -> SuiteResult:
    """A suite's outcome. scores: of its scored tasks, by name. checked: whether training files were given.

    relative: the share of base's score that a retain suite may lose, where the policy says so.
    """
    metrics = {task.name: task.metric for task in record.tasks}
    tasks = tuple(_task(name, metrics[name], part, level) for name, part in scores.items())

    def difference(parts: Sequence[PairedScores], share: float = 1.0) -> Estimate:
        joined = join(parts, [record.name] * len(parts))
        if record.aggregate == "macro" and len(parts) > 1:
            return _macro(parts, joined, level, share, list(scores))
        return _rise(joined, level) if record.role == "guard" else _difference(joined, level, share)

    parts = list(scores.values())
    joined = join(parts, [record.name] * len(parts))
    metric = _metric([task.metric for task in tasks])
    whole = _task(record.name, metric, joined, level)
    base, tuned, delta = whole.base, whole.tuned, difference(parts)
    if record.aggregate == "macro":
        base, tuned = (float(np.mean([getattr(task, arm) for task in tasks])) for arm in ("base", "tuned"))
    slices, left_out = suite_slices(tasks, parts, joined, level)
    # A guard counts events, not answers held against a gold: there is no form to lose, and none at all is what is hoped for.
    lost, without_format = ({}, None) if record.role == "guard" else form_losses(parts, difference)
    overlapping = overlap(parts, difference, checked=checked)
    rho = relative if record.role == "retain" and joined.bounded else None
    return SuiteResult(
        name=record.name,
        metric=metric,
        n=whole.n,
        missing=whole.missing,
        base=base,
        tuned=tuned,
        delta=delta,
        regressed=whole.regressed,
        fixed=whole.fixed,
        kept=whole.kept,
        both_wrong=whole.both_wrong,
        causes=whole.causes,
        cautions=(*delta.cautions, *(() if record.role == "guard" else saturation(parts, difference, record.chance))),
        role=record.role,
        chance=record.chance,
        margin=record.margin,
        weight=record.weight,
        tasks=tasks,
        rate=_own_rate(joined, level) if record.role == "guard" and joined.bounded else None,
        guard=record.guard,
        bounded=joined.bounded,
        advisory=record.advisory,
        without_format=without_format,
        lost_to_form=lost,
        overlap=overlapping,
        retention=_retention(record, scores, joined, level) if record.role == "retain" and joined.bounded else None,
        slices=slices,
        slices_left_out=left_out,
        against=record.against,
        relative=_kept(parts, difference, rho),
        relative_without=_kept_without(parts, difference, rho, without_format, overlapping),
    )


def _kept(
    parts: Sequence[PairedScores], difference: Callable[[Sequence[PairedScores], float], Estimate], rho: float | None
) -> Estimate | None:
    """Tuned less what must be kept of base, tuned - (1 - rho) base, which is to be above zero; None without a rho."""
    return None if rho is None else difference(parts, 1 - rho)


def _kept_without(
    parts: Sequence[PairedScores],
    difference: Callable[[Sequence[PairedScores], float], Estimate],
    rho: float | None,
    without_format: Estimate | None,
    overlapping: Overlap,
) -> dict[str, Estimate]:
    """As `_kept`, with the items set aside that `without_format` and `overlapping` lack."""
    if rho is None:
        return {}
    left = {"form": (without_format, without_form), "overlap": (overlapping.delta_without, without_overlap)}
    return {what: difference(rest(parts), 1 - rho) for what, (found, rest) in left.items() if found is not None}


def _retention(record: SuiteRecord, scores: Mapping[str, PairedScores], joined: PairedScores, level: float) -> Estimate:
    """What is left of base's ability above chance, over the items scored on both sides."""
    both = joined.both
    tasks = np.repeat(np.array(list(scores), dtype=object), [part.base.size for part in scores.values()])
    left = retention(
        joined.base[both],
        joined.tuned[both],
        None if joined.groups is None else joined.groups[both],
        # Where chance earns everything there is nothing above it to lose.
        chance=min(record.chance, 1 - 1e-9),
        strata=tasks[both] if record.aggregate == "macro" and len(scores) > 1 else None,
        level=level,
    )
    missing = int((~both).sum())
    if not missing:
        return left
    return replace(left, cautions=(*left.cautions, f"{missing} missing items are left out, not counted at their worst"))


def _own_rate(scores: PairedScores, level: float) -> Estimate:
    """Tuned's own rate, over all items that tuned answered; what it did not answer counts for the worst, both ways."""
    return widened_rate(scores.tuned, scores.groups, level=level)


def pool_result(
    name: str,
    members: Sequence[str],
    manifest: Manifest,
    paired: Mapping[tuple[str, str], PairedScores],
    level: float,
    relative: float | None,
) -> SuiteResult:
    """Several suites' items as one, for suites too small to be decided alone. Raises InputError for suites that cannot be."""
    records = {record.name: record for record in manifest.suites}
    unknown = [member for member in members if member not in records]
    if unknown:
        raise InputError(f"policy: pools.{name}: no suite {unknown[0]!r} in this run; it has: {', '.join(records)}")
    roles: set[Role] = {records[member].role for member in members}
    if len(roles) > 1:
        raise InputError(f"policy: pools.{name}: its suites have different roles: {', '.join(sorted(roles))}")
    role = roles.pop()
    parts = {(member, task.name): paired[member, task.name] for member in members for task in scored(records[member])}
    names = [suite for suite, _ in parts]

    def difference(left: Sequence[PairedScores], share: float = 1.0) -> Estimate:
        joined = join(left, names)
        return _rise(joined, level) if role == "guard" else _difference(joined, level, share)

    joined = join(list(parts.values()), names)
    metrics = [task.metric for member in members for task in scored(records[member])]
    if not joined.bounded and len(set(metrics)) > 1:
        raise InputError(
            f"policy: pools.{name}: its suites are counted in different units: {', '.join(sorted(set(metrics)))}"
        )
    whole = _task(name, _metric(metrics), joined, level)
    delta = difference(list(parts.values()))
    fields = {slot: getattr(whole, slot) for slot in TaskResult.__slots__}
    fields |= {"delta": delta, "cautions": delta.cautions}
    lost, without_format = ({}, None) if role == "guard" else form_losses(list(parts.values()), difference)
    overlapping = overlap(list(parts.values()), difference, checked=bool(manifest.train_data))
    rho = relative if role == "retain" and joined.bounded else None
    first = records[members[0]]  # a pool's members state the same limits: `terms.check_policy`
    return SuiteResult(
        **fields,
        role=role,
        margin=first.margin,
        guard=first.guard,
        rate=_own_rate(joined, level) if role == "guard" and joined.bounded else None,
        advisory=any(records[member].advisory for member in members),
        without_format=without_format,
        lost_to_form=lost,
        overlap=overlapping,
        against=first.against,
        relative=_kept(list(parts.values()), difference, rho),
        relative_without=_kept_without(list(parts.values()), difference, rho, without_format, overlapping),
    )
