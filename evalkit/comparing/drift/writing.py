"""How generated answers changed: length, refusals, format, endings, repetition, diversity of words."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from evalkit.comparing.drift.pairs import Pairs, rate_change, told
from evalkit.comparing.texts import Texts
from evalkit.scorers.repetition import CIRCLES_FROM, SHORTEST, repeated_share, words_of
from evalkit.statistics import distinct_difference, ratio_of_totals
from evalkit.stored.columns import is_, is_in
from evalkit.types import Drift

MOST_READ = 500
"""Items a suite whose words are counted, which takes longer than everything else here; a run may have 100 000 answers."""

_UNUSABLE = ("unparsed", "unextracted", "truncated")


def writing_measures(pairs: Pairs, read: Texts, level: float, seed: int) -> tuple[tuple[Drift, ...], tuple[str, ...]]:
    """The measures of generated answers, and a caution where not every answer's words were counted."""
    if not len(pairs):
        return (), ()
    some, cautions = pairs, ()
    if pairs.items > MOST_READ:
        drawn = np.random.default_rng(seed).permutation(pairs.items)[:MOST_READ]
        some = pairs.where(np.isin(pairs.item, drawn))
        cautions = (f"repetition and distinct word pairs are of {MOST_READ} of {pairs.items} items, drawn at random",)
    measures = (
        *_length(pairs, read, level),
        *_refusals(pairs, read, level),
        *_format(pairs, level),
        *_endings(pairs, level),
        *_words(some, read, level),
    )
    return measures, cautions


def _length(pairs: Pairs, read: Texts, level: float) -> Iterator[Drift]:
    """Tokens, or characters where an arm's answers were recorded without a count of tokens. The change is relative."""
    unit = "tokens"
    base, tuned = (arm["completion_tokens"].fillna(0).to_numpy(dtype=float) for arm in (pairs.base, pairs.tuned))
    if not (base.any() and tuned.any()):
        unit = "characters"
        base, tuned = (np.nan_to_num(read.characters(arm.index.to_numpy())) for arm in (pairs.base, pairs.tuned))
    before, after = pairs.mean_by_item(base), pairs.mean_by_item(tuned)
    ratio = told(ratio_of_totals(after, before, pairs.groups, level=level, log_scale=True))
    if math.isfinite(ratio.value):
        relative = replace(
            ratio,
            value=ratio.value - 1,
            low=None if ratio.low is None else ratio.low - 1,
            high=None if ratio.high is None else ratio.high - 1,
        )
        yield Drift("length", float(before.mean()), float(after.mean()), relative, unit)


def _refusals(pairs: Pairs, read: Texts, level: float) -> Iterator[Drift]:
    base, tuned = (read.declines(arm.index.to_numpy()) for arm in (pairs.base, pairs.tuned))
    yield from rate_change("refusal_rate", pairs, base, tuned, level)


def _format(pairs: Pairs, level: float) -> Iterator[Drift]:
    """Of answers that a scorer marked: whether an answer could be taken from them, and why not."""
    scored = pairs.where((pairs.base["value"].notna().to_numpy()) & (pairs.tuned["value"].notna().to_numpy()))
    if not len(scored):
        return
    base, tuned = (arm["cause"] for arm in (scored.base, scored.tuned))
    usable = [~is_in(cause, _UNUSABLE) for cause in (base, tuned)]
    yield from rate_change("format_validity", scored, usable[0], usable[1], level)
    for cause in ("unparsed", "unextracted"):
        had, has = is_(base, cause), is_(tuned, cause)
        if had.any() or has.any():
            yield from rate_change(f"{cause}_rate", scored, had, has, level)


def _endings(pairs: Pairs, level: float) -> Iterator[Drift]:
    """Cut off at the token limit; of recorded answers nobody knows how they ended."""
    known = pairs.where(~is_(pairs.base["finish_reason"], "recorded") & ~is_(pairs.tuned["finish_reason"], "recorded"))
    base, tuned = (is_(arm["finish_reason"], "length") for arm in (known.base, known.tuned))
    yield from rate_change("truncation_rate", known, base, tuned, level)


def _words(pairs: Pairs, read: Texts, level: float) -> Iterator[Drift]:
    base, tuned = (
        [words_of(text or "") for text in read.values(arm.index.to_numpy(), "text")]
        for arm in (pairs.base, pairs.tuned)
    )
    yield from rate_change("repetition_rate", pairs, _circling(base), _circling(tuned), level)
    before, after, estimate = distinct_difference(base, tuned, units=pairs.units, level=level)
    if math.isfinite(estimate.value):
        yield Drift("distinct_2", before, after, told(estimate), "rate")


def _circling(answers: list[list[str]]) -> NDArray[np.bool_]:
    return np.array([len(words) >= SHORTEST and repeated_share(words) >= CIRCLES_FROM for words in answers])
