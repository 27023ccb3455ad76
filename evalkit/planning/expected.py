"""What is expected of the scores: assumed, stated by the user, or observed in an earlier run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from evalkit.comparing.pairing import PairedScores, join, pair, scored
from evalkit.statistics import VarianceComponents, paired_difference, variance_components
from evalkit.types import ARMS, Expected, Manifest, SuiteRecord

_ENOUGH = 20  # items of a pilot below which it says too little of a suite


def expectations(
    suites: Mapping[str, SuiteRecord],
    observed: Mapping[str, Expected],
    *,
    discordance: float | None = None,
    lasting: float | None = None,
    missing: float | None = None,
) -> dict[str, Expected]:
    """Of every suite. observed: from an earlier run, by suite; what the caller states goes before it."""
    found: dict[str, Expected] = {}
    stated = {
        name: value
        for name, value in (("discordance", discordance), ("lasting", lasting), ("missing", missing))
        if value is not None
    }
    for name in suites:
        one = observed.get(name, Expected())
        if stated:
            one = replace(one, **stated, source=f"{one.source}, {' and '.join(stated)} stated")
        found[name] = one
    return found


def expected_of_run(samples: pd.DataFrame, manifest: Manifest, name: str) -> dict[str, Expected]:
    """What an earlier run observed, of every suite with at least 20 items scored on both sides.

    samples: as `records.samples_frame` gives them. name: of the run, for the reader.
    """
    samples = samples.loc[samples["arm"].isin(ARMS), :]
    paired = pair(samples, manifest.suites)
    found: dict[str, Expected] = {}
    for suite in manifest.suites:
        tasks = scored(suite)
        parts = [paired[suite.name, task.name] for task in tasks]
        if not parts:
            continue
        whole = join(parts, [suite.name] * len(parts))
        if int(whole.both.sum()) < _ENOUGH:
            continue
        mine = samples.loc[samples["suite"] == suite.name, :]
        found[suite.name] = _observed(whole, mine, max(task.samples for task in tasks), f"observed in {name}")
    return found


def _observed(scores: PairedScores, samples: pd.DataFrame, repeats: int, source: str) -> Expected:
    both = scores.both
    d = scores.tuned[both] - scores.base[both]
    missing = float(1 - both.mean())
    if not scores.bounded:
        return Expected(spread=float(d.std(ddof=1)), missing=missing, source=source)
    differing, variance = float(np.mean(d != 0)), float(d.var(ddof=1))
    expected = Expected(
        discordance=variance if repeats > 1 else differing,
        size=1.0 if repeats > 1 or not differing else min(1.0, float(np.sqrt(np.mean(d**2) / differing))),
        rate=float(np.mean(scores.base[both])),
        score=float(np.mean(scores.base[both])),
        missing=missing,
        correlation=_correlation(scores, d),
        source=source,
    )
    parts = _components(samples) if repeats > 1 else None
    if parts is None:
        return expected
    single = parts.variance_of_difference(1, 1)
    lasting = min(1.0, max(0.0, parts.between) / single) if single else 0.0
    return replace(expected, discordance=min(1.0, single), lasting=lasting)


def _components(samples: pd.DataFrame) -> VarianceComponents | None:
    """What the samples of both arms scatter with, aligned by item."""
    base, tuned = (
        samples.loc[samples["arm"] == arm, :].pivot_table(
            index=["task", "id"], columns="sample", values="value", dropna=False, observed=True
        )
        for arm in ARMS
    )
    base, tuned = base.align(tuned, axis=0)
    return variance_components(base.to_numpy(dtype=float), tuned.to_numpy(dtype=float))


def _correlation(scores: PairedScores, d: np.ndarray) -> float:
    """Of the differences within a cluster, from how much wider clusters make the interval."""
    if scores.groups is None:
        return Expected().correlation
    both = scores.both
    groups = scores.groups[both]
    sizes = pd.Series(groups).value_counts().to_numpy()
    clustered, alone = paired_difference(np.zeros_like(d), d, groups), paired_difference(np.zeros_like(d), d)
    usual = float(np.sum(sizes**2) / np.sum(sizes))
    if not clustered.se or not alone.se or usual <= 1:
        return Expected().correlation
    return float(np.clip(((clustered.se / alone.se) ** 2 - 1) / (usual - 1), 0.0, 1.0))
