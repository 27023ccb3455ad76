"""What a paired difference scatters with: the items, or the sampling of their answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class VarianceComponents:
    """Variance of one item's tuned - base, by where it comes from; in squared score units.

    between: of the items' true differences (w^2), which only more items average out. Unbiased, hence at times below 0
    where the truth is near it. base_within, tuned_within: of one sample about its item's mean, averaged over items
    (s_A^2, s_B^2), which repeats average out too. n: items scored on both sides.
    """

    between: float
    base_within: float
    tuned_within: float
    n: int

    def variance_of_difference(self, k_base: int, k_tuned: int) -> float:
        """w^2 + s_A^2 / K_A + s_B^2 / K_B with so many samples an item; over n items the mean has an n-th of it.

        A w^2 below 0 counts as 0. For a given number of answers this over n is least with one sample an item: repeats
        pay where there are no further items, or where an item costs more than its answers. Raises ValueError for a K
        below 1.
        """
        if k_base < 1 or k_tuned < 1:
            raise ValueError(f"k_base={k_base}, k_tuned={k_tuned}: an item has at least one sample of either model")
        return max(self.between, 0.0) + self.base_within / k_base + self.tuned_within / k_tuned


def variance_components(base: ArrayLike, tuned: ArrayLike) -> VarianceComponents | None:
    """Split the variance of the paired difference into that between items and that of sampling within them.

    base, tuned: shape (n, K_A) and (n, K_B), a score a sample, aligned by item; NaN for a sample that is missing. Items
    without a score on one side are left out.

    Of item i, d_i is the difference of means; an arm's sampling adds s_i^2 / K_i to its variance, estimated from the
    item's own samples, or with the mean of all s_i^2 where only one of its samples was scored. So

        w^2 = var(d_i) - mean(s_iA^2 / K_iA) - mean(s_iB^2 / K_iB),

    without bias for variances that differ from item to item, as those of right and wrong do: p (1 - p).

    None where the split cannot be known: fewer than two items, or an arm with no item scored twice. Raises ValueError
    for shapes that do not match.
    Source: Miller 2024, arXiv:2411.00640, section 5.
    """
    first, second = np.asarray(base, dtype=float), np.asarray(tuned, dtype=float)
    if first.ndim != 2 or second.ndim != 2 or len(first) != len(second):
        raise ValueError(
            f"base has shape {first.shape}, tuned {second.shape}: both must be (n, K), samples of the same n items"
        )
    both = ~(np.isnan(first).all(axis=1) | np.isnan(second).all(axis=1))
    n = int(both.sum())
    if n < 2:
        return None
    arms = [_arm(first[both]), _arm(second[both])]
    if any(arm is None for arm in arms):
        return None
    (base_means, base_within, base_noise), (tuned_means, tuned_within, tuned_noise) = (arm for arm in arms if arm)
    spread = float(np.var(tuned_means - base_means, ddof=1))
    return VarianceComponents(spread - base_noise - tuned_noise, base_within, tuned_within, n)


def _arm(samples: Floats) -> tuple[Floats, float, float] | None:
    """Item means, the mean variance of one sample, and the mean variance of an item's mean; every item has a sample."""
    counts = np.sum(~np.isnan(samples), axis=1)
    repeated = counts > 1
    if not repeated.any():
        return None
    means = np.nanmean(samples, axis=1)
    variances = np.nansum((samples - means[:, None]) ** 2, axis=1)[repeated] / (counts[repeated] - 1)
    within = float(variances.mean())
    of_items = np.full(len(samples), within)
    of_items[repeated] = variances
    return means, within, float(np.mean(of_items / counts))
