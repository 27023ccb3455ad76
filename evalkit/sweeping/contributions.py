"""What each item adds to a candidate's pooled gain and tax: from this the candidates' correlation is read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from evalkit.comparing.pairing import scored
from evalkit.types import ARMS, Comparison, Manifest, Role

COLUMNS = ["suite", "task", "id", "arm", "sample", "group", "value", "cause", "overlap", "failure"]
"""The columns of a samples frame that a sweep needs once a candidate's run is over: no texts."""

AXES: Mapping[str, Role] = {"gain": "target", "tax": "retain"}


def contributions(samples: pd.DataFrame, manifest: Manifest, comparison: Comparison, axis: str) -> pd.Series:
    """What each independent unit adds: weight * (difference - mean difference), weighted and clustered as the pooled estimate is.

    samples: of both arms. axis: "gain" or "tax". The sign is that of tuned - base on both. Empty where the axis does not
    apply. The index says which item or cluster, so that several candidates' can be aligned.
    """
    parts = list(_parts(_items(samples), manifest, comparison, AXES[axis]))
    if not parts:
        return pd.Series(dtype=float)
    whole = pd.concat(parts)
    return pd.Series(whole.groupby(level=0).sum(), dtype=float)


def aligned(columns: Sequence[pd.Series]) -> np.ndarray:
    """Several candidates' contributions as one matrix, shape (units, k); 0 where a unit has no part."""
    if not columns:
        return np.empty((0, 0))
    return pd.concat(list(columns), axis=1).fillna(0.0).to_numpy(dtype=float)


def _items(samples: pd.DataFrame) -> pd.DataFrame:
    """One row an item: suite, task, id, group and d = tuned - base; NaN as soon as a sample of either is missing."""
    mine = samples.loc[samples["arm"].isin(ARMS), :]
    by = [mine[name].astype(object) for name in ("suite", "task", "id", "arm")]
    means = mine["value"].astype(float).groupby(by).mean()
    lacking = mine["value"].isna().groupby(by).any()
    arms = means.mask(lacking).unstack("arm").reindex(columns=list(ARMS))
    # A group is read as a text, and where there is none as None: an absent one would drop its rows.
    groups = mine["group"].astype(object).groupby(by[:3]).first()
    return (arms["tuned"] - arms["base"]).rename("d").to_frame().join(groups.rename("group")).reset_index()


def _parts(items: pd.DataFrame, manifest: Manifest, comparison: Comparison, role: Role) -> Iterator[pd.Series]:
    records = {record.name: record for record in manifest.suites}
    suites = [suite for suite in comparison.suites if suite.role == role and not suite.advisory]
    whole = math.fsum(suite.weight for suite in suites)
    for suite in suites:
        record = records[suite.name]
        tasks = {task.name: task for task in scored(record)}
        mine = items.loc[(items["suite"] == suite.name) & items["task"].isin(list(tasks)) & items["d"].notna(), :]
        blocks = [block for _, block in mine.groupby("task")] if record.aggregate == "macro" else [mine]
        for block in blocks:
            d = block["d"].to_numpy(dtype=float)
            share = suite.weight / whole / len(blocks) / max(d.size, 1)
            units = [
                f"{suite.name}\0{group}"
                if tasks[task].clustered and isinstance(group, str)
                else f"{suite.name}\0{task}\0{id_}"
                for task, id_, group in zip(block["task"], block["id"], block["group"], strict=True)
            ]
            yield pd.Series(share * (d - d.mean()) if d.size else d, index=pd.Index(units, dtype=object), dtype=float)
