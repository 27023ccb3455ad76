"""How far the probabilities that a model gives to options can be believed: calibration error and Brier score."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from evalkit.comparing.drift.pairs import Pairs, change
from evalkit.comparing.texts import Rows, Texts
from evalkit.statistics import brier_scores, calibration_gaps, option_probabilities
from evalkit.tasks.task import LETTERS
from evalkit.types import Drift

FEWEST = 100
"""Items below which ten bins hold too few to read a calibration error from."""

_BLOCK = 50_000


def choice_measures(pairs: Pairs, texts: Texts, level: float) -> Iterator[Drift]:
    """Both measures, over the items whose options both models gave a probability and whose right options are known.

    Probabilities are those of the options as they stand, also where a task chooses by log-probability per character. The
    Brier score leaves out items with several right options.
    """
    if not len(pairs):
        return
    right = _right_options(texts.values(pairs.tuned.index.to_numpy(), "gold"))
    logprobs = [_logprobs(texts, arm.index.to_numpy()) for arm in (pairs.base, pairs.tuned)]
    counts = [np.isfinite(one).sum(axis=1) + np.isneginf(one).sum(axis=1) for one in logprobs]
    highest = np.where(right.any(axis=1), right.shape[1] - 1 - right[:, ::-1].argmax(axis=1), np.iinfo(int).max)
    known = np.flatnonzero((counts[0] == counts[1]) & (counts[0] > highest))
    if not known.size:
        return
    groups = None if pairs.groups is None else pairs.groups[pairs.item[known]]
    # Where items have fewer options than others the rest is impossible.
    probabilities = [option_probabilities(np.where(np.isnan(one[known]), -np.inf, one[known])) for one in logprobs]
    right = right[known]
    if known.size >= FEWEST:
        gaps = [_gaps(p, right) for p in probabilities]
        yield from change("ece", "rate", gaps[0], gaps[1], groups, level)
    single = right.sum(axis=1) == 1
    gold = right.argmax(axis=1)[single]
    scores = [brier_scores(p[single], gold) for p in probabilities]
    yield from change("brier", "score", scores[0], scores[1], None if groups is None else groups[single], level)


def _right_options(golds: list[str | None]) -> np.ndarray:
    """Which options of each row are right, shape (n, 26); none where its gold is not a list of letters."""
    codes, kinds = pd.factorize(np.array(golds, dtype=object))
    by_kind = np.zeros((len(kinds) + 1, len(LETTERS)), dtype=bool)
    for place, gold in enumerate(kinds):
        letters = str(gold).split(",")
        if all(len(one) == 1 and one in LETTERS for one in letters):
            by_kind[place, [LETTERS.index(one) for one in letters]] = True
    return by_kind[codes]


def _logprobs(texts: Texts, rows: Rows) -> np.ndarray:
    """Each row's log-probabilities, filled up with NaN; all NaN where the engine did not give all of them."""
    parts: list[np.ndarray] = []
    for begin in range(0, len(rows), _BLOCK):
        lists = [one if one is not None else () for one in texts.values(rows[begin : begin + _BLOCK], "logprobs")]
        lengths = np.array([len(one) for one in lists], dtype=int)
        filled = np.full((len(lists), max(1, lengths.max(initial=0))), np.nan)
        filled[np.arange(filled.shape[1]) < lengths[:, None]] = [value for one in lists for value in one]
        filled[np.isnan(filled).sum(axis=1) > filled.shape[1] - lengths] = np.nan
        parts.append(filled)
    width = max(part.shape[1] for part in parts)
    return np.concatenate([np.pad(one, ((0, 0), (0, width - one.shape[1])), constant_values=np.nan) for one in parts])


def _gaps(probabilities: np.ndarray, right: np.ndarray) -> np.ndarray:
    correct = right[np.arange(len(right)), probabilities.argmax(axis=1)]
    return calibration_gaps(probabilities.max(axis=1), correct)
