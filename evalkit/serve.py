"""One backend's share of the request stream: answer from the journal, else from the engine, and hand over each answer.

Used alike for base, tuned and judge. Equal questions, wherever they come from, are generated once.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from evalkit.backends import Backend
from evalkit.cache import Journal
from evalkit.config import LimitsSpec
from evalkit.types import Completion, EngineError, Failure, Phase, Prepared, Progress, Request

Land = Callable[[Request, Completion, Prepared | None], None]
"""Called once per request, as its answer lands; `Prepared` is None where the request could not be asked."""


_IDLE_S = 0.02
_END = object()


@dataclass(slots=True)
class _Tally:
    requests: int = 0
    cached: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def add(self, completion: Completion) -> None:
        self.requests += 1
        self.prompt_tokens += completion.usage.prompt_tokens
        self.completion_tokens += completion.usage.completion_tokens

    def phase(self, name: str, seconds: float) -> Phase:
        return Phase(name, seconds, self.requests, 0, self.prompt_tokens, self.completion_tokens)

    def spent(self, limits: LimitsSpec) -> str:
        """Which limit has been reached, in words; empty while there is room."""
        if limits.max_tokens is not None and self.prompt_tokens + self.completion_tokens >= limits.max_tokens:
            return f"the limit of {limits.max_tokens} tokens"
        if limits.max_usd is not None and limits.price is not None:
            usd = (self.prompt_tokens * limits.price.input + self.completion_tokens * limits.price.output) / 1e6
            if usd >= limits.max_usd:
                return f"the limit of {limits.max_usd:g} USD"
        return ""


def serve(
    backend: Backend,
    requests: Iterable[Request],
    journal: Journal,
    land: Land,
    progress: Progress,
    *,
    name: str,
    limits: LimitsSpec | None = None,
) -> list[Phase]:
    """Answer every request, calling `land` for each as it comes. A dead engine fails what is left; nothing raises.

    limits: when reached, no further question is put; those in flight still land, so it may be passed by a few.
    Returns where the time went: reading (prompts rendered, journal read), loading, generating.
    """
    began = time.monotonic()
    progress.phase(f"{name}: preparing prompts")
    waiting, tally = _prepare(backend, requests, journal, land, progress)
    phases = [Phase(f"{name}: preparing", time.monotonic() - began, tally.requests, tally.cached)]
    if tally.cached:
        progress.note(f"{name}: {tally.cached} of {tally.requests} answers are in the journal already")
    if not waiting:
        return phases
    began = time.monotonic()
    generated = _Tally()
    try:
        backend.start(progress)
        phases.append(Phase(f"{name}: loading", time.monotonic() - began))
        began = time.monotonic()
        progress.phase(f"{name}: generating", len(waiting))
        _generate(backend, waiting, journal, land, progress, generated, limits or LimitsSpec())
    except EngineError as error:
        hint = f" ({error.hint})" if error.hint else ""
        progress.note(f"{name}: {error}{hint}; {len(waiting)} questions stay unanswered")
        failure = Failure(name, error.kind, str(error), error.hint, retryable=True)
        for group in waiting.values():
            for one in group:
                land(one.request, Completion("", finish_reason="error", failure=failure), one)
    return [*phases, generated.phase(f"{name}: generating", time.monotonic() - began)]


def serve_as_asked(
    backend: Backend,
    requests: Iterator[Request | None],
    journal: Journal,
    land: Land,
    progress: Progress,
    *,
    name: str,
    limits: LimitsSpec,
) -> list[Phase]:
    """As `serve`, for questions that come one by one while others are answered; None: none at the moment.

    backend: one that `streams_as_asked`. It is started with the first question that the journal does not answer.
    """
    waiting: dict[str, list[Prepared]] = {}
    keys: dict[int, str] = {}
    asked, generated = _Tally(), _Tally()
    held_back: list[Request] = []

    def unanswered() -> Iterator[Prepared | None]:
        for request in requests:
            if request is None:
                yield None
                continue
            asked.requests += 1
            prepared = backend.prepare(request)
            if isinstance(prepared, Failure):
                land(request, Completion("", finish_reason="error", failure=prepared), None)
                continue
            key = prepared.key or f"unkeyed {asked.requests}"
            if key in waiting:
                waiting[key].append(prepared)
                continue
            stored = journal.find([prepared.key]).get(prepared.key)
            if stored is not None:
                asked.cached += 1
                land(request, stored, prepared)
                continue
            if generated.spent(limits):
                held_back.append(request)
                return
            waiting[key] = [prepared]
            keys[id(prepared)] = key
            yield prepared

    def failed(error: EngineError) -> None:
        """Everything that was not answered, and whatever may still come, was never answered for this reason."""
        failure = Failure(name, error.kind, str(error), error.hint, retryable=True)
        left = [one.request for group in waiting.values() for one in group] + held_back
        completion = Completion("", finish_reason="error", failure=failure)
        for request in left:
            land(request, completion, None)
        lost = len(left)
        for request in requests:
            if request is None:
                time.sleep(_IDLE_S)
                continue
            land(request, completion, None)
            lost += 1
        progress.note(f"{name}: {error}{f' ({error.hint})' if error.hint else ''}; {lost} questions stay unanswered")

    began = time.monotonic()
    try:
        source = unanswered()
        first = next(source, _END)
        while first is None:
            time.sleep(_IDLE_S)
            first = next(source, _END)
        if isinstance(first, Prepared):
            backend.start(progress)
            for prepared, completion in backend.stream(itertools.chain([first], source)):
                journal.put(prepared.key, completion)
                generated.add(completion)
                for one in waiting.pop(keys.pop(id(prepared))):
                    land(one.request, completion, one)
                progress.advance(1, completion.usage.completion_tokens)
        if held_back:
            raise _budget_spent(generated.spent(limits))
        if waiting:
            raise _ended_early(len(waiting))
    except EngineError as error:
        failed(error)
    if asked.cached:
        progress.note(f"{name}: {asked.cached} of {asked.requests} answers were in the journal already")
    return [
        Phase(f"{name}: preparing", 0.0, asked.requests, asked.cached),
        generated.phase(f"{name}: generating", time.monotonic() - began),
    ]


def _prepare(
    backend: Backend, requests: Iterable[Request], journal: Journal, land: Land, progress: Progress
) -> tuple[dict[str, list[Prepared]], _Tally]:
    """Land what is journalled or cannot be asked; return the rest by key, in order, equal questions together."""
    asked: dict[str, list[Prepared]] = {}
    tally = _Tally()
    for request in requests:
        tally.requests += 1
        prepared = backend.prepare(request)
        if isinstance(prepared, Failure):
            land(request, Completion("", finish_reason="error", failure=prepared), None)
        else:
            # Without a key (recorded outputs) no two questions are known to be equal.
            asked.setdefault(prepared.key or f"unkeyed {tally.requests}", []).append(prepared)
    stored = journal.find(asked)
    for key, completion in stored.items():
        for one in asked.pop(key):
            tally.cached += 1
            land(one.request, completion, one)
    return asked, tally


def _generate(
    backend: Backend,
    waiting: dict[str, list[Prepared]],
    journal: Journal,
    land: Land,
    progress: Progress,
    tally: _Tally,
    limits: LimitsSpec,
) -> None:
    """Stream what is waiting; what has landed leaves `waiting`, so that what stays there was never answered."""
    keys: dict[int, str] = {}

    def stream() -> Iterator[Prepared]:
        for key, group in list(waiting.items()):
            if tally.spent(limits):
                return
            keys[id(group[0])] = key
            yield group[0]

    for prepared, completion in backend.stream(stream()):
        journal.put(prepared.key, completion)
        tally.add(completion)
        for one in waiting.pop(keys.pop(id(prepared))):
            land(one.request, completion, one)
        progress.advance(1, completion.usage.completion_tokens)
    if waiting and tally.spent(limits):
        raise _budget_spent(tally.spent(limits))
    if waiting:
        raise _ended_early(len(waiting))


def _budget_spent(limit: str) -> EngineError:
    hint = "raise it, or run again: what was paid for is kept"
    return EngineError(f"{limit} is reached", kind="budget_spent", hint=hint)


def _ended_early(left: int) -> EngineError:
    return EngineError(f"the engine ended with {left} questions unanswered", hint="run again to ask them again")
