"""Intervals that hold for all of several candidates at once, though they share a base and so err together."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

_CHUNK = 10_000


def simultaneous_level(
    contributions: ArrayLike,
    *,
    level: float = 0.95,
    df: float = math.inf,
    rng: np.random.Generator,
    draws: int = 100_000,
) -> float:
    """The level at which each of k intervals must be taken so that all of them cover at once with probability `level`.

    contributions: shape (units, k). Column j holds what each independent unit (an item, or a cluster summed up) adds to
    estimate j beyond its mean: weight * (difference - mean difference), 0 where the unit has no part in it. Columns of
    the same items correlate as the estimates do, whatever the weights; columns without a unit in common are
    independent. df: the smallest degrees of freedom among the estimates.

    The critical value c is the `level` quantile of max |T_j|, T multivariate t with the columns' correlation, by
    simulation (error of c about 0.01 at 100,000 draws); the level returned is 2 F(c) - 1, F the distribution of t at
    `df`. So any method's interval, taken at that level, becomes the candidate's simultaneous one, with its own standard
    error, asymmetry and widening for missing items. A column of zeros, whose correlation is unknown, counts as
    independent of the others, which is the worst it can be (Sidak). The answer lies between `level` (k = 1, or all
    columns alike) and level^(1/k).

    Raises ValueError for no column and for a level outside (0, 1).
    Sources: Hothorn, Bretz and Westfall 2008, Biometrical Journal 50:346-363; Sidak 1967, JASA 62:626-633.
    """
    from scipy.special import stdtr

    columns = np.asarray(contributions, dtype=float)
    if columns.ndim != 2 or columns.shape[1] == 0:
        raise ValueError(f"contributions have shape {columns.shape}: must be (units, k) with at least one column")
    if not 0 < level < 1:
        raise ValueError(f"level={level!r}: must lie between 0 and 1, as in 0.95")
    k = columns.shape[1]
    if k == 1:
        return level
    root = _root(_correlation(columns))
    largest = np.concatenate(
        [_largest(root, size, df, rng) for size in [_CHUNK] * (draws // _CHUNK) + [draws % _CHUNK] if size]
    )
    critical = float(np.quantile(largest, level))
    return float(np.clip(2 * stdtr(df if math.isfinite(df) else 1e12, critical) - 1, level, level ** (1 / k)))


def pairwise_contributions(contributions: ArrayLike) -> Floats:
    """Contributions to the difference of every two estimates, later - earlier: shape (units, k (k - 1) / 2).

    In the order (1, 0), (2, 0), (2, 1), (3, 0), ... What candidates share, such as a base, cancels.
    """
    columns = np.asarray(contributions, dtype=float)
    later, earlier = np.tril_indices(columns.shape[1], -1)
    return columns[:, later] - columns[:, earlier]


def _correlation(columns: Floats) -> Floats:
    norms = np.sqrt((columns**2).sum(axis=0))
    scaled = np.divide(columns, norms, out=np.zeros_like(columns), where=norms > 0)
    correlation = scaled.T @ scaled
    np.fill_diagonal(correlation, 1.0)
    return correlation


def _root(correlation: Floats) -> Floats:
    """R with R R' = correlation, also where that is singular; its empty directions are left out."""
    values, vectors = np.linalg.eigh(correlation)
    kept = values > 1e-10 * values[-1]
    return vectors[:, kept] * np.sqrt(values[kept])


def _largest(root: Floats, size: int, df: float, rng: np.random.Generator) -> Floats:
    z = np.abs(rng.standard_normal((size, root.shape[1])) @ root.T).max(axis=1)
    return z if not math.isfinite(df) else z / np.sqrt(rng.chisquare(df, size) / df)
