"""A run, simulated: scores are drawn for every item and go through the intervals and gates that a real run goes through."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from evalkit.config import PolicySpec
from evalkit.deciding.gate import decide
from evalkit.planning.design import Design, PlannedJudge, PlannedSuite
from evalkit.planning.scores import Floats, Scores, drawn_scores, steps
from evalkit.statistics import (
    clusters_span,
    kept_share_interval,
    macro_average,
    pooled,
    rise_of_rate,
    tango_interval,
    widened_difference,
    widened_rate,
    win_rate,
)
from evalkit.types import Comparison, Decision, Estimate, Expected, Gate, JudgeResult, Role, SuiteResult

_TIES = 0.3  # of a judge's verdicts where the models are equal


@dataclass(frozen=True, slots=True)
class Simulated:
    """Many runs of one design. gates: as the first run had them; edges: shape (runs, gates), of each gate's interval the end
    that has to clear the limit; passed: shape (runs, gates). go, no_go: shape (runs,).
    """

    gates: tuple[Gate, ...]
    edges: Floats
    passed: NDArray[np.bool_]
    go: NDArray[np.bool_]
    no_go: NDArray[np.bool_]


def simulate(
    design: Design,
    policy: PolicySpec,
    expected: Mapping[str, Expected],
    *,
    runs: int,
    seed: int = 0,
    gain: float = 0.05,
    loss: float = 0.0,
    level: float | None = None,
) -> Simulated:
    """Simulate so many runs. gain: of tuned on targets; loss: on everything that must be kept, 0 for equal models.

    level: of the intervals, where that is not the policy's.
    """
    found = [
        decided(design, policy, expected, np.random.default_rng([seed, run]), gain=gain, loss=loss, level=level)
        for run in range(runs)
    ]
    gates = found[0].gates
    return Simulated(
        gates,
        edges=np.array([[_edge(gate) for gate in one.gates] for one in found]),
        passed=np.array([[gate.verdict == "pass" for gate in one.gates] for one in found]),
        go=np.array([one.outcome == "go" for one in found]),
        no_go=np.array([one.outcome == "no_go" for one in found]),
    )


def decided(
    design: Design,
    policy: PolicySpec,
    expected: Mapping[str, Expected],
    rng: np.random.Generator,
    *,
    gain: float = 0.05,
    loss: float = 0.0,
    level: float | None = None,
) -> Decision:
    """One simulated run's decision. A suite whose scores have no bounds and no known spread is left out."""
    drawn = drawn_suites(design, expected, rng, gain=gain, loss=loss)
    return decide(comparison_of(design, drawn, policy, rng, level=level), policy)


def drawn_suites(
    design: Design, expected: Mapping[str, Expected], rng: np.random.Generator, *, gain: float, loss: float
) -> dict[str, list[Scores]]:
    """Scores of every suite of which it is known how far they spread, by name."""
    return {
        suite.record.name: drawn_scores(suite, expected[suite.record.name], rng, gain=gain, loss=loss)
        for suite in design.suites
        if is_planned(suite, expected)
    }


def is_planned(suite: PlannedSuite, expected: Mapping[str, Expected]) -> bool:
    """Whether anything is known of how far its scores spread."""
    return suite.bounded or expected[suite.record.name].spread is not None


def comparison_of(
    design: Design,
    drawn: Mapping[str, Sequence[Scores]],
    policy: PolicySpec,
    rng: np.random.Generator,
    *,
    level: float | None = None,
) -> Comparison:
    """The comparison of drawn scores: suites, pools, the pooled tax and gain, and what judges make of equal answers."""
    level = policy.level if level is None else level
    by_name = {suite.record.name: suite for suite in design.suites if suite.record.name in drawn}
    relative = policy.retain.relative
    suites = tuple(_result(suite, drawn[name], level, relative) for name, suite in by_name.items())
    pools = []
    for name, members in policy.pools.items():
        mine = [by_name[member] for member in members if member in by_name]
        if mine:
            pools.append(_pool(name, mine, [part for one in mine for part in drawn[one.record.name]], level, relative))
    found = Comparison(
        base="base",
        tuned="tuned",
        level=level,
        suites=suites,
        pools=tuple(pools),
        tax=_weighted(suites, level, "retain"),
        gain=_weighted(suites, level, "target"),
        judges=tuple(_judged(judge, level, rng) for judge in design.judges),
        n=sum(suite.n for suite in suites if not suite.advisory),
        # What is missing widens the intervals; whether it is more than allowed is not the plan's question.
        missing=0,
    )
    # Over the model in use now a candidate is assumed to differ as it does over base.
    return replace(found, against_incumbent=found)


# --- scores -> results ---


@functools.lru_cache(maxsize=100_000)
def _tango(regressed: int, fixed: int, n: int, level: float) -> Estimate:
    return tango_interval(regressed, fixed, n, level=level)


@functools.lru_cache(maxsize=100_000)
def _kept_share(kept: int, regressed: int, fixed: int, n: int, share: float, level: float) -> Estimate:
    return kept_share_interval(kept, regressed, fixed, n, share=share, level=level)


def difference(
    parts: Sequence[Scores],
    level: float,
    *,
    binary: bool,
    bounded: bool,
    share: float = 1.0,
    macro: bool = False,
    guard: bool = False,
) -> Estimate:
    """The paired difference over all these items, tuned - share * base, by the method that a run would use.

    macro: the mean over parts, each counting the same; else all items are alike. guard: scores are of what hardly ever happens.
    """
    macro = macro and len(parts) > 1
    if macro and not clusters_span([one.groups for one in parts]):
        alone = [difference([one], level, binary=binary, bounded=bounded, share=share) for one in parts]
        return macro_average(alone, level=level)
    base, tuned = (np.concatenate([getattr(one, arm) for one in parts]) for arm in ("base", "tuned"))
    groups = _all_groups(parts)
    if binary and groups is None and not np.isnan(tuned).any():
        regressed, fixed = int((tuned < base).sum()), int((tuned > base).sum())
        if share == 1:
            return _tango(regressed, fixed, base.size, level)
        return _kept_share(int((base * tuned > 0).sum()), regressed, fixed, base.size, share, level)
    if guard and bounded and not macro:
        return rise_of_rate(base, tuned, groups, level=level, binary=binary)
    tasks = np.repeat(np.arange(len(parts)), [one.base.size for one in parts]) if macro else None
    return widened_difference(
        base, tuned, groups, level=level, binary=binary, bounded=bounded, share=share, tasks=tasks
    )


def _all_groups(parts: Sequence[Scores]) -> NDArray[np.intp] | None:
    """Cluster numbers over several tasks; items of a task without clusters get one each."""
    if all(one.groups is None for one in parts):
        return None
    found, free = [], -1
    for one in parts:
        if one.groups is not None:
            found.append(one.groups)
        else:
            found.append(np.arange(free, free - one.base.size, -1))
            free -= one.base.size
    return np.concatenate(found)


def _result(suite: PlannedSuite, parts: Sequence[Scores], level: float, relative: float | None) -> SuiteResult:
    record = suite.record

    def whole(share: float = 1.0) -> Estimate:
        return difference(
            parts,
            level,
            binary=suite.binary,
            bounded=suite.bounded,
            share=share,
            macro=record.aggregate == "macro",
            guard=record.role == "guard",
        )

    tuned = np.concatenate([one.tuned for one in parts])
    return SuiteResult(
        name=record.name,
        metric=record.tasks[0].metric if record.tasks else "",
        n=int((~np.isnan(tuned)).sum()),
        missing=int(np.isnan(tuned).sum()),
        base=0.0,
        tuned=0.0,
        delta=whole(),
        regressed=0,
        fixed=0,
        kept=0,
        both_wrong=0,
        causes={},
        bounded=suite.bounded,
        role=record.role,
        margin=record.margin,
        weight=record.weight,
        guard=record.guard,
        advisory=record.advisory,
        relative=whole(1 - relative) if relative is not None and _may_lose_a_share(suite) else None,
        rate=_own_rate(parts, level) if record.role == "guard" and suite.bounded else None,
    )


def _pool(
    name: str, suites: Sequence[PlannedSuite], parts: Sequence[Scores], level: float, relative: float | None
) -> SuiteResult:
    binary = all(one.binary for one in suites)
    first = _result(suites[0], parts[: len(suites[0].tasks)], level, relative)
    guard = suites[0].record.role == "guard"
    delta = difference(_apart(parts, suites), level, binary=binary, bounded=suites[0].bounded, guard=guard)
    rate = _own_rate(_apart(parts, suites), level) if first.rate is not None else None
    kept = None
    if relative is not None and _may_lose_a_share(suites[0]):
        kept = difference(_apart(parts, suites), level, binary=binary, bounded=True, share=1 - relative)
    return replace(first, name=name, n=sum(one.n for one in suites), delta=delta, rate=rate, relative=kept)


def _may_lose_a_share(suite: PlannedSuite) -> bool:
    return suite.record.role == "retain" and suite.bounded


def _apart(parts: Sequence[Scores], suites: Sequence[PlannedSuite]) -> list[Scores]:
    """Clusters of different suites are different clusters, whatever their numbers."""
    found, place = [], 0
    for turn, suite in enumerate(suites):
        for one in parts[place : place + len(suite.tasks)]:
            groups = None if one.groups is None else one.groups + turn * 10**12
            found.append(Scores(one.base, one.tuned, groups))
        place += len(suite.tasks)
    return found


def _own_rate(parts: Sequence[Scores], level: float) -> Estimate:
    return widened_rate(np.concatenate([one.tuned for one in parts]), _all_groups(parts), level=level)


def _judged(judge: PlannedJudge, level: float, rng: np.random.Generator) -> JudgeResult:
    """What a judge with a passed exam makes of answers that are as good as each other."""
    step = steps(rng.random(judge.prompts), (1 - _TIES) / 2, (1 - _TIES) / 2)
    return JudgeResult(judge.name, judge.prompts, 0, win_rate(0.5 + step / 2, level=level), exam="passed")


def _weighted(suites: Sequence[SuiteResult], level: float, role: Role) -> Estimate | None:
    mine = [suite for suite in suites if suite.role == role and not suite.advisory]
    sign = -1 if role == "retain" else 1
    return pooled([one.delta for one in mine], [one.weight for one in mine], level=level, sign=sign)


def _edge(gate: Gate) -> float:
    """The end of the interval that has to clear the limit; NaN without an interval."""
    end = gate.estimate.low if gate.side == "above" else gate.estimate.high
    return float("nan") if end is None else end
