"""How strong each of several models is, from comparisons of two at a time."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from evalkit.statistics.cautions import ENOUGH, too_few
from evalkit.types import Estimate, InputError, Strength

_ELO = 400 / math.log(10)
_ANCHOR = 1000.0
_STEPS = 10_000


def bradley_terry(
    first: ArrayLike,
    second: ArrayLike,
    scores: ArrayLike,
    prompts: ArrayLike,
    *,
    models: int,
    baseline: int = 0,
    level: float = 0.95,
    rng: np.random.Generator,
    rounds: int = 1000,
) -> tuple[Strength, ...]:
    """Bradley-Terry strengths of `models` models on the Elo scale, the baseline at 1000, with intervals over prompts.

    first, second: shape (n,), the two models of each battle as integers from 0. scores: shape (n,), in [0, 1]: second's;
    a tie is 0.5, half a win and half a loss. prompts: shape (n,), any integers: battles on one prompt, whoever fought
    them, are drawn together. Intervals are percentiles of `rounds` resamples of prompts, expanded for small n.

    Strengths are the maximum of the likelihood, by evalica. Where a model won all that links it to the baseline none
    exists: its elo is +inf and its win rate 1 (-inf and 0 where it lost all), with a caution and no interval. NaN where
    nothing compares the two: both only ever lost to a third, or no chain of battles joins them.
    No interval either with fewer than 20 prompts, and none of elo where a resample in the tail has no finite one.
    Raises ValueError where shapes or ranges do not fit, InputError where evalica is not installed.
    Sources: Bradley and Terry 1952, Biometrika 39:324-345; Ford 1957, Am. Math. Monthly 64:28-33 (when strengths exist);
    Hesterberg 2015, arXiv:1411.5279 (expanded percentiles).
    """
    one, two, points, units = (np.asarray(values) for values in (first, second, scores, prompts))
    _check(one, two, points, units, models, baseline)
    names, unit = np.unique(units, return_inverse=True)
    n = names.size
    wins = np.zeros((n, models, models))
    np.add.at(wins, (unit, two, one), points)
    np.add.at(wins, (unit, one, two), 1 - points)
    logs = _log_strengths(wins.sum(axis=0), baseline)
    flat = wins.reshape(n, -1)
    drawn = np.empty((rounds, models))
    for place in range(rounds):
        counts = np.bincount(rng.integers(n, size=n), minlength=n)
        drawn[place] = _log_strengths((counts @ flat).reshape(models, models), baseline)
    result: list[Strength] = []
    for model in range(models):
        took_part = (one == model) | (two == model)
        own = int(np.unique(unit[took_part]).size)
        decided = int(np.unique(unit[took_part & (points != 0.5)]).size)
        battles = int(took_part.sum())
        if model == baseline:
            elo, rate = (Estimate(value, 0.0, value, value, level, "anchor", own) for value in (_ANCHOR, 0.5))
        else:
            elo, rate = _estimates(float(logs[model]), drawn[:, model], own, decided, level)
        result.append(Strength(elo, rate, battles))
    return tuple(result)


def _estimates(log: float, drawn: np.ndarray, n: int, decided: int, level: float) -> tuple[Estimate, Estimate]:
    """Elo and win rate against the baseline from a log strength and its resamples."""
    method = f"Bradley-Terry, bootstrap of {drawn.size} fits by prompt"

    def both(cautions: tuple[str, ...]) -> tuple[Estimate, Estimate]:
        elo, rate = (Estimate(value, None, None, None, level, method, n, cautions) for value in _scaled(log))
        return elo, rate

    if math.isnan(log):
        return both(("no strength: nothing says which of it and the baseline is stronger",))
    if math.isinf(log):
        said = "won" if log > 0 else "lost"
        return both((f"no interval: {said} all that links it to the baseline, which bounds no strength",))
    if n < ENOUGH:
        return both((f"no interval: {n} prompts, and a bootstrap needs {ENOUGH}",))
    known = np.sort(drawn[~np.isnan(drawn)])
    if known.size < 0.9 * drawn.size:
        return both(
            (f"no interval: {drawn.size - known.size} of {drawn.size} resamples lose its link to the baseline",)
        )
    if known[0] == known[-1]:
        return both(("no interval: every prompt says the same",))
    cut = min(int(_tail(n, level) * known.size), known.size - 1)
    limits = known[cut], known[-1 - cut]
    cautions = too_few(decided, "prompts")
    elo, rate = _scaled(log)
    rates = np.array([_rate(value) for value in known])
    at_rate = Estimate(
        rate,
        float(rates.std(ddof=1)),
        _rate(limits[0]),
        _rate(limits[1]),
        level,
        method,
        n,
        cautions,
        differing=decided,
    )
    endless = int(np.isinf(known).sum())
    if endless:
        cautions += (f"{endless} of {known.size} resamples hold only wins or only losses against the baseline's side",)
    finite = bool(np.isfinite(limits).all())
    low, high = (_ANCHOR + _ELO * float(limit) for limit in limits) if finite else (None, None)
    se = None if endless else _ELO * float(known.std(ddof=1))
    return Estimate(elo, se, low, high, level, method, n, cautions, differing=decided), at_rate


def _scaled(log: float) -> tuple[float, float]:
    return _ANCHOR + _ELO * log, _rate(log)


def _rate(log: float) -> float:
    return math.nan if math.isnan(log) else float(np.exp(-np.logaddexp(0, -log)))


def _tail(n: int, level: float) -> float:
    """The share to cut off each end, smaller than (1 - level) / 2 as a t interval is wider than a normal one."""
    from scipy.special import ndtr, stdtrit

    return float(ndtr(-math.sqrt(n / (n - 1)) * stdtrit(n - 1, (1 + level) / 2)))


def _log_strengths(wins: np.ndarray, baseline: int) -> np.ndarray:
    """Log strengths less the baseline's; wins[i, j]: of i over j. Infinite or NaN where no finite one exists."""
    beat = (wins > 0) | np.eye(len(wins), dtype=bool)
    for _ in range(max(1, len(wins) - 1).bit_length()):
        beat = beat @ beat
    over, under = beat[:, baseline], beat[baseline]
    logs = np.full(len(wins), math.nan)
    logs[over & ~under], logs[under & ~over] = math.inf, -math.inf
    # Battles between models of which one is infinitely stronger say nothing about the others.
    together = np.flatnonzero(over & under)
    if together.size == 1:
        logs[baseline] = 0.0
        return logs
    logs[together] = _fitted(wins[np.ix_(together, together)])
    return logs - logs[baseline]


def _fitted(wins: np.ndarray) -> np.ndarray:
    """Log strengths where every model beat, in a chain, every other; NaN where the fit did not come to an end."""
    try:
        from evalica import Winner, bradley_terry
    except ImportError:
        raise InputError("Bradley-Terry strengths need evalica: pip install 'evalkit-gate[judges]'") from None

    winners, losers = np.nonzero(wins)
    index = list(range(len(wins)))
    fit = bradley_terry(
        [*winners.tolist(), *index],
        [*losers.tolist(), *index],  # each model beside itself, at no weight: their order is then known
        [Winner.X] * (winners.size + len(index)),
        weights=[*wins[winners, losers].tolist(), *[0.0] * len(index)],
        tolerance=1e-9,
        limit=_STEPS,
    )
    if fit.iterations >= _STEPS:
        return np.full(len(wins), math.nan)
    return np.log(fit.scores.loc[index].to_numpy(dtype=float))


def _check(one: np.ndarray, two: np.ndarray, points: np.ndarray, units: np.ndarray, models: int, baseline: int) -> None:
    if one.ndim != 1 or not one.shape == two.shape == points.shape == units.shape:
        shapes = ", ".join(str(values.shape) for values in (one, two, points, units))
        raise ValueError(f"first, second, scores, prompts have shapes {shapes}: must all be (n,)")
    if not one.size:
        raise ValueError("no battle")
    if min(one.min(), two.min()) < 0 or max(one.max(), two.max(), baseline) >= models or (one == two).any():
        raise ValueError(f"first, second and baseline must be integers from 0 to {models - 1}, of two different models")
    if not ((points >= 0) & (points <= 1)).all():
        raise ValueError("scores must lie in [0, 1]; leave unscored battles out")
