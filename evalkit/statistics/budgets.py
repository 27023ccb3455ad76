"""Accuracy against a token budget, from answers that were written once."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def score_within(
    scores: ArrayLike, tokens: ArrayLike, budgets: ArrayLike, *, weights: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Mean score had every answer been cut off after so many tokens, for each budget: mean of score * [tokens <= B].

    A hard cut-off changes nothing before it: an answer that ended within B tokens is the same answer, and one that did
    not has not been given and counts 0. So no answer is generated again. scores, tokens: shape (m,). budgets: (b,).
    weights: (m,), of the mean; equal without them. With m = 0 every value is NaN. Raises ValueError for shapes that
    differ.
    """
    scores, tokens = np.asarray(scores, dtype=float), np.asarray(tokens, dtype=float)
    shares = np.ones_like(scores) if weights is None else np.asarray(weights, dtype=float)
    if not scores.shape == tokens.shape == shares.shape or scores.ndim != 1:
        raise ValueError(f"scores {scores.shape}, tokens {tokens.shape}, weights {shares.shape}: all must be (m,)")
    budgets = np.asarray(budgets, dtype=float)
    if not scores.size:
        return np.full(budgets.shape, np.nan)
    order = np.argsort(tokens, kind="stable")
    reached = np.concatenate([[0.0], np.cumsum((scores * shares)[order])]) / shares.sum()
    return reached[np.searchsorted(tokens[order], budgets, side="right")]


def log_spaced(shortest: int, longest: int, count: int) -> tuple[int, ...]:
    """At most `count` whole budgets from `shortest` to `longest`, a constant ratio apart; fewer where those coincide.

    Raises ValueError unless 1 <= shortest <= longest and count >= 2.
    """
    if not (1 <= shortest <= longest and count >= 2):
        raise ValueError(f"log_spaced: needs 1 <= shortest <= longest and count >= 2: {shortest}, {longest}, {count}")
    return tuple(int(one) for one in np.unique(np.rint(np.geomspace(shortest, longest, count)).astype(int)))
