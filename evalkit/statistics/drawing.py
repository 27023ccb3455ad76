"""Which items people should label next: some at random, most where the judge is in doubt; with known probabilities."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

_UNIFORM = 0.2
_WRONG = 0.1  # even where a judge is sure it may be wrong: no item's doubt falls below what this gives


def doubts(scores: ArrayLike) -> np.ndarray:
    """How far a label may differ from the judge's score in [0, 1], as a standard deviation; largest for ties and flips."""
    s = _WRONG + (1 - 2 * _WRONG) * np.asarray(scores, dtype=float)
    return np.sqrt(s * (1 - s))


def drawing_shares(scores: ArrayLike) -> np.ndarray:
    """Each item's share of the draw, summing to 1: 20 % spread evenly, the rest in proportion to `doubts`."""
    doubt = doubts(scores)
    return _UNIFORM / doubt.size + (1 - _UNIFORM) * doubt / doubt.sum()


def inclusion_probabilities(shares: ArrayLike, n: int) -> np.ndarray:
    """The probability that each item is among `n` drawn: n times its share, at most 1; they sum to n.

    Raises ValueError where more are asked for than there are.
    """
    p = np.asarray(shares, dtype=float)
    if not 0 < n <= p.size:
        raise ValueError(f"n={n}: must lie between 1 and the {p.size} items there are")
    certain = np.zeros(p.size, dtype=bool)
    while True:
        rest = ~certain
        if not rest.any():
            return np.ones(p.size)
        probabilities = np.where(certain, 1.0, (n - certain.sum()) * p / p[rest].sum())
        beyond = rest & (probabilities >= 1)
        if not beyond.any():
            return probabilities
        certain |= beyond


def drawing_order(shares: ArrayLike, rng: np.random.Generator) -> np.ndarray:
    """All items in the order in which they are drawn, as indices: a longer draw extends a shorter one.

    Sequential Poisson sampling: each item's uniform number over its share, smallest first. Its inclusion probabilities are
    those of `inclusion_probabilities` up to terms of order 1/n. Source: Ohlsson 1998, J. Off. Stat. 14:149-162.
    """
    p = np.asarray(shares, dtype=float)
    return np.argsort(rng.random(p.size) / p, kind="stable")
