"""Several judges' verdicts on the same pairs as one jury's. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from evalkit.judging.results import prompt_scores

_ITEM = ["suite", "task", "id"]


def jury_verdicts(
    verdicts: pd.DataFrame, jury: str, members: Sequence[str], combine: Literal["vote", "mean"]
) -> pd.DataFrame:
    """One verdict a prompt, with the columns of `records.verdicts_frame`, from the members' own.

    vote: each member that read the prompt in every order has one vote, for tuned, base or a tie, and the word with more than
    half of all votes wins; without one it is a tie. mean: the mean of their scores, a winner by which side of one half it
    stands. A prompt that half of the members or more did not read is unscored.
    """
    scores = pd.DataFrame({name: prompt_scores(verdicts.loc[verdicts["judge"] == name, :]) for name in members})
    asked = verdicts.loc[verdicts["judge"].isin(members), _ITEM].drop_duplicates()
    scores = scores.reindex(pd.MultiIndex.from_frame(asked))
    values = scores.to_numpy(dtype=float)
    read = (~np.isnan(values)).sum(axis=1)
    if combine == "mean":
        combined = np.divide(np.nansum(values, axis=1), read, out=np.full(len(values), np.nan), where=read > 0)
    else:
        tuned, base = (values > 0.5).sum(axis=1), (values < 0.5).sum(axis=1)
        combined = np.where(2 * tuned > read, 1.0, np.where(2 * base > read, 0.0, 0.5))
    combined = np.where(2 * read > len(members), combined, np.nan)
    winner = [None if np.isnan(one) else "tie" if one == 0.5 else "tuned" if one > 0.5 else "base" for one in combined]
    frame = asked.reset_index(drop=True).assign(judge=jury, order="apart", winner=winner, score=combined, repeat=0)
    return frame.reindex(columns=verdicts.columns)
