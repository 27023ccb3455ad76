"""Did both models get the same questions, in the same form, under the same conditions? What differs is a caution."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from evalkit.types import PROBES, ModelRecord

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


def fidelity_cautions(models: Mapping[str, ModelRecord], samples: pd.DataFrame) -> tuple[str, ...]:
    """What stands between the arms besides their weights, in words. `models` by arm; `samples` as stored."""
    return tuple(_cautions(models["base"], models["tuned"], samples))


def _cautions(base: ModelRecord, tuned: ModelRecord, samples: pd.DataFrame) -> Iterator[str]:
    recorded = "replay" in (base.backend, tuned.backend)
    for field, words in _SAME_FOR_BOTH.items():
        first, second = getattr(base, field), getattr(tuned, field)
        if first != second and not recorded:
            shown = field not in ("template_hash", "tokenizer_fingerprint", "engine_options", "sampling")
            values = f": base {first}, tuned {second}" if shown else ""
            yield f"the models differ in {words}{values}"
    answers: dict[tuple[object, ...], dict[str, dict[Any, Any]]] = {}
    columns = [*_PLACE, "arm", "prompt", "text", "logprobs", "failure"]
    for row in samples.loc[samples["suite"] != PROBES, columns].to_dict("records"):
        if not isinstance(row["failure"], str):
            answers.setdefault(tuple(row[name] for name in _PLACE), {})[row["arm"]] = row
    pairs = [(sides["base"], sides["tuned"]) for sides in answers.values() if len(sides) == 2]
    if not pairs:
        return
    differing = sum(first["prompt"] != second["prompt"] for first, second in pairs)
    if differing and not recorded:
        yield f"the rendered prompts of base and tuned differ on {differing} of {len(pairs)} samples"
    if all(_answer(first) == _answer(second) for first, second in pairs):
        what = "the adapter changed nothing" if tuned.adapter else "the two models answered alike"
        yield f"{what}: every one of {len(pairs)} answers is the same in base and tuned"


def _answer(row: Mapping[Any, Any]) -> tuple[object, ...]:
    logprobs = row["logprobs"]
    # As text, so that NaN (an option that the engine gave no number for) equals NaN.
    return row["text"], None if logprobs is None or isinstance(logprobs, float) else repr(list(logprobs))
