"""Did both models get the same questions, in the same form, under the same conditions? What differs is a caution."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from evalkit.comparing.texts import Texts, texts_of
from evalkit.stored.columns import is_, matched, places
from evalkit.stored.records import seen_as
from evalkit.types import INCUMBENT, PROBES, ModelRecord, SuiteRecord, TaskRecord

_PLACE = ("suite", "task", "id", "sample")

_SAME_FOR_BOTH = {
    "format": "prompt format",
    "template_hash": "chat template",
    "tokenizer_fingerprint": "tokenizer",
    "precision": "precision",
    "context_limit": "context limit",
    "engine": "engine",
    "engine_version": "engine version",
    "engine_options": "engine options",
    "sampling": "sampling settings",
}


def fidelity_cautions(
    models: Mapping[str, ModelRecord],
    samples: pd.DataFrame,
    suites: Sequence[SuiteRecord] = (),
    texts: Texts | None = None,
) -> tuple[str, ...]:
    """What stands between the arms besides their weights, in words. `models` by arm; `samples` as stored.

    texts: of a frame that does not hold them itself.

    suites: which tasks go on over several turns. There a prompt holds the model's own earlier answers, and is not compared.
    An incumbent among the models, where gates hold tuned against it, is held against tuned in the same way.
    """
    talks = {(suite.name, task.name) for suite in suites for task in suite.tasks if task.turns > 1}
    texts = texts_of(samples, texts)
    found = tuple(_cautions(models["base"], models["tuned"], samples, texts, talks))
    if INCUMBENT in models:
        mine = seen_as(samples, INCUMBENT, "tuned")
        found += tuple(_cautions(models[INCUMBENT], models["tuned"], mine, texts, talks, base=INCUMBENT))
    return found


ENOUGH_SAMPLES = 4
"""Samples of an item, of a model that reasons; the fewest that the source of `reasoning_cautions` works with."""


def reasoning_cautions(models: Mapping[str, ModelRecord], suites: Sequence[SuiteRecord]) -> tuple[str, ...]:
    """What keeps a reasoning model from being seen as it is used, in words. `models` by arm.

    Of recorded outputs nobody knows how they were sampled, so nothing is said of that.
    Source: DeepSeek-AI 2025, DeepSeek-R1, arXiv:2501.12948: greedy decoding of long traces repeats itself and varies from
    checkpoint to checkpoint; its evaluation takes 4 to 64 samples of an item at temperature 0.6.
    """
    found = [*_reasoning_cautions({arm: models[arm] for arm in ("base", "tuned")}, suites)]
    if INCUMBENT in models:
        found += _reasoning_cautions({arm: models[arm] for arm in (INCUMBENT, "tuned")}, suites)
    return tuple(dict.fromkeys(found))


def _reasoning_cautions(models: Mapping[str, ModelRecord], suites: Sequence[SuiteRecord]) -> Iterator[str]:
    (first, base), (_, tuned) = models.items()
    reasoners = {arm: model for arm, model in models.items() if model.reasoning}
    if len(reasoners) == 1:
        (one,) = reasoners
        other = first if one == "tuned" else "tuned"
        yield (
            f"{one} has reasoning markers and {other} has none: only {one} gets room for a trace on top of max_tokens, "
            f"and a trace that {other} writes is read as its answer"
        )
    if len(reasoners) == 2 and base.thinking_budget != tuned.thinking_budget:
        budgets = [model.thinking_budget or 0 for model in (base, tuned)]
        yield (
            f"the models' files state different thinking budgets: {first} {budgets[0]}, tuned {budgets[1]}; "
            f"both were given {max(budgets)}"
        )
    for arm, model in reasoners.items():
        if model.backend == "replay":
            continue
        greedy = _suites_where(suites, lambda task, arm=arm: task.temperature.get(arm) == 0)
        if greedy:
            yield (
                f"{arm} reasons and is decoded greedily (temperature 0) in {greedy}, where traces tend to repeat "
                "themselves; state its `sampling: {temperature: ...}`"
            )
        few = _suites_where(
            suites, lambda task, arm=arm: task.temperature.get(arm, 0) > 0 and task.samples < ENOUGH_SAMPLES
        )
        if few:
            yield f"{arm} reasons and is sampled fewer than {ENOUGH_SAMPLES} times an item in {few}; raise `sampling: {{n: ...}}`"


def _suites_where(suites: Sequence[SuiteRecord], holds: Callable[[TaskRecord], bool]) -> str:
    """The suites with a generated task of which that holds, named in a row."""
    named = [one.name for one in suites if any(task.kind == "generate" and holds(task) for task in one.tasks)]
    return ", ".join(named)


def _cautions(
    first: ModelRecord,
    tuned: ModelRecord,
    samples: pd.DataFrame,
    texts: Texts,
    talks: Collection[tuple[str, str]],
    base: str = "base",
) -> Iterator[str]:
    """base: what the first model is called. samples: with the arms base and tuned, whatever it is called."""
    both = "the models" if base == "base" else f"tuned and the {base}"
    recorded = "replay" in (first.backend, tuned.backend)
    for field, words in _SAME_FOR_BOTH.items():
        one, other = getattr(first, field), getattr(tuned, field)
        if one != other and not recorded:
            shown = field not in ("template_hash", "tokenizer_fingerprint", "engine_options", "sampling")
            values = f": {base} {one}, tuned {other}" if shown else ""
            yield f"{both} differ in {words}{values}"
    mine = samples.loc[(samples["failure"].isna() & (samples["suite"] != PROBES)).to_numpy(), [*_PLACE, "arm"]]
    place = places(mine, _PLACE)
    rows = [np.flatnonzero(is_(mine["arm"], arm)) for arm in ("base", "tuned")]
    one, other = matched(place[rows[0]], place[rows[1]])
    if not one.size or recorded:
        return
    pairs = mine.iloc[rows[0][one]]
    asked = np.ones(len(pairs), dtype=bool)
    for suite, task in talks:
        asked &= ~(is_(pairs["suite"], suite) & is_(pairs["task"], task))
    labels = mine.index.to_numpy()
    differing = texts.differ("prompt", labels[rows[0][one][asked]], labels[rows[1][other][asked]])
    if differing.any():
        yield f"the rendered prompts of {base} and tuned differ on {int(differing.sum())} of {differing.size} samples"
