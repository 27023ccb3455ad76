"""More than two models on one scale, from who beat whom: Bradley-Terry, with intervals by prompt."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evalkit.types import Estimate, InputError

_ELO = 400 / math.log(10)


@dataclass(frozen=True, slots=True)
class Battle:
    """One prompt on which two models met. score: of `second`, in [0, 1]; a tie is one half. prompt: the resampled unit."""

    prompt: str
    first: str
    second: str
    score: float


@dataclass(frozen=True, slots=True)
class Strength:
    """One model's place. rating: on the Elo scale, the baseline at 1000. win_rate: against the baseline, as fitted."""

    model: str
    rating: Estimate
    win_rate: Estimate
    prompts: int


def bradley_terry(
    battles: Sequence[Battle], baseline: str, *, level: float = 0.95, rng: np.random.Generator, rounds: int = 500
) -> list[Strength]:
    """All models, the strongest first. A model's odds of beating another are the ratio of their strengths; ties count half.

    Intervals are percentiles of `rounds` fits on resampled prompts: a prompt's battles stay together. Fewer than 20 prompts, or a
    model that wins or loses everything in some resample, leave it without a finite end, which is said. Raises InputError where
    the models do not form one connected group, or evalica is not installed. Sources: Bradley and Terry 1952, Biometrika
    39:324-345; the fit is evalica's.
    """
    models = sorted({name for battle in battles for name in (battle.first, battle.second)})
    if baseline not in models:
        raise InputError(f"baseline {baseline!r} is in no battle; there are: {', '.join(models)}")
    _check_connected(models, battles)
    number = {model: place for place, model in enumerate(models)}
    prompts = sorted({battle.prompt for battle in battles})
    place_of = {prompt: place for place, prompt in enumerate(prompts)}
    of_prompt = np.array([place_of[battle.prompt] for battle in battles])
    scores = np.array([battle.score for battle in battles])
    first = np.array([number[battle.first] for battle in battles])
    second = np.array([number[battle.second] for battle in battles])

    def fitted(weights: np.ndarray) -> np.ndarray:
        return _log_strengths(first, second, scores, weights, len(models)) * _ELO

    at = number[baseline]
    ratings = fitted(np.ones(len(battles)))
    ratings = ratings - ratings[at] + 1000
    drawn = rng.multinomial(len(prompts), np.full(len(prompts), 1 / len(prompts)), size=rounds)
    resampled = np.array([fitted(weights[of_prompt].astype(float)) for weights in drawn])
    resampled = resampled - resampled[:, [at]] + 1000
    tails = [(1 - level) / 2, (1 + level) / 2]
    caution = () if len(prompts) >= 20 else (f"only {len(prompts)} prompts: too few for an interval",)
    method = f"Bradley-Terry, bootstrap of {rounds} fits by prompt"

    def estimate(value: float, samples: np.ndarray, model: str) -> Estimate:
        if model == baseline:
            return Estimate(value, 0.0, value, value, level, "the baseline", len(prompts))
        low, high = np.quantile(samples, tails)
        ends = (None, None) if caution else (float(low), float(high))
        return Estimate(value, float(samples.std(ddof=1)), *ends, level, method, len(prompts), caution)

    def won(rating: np.ndarray) -> np.ndarray:
        return 1 / (1 + 10 ** ((1000 - rating) / 400))

    strengths = [
        Strength(
            model,
            estimate(float(ratings[place]), resampled[:, place], model),
            estimate(float(won(ratings[place])), won(resampled[:, place]), model),
            len({battle.prompt for battle in battles if model in (battle.first, battle.second)}),
        )
        for model, place in number.items()
    ]
    return sorted(strengths, key=lambda one: -one.rating.value)


def _log_strengths(
    first: np.ndarray, second: np.ndarray, scores: np.ndarray, weights: np.ndarray, n: int
) -> np.ndarray:
    """Log strengths; a battle of score s enters as a win of `second` with weight s and one of `first` with 1 - s.

    A hundredth of a tie between every two models that met keeps a model that only wins, or only loses, at a finite place.
    """
    try:
        from evalica import Winner
        from evalica import bradley_terry as fit
    except ImportError:
        raise InputError("ranking needs evalica: pip install 'evalkit-gate[judges]'") from None
    import pandas as pd

    met = np.unique(np.stack([first, second], axis=1), axis=0)
    slight = np.full(len(met), 0.01)
    xs = np.concatenate([first, first, met[:, 0]])
    ys = np.concatenate([second, second, met[:, 1]])
    winners = [Winner.X] * len(first) + [Winner.Y] * len(first) + [Winner.Draw] * len(met)
    each = np.concatenate([weights * (1 - scores), weights * scores, slight])
    result = fit(
        xs.tolist(),
        ys.tolist(),
        winners,
        index=pd.Index(range(n)),
        weights=each.tolist(),
        tolerance=1e-10,
        limit=10_000,
    )
    return np.log(np.asarray(result.scores.reindex(range(n)), dtype=float))


def _check_connected(models: Sequence[str], battles: Sequence[Battle]) -> None:
    group = {model: {model} for model in models}
    for battle in battles:
        one, two = group[battle.first], group[battle.second]
        if one is not two:
            one |= two
            for model in two:
                group[model] = one
    groups = {id(one): sorted(one) for one in group.values()}
    if len(groups) > 1:
        told = "; ".join(", ".join(one) for one in groups.values())
        raise InputError(f"these models never met, so that they have no common scale: {told}")
