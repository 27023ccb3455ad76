"""The ratio of two totals over items, such as tuned's tokens to base's or tokens a solved item, with an interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.statistics.cautions import ENOUGH
from evalkit.statistics.paired import paired_difference
from evalkit.types import Estimate

Floats = NDArray[np.float64]
Totals = tuple[ArrayLike, ArrayLike]
"""Numerators and denominators of one model, an item each."""


def ratio_of_totals(
    over: ArrayLike,
    under: ArrayLike,
    groups: Sequence[object] | NDArray[np.generic] | None = None,
    *,
    level: float = 0.95,
    log_scale: bool = False,
) -> Estimate:
    """sum(over) / sum(under) with an interval by the delta method, cluster-robust when `groups` is given.

    over, under: shape (n,), aligned by item, without NaN. log_scale: the interval is symmetric about log R, as fits a
    ratio of two positive totals, which cannot fall below zero; else about R.

    A ratio of totals weighs items by their size: it is the ratio of means, not the mean of ratios. Without a positive
    total below there is no value. Raises ValueError if the shapes differ or a value is NaN.
    Source: Cochran 1977, Sampling Techniques, 3rd ed., sections 2.11 and 6.4.
    """
    first, second = np.asarray(over, dtype=float), np.asarray(under, dtype=float)
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(f"over has shape {first.shape}, under {second.shape}: both must be (n,), one value an item")
    if not float(second.sum()) > 0:
        nothing = "no ratio: the total below is not positive"
        return Estimate(math.nan, None, None, None, level, "ratio, delta method", first.size, (nothing,))
    ratio = float(first.sum()) / float(second.sum())
    plain = paired_difference(np.zeros_like(first), linearised_ratio(first, second), groups, level=level)
    found = replace(plain, value=ratio, method=f"ratio, delta method; {plain.method}")
    if not log_scale or found.high is None or ratio <= 0:
        return found
    half = (found.high - ratio) / ratio
    return replace(found, low=ratio * math.exp(-half), high=ratio * math.exp(half), method=f"log {found.method}")


def ratio_difference(
    base: Totals,
    tuned: Totals,
    groups: Sequence[object] | NDArray[np.generic] | None = None,
    *,
    level: float = 0.95,
) -> Estimate | None:
    """Tuned's total numerator over its total denominator less base's, with a paired interval by the delta method.

    base, tuned: numerators and denominators >= 0, shape (n,), aligned by example id. groups: as in `paired_difference`,
    whose intervals these are. None where a denominator's total is 0: then there is no ratio. With fewer than 20 items
    of a denominator above 0 there is no interval, and a caution says so: the delta method needs a steady denominator.
    """
    steady = min(np.count_nonzero(np.asarray(denominators, dtype=float)) for _, denominators in (base, tuned))
    if not steady:
        return None
    plain = paired_difference(linearised_ratio(*base), linearised_ratio(*tuned), groups, level=level)
    plain = replace(plain, method=f"delta method, {plain.method}")
    if steady >= ENOUGH:
        return plain
    caution = f"no interval: a ratio over {steady} item(s), and {ENOUGH} are the least"
    return replace(plain, low=None, high=None, cautions=(caution, *plain.cautions))


def linearised_ratio(numerators: ArrayLike, denominators: ArrayLike) -> Floats:
    """A value an item whose mean is the ratio R of the totals and whose scatter is, to first order, that of R.

    R + (numerator - R * denominator) / mean denominator. Raises ValueError for shapes that differ or a total of 0.
    Source: Cochran 1977, Sampling Techniques, 3rd ed., section 2.11.
    """
    over, under = np.asarray(numerators, dtype=float), np.asarray(denominators, dtype=float)
    if over.shape != under.shape or over.ndim != 1:
        raise ValueError(f"numerators have shape {over.shape}, denominators {under.shape}: both must be (n,)")
    if not under.sum():
        raise ValueError("the denominators add up to 0: there is no ratio")
    ratio = over.sum() / under.sum()
    return ratio + (over - ratio * under) / under.mean()
