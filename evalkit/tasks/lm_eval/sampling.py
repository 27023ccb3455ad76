"""A task's generation settings, read as the harness's models read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evalkit.config import SamplingSpec
from evalkit.types import InputError
from evalkit.yamlfile import validate

_DEFAULT_MAX_TOKENS = 256
# In the order in which the first that is stated counts.
_MAX_TOKENS_NAMES = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
_AS_THEY_ARE = ("top_p", "min_p", "repetition_penalty", "presence_penalty", "frequency_penalty")
_KNOWN = {"until", "do_sample", "temperature", "top_k", *_MAX_TOKENS_NAMES, *_AS_THEY_ARE}


def read_sampling(
    asked: Sequence[Mapping[str, Any]], repeats: int, stated: SamplingSpec, *, where: str
) -> SamplingSpec:
    """What the suite file states over what the task asks.

    asked: the settings of every request of the task. Raises InputError where they differ, or for one evalkit has not.
    Source: lm-evaluation-harness, `normalize_gen_kwargs`.
    """
    where = f"{where}: generation_kwargs"
    if any(one != asked[0] for one in asked):
        raise InputError(f"{where}: differ from item to item, and a task of evalkit has one set of them")
    settings = dict(asked[0])
    if settings.get("num_beams") == 1:
        del settings["num_beams"]
    strange = [name for name in settings if name not in _KNOWN]
    if strange:
        raise InputError(f"{where}: {strange[0]}: {settings[strange[0]]!r}: evalkit's engines do not sample that way")
    until = settings.get("until") or []
    max_tokens = next((settings[name] for name in _MAX_TOKENS_NAMES if settings.get(name)), _DEFAULT_MAX_TOKENS)
    read = {
        "temperature": 0.0 if settings.get("do_sample") is False else float(settings.get("temperature", 0.0)),
        "max_tokens": int(max_tokens),
        "stop": tuple(text for text in ([until] if isinstance(until, str) else until) if text),
        "n": repeats,
        **{name: settings[name] for name in _AS_THEY_ARE if name in settings},
        **({"top_k": max(0, int(settings["top_k"]))} if "top_k" in settings else {}),
    }
    return validate(SamplingSpec, {**read, **stated.model_dump(exclude_none=True)}, file=where)
