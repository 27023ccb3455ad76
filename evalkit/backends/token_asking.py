"""vLLM's completions route, asked by the very token ids that evalkit rendered and answered in the offline engine's terms.

Sampling, stop tokens and constraints are those of `vllm_engine`. Log-probabilities come as there: last tokens of options
from one next-token distribution (`logprob_token_ids`), earlier ones as part of the prompt (`prompt_logprobs`).
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import openai

from evalkit.backends.local import Part, Tally, parts_of
from evalkit.backends.openai_errors import BadReply
from evalkit.types import Completion, EngineError, Failure, Prepared, Usage

MOST_NAMED_TOKENS = 128
"""The widest set of named tokens that vLLM reads from one distribution."""

STOP_LIMIT = 4
"""More stop strings than this the server refuses; the rest are cut off here, which gives the same text."""

_NAMED = "token_id:"
_FINISHED = ("stop", "length")
_NO_LOGPROB = -9000.0  # vLLM writes minus infinity as -9999


@dataclass(frozen=True, slots=True)
class Served:
    """Under which name a model is served, what ends its answers, and how many tokens prompt and answer may have."""

    name: str
    stop_token_ids: tuple[int, ...]
    limit: int | None


class TokenAsker:
    """Asks by token ids.

    served: how each model that requests name is served. timeout_s: for one reply, None for as long as it takes. dead: why
    there will be no further reply, asked where no connection comes about; None where nothing is known.
    """

    def __init__(
        self,
        served: Callable[[str], Served],
        *,
        timeout_s: float | None,
        dead: Callable[[], EngineError | None] = lambda: None,
    ) -> None:
        self._served = served
        self._timeout_s = timeout_s
        self._dead = dead

    def met(self, owner: str | None) -> None:
        """Every field is sent in any case."""

    def notes(self) -> tuple[str, ...]:
        """Nothing is left out."""
        return ()

    async def ask(self, client: openai.AsyncOpenAI, one: Prepared) -> Completion:
        """One answer, or the log-probabilities that were asked for."""
        served = self._served(one.request.model)
        if not one.request.is_scored:
            return read_answer(await self._post(client, answer_arguments(one, served)), one)
        tally = Tally(one)
        for parts in batches(parts_of(one)):
            reply = await self._post(client, scoring_arguments(parts, served))
            if missing := read_scores(reply, parts, tally):
                return Completion("", finish_reason="error", failure=replace(missing, where=one.request.model))
        return tally.completion()

    async def next_token_logprobs(
        self, client: openai.AsyncOpenAI, model: str, prompt: Sequence[int], named: Sequence[int]
    ) -> list[float]:
        """Log-probabilities of `named` tokens after `prompt`, of the model served as `model`; NaN where none is told."""
        part = Part(tuple(prompt), len(prompt), tuple(enumerate(named)))
        reply = await self._post(client, scoring_arguments([part], Served(model, (), None)))
        first = _named(_choices(reply, 1)[0])
        return [first.get(token, math.nan) for token in named]

    async def _post(self, client: openai.AsyncOpenAI, call: Mapping[str, Any]) -> dict[str, Any]:
        try:
            async with asyncio.timeout(self._timeout_s):
                reply = await client.completions.with_raw_response.create(**call)
        except openai.APIConnectionError:
            if (dead := self._dead()) is not None:
                raise dead from None
            raise
        try:
            data = json.loads(reply.text)
        except ValueError:
            raise BadReply("not_json", f"the reply is not JSON: {reply.text[:200]!r}") from None
        if not isinstance(data, dict) or "choices" not in data:
            raise BadReply("not_a_completion", f"the reply is JSON but no completion: {reply.text[:200]!r}")
        return data


# --- asking ---


def answer_arguments(one: Prepared, served: Served) -> dict[str, Any]:
    """Keyword arguments of `completions.create` for an answer, the same settings as of the offline engine."""
    assert one.token_ids is not None
    asked, constraint = one.request.sampling, one.request.constraint
    room = asked.max_tokens if served.limit is None else min(asked.max_tokens, served.limit - len(one.token_ids))
    extra: dict[str, Any] = {
        "top_k": asked.top_k,
        "min_p": asked.min_p,
        "repetition_penalty": asked.repetition_penalty,
        "stop_token_ids": list(served.stop_token_ids),
        "skip_special_tokens": True,
        "add_special_tokens": False,
    }
    if one.request.keep_tokens:
        extra["return_token_ids"] = True
    if constraint and constraint.choice:
        extra["structured_outputs"] = {"choice": list(constraint.choice)}
    elif constraint and constraint.json_schema:
        extra["structured_outputs"] = {"json": constraint.json_schema}
    call: dict[str, Any] = {
        "model": served.name,
        "prompt": list(one.token_ids),
        "max_tokens": max(1, room),
        "temperature": asked.temperature,
        "top_p": asked.top_p,
        "presence_penalty": asked.presence_penalty,
        "frequency_penalty": asked.frequency_penalty,
        "extra_body": extra,
    }
    if asked.temperature > 0:
        call["seed"] = asked.seed
    if asked.stop:
        call["stop"] = list(asked.stop[:STOP_LIMIT])
    return call


def batches(parts: Sequence[Part]) -> list[list[Part]]:
    """Parts that one call can ask: it names one set of tokens for all of them, and takes so many at most."""
    small = [
        replace(part, lasts=part.lasts[start : start + MOST_NAMED_TOKENS])
        for part in parts
        for start in range(0, len(part.lasts), MOST_NAMED_TOKENS)
    ]
    found: list[list[Part]] = []
    names: set[int] = set()
    for part in small:
        own = {last for _, last in part.lasts}
        together = found and bool(found[-1][0].scored) == bool(part.scored) and len(names | own) <= MOST_NAMED_TOKENS
        if together:
            found[-1].append(part)
            names |= own
        else:
            found.append([part])
            names = own
    return found


def scoring_arguments(parts: Sequence[Part], served: Served) -> dict[str, Any]:
    """Keyword arguments of `completions.create` for the log-probabilities of several parts."""
    extra: dict[str, Any] = {
        "logprob_token_ids": sorted({last for part in parts for _, last in part.lasts}),
        "return_tokens_as_token_ids": True,
        "return_token_ids": True,
        "add_special_tokens": False,
    }
    if any(part.scored for part in parts):
        extra["prompt_logprobs"] = 0
    return {
        "model": served.name,
        "prompt": [list(part.ids) for part in parts],
        "max_tokens": 1,
        "temperature": 0.0,
        "logprobs": 1,
        "extra_body": extra,
    }


# --- reading ---


def read_answer(reply: Mapping[str, Any], one: Prepared) -> Completion:
    """The answer as the offline engine gives it. Raises BadReply where the server gave it up, for it to be asked again."""
    choice = _choices(reply, 1)[0]
    finish = choice.get("finish_reason")
    if finish not in _FINISHED:
        raise BadReply("aborted", f"the engine gave up: {finish}")
    used = reply.get("usage") or {}
    kept = choice.get("token_ids") if one.request.keep_tokens else None
    text = choice.get("text") or ""
    places = [text.find(end) for end in one.request.sampling.stop[STOP_LIMIT:]]
    stopped = min((place for place in places if place >= 0), default=None)
    return Completion(
        text=text[:stopped],
        finish_reason=finish if stopped is None else "stop",
        usage=Usage(len(one.token_ids or ()), int(used.get("completion_tokens") or 0)),
        token_ids=tuple(kept) if kept is not None else None,
    )


def read_scores(reply: Mapping[str, Any], parts: Sequence[Part], tally: Tally) -> Failure | None:
    """Add to `tally` what each part answers; a Failure where the server does not tell what was asked."""
    for part, choice in zip(parts, _choices(reply, len(parts)), strict=True):
        named = _named(choice)
        written = choice.get("token_ids") or [None]
        before, greedy = 0.0, True
        if part.scored:
            rows = (choice.get("prompt_logprobs") or [])[part.first :]
            if len(rows) != len(part.scored):
                return _unsupported("`prompt_logprobs`")
            for token, row in zip(part.scored, rows, strict=True):
                before += _read(row[str(token)]["logprob"])
                greedy = greedy and row[str(token)]["rank"] == 1
        if any(last not in named for _, last in part.lasts):
            return _unsupported("`logprob_token_ids`")
        for place, last in part.lasts:
            told = greedy and written[0] == last
            tally.add(place, before + _read(named[last]), greedy=told, tokens=len(part.scored) + 1)
    return None


def _unsupported(field: str) -> Failure:
    return Failure(
        "engine",
        "scoring_unsupported",
        f"this server gives no log-probabilities for {field} on the completions route",
        hint="choice and loglikelihood tasks need `backend: vllm`, or a server of a later vLLM",
    )


def _read(logprob: float) -> float:
    return -math.inf if logprob < _NO_LOGPROB else logprob


def _choices(reply: Mapping[str, Any], count: int) -> list[Mapping[str, Any]]:
    choices = reply["choices"]
    if not isinstance(choices, list) or len(choices) != count or not all(isinstance(one, dict) for one in choices):
        raise BadReply("not_a_completion", f"{count} answers were expected: {json.dumps(reply)[:200]!r}")
    return sorted(choices, key=lambda choice: choice.get("index", 0))


def _named(choice: Mapping[str, Any]) -> dict[int, float]:
    """Log-probabilities of the first written token's alternatives, by id."""
    rows = (choice.get("logprobs") or {}).get("top_logprobs") or [None]
    return {int(name.removeprefix(_NAMED)): value for name, value in (rows[0] or {}).items() if name.startswith(_NAMED)}
