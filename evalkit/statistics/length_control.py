"""A win rate with the answers' lengths held equal, and an interval that knows its coefficients were estimated."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.statistics.paired import cluster_labels
from evalkit.types import Estimate, LengthControl

_LEAST = 20
_NEAR = 0.25  # |tanh| up to which two answers count as about equally long
_RIDGE = 1e-2  # keeps a resample in which all wins stand on one side from running off to infinity
_STEPS = 30
_CELLS = 2_000_000  # numbers held at once, so that 100,000 prompts fit into memory as well as 800


def length_controlled(
    scores: ArrayLike,
    length_difference: ArrayLike,
    groups: Sequence[object] | NDArray[np.generic] | None = None,
    *,
    level: float = 0.95,
    rng: np.random.Generator,
    rounds: int = 1000,
) -> LengthControl:
    """Tuned's win rate at equal length: logistic in tanh of the standardised length difference, read at zero.

    scores: shape (n,), in [0, 1], one a prompt. length_difference: shape (n,), tuned - base, in characters. groups: a
    cluster label a prompt, None where it is on its own; clusters are drawn whole. The interval and se come from a prompt
    bootstrap of the whole fit, standardisation included; normal on the scale of log odds. (AlpacaEval's own standard error
    takes the coefficients as known.) A ridge of 0.01 keeps a fit finite where length parts all wins from all losses; it
    moves log odds by about 0.01 / (n p (1 - p)) of their size. supported: at least ten prompts, and 5 %, have answers of
    about equal length, some to each side of zero; else the value is an extrapolation. Scores or lengths without variation,
    or fewer than 20 prompts (or clusters, where there are any): neither number nor interval.
    Raises ValueError where shapes differ or scores lie outside [0, 1].
    Source: Dubois et al. 2024, arXiv:2404.04475, without its instruction difficulty.
    """
    y, d = np.asarray(scores, dtype=float), np.asarray(length_difference, dtype=float)
    if y.ndim != 1 or y.shape != d.shape:
        raise ValueError(f"scores {y.shape} and length_difference {d.shape}: must both be (n,)")
    if not ((y >= 0) & (y <= 1)).all():
        raise ValueError("scores must lie in [0, 1]; leave unscored prompts out")
    n = y.size
    method = f"logistic in tanh of length, bootstrap of {rounds} fits by prompt"
    labels = np.arange(n) if groups is None else cluster_labels(groups, n)
    units, of = int(labels.max(initial=-1)) + 1, "prompts" if groups is None else "clusters of prompts"
    reason = ""
    if units < _LEAST:
        reason = f"no interval: {units} {of}, and length control needs {_LEAST}"
    elif np.ptp(y) == 0:
        reason = "no interval: every prompt scores the same, so that length can explain nothing"
    elif np.ptp(d) == 0:
        reason = "no interval: every length difference is the same, so that none can be held equal"
    if reason:
        nothing = Estimate(math.nan, None, None, None, level, method, n, (reason,))
        return LengthControl(nothing, nothing, supported=False)
    whole = np.ones((1, n))
    intercept, slope = _fits(y, d, whole)[0]
    # A fit of a resample is a fit with each prompt weighted by how often it was drawn.
    at_once = max(1, _CELLS // n)
    fits = np.concatenate(
        [_fits(y, d, _drawn(labels, min(at_once, rounds - done), rng)) for done in range(0, rounds, at_once)]
    )
    from scipy.special import ndtri

    half = float(ndtri((1 + level) / 2)) * fits.std(axis=0, ddof=1)
    # On the scale of log odds, where estimates are about normal, and then back.
    low, high = _logistic(intercept + np.array([-half[0], half[0]]))
    rates = _logistic(fits[:, 0])
    slope_low, slope_high = slope - half[1], slope + half[1]
    unlike = _features(d, whole)[0]
    close = unlike[np.abs(unlike) <= _NEAR]
    near, cautions = close.size, ()
    if near < max(10, 0.05 * n):
        cautions = (f"only {near} of {n} prompts have answers of about equal length: extrapolated",)
    elif not (close.min() <= 0 <= close.max()):
        longer = "longer" if close.min() > 0 else "shorter"
        cautions = (f"where answers are of about equal length tuned's is always the {longer} one: extrapolated",)
    supported = not cautions
    value = float(_logistic(np.array(intercept)))
    return LengthControl(
        Estimate(value, float(rates.std(ddof=1)), float(low), float(high), level, method, n, cautions),
        Estimate(
            float(slope), float(fits[:, 1].std(ddof=1)), float(slope_low), float(slope_high), level, method, n, cautions
        ),
        supported=supported,
    )


def _drawn(labels: np.ndarray, rounds: int, rng: np.random.Generator) -> np.ndarray:
    """How often each prompt was drawn into each resample, with its cluster; shape (rounds, n)."""
    units = int(labels.max()) + 1
    draws = [np.bincount(rng.integers(units, size=units), minlength=units)[labels] for _ in range(rounds)]
    return np.stack(draws).astype(float)


def _features(d: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Tanh of the differences over their standard deviation in each (weighted) sample; shape (rounds, n)."""
    total = weights.sum(axis=1, keepdims=True)
    mean = (weights @ d)[:, None] / total
    variance = (weights * (d - mean) ** 2).sum(axis=1, keepdims=True) / np.maximum(total - 1, 1)
    return np.tanh(d / np.sqrt(np.where(variance > 0, variance, 1.0)))


def _fits(y: np.ndarray, d: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Intercept and slope of each weighted sample, by Newton's method with a slight ridge; shape (rounds, 2)."""
    z = _features(d, weights)
    beta = np.zeros((len(weights), 2))
    for _ in range(_STEPS):
        p = _logistic(beta[:, :1] + beta[:, 1:] * z)
        residual, curvature = weights * (y - p), weights * p * (1 - p)
        gradient = np.stack([residual.sum(1), (residual * z).sum(1)], axis=1) - _RIDGE * beta
        a, b, c = curvature.sum(1) + _RIDGE, (curvature * z).sum(1), (curvature * z * z).sum(1) + _RIDGE
        determinant = a * c - b * b
        step = np.stack([c * gradient[:, 0] - b * gradient[:, 1], a * gradient[:, 1] - b * gradient[:, 0]], axis=1)
        step /= determinant[:, None]
        # A full step from far away overshoots where the curve is flat.
        step *= np.minimum(1.0, 4.0 / np.maximum(np.abs(step).max(axis=1, keepdims=True), 1e-12))
        beta += step
        if np.abs(step).max() < 1e-8:
            break
    return beta


def _logistic(x: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0, -x))
