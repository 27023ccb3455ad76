"""Records + Verdicts -> Comparison (pure): pairing, suites, pooled tax and gain.

(Named `comparison`, not `compare`: `evalkit.compare` is the function users call, and a submodule of that name would
replace it on the first import.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from evalkit.drift import measure_drift
from evalkit.judging import judge_result
from evalkit.scorers import UNSCORED
from evalkit.statistics import clopper_pearson, macro_average, pooled, widened_difference
from evalkit.test_time import at_test_time
from evalkit.types import (
    PROBES,
    Comparison,
    Estimate,
    InputError,
    Manifest,
    Role,
    SuiteRecord,
    SuiteResult,
    TaskRecord,
    TaskResult,
)


@dataclass(frozen=True, slots=True)
class PairedScores:
    """One metric of both models, aligned by item. base, tuned: shape (n,), NaN where never answered.

    bounded: scores lie in [0, 1]. groups: cluster labels, or None where items are independent. causes: why tuned fell short, None where it did not.
    """

    base: np.ndarray
    tuned: np.ndarray
    groups: np.ndarray | None
    causes: np.ndarray
    binary: bool
    bounded: bool = True

    @property
    def both(self) -> np.ndarray:
        """Which items are scored on both sides."""
        return ~(np.isnan(self.base) | np.isnan(self.tuned))


def compare_records(
    samples: pd.DataFrame,
    verdicts: pd.DataFrame,
    manifest: Manifest,
    *,
    level: float = 0.95,
    pools: Mapping[str, Sequence[str]] | None = None,
    describe: bool = True,
) -> Comparison:
    """Every number of the report that does not depend on the policy's verdicts.

    samples, verdicts: as `records.samples_frame` and `records.verdicts_frame` give them; `manifest` says which suites
    were asked, in which role. level: of every interval, two-sided. pools: suites to be judged as one, by pool name.
    describe: also what no gate reads: drift, and test-time compute.
    Raises InputError when a pool names a suite that the run has not.
    """
    paired = _pair(samples, manifest.suites)
    suites = tuple(
        _suite(record, {task.name: paired[record.name, task.name] for task in _scored(record)}, level)
        for record in manifest.suites
        if _scored(record)
    )
    retain = [suite for suite in suites if suite.role == "retain" and not suite.advisory]
    targets = [suite for suite in suites if suite.role == "target" and not suite.advisory]
    judges = tuple(
        judge_result(judge.name, verdicts.loc[verdicts["judge"] == judge.name, :], level=level, exam=judge.exam)
        for judge in manifest.judges
    )
    failures = (
        samples.loc[samples["failure"].notna() & (samples["suite"] != PROBES), "failure"].astype(str).value_counts()
    )
    return Comparison(
        base=manifest.base.name,
        tuned=manifest.tuned.name,
        level=level,
        suites=suites,
        tax=_weighted(retain, level, sign=-1),
        gain=_weighted(targets, level, sign=+1),
        judges=judges,
        pools=tuple(_pool(name, members, manifest, paired, level) for name, members in (pools or {}).items()),
        # What a judge without an exam could not grade must not make a run incomplete either.
        n=sum(suite.n for suite in suites if not suite.advisory),
        missing=sum(suite.missing for suite in suites if not suite.advisory),
        failures={str(kind): int(count) for kind, count in failures.items()},
        cautions=manifest.cautions,
        test_time=at_test_time(samples, manifest, level=level) if describe else (),
        drift=measure_drift(samples, manifest.suites, level=level, seed=manifest.seed) if describe else (),
    )


def _scored(record: SuiteRecord) -> list[TaskRecord]:
    return [task for task in record.tasks if task.metric != UNSCORED]


def _weighted(suites: Sequence[SuiteResult], level: float, *, sign: int) -> Estimate | None:
    deltas, weights, names = [s.delta for s in suites], [s.weight for s in suites], [s.name for s in suites]
    return pooled(deltas, weights, level=level, sign=sign, names=names)


def _pair(samples: pd.DataFrame, suites: Sequence[SuiteRecord]) -> dict[tuple[str, str], PairedScores]:
    """Item scores of both arms by (suite, task)."""
    columns = {name: samples[name].to_numpy(dtype=object) for name in ("suite", "task", "arm", "id", "cause", "group")}
    columns["value"] = samples["value"].to_numpy(dtype=float)
    codes, places = pd.factorize(pd.MultiIndex.from_arrays([columns["suite"], columns["task"]]))
    rows_of = {tuple(place): np.flatnonzero(codes == code) for code, place in enumerate(places)}
    none = np.array([], dtype=int)
    return {
        (record.name, task.name): _pair_task(columns, rows_of.get((record.name, task.name), none), task)
        for record in suites
        for task in _scored(record)
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
    groups = None
    if task.clustered:
        groups = np.full(len(ids), None, dtype=object)
        groups[code] = columns["group"][rows]
    binary = task.binary and task.samples == 1
    return PairedScores(mean_by_item("base"), mean_by_item("tuned"), groups, causes, binary, task.bounded)


def _join(parts: Sequence[PairedScores], names: Sequence[str]) -> PairedScores:
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
        binary=all(part.binary for part in parts),
        bounded=all(part.bounded for part in parts),
    )


def _metric(metrics: Sequence[str]) -> str:
    """What several tasks' scores are together."""
    return metrics[0] if len(set(metrics)) == 1 else "mean score"


def _task(name: str, metric: str, scores: PairedScores, level: float) -> TaskResult:
    both = scores.both
    base, tuned = scores.base[both], scores.tuned[both]
    d = tuned - base
    lost = scores.causes[both][d < 0]
    causes = pd.Series([cause or "wrong" for cause in lost], dtype=object).value_counts()
    delta = widened_difference(
        scores.base, scores.tuned, scores.groups, level=level, binary=scores.binary, bounded=scores.bounded
    )
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


def _suite(record: SuiteRecord, scores: Mapping[str, PairedScores], level: float) -> SuiteResult:
    metrics = {task.name: task.metric for task in record.tasks}
    tasks = tuple(_task(name, metrics[name], part, level) for name, part in scores.items())
    joined = _join(list(scores.values()), [record.name] * len(scores))
    metric = _metric([task.metric for task in tasks])
    whole = _task(record.name, metric, joined, level)
    base, tuned, delta = whole.base, whole.tuned, whole.delta
    if record.aggregate == "macro":
        delta = macro_average([task.delta for task in tasks], level=level, names=[task.name for task in tasks])
        base, tuned = (float(np.mean([getattr(task, arm) for task in tasks])) for arm in ("base", "tuned"))
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
        cautions=delta.cautions,
        role=record.role,
        chance=record.chance,
        margin=record.margin,
        weight=record.weight,
        tasks=tasks,
        rate=_own_rate(joined, level) if record.role == "guard" and joined.bounded else None,
        guard=record.guard,
        bounded=joined.bounded,
        advisory=record.advisory,
    )


def _own_rate(scores: PairedScores, level: float) -> Estimate:
    """Tuned's own rate, over all items that tuned answered; what it did not answer counts for the worst, both ways."""
    answered = ~np.isnan(scores.tuned)
    missing = int((~answered).sum())
    if not scores.binary or scores.groups is not None:
        # A rate against zero is a paired difference from zero: the same intervals, clusters and cautions.
        return widened_difference(np.zeros_like(scores.tuned), scores.tuned, scores.groups, level=level, binary=False)
    hits = int(np.nansum(scores.tuned))
    plain = clopper_pearson(hits, int(answered.sum()), level=level)
    if not missing:
        return plain
    n = scores.tuned.size
    low, high = clopper_pearson(hits, n, level=level).low, clopper_pearson(hits + missing, n, level=level).high
    method = f"{plain.method}, worst case for {missing} missing"
    return Estimate(plain.value, plain.se, low, high, level, method, plain.n, plain.cautions)


def _pool(
    name: str,
    members: Sequence[str],
    manifest: Manifest,
    paired: Mapping[tuple[str, str], PairedScores],
    level: float,
) -> SuiteResult:
    """Several suites' items as one, for suites too small to be decided alone."""
    records = {record.name: record for record in manifest.suites}
    unknown = [member for member in members if member not in records]
    if unknown:
        raise InputError(f"policy: pools.{name}: no suite {unknown[0]!r} in this run; it has: {', '.join(records)}")
    roles: set[Role] = {records[member].role for member in members}
    if len(roles) > 1:
        raise InputError(f"policy: pools.{name}: its suites have different roles: {', '.join(sorted(roles))}")
    parts = {(member, task.name): paired[member, task.name] for member in members for task in _scored(records[member])}
    joined = _join(list(parts.values()), [suite for suite, _ in parts])
    metrics = [task.metric for member in members for task in _scored(records[member])]
    if not joined.bounded and len(set(metrics)) > 1:
        raise InputError(
            f"policy: pools.{name}: its suites are counted in different units: {', '.join(sorted(set(metrics)))}"
        )
    whole = _task(name, _metric(metrics), joined, level)
    fields = {slot: getattr(whole, slot) for slot in TaskResult.__slots__}
    advisory = any(records[member].advisory for member in members)
    return SuiteResult(**fields, role=roles.pop(), rate=None, advisory=advisory)
