"""Looks at a run while it goes on: which items each one sees, how wide its intervals are, and when to stop.

Every look sees a complete prefix of the pre-drawn random order, never what happens to have finished first: short outputs
finish first, and they are not a random sample. All suites are looked at together, and the policy as a whole stops, so that
GO still needs every gate within its limit at one and the same look.

The interval at a look is the repeated one: it is computed at the level at which all looks together cover the policy's, so it
may be read at any look, whatever made the run stop there. Stopping because nothing will be decided spends nothing: the
bounds do not count on it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from evalkit.config import SequentialPolicy
from evalkit.running.requests import Item
from evalkit.statistics import conditional_power, more_items_needed, repeated_level, rests_on_too_few, spending_bounds
from evalkit.types import Comparison, Decision, Estimate, ExamRecord, Gate, Looked


def in_stages(items: Sequence[Item], looks: int, *, seed: int) -> list[list[Item]]:
    """The items as `looks` parts of about the same size, each task in its share and clusters whole.

    items: in the pre-drawn order, which is kept within a task. Clusters are drawn in an order of their own: by their first
    item large ones would come first.
    """
    units: dict[tuple[str, str], list[list[Item]]] = {}
    clusters: dict[tuple[str, str], list[Item]] = {}
    for item in items:
        suite, group = item.task.suite, item.example.group
        if group is None:
            units.setdefault((suite, item.task.name), []).append([item])
        elif (suite, group) in clusters:
            clusters[suite, group].append(item)
        else:
            clusters[suite, group] = [item]
            units.setdefault((suite, ""), []).append(clusters[suite, group])
    for (suite, task), whole in units.items():
        if not task:
            whole.sort(key=lambda cluster: str(cluster[0].example.group))
            _random(seed, suite, "clusters").shuffle(whole)
    stages: list[list[Item]] = [[] for _ in range(looks)]
    for parts in units.values():
        ends = [math.ceil(len(parts) * (look + 1) / looks) for look in range(looks)]
        for look, end in enumerate(ends):
            begin = ends[look - 1] if look else 0
            stages[look] += [item for part in parts[begin:end] for item in part]
    return stages


def look_level(level: float, looked: Looked) -> float:
    """The level at which a look's intervals are computed, so that all looks together cover `level`."""
    return repeated_level(_bounds(level, looked)[looked.look - 1])


def last_level(level: float, policy: SequentialPolicy) -> float:
    """The level of the intervals at the last look."""
    looked = first_look(policy, 0)
    return look_level(level, replace(looked, look=looked.looks))


def first_look(policy: SequentialPolicy, planned: int) -> Looked:
    """What is known before anything is asked. planned: items of each model."""
    return Looked(policy.looks, 1, policy.spending, policy.futility, planned, 0)


def hope(decision: Decision, level: float, looked: Looked) -> float:
    """How likely the last look is to decide, GO or NO-GO, whichever is likelier.

    Every gate is given the benefit of the doubt: the trend that it is assumed to go on with is what was observed plus one
    standard error towards the outcome in question. By the trend itself, early looks of equal models are given up far too
    often. level: of the policy. 1 where a required gate has no interval yet: nothing can be said of it.
    """
    last = _bounds(level, looked)[-1]
    fraction = looked.look / looked.looks
    go, kept = 1.0, 1.0
    for gate in decision.gates:
        if not gate.required:
            continue
        z = _distance(gate)
        if z is None:
            return 1.0
        go *= _chance(z, fraction, last)
        kept *= 1 - _chance(-z, fraction, last)
    return max(go, 1 - kept)


def _chance(z: float, fraction: float, last: float) -> float:
    """That a gate `z` standard errors beyond its limit crosses the last bound."""
    return (
        conditional_power(z, fraction, last, drift=(z + 1) / math.sqrt(fraction)) if fraction < 1 else float(z > last)
    )


def look_line(decision: Decision, looked: Looked) -> str:
    """What one look found, for whoever watches."""
    words = {"go": "GO", "no_go": "NO-GO", "inconclusive": "undecided"}
    if looked.stopped == "futile":
        return looked.words
    open_ = [gate.subject for gate in decision.gates if gate.required and gate.verdict == "inconclusive"]
    still = f" ({', '.join(open_)})" if open_ and looked.stopped == "end" else ""
    where = f"look {looked.look} of {looked.looks}, {looked.asked:,} of {looked.planned:,} items"
    return f"{where}: {words[decision.outcome]}{still}" + ("" if decision.complete else ", incomplete")


def as_repeated(
    comparison: Comparison, decision: Decision, level: float, looked: Looked
) -> tuple[Comparison, Decision]:
    """The same with every interval named for what it is: a repeated one at `level`, the policy's.

    What an early look left undecided, further items decide at the last look's level: they are counted at that one.
    """
    how = f"repeated, look {looked.look} of {looked.looks}"
    reasons = (*decision.reasons, f"sequential: {looked.words}")
    last = repeated_level(_bounds(level, looked)[-1])
    gates = tuple(
        replace(gate, more_items_needed=more_items_needed(gate.estimate, gate.threshold, level=last))
        if gate.more_items_needed
        else gate
        for gate in decision.gates
    )
    decision = replace(decision, gates=gates, reasons=reasons)
    return _renamed(comparison, level, how), _renamed(decision, level, how)


def _renamed(value: Any, level: float, how: str) -> Any:
    """A result with the level and method of every estimate in it changed."""
    if isinstance(value, Estimate):
        return replace(value, level=level, method=f"{value.method}; {how}")
    if isinstance(value, ExamRecord):
        return value  # taken before, at a level of its own
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        changed = {one.name: _renamed(getattr(value, one.name), level, how) for one in dataclasses.fields(value)}
        if isinstance(value, Comparison):
            changed["level"] = level
        return replace(value, **changed)
    if isinstance(value, tuple):
        return tuple(_renamed(one, level, how) for one in value)
    if isinstance(value, Mapping):
        return {key: _renamed(one, level, how) for key, one in value.items()}
    return value


def _bounds(level: float, looked: Looked) -> tuple[float, ...]:
    fractions = [(look + 1) / looked.looks for look in range(looked.looks)]
    return spending_bounds(fractions, alpha=(1 - level) / 2, spending=looked.spending)


def _distance(gate: Gate) -> float | None:
    """How many standard errors a gate's estimate lies on the passing side of its limit; None where that is not known."""
    estimate = gate.estimate
    if estimate.low is None or estimate.high is None or not estimate.se or rests_on_too_few(estimate):
        return None
    z = (estimate.value - gate.threshold) / estimate.se
    return z if gate.side == "above" else -z


def _random(*parts: object) -> random.Random:
    return random.Random(hashlib.sha256(repr(parts).encode()).digest())
