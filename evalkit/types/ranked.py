"""More than two models in one order: how strong each is, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass

from evalkit.types.estimate import Estimate


@dataclass(frozen=True, slots=True)
class Strength:
    """A model's strength beside a baseline. elo: 1000 for the baseline; 400 more is ten wins to one loss against it.

    win_rate: against the baseline, in [0, 1], ties at half, as the strengths say. Infinite elo: nothing bounds it; NaN:
    unknown. `n` of both counts prompts, or clusters of them; battles: comparisons of two answers that this model took part in.
    """

    elo: Estimate
    win_rate: Estimate
    battles: int


@dataclass(frozen=True, slots=True)
class RankedModel:
    """One model of a ranking. fingerprint: its content hash; empty where only its name is known."""

    name: str
    fingerprint: str
    strength: Strength


@dataclass(frozen=True, slots=True)
class Ranking:
    """Models from the strongest to the weakest, as one judge sees them. prompts: how many were judged in all, a
    cluster of them counting once.
    """

    judge: str
    baseline: str
    level: float
    models: tuple[RankedModel, ...]
    prompts: int
    cautions: tuple[str, ...] = ()
