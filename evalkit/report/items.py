"""One row per item: both scores, the cell of the flip matrix, why it was lost, and what the judge said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from evalkit.stored.columns import coded, is_, is_in, places, with_none
from evalkit.stored.records import Samples, samples_frame, verdicts_frame
from evalkit.stored.samples import pc
from evalkit.types import ARMS, FLAGGED_FROM, LOST_TO_FORM

KEY = ["suite", "task", "id"]
CELLS = ("kept", "regressed", "fixed", "both_wrong", "missing", "unscored")
VIEWS = ("", "base", "tuned", "tie", "split", "unreadable")

FORMS = ("", "base", "tuned", "both")  # by what is lost: 1 base, 2 tuned, 3 both
OVERLAPS = ("unknown", "no", "yes")

_LIGHT = [*KEY, "slices", "arm", "value", "cause", "failure", "overlap", "completion_tokens"]


def length_unit(table: pa.Table | Samples) -> str:
    """What answers are measured in: "tokens", or "characters" where they were recorded without a token count."""
    counted = (
        pc.any(pc.greater(block["completion_tokens"], 0)).as_py() for block in Samples.of(table).blocks(_COUNTED)
    )
    return "tokens" if any(counted) else "characters"


_COUNTED = ["completion_tokens"]


def lengths(table: pa.Table | Samples) -> np.ndarray:
    """The length of every answer, in the unit of `length_unit`; NaN where it is not known."""
    samples = Samples.of(table)
    if length_unit(samples) == "tokens":
        return samples.table(_COUNTED)["completion_tokens"].cast(pa.float64()).to_numpy()
    counted = [pc.utf8_length(block["text"]).cast(pa.float64()).to_numpy() for block in samples.blocks(["text"])]
    return np.concatenate(counted) if counted else np.array([])


def item_codes(samples: Samples) -> tuple[np.ndarray, pd.DataFrame]:
    """The number of the item that each row belongs to, in the order of suite, task and id; and each item's own."""
    keys = samples_frame(samples, KEY)
    _, first, codes = np.unique(places(keys, KEY), return_index=True, return_inverse=True)
    return codes, keys.iloc[first].reset_index(drop=True)


def item_frame(table: pa.Table | Samples) -> pd.DataFrame:
    """Items in a fixed order (suite, task, id), a row each.

    base, tuned: mean value over samples, NaN where nothing was answered. cell: one of CELLS ("unscored": the task has no
    score, only answers). form: whose answer was lost to its form, one of FORMS; of items scored on both sides.
    slices: what the item is by its suite's slices, as a JSON object, "" where that says nothing.
    overlap: one of OVERLAPS, whether the item stands in either arm's training data. cause: why tuned lost the first sample it lost. judge: one of VIEWS, of the first judge by name;
    "split" where the two orders disagree. base_tokens, tuned_tokens: mean length of the answers.
    """
    held = Samples.of(table)
    codes, items_ = item_codes(held)
    items: Any = items_
    rows = samples_frame(held, _LIGHT)
    length, n = lengths(held), len(items)
    arms = {arm: is_(rows["arm"], arm) for arm in ARMS}
    value = rows["value"].to_numpy(dtype=float)
    for name, of_row in (("", value), ("_length", length)):
        for arm, mine in arms.items():
            items[f"{arm}{name}"] = _mean(codes[mine], of_row[mine], n)
    items = items[[*KEY, "base", "tuned", "base_length", "tuned_length"]]
    items["slices"] = rows["slices"].iloc[np.unique(codes, return_index=True)[1]].astype(object).fillna("").to_numpy()
    items["failed"] = np.bincount(codes[rows["failure"].notna().to_numpy()], minlength=n) > 0
    items["cell"] = _cells(items)
    items["cause"] = _causes(codes, rows["cause"], arms["tuned"], n)
    items["form"] = _forms(codes, rows["cause"], arms, items)
    items["overlap"] = _overlaps(codes, rows["overlap"].to_numpy(dtype=float), n)
    items["judge"] = _judged(held, items)
    return items


def _mean(codes: np.ndarray, values: np.ndarray, n: int) -> np.ndarray:
    """By item, of what is known."""
    known = ~np.isnan(values)
    count = np.bincount(codes[known], minlength=n)
    total = np.bincount(codes[known], weights=values[known], minlength=n)
    return np.divide(total, count, out=np.full(n, np.nan), where=count > 0)


def disagreement(items: Any) -> Any:
    """Where the judge contradicts itself or the scores: the items worth reading after the flips."""
    by_score = np.sign(items["tuned"] - items["base"]).fillna(0)
    by_judge = items["judge"].map({"base": -1.0, "tuned": 1.0})
    return (items["judge"] == "split") | (by_judge.notna() & (by_score != 0) & (by_judge != by_score))


def _cells(items: Any) -> np.ndarray:
    difference = (items["tuned"] - items["base"]).to_numpy()
    base = items["base"].to_numpy()
    nothing = (items["base"].isna() & items["tuned"].isna() & ~items["failed"]).to_numpy()
    conditions = [nothing, np.isnan(difference), difference < 0, difference > 0, base > 0]
    return _words(
        np.select(conditions, range(5), default=5), ["unscored", "missing", "regressed", "fixed", "kept", "both_wrong"]
    )


def _words(codes: np.ndarray, names: Sequence[str | None]) -> np.ndarray:
    return np.array(names, dtype=object)[codes]


def _causes(codes: np.ndarray, causes: Any, tuned: np.ndarray, n: int) -> np.ndarray:
    found, names = coded(causes)
    lost = np.flatnonzero(tuned & (found >= 0))[::-1]  # reversed, so that the first one stays
    by_item = np.full(n, -1)
    by_item[codes[lost]] = found[lost]
    return with_none(names)[by_item]


def _forms(codes: np.ndarray, causes: Any, arms: Mapping[str, np.ndarray], items: Any) -> np.ndarray:
    """As `comparison` sets items aside: by any sample, and of items that count in the difference."""
    lost = is_in(causes, LOST_TO_FORM)
    base, tuned = (np.bincount(codes[lost & arms[arm]], minlength=len(items)) > 0 for arm in ARMS)
    uncounted = (items["base"].isna() | items["tuned"].isna()).to_numpy()
    return _words(np.where(uncounted, 0, base + 2 * tuned), FORMS)


def _overlaps(codes: np.ndarray, shares: np.ndarray, n: int) -> np.ndarray:
    most = np.full(n, np.nan)
    np.fmax.at(most, codes, shares)
    return _words(np.select([np.isnan(most), most >= FLAGGED_FROM], [0, 2], default=1), OVERLAPS)


def judge_views(samples: Samples, items: Any) -> dict[str, np.ndarray]:
    """What each judge said of each item of `item_frame`, as VIEWS; judges by name."""
    verdicts: Any = verdicts_frame(samples, reasons=False)
    index = pd.MultiIndex.from_arrays([items[name].astype(object) for name in KEY], names=KEY)
    return {
        str(name): _views(own).reindex(index, fill_value="").to_numpy(dtype=object)
        for name, own in verdicts.groupby("judge", sort=True)
    }


def _judged(samples: Samples, items: Any) -> np.ndarray:
    views = judge_views(samples, items)
    return next(iter(views.values()), np.full(len(items), "", dtype=object))


def _views(verdicts: Any) -> Any:
    by = verdicts.assign(read=verdicts["winner"].notna()).groupby(KEY, sort=False)
    first, last = by["winner"].first(), by["winner"].last()
    return first.where(first == last, "split").where(by["read"].all(), "unreadable")
