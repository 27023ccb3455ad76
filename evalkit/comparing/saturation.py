"""Suites that can show nothing: both models at chance, or both at the ceiling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from evalkit.comparing.pairing import PairedScores
from evalkit.types import Estimate

CEILING = 0.98
"""From this mean score on of both models a suite is too easy to tell them apart."""

FLOOR = 1 - CEILING
"""Where nothing is earned by chance, up to this mean score of both models a suite is too hard."""


def saturation(
    parts: Sequence[PairedScores], difference: Callable[[Sequence[PairedScores]], Estimate], chance: float
) -> tuple[str, ...]:
    """A caution where both models are at chance or at the ceiling, else none. For scores in [0, 1], more being better.

    difference: how the suite's parts make one estimate; each model's own mean is its difference from zero. At chance: the
    interval of neither model lies above it; where chance is 0, both are at most 2 %. At the ceiling: both at least 98 %.
    """
    if not all(part.bounded for part in parts) or not any(part.both.any() for part in parts):
        return ()
    base, tuned = (difference([_alone(part, arm) for part in parts]) for arm in ("base", "tuned"))
    scores = f"base {100 * base.value:.1f} %, tuned {100 * tuned.value:.1f} %"
    nothing = "the suite cannot show a gain or a loss"
    if min(base.value, tuned.value) >= CEILING:
        return (f"both models are at the ceiling ({scores}): {nothing}",)
    if not chance and max(base.value, tuned.value) <= FLOOR:
        return (f"both models are at the floor ({scores}): {nothing}",)
    if chance and all(one.low is not None and one.low <= chance for one in (base, tuned)):
        return (f"neither model is shown to be above chance ({100 * chance:g} %; {scores}): {nothing}",)
    return ()


def _alone(part: PairedScores, arm: str) -> PairedScores:
    """One model's scores as differences from zero."""
    scores = part.base if arm == "base" else part.tuned
    return replace(part, base=np.zeros_like(scores), tuned=scores)
