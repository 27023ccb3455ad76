"""Calibration: whether a model that says 70 % is right 70 % of the time. From the probabilities of an item's options."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

BINS = 10


def option_probabilities(logprobs: ArrayLike) -> Floats:
    """Softmax over each item's options. logprobs: shape (n, k), -inf where an item has fewer than k options."""
    values = np.asarray(logprobs, dtype=float)
    mass = np.exp(values - values.max(axis=1, keepdims=True))
    return mass / mass.sum(axis=1, keepdims=True)


def brier_scores(probabilities: ArrayLike, right: ArrayLike) -> Floats:
    """Each item's multiclass Brier score: sum over options of (p - [option is right])^2, from 0 to 2.

    probabilities: shape (n, k), rows that sum to 1. right: shape (n,), the index of the right option.
    Source: Brier 1950, Monthly Weather Review 78:1-3.
    """
    p = np.asarray(probabilities, dtype=float)
    hit = p[np.arange(len(p)), np.asarray(right, dtype=int)]
    return np.sum(p**2, axis=1) - 2 * hit + 1


def calibration_gaps(confidence: ArrayLike, correct: ArrayLike, *, bins: int = BINS) -> Floats:
    """Each item's share in the expected calibration error, which is their mean.

    confidence: shape (n,), the probability of the chosen option. correct: shape (n,), 0 or 1.

    Items are binned by confidence at its quantiles, so that each bin holds about n / bins of them; equal confidences
    share a bin. ECE = sum over bins of |sum of (confidence - correct)| / n. With s the sign of an item's bin, that is the
    mean of s (confidence - correct): the form returned here, by which two models' ECEs are compared item by item. It takes
    bin edges and signs as given, so an interval built on it is wider than need be where bins are close to calibrated.

    ECE is biased upward: a perfectly calibrated model has sampling noise in every bin, and absolute values do not cancel
    (with 10 bins, about 6 points at 300 items). Two models read over the same items share most of it.
    Sources: Guo et al. 2017, arXiv:1706.04599 (ECE); Nguyen and O'Connor 2015, arXiv:1508.05154 (bins of equal mass).
    """
    p, hit = np.asarray(confidence, dtype=float), np.asarray(correct, dtype=float)
    if p.shape != hit.shape or p.ndim != 1:
        raise ValueError(f"confidence has shape {p.shape}, correct {hit.shape}: both must be (n,), one an item")
    if not p.size:
        return p
    edges = np.quantile(p, np.linspace(0, 1, bins + 1)[1:-1])
    place = np.searchsorted(edges, p)
    gap = p - hit
    sign = np.sign(np.bincount(place, weights=gap, minlength=bins))
    return sign[place] * gap


def expected_calibration_error(confidence: ArrayLike, correct: ArrayLike, *, bins: int = BINS) -> float:
    """How far confidence and accuracy lie apart, on average over bins of equal mass; in [0, 1], NaN without items.

    Arguments and sources: as for `calibration_gaps`.
    """
    gaps = calibration_gaps(confidence, correct, bins=bins)
    return float(gaps.mean()) if gaps.size else float("nan")
