"""How far a judge agrees with people, and people with each other: shares over labelled items, and Cohen's kappa.

The item is the unit: several votes on one item, or both orders of one pair, are not several observations. Items that
were drawn with unequal probabilities come with weights, 1 / probability.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.statistics.rates import clopper_pearson, limits_at_size
from evalkit.types import Estimate

Floats = NDArray[np.float64]

METHOD = "Korn-Graubard"


def agreement_rate(values: ArrayLike, weights: ArrayLike | None = None, *, level: float = 0.95) -> Estimate:
    """The mean of one agreement an item, each in [0, 1]: 1 as people said, 0 not so, 0.5 tied or flipped with the order.

    values: shape (n,). weights: shape (n,), 1 / the probability with which the item was drawn; None: all alike.
    Where every value is 0 or 1 and none is weighted, the interval is Clopper-Pearson. Else it is Korn and Graubard's:
    Clopper-Pearson at the number of items that would have this much variance, so that it never has zero width, and keeps
    its level near 1, where a t interval does not (at a true agreement of .975, its lower end is too high in 13 of
    100 samples of 50 items, instead of 2.5).
    Without an item there is no value. Raises ValueError for values outside [0, 1] and weights that are not above 0.
    Source: Korn and Graubard 1998, Survey Methodology 24:193-201.
    """
    a, w = _items(values, weights, level)
    if a.size == 0:
        return Estimate(math.nan, None, None, None, level, METHOD, 0, ("no labelled item",))
    if weights is None and bool(np.all((a == 0) | (a == 1))):
        return clopper_pearson(int(a.sum()), a.size, level=level)
    value = float(np.clip(np.average(a, weights=w), 0, 1))
    variance = _variance(w * (a - value), float(w.sum()))
    alike = float(w.sum() ** 2 / (w**2).sum())
    low, high = _effective(value, variance, alike, level)
    return Estimate(value, math.sqrt(variance), low, high, level, METHOD, a.size)


def cohens_kappa(
    first: Sequence[Hashable], second: Sequence[Hashable], weights: ArrayLike | None = None, *, level: float = 0.95
) -> Estimate:
    """Agreement of two raters beyond what their own habits would bring about: (observed - chance) / (1 - chance).

    first, second: n, the label each gave to the same items. weights: as in `agreement_rate`. se: by linearisation,
    which without weights is Fleiss, Cohen and Everitt's; a normal interval, cut at 1.
    Where both agree on everything its width would be zero: then the lower end is the kappa at the Clopper-Pearson bound
    of the agreement. Where both said the same one thing throughout, or there is no item, there is no kappa.
    Raises ValueError where the lengths differ.
    Sources: Cohen 1960, Educational and Psychological Measurement 20:37-46; Fleiss, Cohen and Everitt 1969,
    Psychological Bulletin 72:323-327.
    """
    from scipy.special import ndtri

    if len(first) != len(second):
        raise ValueError(f"{len(first)} labels and {len(second)}: both raters must have labelled the same items")
    method = "Fleiss-Cohen-Everitt"
    a, w = _items([float(x == y) for x, y in zip(first, second, strict=True)], weights, level)
    n, share = a.size, w / w.sum() if a.size else w
    by_first, by_second = _shares(first, share), _shares(second, share)
    chance = sum(by_first[label] * by_second.get(label, 0.0) for label in by_first)
    if n == 0 or math.isclose(chance, 1.0):
        why = "no labelled item" if n == 0 else f"no kappa: both said {first[0]!r} throughout"
        return Estimate(math.nan, None, None, None, level, method, n, (why,))
    observed = float(share @ a)
    value = (observed - chance) / (1 - chance)
    # How much each item moves what is observed, and what chance would bring about.
    expected = np.array([by_second.get(x, 0.0) + by_first.get(y, 0.0) for x, y in zip(first, second, strict=True)])
    moved = (a - observed) / (1 - chance) - (1 - observed) / (1 - chance) ** 2 * (expected - 2 * chance)
    se = math.sqrt(float(np.sum((share * moved) ** 2)))
    if math.isclose(observed, 1.0):
        least = agreement_rate(a, weights, level=level).low
        low = None if least is None else (least - chance) / (1 - chance)
        return Estimate(1.0, 0.0, low, 1.0, level, f"{method}, Clopper-Pearson at 1", n)
    half = float(ndtri((1 + level) / 2)) * se
    return Estimate(value, se, max(-1.0, value - half), min(1.0, value + half), level, method, n)


def agreement_between(
    votes: Sequence[Sequence[Hashable]], *, ties: bool = True, tie: Hashable = "tie", level: float = 0.95
) -> Estimate:
    """How often two people who saw the same item said the same: over all pairs of votes on an item.

    votes: what each person said, by item; an item with one vote says nothing. ties: False leaves out the pairs in which
    either vote is `tie`. n: the pairs. The interval is Korn and Graubard's, with the item as a cluster.
    Source: the agreement of MT-bench, Zheng et al. 2023, arXiv:2306.05685, as FastChat computes it.
    """
    pairs = [[(x, y) for x, y in combinations(item, 2) if ties or tie not in (x, y)] for item in votes]
    return _of_pairs(pairs, level)


def agreement_with(
    judge: Sequence[Hashable],
    votes: Sequence[Sequence[Hashable]],
    *,
    ties: bool = True,
    tie: Hashable = "tie",
    level: float = 0.95,
) -> Estimate:
    """How often a judge said what a person said of the same item: over all votes, as `agreement_between`.

    judge: one label an item. votes: those of people, in the same order. Raises ValueError where the lengths differ.
    """
    if len(judge) != len(votes):
        raise ValueError(f"{len(judge)} labels of the judge and {len(votes)} items: must be as many")
    pairs = [
        [(said, vote) for vote in item if ties or tie not in (said, vote)]
        for said, item in zip(judge, votes, strict=True)
    ]
    return _of_pairs(pairs, level)


def _of_pairs(pairs: Sequence[Sequence[tuple[Hashable, Hashable]]], level: float) -> Estimate:
    """Agreeing pairs / pairs, a ratio over items."""
    counted = [item for item in pairs if item]
    totals = np.array([len(item) for item in counted], dtype=float)
    alike = np.array([sum(x == y for x, y in item) for item in counted], dtype=float)
    n = int(totals.sum())
    if n == 0:
        return Estimate(math.nan, None, None, None, level, METHOD, 0, ("no item was labelled by two people",))
    value = float(alike.sum() / n)
    variance = _variance(alike - value * totals, float(n))
    low, high = _effective(value, variance, float(n**2 / (totals**2).sum()), level)
    return Estimate(value, math.sqrt(variance), low, high, level, f"{METHOD}, by item", n)


def _items(values: ArrayLike, weights: ArrayLike | None, level: float) -> tuple[Floats, Floats]:
    if not 0 < level < 1:
        raise ValueError(f"level={level!r}: must lie between 0 and 1, as in 0.95")
    a = np.asarray(values, dtype=float)
    w = np.ones_like(a) if weights is None else np.asarray(weights, dtype=float)
    if a.ndim != 1 or a.shape != w.shape:
        raise ValueError(f"values {a.shape}, weights {w.shape}: both must be (n,), one an item")
    if not bool(np.all((a >= 0) & (a <= 1))):
        raise ValueError("values must lie in [0, 1]; leave items out that the judge did not read")
    if not bool(np.all((w > 0) & np.isfinite(w))):
        raise ValueError("weights must be above 0: 1 / the probability with which an item was drawn")
    return a, w


def _shares(labels: Sequence[Hashable], share: Floats) -> dict[Hashable, float]:
    shares: dict[Hashable, float] = {}
    for label, part in zip(labels, share, strict=True):
        shares[label] = shares.get(label, 0.0) + float(part)
    return shares


def _variance(residuals: Floats, total: float) -> float:
    """Of a ratio of totals, from what each unit leaves over."""
    m = residuals.size
    return float(np.sum(residuals**2)) / total**2 * (m / (m - 1) if m > 1 else 1.0)


def _effective(value: float, variance: float, alike: float, level: float) -> tuple[float, float]:
    """Clopper-Pearson at the number of items that would have this variance. alike: that number where there is none."""
    spread = value * (1 - value)
    return limits_at_size(value, spread / variance if variance > 0 and spread > 0 else alike, level)
