"""Behaviour drift: what post-training changed beside the marks. Read from the stored samples; it describes, no gate reads it.

Every measure compares both models over the same items, with an interval. What each is, where it comes from and what it
cannot tell: docs/drift.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from evalkit.comparing.drift.choices import choice_measures
from evalkit.comparing.drift.pairs import pair
from evalkit.comparing.drift.probes import probe_measures
from evalkit.comparing.drift.writing import writing_measures
from evalkit.comparing.texts import Texts, texts_of
from evalkit.stored.columns import is_
from evalkit.types import PROBES, SuiteDrift, SuiteRecord

__all__ = ["measure_drift"]


def measure_drift(
    samples: pd.DataFrame,
    suites: Sequence[SuiteRecord],
    *,
    level: float = 0.95,
    seed: int = 0,
    texts: Texts | None = None,
) -> tuple[SuiteDrift, ...]:
    """Every measure that applies, suite by suite, the probes last.

    samples: as `records.samples_frame` gives them. level: of every interval, two-sided. seed: chooses which items are
    read where a suite has more than need be read word by word. texts: of a frame that does not hold them itself.
    """
    return tuple(one for one in _all(samples, suites, level, seed, texts_of(samples, texts)) if one.measures)


def _all(
    samples: pd.DataFrame, suites: Sequence[SuiteRecord], level: float, seed: int, texts: Texts
) -> Iterator[SuiteDrift]:
    answered = samples["failure"].isna().to_numpy()
    for suite in suites:
        rows = samples.loc[answered & is_(samples["suite"], suite.name), :]
        if rows.empty:
            continue
        with_text = rows.loc[texts.known(rows.index.to_numpy()), :]  # imported judgments may lack what they are about
        written, chosen = (
            pair(mine, [task for task in suite.tasks if task.kind == kind])
            for mine, kind in ((with_text, "generate"), (rows, "choice"))
        )
        measures, cautions = writing_measures(written, texts, level, seed)
        yield SuiteDrift(suite.name, (*measures, *choice_measures(chosen, texts, level)), cautions)
    probes = samples.loc[answered & is_(samples["suite"], PROBES), :]
    if len(probes):
        yield SuiteDrift(PROBES, tuple(probe_measures(probes, level)))
