"""A sequential run, simulated: how early it stops, and with what."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from evalkit.config import PolicySpec
from evalkit.deciding.gate import decide
from evalkit.deciding.looks import first_look, hope, look_level
from evalkit.planning.design import Design
from evalkit.planning.scores import Scores
from evalkit.planning.simulation import comparison_of, drawn_suites
from evalkit.types import Decision, Expected


@dataclass(frozen=True, slots=True)
class Stopped:
    """Where one simulated run stopped. asked: the share of all items that it asked."""

    decision: Decision
    look: int
    asked: float


def looked_at(
    design: Design,
    policy: PolicySpec,
    expected: Mapping[str, Expected],
    rng: np.random.Generator,
    *,
    gain: float = 0.05,
    loss: float = 0.0,
) -> Stopped:
    """One run with all its looks, its scores drawn as `simulate` draws them."""
    return stopped(design, drawn_suites(design, expected, rng, gain=gain, loss=loss), policy, rng)


def stopped(
    design: Design, drawn: Mapping[str, Sequence[Scores]], policy: PolicySpec, rng: np.random.Generator
) -> Stopped:
    """Look at drawn scores as a sequential run would. What was drawn is in random order, clusters apart."""
    places = {name: _places(parts, rng) for name, parts in drawn.items()}
    looked = first_look(policy.sequential, design.n)
    while True:
        share = looked.look / looked.looks
        seen = {
            name: [_until(part, place, share) for part, place in zip(parts, places[name], strict=True)]
            for name, parts in drawn.items()
        }
        level = look_level(policy.level, looked)
        judges = tuple(replace(one, prompts=math.ceil(share * one.prompts)) for one in design.judges)
        decision = decide(comparison_of(replace(design, judges=judges), seen, policy, rng, level=level), policy)
        asked = sum(part.base.size for parts in seen.values() for part in parts)
        total = sum(part.base.size for parts in drawn.values() for part in parts)
        over = looked.look == looked.looks or decision.outcome != "inconclusive"
        if over or (looked.futility is not None and hope(decision, policy.level, looked) < looked.futility):
            return Stopped(decision, looked.look, asked / total if total else 1.0)
        looked = replace(looked, look=looked.look + 1)


def _places(parts: Sequence[Scores], rng: np.random.Generator) -> list[NDArray[np.float64]]:
    """Of every item of a suite where in the order it stands, from 0 to 1; the items of a cluster together."""
    numbers = np.unique(np.concatenate([one.groups for one in parts if one.groups is not None] or [np.array([], int)]))
    order = (rng.permutation(numbers.size) + 1) / max(1, numbers.size)
    return [
        (np.arange(one.base.size) + 1) / one.base.size
        if one.groups is None
        else order[np.searchsorted(numbers, one.groups)]
        for one in parts
    ]


def _until(part: Scores, places: NDArray[np.float64], share: float) -> Scores:
    """The items within the first `share` of the order, an item begun counting whole."""
    kept = places <= share + (1 / part.base.size if part.groups is None else 0.0) - 1e-9 if share < 1 else places > 0
    groups = None if part.groups is None else part.groups[kept]
    return Scores(part.base[kept], part.tuned[kept], groups)
