"""A ratio of two totals over the same items, such as tuned's tokens to base's, with an interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.statistics.paired import paired_difference
from evalkit.types import Estimate


def ratio_of_totals(
    over: ArrayLike,
    under: ArrayLike,
    groups: Sequence[object] | NDArray[np.generic] | None = None,
    *,
    level: float = 0.95,
    log_scale: bool = False,
) -> Estimate:
    """sum(over) / sum(under) with an interval by the delta method, cluster-robust when `groups` is given.

    over, under: shape (n,), aligned by item, without NaN. The ratio R has the residuals (over - R under) / mean(under),
    whose mean is zero and whose standard error is R's to first order; they are treated as `paired_difference` treats
    scores. log_scale: the interval is symmetric about log R, as fits a ratio of two positive totals, which cannot fall
    below zero; else about R.

    A ratio of totals weighs items by their size: it is the ratio of means, not the mean of ratios. Without a positive
    total below there is no value. Raises ValueError if the shapes differ or a value is NaN.
    Source: Cochran 1977, Sampling Techniques, 3rd ed., sections 2.11 and 6.4.
    """
    first, second = np.asarray(over, dtype=float), np.asarray(under, dtype=float)
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(f"over has shape {first.shape}, under {second.shape}: both must be (n,), one value an item")
    total = float(second.sum())
    if not total > 0:
        nothing = "no ratio: the total below is not positive"
        return Estimate(math.nan, None, None, None, level, "ratio, delta method", first.size, (nothing,))
    ratio = float(first.sum()) / total
    residuals = (first - ratio * second) / (total / second.size)
    plain = paired_difference(np.zeros_like(residuals), ratio + residuals, groups, level=level)
    found = replace(plain, value=ratio, method=f"ratio, delta method; {plain.method}")
    if not log_scale or found.high is None or ratio <= 0:
        return found
    half = (found.high - ratio) / ratio
    return replace(found, low=ratio * math.exp(-half), high=ratio * math.exp(half), method=f"log {found.method}")
