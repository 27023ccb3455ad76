"""Behaviour drift: what post-training changed beside the marks. Read from the stored samples; it describes, no gate reads it.

Every measure compares both models over the same items, with an interval. What each is, where it comes from and what it
cannot tell: docs/drift.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from evalkit.drift.choices import choice_measures
from evalkit.drift.pairs import pair
from evalkit.drift.probes import probe_measures
from evalkit.drift.writing import writing_measures
from evalkit.types import PROBES, SuiteDrift, SuiteRecord

__all__ = ["measure_drift"]


def measure_drift(
    samples: pd.DataFrame, suites: Sequence[SuiteRecord], *, level: float = 0.95, seed: int = 0
) -> tuple[SuiteDrift, ...]:
    """Every measure that applies, suite by suite, the probes last.

    samples: as `records.samples_frame` gives them. level: of every interval, two-sided. seed: chooses which items are
    read where a suite has more than need be read word by word.
    """
    return tuple(one for one in _all(samples, suites, level, seed) if one.measures)


def _all(samples: pd.DataFrame, suites: Sequence[SuiteRecord], level: float, seed: int) -> Iterator[SuiteDrift]:
    answered = samples.loc[samples["failure"].isna(), :]
    by_suite = {str(name): rows for name, rows in answered.groupby("suite", observed=True, sort=False)}
    for suite in suites:
        rows = by_suite.get(suite.name)
        if rows is None:
            continue
        with_text = rows.loc[rows["text"].notna(), :]  # imported judgments may lack what they are about
        written, chosen = (
            pair(mine, [task for task in suite.tasks if task.kind == kind])
            for mine, kind in ((with_text, "generate"), (rows, "choice"))
        )
        measures, cautions = writing_measures(written, level, seed)
        yield SuiteDrift(suite.name, (*measures, *choice_measures(chosen, level)), cautions)
    if PROBES in by_suite:
        yield SuiteDrift(PROBES, tuple(probe_measures(by_suite[PROBES], level)))
