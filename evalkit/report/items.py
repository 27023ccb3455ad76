"""One row per item: both scores, the cell of the flip matrix, why it was lost, and what the judge said."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from evalkit.records import samples_frame, verdicts_frame
from evalkit.types import FLAGGED_FROM, LOST_TO_FORM

KEY = ["suite", "task", "id"]
CELLS = ("kept", "regressed", "fixed", "both_wrong", "missing", "unscored")
VIEWS = ("", "base", "tuned", "tie", "split", "unreadable")

FORMS = ("", "base", "tuned", "both")
OVERLAPS = ("unknown", "no", "yes")

_LIGHT = ["suite", "task", "id", "arm", "value", "cause", "failure", "overlap"]


def length_unit(table: pa.Table) -> str:
    """What answers are measured in: "tokens", or "characters" where they were recorded without a token count."""
    return "tokens" if any(table["completion_tokens"].to_pylist()) else "characters"


def lengths(table: pa.Table) -> list[int | None]:
    """The length of every answer, in the unit of `length_unit`."""
    if length_unit(table) == "tokens":
        return table["completion_tokens"].to_pylist()
    return [None if text is None else len(text) for text in table["text"].to_pylist()]


def item_frame(table: pa.Table) -> pd.DataFrame:
    """Items in a fixed order (suite, task, id), a row each.

    base, tuned: mean value over samples, NaN where nothing was answered. cell: one of CELLS ("unscored": the task has no
    score, only answers). form: whose answer was lost to its form, one of FORMS; of items scored on both sides.
    overlap: one of OVERLAPS, whether the item stands in either arm's training data. cause: why tuned lost the first sample it lost. judge: one of VIEWS, of the first judge by name;
    "split" where the two orders disagree. base_tokens, tuned_tokens: mean length of the answers.
    """
    samples: Any = samples_frame(table.select([*_LIGHT, "verdicts"])).assign(
        length=np.array(lengths(table), dtype=float)
    )
    for name in ("suite", "task", "arm", "cause", "failure"):
        samples[name] = samples[name].astype("object")
    by = samples.groupby([*KEY, "arm"], sort=False)
    means: Any = by[["value", "length"]].mean()
    means = means.unstack("arm")
    means = means.reindex(columns=pd.MultiIndex.from_product([["value", "length"], ["base", "tuned"]]))
    items = pd.DataFrame(
        {
            "base": means[("value", "base")],
            "tuned": means[("value", "tuned")],
            "base_length": means[("length", "base")],
            "tuned_length": means[("length", "tuned")],
        }
    ).sort_index()
    failed = samples[samples["failure"].notna()].groupby(KEY, sort=False).size()
    items["failed"] = failed.reindex(items.index, fill_value=0) > 0
    items["cell"] = _cells(items)
    lost = samples[(samples["arm"] == "tuned") & samples["cause"].notna()]
    items["cause"] = lost.groupby(KEY, sort=False)["cause"].first().reindex(items.index)
    items["form"] = _forms(samples, items)
    items["overlap"] = _overlaps(samples, items)
    items["judge"] = _judged(table).reindex(items.index, fill_value="")
    return items.reset_index()


def disagreement(items: Any) -> Any:
    """Where the judge contradicts itself or the scores: the items worth reading after the flips."""
    by_score = np.sign(items["tuned"] - items["base"]).fillna(0)
    by_judge = items["judge"].map({"base": -1.0, "tuned": 1.0})
    return (items["judge"] == "split") | (by_judge.notna() & (by_score != 0) & (by_judge != by_score))


def _cells(items: Any) -> np.ndarray:
    difference = items["tuned"] - items["base"]
    nothing = items["base"].isna() & items["tuned"].isna() & ~items["failed"]
    conditions = [nothing, difference.isna(), difference < 0, difference > 0, items["base"] > 0]
    return np.select(conditions, ["unscored", "missing", "regressed", "fixed", "kept"], default="both_wrong")


def _forms(samples: Any, items: Any) -> np.ndarray:
    """As `comparison` sets items aside: by any sample, and of items that count in the difference."""
    lost = samples[samples["cause"].isin(LOST_TO_FORM)]
    base, tuned = (_keys(lost[lost["arm"] == arm], items) for arm in ("base", "tuned"))
    counted = ~(items["base"].isna() | items["tuned"].isna())
    return np.select([~counted, base & tuned, base, tuned], ["", "both", "base", "tuned"], default="")


def _keys(samples: Any, items: Any) -> np.ndarray:
    """Which of the items these samples belong to."""
    return items.index.isin(pd.MultiIndex.from_frame(samples[KEY]))


def _overlaps(samples: Any, items: Any) -> np.ndarray:
    share = samples.groupby(KEY, sort=False)["overlap"].max().reindex(items.index)
    return np.select([share.isna(), share >= FLAGGED_FROM], ["unknown", "yes"], default="no")


def _judged(table: pa.Table) -> Any:
    verdicts: Any = verdicts_frame(table)
    if verdicts.empty:
        return pd.Series([], index=pd.MultiIndex.from_arrays([[], [], []], names=KEY), dtype=object)
    verdicts = verdicts[verdicts["judge"] == verdicts["judge"].min()]
    by = verdicts.assign(read=verdicts["winner"].notna()).groupby(KEY, sort=False)
    first, last = by["winner"].first(), by["winner"].last()
    return first.where(first == last, "split").where(by["read"].all(), "unreadable")
