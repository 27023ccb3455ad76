"""Diversity: how many of the word pairs that a model writes are different ones, over all its answers together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from evalkit.statistics.paired import paired_difference
from evalkit.types import Estimate

METHOD = "t, jackknife"

Words = Sequence[Sequence[str]]


def distinct_n(texts: Words, n: int = 2) -> float:
    """distinct-n: different n-grams / n-grams, over all texts together; NaN where no text has n words.

    No n-gram runs from one text into the next. The share falls as texts are added and as they grow, so it compares only
    corpora of equal size; `distinct_difference` sees to that.
    Source: Li et al. 2016, A Diversity-Promoting Objective Function, arXiv:1510.03055.
    """
    grams, _ = _grams([texts], n)[0]
    return float(np.unique(grams).size / grams.size) if grams.size else math.nan


def distinct_difference(
    base: Words,
    tuned: Words,
    n: int = 2,
    *,
    units: NDArray[np.integer] | None = None,
    level: float = 0.95,
) -> tuple[float, float, Estimate]:
    """distinct-n of both models and tuned - base, over the same number of words from each.

    base, tuned: the words of each answer, aligned. Both answers to a question are cut to the length of the shorter, so
    that the model that writes more is not called monotonous for it. units: shape (texts,), from 0 without gaps: which
    texts belong together (an item's samples, a cluster's items); each text is its own where it is None.

    The interval is a jackknife over units with t at n - 1: what is left without one lacks the n-grams that it alone held. It errs on the wide side (Efron and Stein 1981, Annals of Statistics 9:586-596). Raises ValueError for counts
    of texts that differ.
    """
    if len(base) != len(tuned):
        raise ValueError(f"base has {len(base)} texts, tuned {len(tuned)}: give both answers of every item")
    shorter = [min(len(one), len(other)) for one, other in zip(base, tuned, strict=True)]
    cut = [[words[:length] for words, length in zip(arm, shorter, strict=True)] for arm in (base, tuned)]
    units = np.arange(len(base)) if units is None else units
    count = int(units.max(initial=-1)) + 1
    (first, first_without), (second, second_without) = (
        _leave_one_out(grams, units[texts], count) for grams, texts in _grams(cut, n)
    )
    value, without = second - first, second_without - first_without
    if not np.isfinite(without).all() or count < 2:  # nothing is left without one of them
        caution = f"no interval: too few texts have {n} words or more"
        return first, second, Estimate(value, None, None, None, level, METHOD, count, (caution,))
    # Of these the mean is the difference, and the standard error of the mean is the jackknife's.
    influence = value + (count - 1) * (without.mean() - without)
    estimate = paired_difference(np.zeros(count), influence, level=level)
    return first, second, replace(estimate, value=value, method=METHOD)


def _grams(corpora: Sequence[Words], n: int) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Of each corpus the n-grams as codes, the same in all corpora, and the index of the text that each stands in."""
    numbers: dict[str, int] = {}
    coded = [
        np.array([numbers.setdefault(word, len(numbers)) for text in texts for word in text], dtype=np.int64)
        for texts in corpora
    ]
    places = [np.repeat(np.arange(len(texts)), [len(text) for text in texts]) for texts in corpora]
    size = max(1, len(numbers))
    grams = coded
    for step in range(1, n):
        longer = [one[: one.size - 1] * size + words[step:] for one, words in zip(grams, coded, strict=True)]
        # Numbered anew at each step, or long n-grams over many words would overflow.
        _, codes = np.unique(np.concatenate(longer), return_inverse=True)
        grams = np.split(codes.astype(np.int64), np.cumsum([one.size for one in longer])[:-1])
    whole = [place[: one.size] == place[n - 1 :] for one, place in zip(grams, places, strict=True)]
    return [(one[keep], place[: one.size][keep]) for one, place, keep in zip(grams, places, whole, strict=True)]


def _leave_one_out(
    grams: NDArray[np.int64], units: NDArray[np.integer], count: int
) -> tuple[float, NDArray[np.float64]]:
    """distinct-n of one corpus, and of the same without each unit in turn."""
    if not grams.size:
        return math.nan, np.full(count, math.nan)
    held = np.unique(grams * count + units)  # (n-gram, unit) pairs
    kinds, first, times = np.unique(held // count, return_index=True, return_counts=True)
    alone = np.bincount(held[first[times == 1]] % count, minlength=count)
    left = grams.size - np.bincount(units, minlength=count)
    share = np.divide(kinds.size - alone, left, out=np.full(count, math.nan), where=left > 0)
    return kinds.size / grams.size, share
