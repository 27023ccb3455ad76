"""All verdicts of one judge -> how often it preferred tuned, and how far it can be believed."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd

from evalkit.judging.verdicts import POINTS
from evalkit.statistics import win_rate
from evalkit.types import Exam, JudgeResult

_ITEM = ["suite", "task", "id"]
_MANY_FLIPS = 0.2
_ONE_SIDED = 0.6
_NOT_OF_AN_ENGINE = ("unreadable_verdict", "unreadable_grade", "budget_spent")
_ENOUGH = 20
"""Verdicts below which a share says nothing about the judge."""


def judge_result(
    name: str, verdicts: pd.DataFrame, *, level: float, exam: Exam = "none", groups: pd.Series | None = None
) -> JudgeResult:
    """What one judge's verdicts add up to.

    verdicts: the columns of `records.verdicts_frame`, of this judge only; readings of one question again are left out. A
    prompt counts when every order that was asked of it was read, with the mean of their scores: 1 where both prefer
    tuned, 0.5 for ties and for a flip; of annotations that hold a probability, that. Otherwise it is unscored.
    groups: the cluster of each prompt that belongs to one, by (suite, task, id): the turns of a question, a passage.

    order_flip_rate: the share of read prompts where one order preferred base and the other tuned. first_slot_rate: of
    the verdicts on read prompts that named a winner, the share that named the answer shown first; a fair judge has 0.5
    whoever is better, since each prompt shows both first. None where there is nothing to take a share of.
    """
    points = _points(verdicts)
    read = points.dropna()
    n, unscored = len(read), len(points) - len(read)
    scores = read.mean(axis=1).to_numpy()
    flips, decided, first_slot = None, 0, None
    if set(read.columns) == {"base_first", "tuned_first"} and n:
        base_first, tuned_first = read["base_first"].to_numpy(), read["tuned_first"].to_numpy()
        flips = float(np.mean(np.abs(base_first - tuned_first) == 1))
        decided = int(np.count_nonzero(base_first != 0.5) + np.count_nonzero(tuned_first != 0.5))
        named_first = int(np.count_nonzero(base_first < 0.5) + np.count_nonzero(tuned_first > 0.5))
        first_slot = named_first / decided if decided else None

    return JudgeResult(
        name=name,
        n=n,
        unscored=unscored,
        unanswered=_unanswered(verdicts, points),
        win_rate=win_rate(scores, labels_of(groups, read.index), level=level) if n else None,
        wins=int((scores > 0.5).sum()),
        ties=int((scores == 0.5).sum()),
        losses=int((scores < 0.5).sum()),
        order_flip_rate=flips,
        first_slot_rate=first_slot,
        exam=exam,
        cautions=tuple(_cautions(n, unscored, flips, decided, first_slot, exam)),
    )


def prompt_scores(verdicts: pd.DataFrame) -> pd.Series:
    """Tuned's score in [0, 1] of each prompt that was read in every order asked, by (suite, task, id)."""
    return _points(verdicts).dropna().mean(axis=1)


def labels_of(groups: pd.Series | None, items: pd.Index) -> np.ndarray | None:
    """The clusters of these items, in their order; None where none of them has one."""
    if groups is None:
        return None
    labels = groups.reindex(items)
    return labels.to_numpy(dtype=object) if labels.notna().any() else None


def _unanswered(verdicts: pd.DataFrame, points: pd.DataFrame) -> int:
    """Prompts without points for which an engine gave no answer in some order. A limit that was set is no such failure."""
    unscored = points.index[points.isna().any(axis=1)]
    kinds = verdicts.loc[verdicts["repeat"] == 0, :] if "repeat" in verdicts else verdicts
    kinds = kinds.loc[kinds["failure"].notna(), :] if "failure" in kinds else kinds.iloc[:0]
    if kinds.empty:
        return 0
    kind = kinds["failure"].astype(str).str.partition(":")[0]
    of_engine = kinds.loc[~kind.isin(_NOT_OF_AN_ENGINE), _ITEM]
    return int(unscored.isin(pd.MultiIndex.from_frame(of_engine)).sum()) if len(of_engine) else 0


def _points(verdicts: pd.DataFrame) -> pd.DataFrame:
    """Tuned's points by prompt (rows) and order (columns); NaN where a verdict could not be read."""
    asked = verdicts.loc[verdicts["repeat"] == 0, :] if "repeat" in verdicts else verdicts
    asked = asked.drop_duplicates([*_ITEM, "order"], keep="last")
    named = asked["winner"].map(lambda winner: POINTS.get(winner, math.nan)).astype(float)
    points = asked["score"].astype(float).where(named.notna() & asked["score"].notna(), named)
    wide = asked.assign(points=points).pivot(index=_ITEM, columns="order", values="points")
    if {"base_first", "tuned_first"} & set(wide.columns):
        # Both orders belong to a pair, even where all of one were lost.
        wide = wide.reindex(columns=["base_first", "tuned_first"])
    return wide


def _cautions(
    n: int, unscored: int, flips: float | None, decided: int, first_slot: float | None, exam: Exam
) -> Iterator[str]:
    if exam == "none":
        yield "has not passed an exam: advisory"
    elif exam == "failed":
        yield "failed its exam: advisory"
    if unscored:
        yield f"{unscored} of {n + unscored} prompts unscored ({100 * unscored / (n + unscored):.1f} %)"
    if flips is not None and n >= _ENOUGH and flips > _MANY_FLIPS:
        yield f"flips on {100 * flips:.0f} % of prompts when the order is swapped"
    if first_slot is not None and decided >= _ENOUGH:
        if first_slot > _ONE_SIDED:
            yield f"prefers the first slot: {100 * first_slot:.0f} %"
        elif first_slot < 1 - _ONE_SIDED:
            yield f"prefers the second slot: {100 * (1 - first_slot):.0f} %"
