"""Adapters that vLLM serves beside their base: which it can, in how many slots, and whether all are kept apart.

The last is read from next-token distributions on a few canary prompts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from evalkit.backends.local import LocalModel

_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # those that vLLM takes
_MOST_SLOTS = 16  # each takes memory on the device; of more adapters vLLM exchanges those that no running request needs

CANARIES = (
    "The capital of France is",
    "Question: What is 7 + 5?\nAnswer:",
    "def fibonacci(n):\n",
    "Once upon a time there was a",
)
_NAMED_TOKENS = 64

Ask = Callable[[Sequence[tuple[tuple[int, ...], str]], Sequence[int]], list[list[float]]]
"""(prompt, served name) of several prompts asked at once, and tokens; the log-probabilities of the tokens after each."""


def is_servable(model: LocalModel) -> bool:
    """Whether vLLM is to apply this model's adapter itself: it can, and the model file does not say otherwise."""
    adapter = model.adapter
    if adapter is None or model.spec.merge_adapter:
        return False
    return not adapter.unservable and adapter_options([adapter.rank]) != {}


def adapter_options(ranks: Sequence[int]) -> dict[str, Any]:
    """Engine options under which adapters of these ranks are served; none where vLLM takes no such rank."""
    size = next((size for size in _RANKS if size >= max(ranks, default=0)), None)
    if not ranks or size is None:
        return {}
    # One slot more than adapters: with as many as adapters vLLM has mixed them up with the base.
    slots = len(ranks) + 1
    return {
        "enable_lora": True,
        "max_lora_rank": size,
        "max_loras": min(slots, _MOST_SLOTS),
        "max_cpu_loras": slots,
    }


def fault(tokenizer: Any, base: str, adapters: Sequence[str], ask: Ask) -> str | None:
    """What is wrong with how `adapters` are served beside `base`, in words; None where nothing is.

    Base requests answered among adapter requests must equal base requests answered alone, each adapter must change
    something, and no adapter may answer for another.
    """
    prompts = [tuple(tokenizer.encode(text)) for text in CANARIES]
    named = list(range(0, tokenizer.vocab_size, max(1, tokenizer.vocab_size // _NAMED_TOKENS)))[:_NAMED_TOKENS]
    alone = ask([(prompt, base) for prompt in prompts], named)
    if not all(math.isfinite(value) for row in alone for value in row):
        return (
            "this vLLM gives no log-probabilities of the tokens that it is asked about, so that nothing can be proven"
        )
    adapted: dict[str, list[list[float]]] = {}
    for adapter in adapters:
        adapted[adapter] = ask([(prompt, adapter) for prompt in prompts], named)
        if not all(math.isfinite(value) for row in adapted[adapter] for value in row):
            return f"this vLLM gives no log-probabilities of what adapter {adapter!r} is asked about"
        if all(_distance(own, tuned) == 0 for own, tuned in zip(alone, adapted[adapter], strict=True)):
            return f"adapter {adapter!r} served by this vLLM changes nothing"
    who = [base, *adapters]
    mixed = ask([(prompt, name) for prompt in prompts for name in who], named)
    for place, own in enumerate(alone):
        among = dict(zip(who, mixed[place * len(who) :], strict=False))
        for adapter in adapters:
            tuned = adapted[adapter][place]
            if _distance(among[base], own) > _distance(among[base], tuned):
                return f"this vLLM answers the base with adapter {adapter!r} when both are in a batch"
            if _distance(among[adapter], tuned) > _distance(among[adapter], own):
                return f"this vLLM answers adapter {adapter!r} with the base when both are in a batch"
            for other in adapters:
                if _distance(among[adapter], tuned) > _distance(among[adapter], adapted[other][place]):
                    return f"this vLLM answers adapter {adapter!r} with {other!r} when both are in a batch"
    return None


def _distance(first: Sequence[float], second: Sequence[float]) -> float:
    return max(abs(a - b) for a, b in zip(first, second, strict=True))
