"""What a judge is going to be asked, foreseen from pairs like those to come; and what it was asked in the end. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from evalkit.config import JudgeSpec, LimitsSpec
from evalkit.judging.reader import Pair, PairReader
from evalkit.types import JudgeCost, Phase

_CHARACTERS_A_TOKEN = 4
_REASON_TOKENS = 120
_WORD_TOKENS = 6
_MOST_SEEN = 50


def foreseen(spec: JudgeSpec, pairs: Sequence[Pair], n: int) -> JudgeCost:
    """The cost of reading `n` pairs, by what a few like them would take; four characters count as a token.

    pairs: examples of what will be read, answers of about the length to be expected.
    """
    some = pairs[:_MOST_SEEN]
    asked = [request for pair in some for request in PairReader(spec).questions(pair)]
    if not asked:
        return JudgeCost(estimated_questions=0, estimated_tokens=0, estimated_usd=0.0 if spec.limits.price else None)
    scale = n / len(some)
    read = sum(len(message.content) for one in asked for message in one.messages) / _CHARACTERS_A_TOKEN
    written = len(asked) * (_REASON_TOKENS if spec.explain else _WORD_TOKENS)
    if spec.model.reasoning is not None:
        written += len(asked) * (spec.model.reasoning.budget or 0)
    return JudgeCost(
        estimated_questions=round(scale * len(asked)),
        estimated_tokens=round(scale * (read + written)),
        estimated_usd=usd(spec.limits, scale * read, scale * written),
    )


def told(cost: JudgeCost, limits: LimitsSpec) -> str:
    """The estimate in words, with the bounds it has to stay within."""
    parts = [f"about {cost.estimated_questions} questions and {cost.estimated_tokens} tokens"]
    if cost.estimated_usd is not None:
        parts.append(f"about {cost.estimated_usd:.2f} USD")
    if limits.max_usd is not None:
        parts.append(f"at most {limits.max_usd:g} USD")
    if limits.max_tokens is not None:
        parts.append(f"at most {limits.max_tokens} tokens")
    return ", ".join(parts)


def spent(spec: JudgeSpec, foresight: JudgeCost | None, phases: Iterable[Phase]) -> JudgeCost:
    """What this judge's phases took, beside what was foreseen."""
    mine = [phase for phase in phases if phase.name.startswith(f"judge {spec.name}: ")]
    cached = sum(one.cached for one in mine)
    mine = [phase for phase in mine if phase.name.endswith(": generating")]
    read, written = sum(one.prompt_tokens for one in mine), sum(one.completion_tokens for one in mine)
    return replace(
        foresight or JudgeCost(),
        questions=sum(one.requests for one in mine),
        cached=cached,
        prompt_tokens=read,
        completion_tokens=written,
        usd=usd(spec.limits, read, written),
    )


def remaining(limits: LimitsSpec, phases: Iterable[Phase]) -> LimitsSpec:
    """What is left of the bounds after these phases; at zero nothing further is asked."""
    phases = [phase for phase in phases if phase.name.endswith(": generating")]
    read, written = sum(one.prompt_tokens for one in phases), sum(one.completion_tokens for one in phases)
    paid = usd(limits, read, written) or 0.0
    tokens = None if limits.max_tokens is None else max(0, limits.max_tokens - read - written)
    money = None if limits.max_usd is None else max(0.0, limits.max_usd - paid)
    return limits.model_copy(update={"max_tokens": tokens, "max_usd": money})


def usd(limits: LimitsSpec, prompt_tokens: float, completion_tokens: float) -> float | None:
    """What so many tokens cost; None without a price."""
    if limits.price is None:
        return None
    return (prompt_tokens * limits.price.input + completion_tokens * limits.price.output) / 1e6
