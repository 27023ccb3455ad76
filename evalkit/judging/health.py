"""How far a judge's verdicts can be believed, measured on the very run: repeats, lengths, what it could not read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalkit.judging.anchored import drift_caution
from evalkit.judging.family import self_preference
from evalkit.judging.results import judge_result, labels_of, prompt_scores
from evalkit.statistics import clopper_pearson, length_controlled, paired_difference, ppi_mean_drawn
from evalkit.types import Estimate, JudgeRecord, JudgeResult, ModelRecord

_ENOUGH = 20
_CONSISTENT = 0.9
_UNEVEN = 0.05
_LEAST_MASS = 0.8
_ITEM = ["suite", "task", "id"]


def examined_result(
    record: JudgeRecord,
    verdicts: pd.DataFrame,
    samples: pd.DataFrame,
    models: Mapping[str, ModelRecord],
    *,
    level: float,
    min_agreement: float,
    max_unscored: float = 0.02,
    seed: int = 0,
    characters: Callable[[NDArray[np.integer]], NDArray[np.float64]] | None = None,
) -> JudgeResult:
    """One judge's win rate with everything that is known of the judge.

    verdicts: of this judge only, repeats included. samples: of all arms, as `records.samples_frame` gives them.
    models: by arm; `record.against` is among them. min_agreement, max_unscored: what its exam must show.
    characters: how long the answers of these rows are, by labels of the index, of samples without their texts.
    """
    first = verdicts.loc[verdicts["repeat"] == 0, :]
    standing = record.exam.standing(min_agreement, max_unscored) if record.exam else "none"
    groups = _groups(samples)
    result = judge_result(record.name, first, level=level, exam=standing, groups=groups)
    scores = prompt_scores(first)
    lengths = _length_differences(samples, record.against, characters)
    controlled = None
    joined = scores.to_frame("score").join(lengths.rename("length"), how="inner").dropna()
    if len(joined) >= _ENOUGH:
        rng = np.random.default_rng(seed)
        controlled = length_controlled(
            joined["score"].to_numpy(),
            joined["length"].to_numpy(),
            labels_of(groups, joined.index),
            level=level,
            rng=rng,
        )
    corrected = _corrected(record, scores, labels_of(groups, scores.index), level)
    consistent, asked_again = _consistency(verdicts)
    graded = first.loc[first["base_grade"].notna() & first["tuned_grade"].notna(), :]
    difference = None
    if len(graded):
        difference = paired_difference(
            graded["base_grade"].to_numpy(),
            graded["tuned_grade"].to_numpy(),
            labels_of(groups, pd.MultiIndex.from_frame(graded[_ITEM])),
            level=level,
        )
    mass = first["mass"].dropna()
    result = replace(
        result,
        kind=record.kind,
        jury=record.jury,
        against=record.against,
        mean_difference=difference,
        length_controlled=controlled,
        repeat_consistency=clopper_pearson(consistent, asked_again, level=level) if asked_again else None,
        repeats_n=asked_again,
        unscored_by=_unscored_by(first),
        mass=float(mass.mean()) if len(mass) else None,
        corrected=corrected,
        labels=len(record.labels),
        examined=record.exam,
        anchors=record.anchors,
        cost=record.cost,
        alpaca_eval=record.alpaca_eval,
    )
    return replace(result, cautions=(*result.cautions, *_cautions(result, record, models)))


def _corrected(record: JudgeRecord, scores: pd.Series, groups: np.ndarray | None, level: float) -> Estimate | None:
    """The win rate with people's labels; None without any."""
    if not record.labels:
        return None
    places = {place: i for i, place in enumerate(scores.index)}
    held = [label for label in record.labels if (label.suite, label.task, label.id) in places]
    drawn = [places[label.suite, label.task, label.id] for label in held]
    values, probabilities = [label.value for label in held], [label.probability for label in held]
    estimate = ppi_mean_drawn(scores.to_numpy(), drawn, values, probabilities, groups, level=level)
    if estimate.low is None or estimate.high is None:
        return estimate
    return replace(estimate, low=max(0.0, estimate.low), high=min(1.0, estimate.high))


def _groups(samples: pd.DataFrame) -> pd.Series | None:
    """The cluster of every item that belongs to one, by item; labels of one name in two suites are two. None without any."""
    mine = samples.loc[samples["group"].notna(), [*_ITEM, "group"]].drop_duplicates(_ITEM)
    if mine.empty:
        return None
    mine = mine.astype(dict.fromkeys([*_ITEM, "group"], str))
    return (mine["suite"] + " " + mine["group"]).set_axis(pd.MultiIndex.from_frame(mine[_ITEM]))


def _length_differences(
    samples: pd.DataFrame, against: str, characters: Callable[[NDArray[np.integer]], NDArray[np.float64]] | None
) -> pd.Series:
    """Characters of tuned's first answer - the other's, by item."""
    mine = samples.loc[(samples["sample"] == 0) & samples["arm"].isin([against, "tuned"]), :]
    length = mine["text"].str.len() if characters is None else characters(mine.index.to_numpy())
    lengths = mine[[*_ITEM, "arm"]].assign(length=length, arm=mine["arm"].astype(str))
    wide = lengths.astype(dict.fromkeys(_ITEM, str)).pivot(index=_ITEM, columns="arm", values="length")
    if not {against, "tuned"} <= set(wide.columns):
        return pd.Series(dtype=float)
    return (wide["tuned"] - wide[against]).astype(float)


def _consistency(verdicts: pd.DataFrame) -> tuple[int, int]:
    """How many questions were answered alike when asked again, of how many that were read both times."""
    again = verdicts.loc[verdicts["repeat"] > 0, :].dropna(subset=["winner"])
    first = verdicts.loc[verdicts["repeat"] == 0, :].dropna(subset=["winner"])
    both = again.merge(first, on=[*_ITEM, "order"], suffixes=("", "_first"))
    return int((both["winner"] == both["winner_first"]).sum()), len(both)


def _unscored_by(first: pd.DataFrame) -> dict[str, float]:
    """The share of unscored verdicts by the arm that stood first; where the order is unknown or none, nothing."""
    shares: dict[str, float] = {}
    for order, arm in (("base_first", "base"), ("tuned_first", "tuned")):
        mine = first.loc[first["order"] == order, "winner"]
        if len(mine):
            shares[arm] = float(mine.isna().mean())
    return shares


def _cautions(result: JudgeResult, record: JudgeRecord, models: Mapping[str, ModelRecord]) -> Iterator[str]:
    base, tuned = models.get(record.against), models.get("tuned")
    if record.model is not None and base is not None and tuned is not None:
        said = self_preference(record.model, base, tuned, against=record.against)
        if said:
            yield said
    again = result.repeat_consistency
    if again is not None and again.n >= _ENOUGH and again.value < _CONSISTENT:
        yield f"asked the same again, it answers alike in {100 * again.value:.0f} % of cases"
    shares = result.unscored_by
    if len(shares) == 2 and abs(shares["base"] - shares["tuned"]) > _UNEVEN:
        arm = max(shares, key=lambda one: shares[one])
        yield f"more verdicts are unscored where {arm} stands first: {100 * shares[arm]:.1f} %"
    if result.mass is not None and result.mass < _LEAST_MASS:
        yield f"the grades of its scale have a probability of {result.mass:.2f} together: it wants to write something else"
    if result.anchors is not None and (said := drift_caution(result.anchors)):
        yield said
    controlled = result.length_controlled
    if controlled is not None and not controlled.supported:
        yield "hardly any two answers are of about equal length: the length-controlled win rate is an extrapolation"
