"""Gain, tax and win rate over the runs of one base: which of them belong on one line, and which cannot be compared."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from evalkit.types import Estimate, RunIndex, StoredJudge, StoredRun, Trend, TrendPoint

MOST_POINTS = 200
"""Runs of one base that are drawn, the newest; more would only be a smear."""


def trends(index: RunIndex) -> list[Trend]:
    """A trend for every base that was held against two candidates or more, the one with the newest run first."""
    by_base: dict[str, list[StoredRun]] = {}
    for run in index.runs:  # newest first
        if run.seconds is not None:
            by_base.setdefault(run.base.name, []).append(run)
    return [_trend(base, runs) for base, runs in by_base.items() if len(runs) > 1]


def family(name: str) -> str:
    """A model's name without its numbers: `lr1-ckpt-100` and `lr1-ckpt-200` are checkpoints of one training."""
    return re.sub(r"\d+", "#", name)


def _trend(base: str, newest_first: Sequence[StoredRun]) -> Trend:
    newest = newest_first[0]
    drawn = list(reversed(newest_first[:MOST_POINTS]))
    judge = _judge(newest_first)

    def points(axis: str) -> tuple[TrendPoint, ...]:
        found: list[TrendPoint] = []
        for run in drawn:
            value, comparable = getattr(run, axis, None), run.measure == newest.measure
            if axis == "win_rate":
                said = next((one for one in run.judges if judge and _same(one, judge)), None)
                value = said.win_rate if said else None
            if isinstance(value, Estimate) and math.isfinite(value.value):
                found.append(TrendPoint(run, value, family(run.tuned.name), comparable))
        return tuple(found)

    return Trend(
        base=base,
        runs=len(newest_first),
        left_out=len(newest_first) - len(drawn),
        others=sum(run.measure != newest.measure for run in drawn),
        gain=points("gain"),
        tax=points("tax"),
        win_rate=points("win_rate"),
        judge=judge,
    )


def _judge(newest_first: Sequence[StoredRun]) -> StoredJudge | None:
    """The judge whose win rate is shown: of the newest run that has one over base, one that passed its exam first."""
    for run in newest_first:
        able = [one for one in run.judges if one.win_rate is not None and one.against == "base"]
        if able:
            return min(able, key=lambda one: (one.exam != "passed", one.name))
    return None


def _same(one: StoredJudge, judge: StoredJudge) -> bool:
    return (one.name, one.hash, one.against) == (judge.name, judge.hash, judge.against)
