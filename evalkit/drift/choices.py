"""How far the probabilities that a model gives to options can be believed: calibration error and Brier score."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from evalkit.drift.pairs import Pairs, change
from evalkit.statistics import brier_scores, calibration_gaps, option_probabilities
from evalkit.tasks.task import LETTERS
from evalkit.types import Drift

FEWEST = 100
"""Items below which ten bins hold too few to read a calibration error from."""


def choice_measures(pairs: Pairs, level: float) -> Iterator[Drift]:
    """Both measures, over the items whose options both models gave a probability and whose right options are known.

    Probabilities are those of the options as they stand, also where a task chooses by log-probability per character. The
    Brier score leaves out items with several right options.
    """
    right = _right_options(pairs)
    base, tuned = (_whole(arm["logprobs"].to_numpy(dtype=object)) for arm in (pairs.base, pairs.tuned))
    fits = [
        bool(gold) and len(one) == len(other) > max(gold) for gold, one, other in zip(right, base, tuned, strict=True)
    ]
    known = np.flatnonzero(np.array(fits, dtype=bool))
    if not known.size:
        return
    groups = None if pairs.groups is None else pairs.groups[pairs.item[known]]
    probabilities = [_probabilities([arm[i] for i in known]) for arm in (base, tuned)]
    right = [right[i] for i in known]
    if known.size >= FEWEST:
        gaps = [_gaps(p, right) for p in probabilities]
        yield from change("ece", "rate", gaps[0], gaps[1], groups, level)
    single = np.array([len(gold) == 1 for gold in right])
    gold = np.array([options[0] for options in right])[single]
    scores = [brier_scores(p[single], gold) for p in probabilities]
    yield from change("brier", "score", scores[0], scores[1], None if groups is None else groups[single], level)


def _right_options(pairs: Pairs) -> list[list[int]]:
    """The indices of each row's right options; none where its gold is not a list of letters."""
    golds: list[Any] = pairs.tuned["gold"].tolist()
    letters = [gold.split(",") if isinstance(gold, str) else [] for gold in golds]
    return [
        [LETTERS.index(letter) for letter in row] if all(len(one) == 1 and one in LETTERS for one in row) else []
        for row in letters
    ]


def _whole(column: np.ndarray) -> list[np.ndarray]:
    """Each row's log-probabilities; none where the engine did not give all of them."""
    none = np.array([])
    rows = [none if one is None or isinstance(one, float) else np.asarray(one, dtype=float) for one in column]
    return [none if np.isnan(row).any() else row for row in rows]


def _probabilities(rows: list[np.ndarray]) -> np.ndarray:
    """Softmax of each row; where items have fewer options than others the rest is impossible."""
    padded = np.full((len(rows), max(len(row) for row in rows)), -np.inf)
    for place, row in enumerate(rows):
        padded[place, : len(row)] = row
    return option_probabilities(padded)


def _gaps(probabilities: np.ndarray, right: list[list[int]]) -> np.ndarray:
    chosen = probabilities.argmax(axis=1)
    correct = np.array([choice in gold for choice, gold in zip(chosen, right, strict=True)])
    return calibration_gaps(probabilities.max(axis=1), correct)
