"""What no suite asks: how well either model still predicts held-out text, and how far tuned's own writing is from base."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from evalkit.comparing.drift.pairs import change, pair
from evalkit.running.probes import KL, TEXT
from evalkit.statistics import ratio_of_totals
from evalkit.types import Drift, TaskRecord


def probe_measures(rows: pd.DataFrame, level: float) -> Iterator[Drift]:
    """Bits per byte of held-out texts, paired by text, and KL(tuned || base) per token; each where its rows are there."""
    rows = rows.loc[rows["value"].notna(), :]
    texts = pair(rows, [TaskRecord(TEXT, "loglikelihood", "bits per byte", 0, 0, bounded=False)])
    base, tuned = (texts.mean_by_item(arm["value"].to_numpy(dtype=float)) for arm in (texts.base, texts.tuned))
    yield from change("bits_per_byte", "bits per byte", base, tuned, None, level)
    yield from _divergence(rows.loc[(rows["task"] == KL) & (rows["arm"] == "tuned"), :], level)


def _divergence(rows: pd.DataFrame, level: float) -> Iterator[Drift]:
    """KL(tuned || base) per token, estimated on what tuned itself wrote.

    Each row holds the mean over a continuation's tokens of log p_tuned - log p_base. Tokens weigh the same, so the estimate
    is the ratio of all log-ratios to all tokens; continuations of one prompt are a cluster. An estimate may lie below
    zero, which the divergence itself cannot.
    """
    tokens = rows["completion_tokens"].fillna(0).to_numpy(dtype=float)
    if not tokens.sum() > 0:
        return
    ids = rows["id"].to_numpy(dtype=object)
    several = len(np.unique(ids.astype(str))) < len(ids)
    log_ratios = rows["value"].to_numpy(dtype=float) * tokens
    estimate = ratio_of_totals(log_ratios, tokens, ids if several else None, level=level)
    yield Drift("kl_per_token", None, None, estimate, "nats per token")
