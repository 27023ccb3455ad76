"""A mean that people labelled on a few items and a judge on all: the judge's cheap numbers, corrected by the labels.

Prediction-powered inference with power tuning (PPI++): Angelopoulos, Duchi and Zrnic 2023, arXiv:2311.01453. Whatever the judge's
bias, the estimate is unbiased; a good judge only makes it narrower.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.statistics.cautions import too_few
from evalkit.statistics.paired import FEWEST_CLUSTERS, cluster_labels
from evalkit.types import Estimate

LEAST_LABELS = 100
_NORMAL_FROM = 200
_UNSEEN = 2  # labels that differ from the judge by everything, counted besides those that were seen


def ppi_mean(
    labels: ArrayLike,
    judged: ArrayLike,
    judged_only: ArrayLike,
    *,
    level: float = 0.95,
    weight: float | None = None,
) -> Estimate:
    """The mean of what people would say, from items labelled by both and others that only the judge read.

    labels, judged: shape (n,), of the same items. judged_only: shape (N,). Both sets are random samples of one population.
    weight: how far the judge is relied on; None: what narrows the interval most; 1: classical PPI; 0: labels alone.
    Normal interval, t below 200 labels. Fewer than 100 labels: no interval. Where people never vary, the interval is that of
    a rate of zero events, never of no width; a caution says so.
    """
    y, f, g = (np.asarray(one, dtype=float) for one in (labels, judged, judged_only))
    if y.ndim != 1 or y.shape != f.shape or g.ndim != 1:
        raise ValueError(f"labels {y.shape} and judged {f.shape} must be (n,), judged_only {g.shape} (N,)")
    n, more = y.size, g.size
    method = "PPI++" if weight is None else f"PPI, weight {weight:g}"
    if n < LEAST_LABELS:
        return _too_few(n, level, method)
    lam = weight
    if lam is None:
        spread = float(np.concatenate([f, g]).var(ddof=1))
        covariance = float(np.mean((y - y.mean()) * (f - f.mean())))
        lam = covariance / ((1 + n / more) * spread) if spread > 0 else 0.0
    value = float(lam * g.mean() + (y - lam * f).mean())
    variance = lam**2 * float(g.var()) / more + float((y - lam * f).var()) / n
    return _interval(value, variance, n, level, method, y)


def ppi_mean_drawn(
    judged: ArrayLike,
    drawn: ArrayLike,
    labels: ArrayLike,
    probabilities: ArrayLike,
    groups: Sequence[object] | NDArray[np.generic] | None = None,
    *,
    level: float = 0.95,
) -> Estimate:
    """The same where the labelled items were drawn from the judged ones with known probabilities.

    judged: shape (N,), the judge's number of every item. drawn: shape (n,), which of them people labelled, as indices.
    labels, probabilities: shape (n,), what they said and with which probability each item was drawn. groups: shape (N,), a
    cluster label an item (the turns of one question), None where it is on its own. What the labels correct
    is weighted by inverse probability; the weight of the judge is what narrows the interval most. The variance has two
    parts: items (what another set of prompts would change) and the draw (Hajek's approximation for a draw of fixed size).

    A judge that is rarely wrong shows few or no errors among n labels, and their spread then says too little: a hundred
    labels may well miss an error in every fiftieth item. So the draw's part counts two labels more than were seen that
    differ from the judge by 1, as Agresti and Coull do for a rate; the scale is [0, 1]. Fewer than 20 labels other than
    ties: a caution that begins with TOO_FEW.
    Sources: Hajek 1964, Ann. Math. Statist. 35:1491-1523; Zrnic and Candes 2024, arXiv:2403.03208; Agresti and Coull 1998,
    Am. Stat. 52:119-126.
    """
    f_all = np.asarray(judged, dtype=float)
    place = np.asarray(drawn, dtype=int)
    y, pi = np.asarray(labels, dtype=float), np.asarray(probabilities, dtype=float)
    if not ((pi > 0) & (pi <= 1)).all():
        raise ValueError("probabilities must lie in (0, 1]: no estimate may rest on labels drawn with unknown ones")
    if y.shape != place.shape or y.shape != pi.shape:
        raise ValueError(f"drawn {place.shape}, labels {y.shape} and probabilities {pi.shape} must all be (n,)")
    n, total = y.size, f_all.size
    method = "PPI++, inverse probability"
    if n < LEAST_LABELS:
        return _too_few(n, level, method)
    f = f_all[place]
    # Deviations from the mean, so that the estimate does not change with the scale's zero.
    y_mean, f_mean = float(np.average(y, weights=1 / pi)), float(f_all.mean())
    left = 1 - pi

    def centred(values: np.ndarray) -> np.ndarray:
        over = values / pi
        return over - (left @ over / left.sum() if left.sum() > 0 else 0.0)

    of_y, of_f = centred(y - y_mean), centred(f - f_mean)
    spread = float(left @ of_f**2)
    lam = float(left @ (of_y * of_f)) / spread if spread > 0 else 0.0
    error = (y - y_mean) - lam * (f - f_mean)
    value = y_mean + float((error / pi).sum()) / total
    # Two numbers are fitted to the labels: the mean of what is left over, and the judge's weight.
    by_draw = n / (n - 2) * float(left @ centred(error) ** 2) / total**2
    by_draw += _UNSEEN * float((left / pi**2).mean()) / total**2
    by_items = float(np.average((y - value) ** 2, weights=1 / pi)) / total
    clusters = None if groups is None else cluster_labels(groups, total)
    count = total if clusters is None else int(clusters.max()) + 1
    if clusters is not None and count < total:
        method = f"{method}, cluster-robust ({count} clusters)"
        if count < FEWEST_CLUSTERS:
            reason = f"no interval: {count} cluster(s), and {FEWEST_CLUSTERS} are the least"
            return Estimate(value, None, None, None, level, method, n, (reason,))
        by_items *= _inflation(f_all - f_mean, (y - value) / pi, pi, clusters, place)
    decided = int(np.count_nonzero(y != 0.5))
    estimate = _interval(value, by_draw + by_items, min(n, count), level, method, y)
    return replace(estimate, n=n, cautions=(*estimate.cautions, *too_few(decided, "labels")), differing=decided)


def _inflation(
    of_f: np.ndarray, weighted: np.ndarray, pi: np.ndarray, clusters: np.ndarray, place: np.ndarray
) -> float:
    """By how much items that come in clusters scatter more than items on their own: as the judge's scores, of which all are
    there, and as the labels, of which few share a cluster, say; the larger of both, and at least 1.
    """
    by_judge = float(np.sum(np.bincount(clusters, weights=of_f) ** 2)) / max(float(of_f @ of_f), 1e-12)
    alone = float(np.sum(weighted**2 * pi))
    shared = float(np.sum(np.bincount(clusters[place], weights=weighted) ** 2) - np.sum(weighted**2))
    return max(1.0, by_judge, 1 + shared / max(alone, 1e-12))


def _too_few(n: int, level: float, method: str) -> Estimate:
    reason = f"no interval: {n} labels, and a correction needs {LEAST_LABELS}"
    return Estimate(math.nan, None, None, None, level, method, n, (reason,))


def _interval(value: float, variance: float, n: int, level: float, method: str, y: np.ndarray) -> Estimate:
    from scipy.special import ndtri, stdtrit

    se = math.sqrt(variance)
    tail = (1 + level) / 2
    half = (float(stdtrit(n - 1, tail)) if n < _NORMAL_FROM else float(ndtri(tail))) * se
    low, high = value - half, value + half
    if np.ptp(y) == 0:
        # No two labels differ: what was never seen among n may still happen as often as Clopper and Pearson allow.
        unseen = 1 - ((1 - level) / 2) ** (1 / n)
        caution = "all labels are the same: the interval says how often another one may have been missed"
        low, high = min(low, value - unseen), max(high, value + unseen)
        return Estimate(value, se, low, high, level, method, n, (caution,))
    return Estimate(value, se, low, high, level, method, n, df=float(n - 1) if n < _NORMAL_FROM else None)
