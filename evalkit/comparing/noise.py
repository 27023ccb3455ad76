"""How much is noise: two runs of base on the same items, compared as base and tuned are (pure). It gates nothing."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from evalkit.comparing.comparison import compare_records
from evalkit.comparing.pairing import PairedScores, join, pair, scored
from evalkit.comparing.texts import Texts
from evalkit.statistics import event_rate, repeat_noise
from evalkit.stored.columns import is_
from evalkit.stored.records import seen_as, verdicts_as_frame
from evalkit.types import (
    AGAIN,
    ARMS,
    Comparison,
    Estimate,
    Manifest,
    NoiseFloor,
    SuiteNoise,
    SuiteRecord,
)

_ITEM = ["suite", "task", "id"]
_ANSWER = ["text", "reasoning", "logprobs"]
_SAME = 1e-12  # marks closer than this are one mark, rounded in two ways
_ENOUGH = 5  # answers that were sampled and yet came twice the same, from which on that is no luck


def with_noise(
    comparison: Comparison, samples: pd.DataFrame, manifest: Manifest, texts: Texts | None = None
) -> Comparison:
    """The comparison with what base's second run shows; the very same where there was none.

    samples: of all arms, as `records.samples_frame` gives them. texts: of a frame that does not hold them itself.
    """
    noise = _noise(comparison, samples, manifest, texts)
    if noise is None:
        return comparison
    return replace(comparison, noise=noise, cautions=(*comparison.cautions, *noise.cautions))


def _noise(comparison: Comparison, samples: pd.DataFrame, manifest: Manifest, texts: Texts | None) -> NoiseFloor | None:
    if not is_(samples["arm"], AGAIN).any():
        return None
    samples = samples.loc[samples["arm"].isin([*ARMS, AGAIN]), :]
    samples = samples.astype(dict.fromkeys([*_ITEM, "arm"], str))
    keys = _places(samples)
    asked = pd.MultiIndex.from_tuples(keys[(samples["arm"] == AGAIN).to_numpy()], names=_ITEM).unique()
    mine = samples.loc[keys.isin(asked), :]
    if texts is not None:
        rows = mine.index.to_numpy()
        held = {name: pd.Series(texts.values(rows, name), mine.index, dtype=object) for name in _ANSWER}
        mine = mine.assign(**held)
    differ = _answers(mine, manifest.suites)
    whole = _scored_throughout(mine)
    arms = {"again": seen_as(whole, "base", AGAIN), "tuned": seen_as(whole, "base", "tuned")}
    alone = replace(manifest, judges=(), incumbent=None, cautions=(), train_data=())
    results = {
        name: compare_records(rows, verdicts_as_frame(()), alone, level=comparison.level, describe=False)
        for name, rows in arms.items()
    }
    pairs = {name: pair(rows, manifest.suites) for name, rows in arms.items()}
    asked_of = Counter(asked.get_level_values("suite"))
    sizes = {suite.name: suite for suite in comparison.suites}
    found: list[SuiteNoise] = []
    for record in manifest.suites:
        n_asked, (answers, changed) = asked_of[record.name], differ.get(record.name, (0, 0))
        if not n_asked:
            continue
        parts = {name: [paired[record.name, task.name] for task in scored(record)] for name, paired in pairs.items()}
        n = sum(part.base.size for part in parts["again"])
        if not n:
            found.append(SuiteNoise(record.name, 0, n_asked if scored(record) else 0, answers, changed))
            continue
        again, tuned = (
            next(one for one in result.suites if one.name == record.name)
            for result in (results["again"], results["tuned"])
        )
        flips = {name: _flips(some, [record.name] * len(some)) for name, some in parts.items()}
        floor = _floor(
            record, parts["again"], {task.name: task.n for task in sizes[record.name].tasks}, comparison.level
        )
        unseen = floor == 0 and changed
        found.append(
            SuiteNoise(
                record.name,
                n,
                n_asked - n,
                answers,
                changed,
                int(flips["again"][0].sum()),
                int(flips["tuned"][0].sum()),
                _rate(*flips["again"], comparison.level),
                _rate(*flips["tuned"], comparison.level),
                again.delta,
                tuned.delta,
                None if unseen or math.isnan(floor) else floor,
                again.unit,
            )
        )
    rates = {name: _overall(paired, manifest.suites, comparison.level) for name, paired in pairs.items()}
    noise = NoiseFloor(
        manifest.aa or 0,
        tuple(found),
        rates["again"],
        rates["tuned"],
        results["again"].tax if rates["again"] else None,
        results["tuned"].tax if rates["again"] else None,
    )
    return replace(noise, cautions=tuple(_cautions(noise, manifest.suites, comparison.level)))


def _scored_throughout(samples: pd.DataFrame) -> pd.DataFrame:
    """The samples of items with a mark for every answer of all three arms."""
    marks = samples.groupby([*_ITEM, "arm"], sort=False)["value"].agg(lambda values: values.isna().any())
    lacking = pd.DataFrame(marks.unstack("arm")).reindex([*ARMS, AGAIN], axis=1)
    kept = lacking.index[(lacking.eq(False)).all(axis=1)]
    return samples.loc[_places(samples).isin(kept), :]


def _places(samples: pd.DataFrame) -> pd.MultiIndex:
    return pd.MultiIndex.from_arrays([samples[name] for name in _ITEM], names=_ITEM)


def _answers(samples: pd.DataFrame, suites: Sequence[SuiteRecord]) -> dict[str, tuple[int, int]]:
    """By suite, how many answers of base came both times, and how many of them differ."""
    written = {(suite.name, task.name) for suite in suites for task in suite.tasks if task.kind == "generate"}
    said: dict[tuple[object, ...], dict[str, object]] = {}
    columns = [*_ITEM, "sample", "arm", *_ANSWER]
    rows = samples.loc[samples["failure"].isna() & (samples["arm"] != "tuned"), columns]
    for suite, task, id_, sample, arm, text, reasoning, logprobs in rows.itertuples(index=False):
        # As text, so that NaN (an option that the engine gave no number for) equals NaN.
        scored_alone = None if logprobs is None or isinstance(logprobs, float) else repr(list(logprobs))
        traced = reasoning if isinstance(reasoning, str) else None
        answer = (text, traced) if (suite, task) in written else (text, scored_alone)
        said.setdefault((suite, task, id_, sample), {})[arm] = answer
    counted: dict[str, tuple[int, int]] = {}
    for place, runs in said.items():
        if len(runs) == 2:
            answers, changed = counted.get(str(place[0]), (0, 0))
            counted[str(place[0])] = answers + 1, changed + (runs["base"] != runs[AGAIN])
    return counted


def _flips(parts: Sequence[PairedScores], names: Sequence[str]) -> tuple[np.ndarray, np.ndarray | None]:
    """Which items' marks differ, and their clusters."""
    joined = join(parts, names)
    return np.abs(joined.tuned - joined.base) > _SAME, joined.groups


def _rate(flipped: np.ndarray, groups: np.ndarray | None, level: float) -> Estimate:
    return event_rate(flipped.astype(float), groups, level=level)


def _overall(
    paired: Mapping[tuple[str, str], PairedScores], suites: Sequence[SuiteRecord], level: float
) -> Estimate | None:
    """The flip rate over all suites' items alike."""
    places = [(suite.name, task.name) for suite in suites for task in scored(suite)]
    parts = {place: paired[place] for place in places if paired[place].base.size}
    return _rate(*_flips(list(parts.values()), [suite for suite, _ in parts]), level) if parts else None


def _floor(record: SuiteRecord, parts: Sequence[PairedScores], sizes: Mapping[str, int], level: float) -> float:
    differences = [part.tuned - part.base for part in parts]
    items = [sizes.get(task.name, 0) for task in scored(record)]
    return repeat_noise(differences, items, macro=record.aggregate == "macro", level=level)


def _cautions(noise: NoiseFloor, suites: Sequence[SuiteRecord], level: float) -> Iterator[str]:
    """What a reader must know of the two runs of base; none where they differ as chance has it."""
    by_chance = round(1 / (1 - level))
    sampled = {suite.name: _temperature(suite) for suite in suites}
    for suite in noise.suites:
        delta = suite.delta
        if delta is not None and delta.low is not None and delta.high is not None and (delta.low > 0 or delta.high < 0):
            yield (
                f"{suite.name}: base asked again differs from itself by {_told(delta, suite.unit)}: more than chance changed "
                f"between its two runs, and no interval of tuned - base covers that (one suite in {by_chance} shows it by chance)"
            )
        if suite.flips and suite.flips >= suite.tuned_flips:
            yield (
                f"{suite.name}: base flips {suite.flips} of {suite.n} items against itself, and tuned {suite.tuned_flips}: "
                "single flips there say nothing of training; read the difference and its interval"
            )
        if suite.deterministic and suite.answers >= _ENOUGH and sampled[suite.name]:
            yield (
                f"{suite.name}: base is sampled at temperature {sampled[suite.name]:g}, and yet all {suite.answers} answers came "
                "again word for word: is there a cache before the model, or does the server ignore the temperature?"
            )


def _temperature(suite: SuiteRecord) -> float:
    """The lowest at which base writes answers of this suite; 0 where any are greedy, or none are written."""
    found = [task.temperature.get("base", 0.0) for task in suite.tasks if task.kind == "generate"]
    return min(found, default=0.0) if len(found) == len(suite.tasks) else 0.0


def _told(delta: Estimate, unit: str | None) -> str:
    def shown(value: float | None) -> str:
        value = value or 0.0
        return f"{value:+.3f}" if unit else f"{100 * value:+.1f}"

    return f"{shown(delta.value)} {unit or 'pp'} [{shown(delta.low)}, {shown(delta.high)}]"
