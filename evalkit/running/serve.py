"""One backend's share of the request stream: answered from the journal, else by the engine, handed over as it lands.

Used alike for base, tuned and judge. Three threads share the work: one renders prompts ahead of the engine (`ahead`),
this one feeds it, one journals and lands behind it (`behind`). Equal questions are generated once.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from evalkit.backends import Backend, Timed, Timings
from evalkit.config import LimitsSpec
from evalkit.running.ahead import Ahead, Until
from evalkit.running.behind import Behind, Land, Landed
from evalkit.stored.cache import Journal
from evalkit.types import Completion, EngineError, Failure, Phase, Prepared, Progress, Request

_NO_LIMITS = LimitsSpec()


@dataclass(slots=True)
class _Tally:
    """What one part of the stream asked: cached, of the journal; the rest of the engine."""

    asked: int = 0
    cached: int = 0
    generated: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def add(self, completion: Completion) -> None:
        self.generated += 1
        self.prompt_tokens += completion.usage.prompt_tokens
        self.completion_tokens += completion.usage.completion_tokens

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
    requests: Iterable[Request | None],
    journal: Journal,
    land: Land,
    progress: Progress,
    *,
    name: str,
    part_of: Callable[[Request], str] | None = None,
    limits: Mapping[str, LimitsSpec] | None = None,
    total: int | None = None,
) -> list[Phase]:
    """Answer every request, calling `land` for each as it comes, from one thread. A dead engine fails what is left; nothing raises.

    requests: None where there is nothing to ask at the moment and more may come. They are taken from one thread, ahead.
    part_of: the name under which a request's tokens are counted, `name` by default. limits: of these parts; once one is
    reached, no further question of it is put: those in flight still land, so it may be passed by a few.
    total: how many requests are coming, where that is known. The engine starts with the first that the journal does not answer.
    Returns where the time went: preparing (until then), loading, generating, and what ran beside or within them.
    """
    serving = _Serving(backend, journal, progress, name, part_of or (lambda _: name), limits or {}, total)
    return serving.run(requests, land)


@dataclass(slots=True)
class _Waiting:
    """Equal questions that the engine is asked once."""

    part: str
    prepared: list[Prepared]


@dataclass(slots=True)
class _Serving:
    backend: Backend
    journal: Journal
    progress: Progress
    name: str
    part_of: Callable[[Request], str]
    limits: Mapping[str, LimitsSpec]
    total: int | None
    waiting: dict[str, _Waiting] = field(default_factory=dict)
    ready: deque[Prepared] = field(default_factory=deque)
    keys: dict[int, str] = field(default_factory=dict)
    tallies: dict[str, _Tally] = field(default_factory=dict)
    refused: dict[str, EngineError] = field(default_factory=dict)  # by part; "" for all
    lost: dict[str, int] = field(default_factory=dict)
    unkeyed: int = 0
    generating: bool = False
    over: bool = False  # nothing further will be rendered
    ahead: Ahead = field(init=False)
    behind: Behind = field(init=False)

    def run(self, requests: Iterable[Request | None], land: Land) -> list[Phase]:
        began = time.monotonic()
        self.tallies[self.name] = _Tally()
        self.progress.phase(f"{self.name}: preparing prompts")
        self.ahead = Ahead(self.backend.prepare, requests, name=self.name)
        self.behind = Behind(self.journal, land, self.ahead.fail, name=self.name)
        spent = [time.monotonic()]
        timings = [self._timings()]
        try:
            while not self.ready and self._take("some"):
                pass
            spent.append(time.monotonic())
            if self.ready:
                try:
                    self.backend.start(self.progress)
                    spent.append(time.monotonic())
                    timings.append(self._timings())
                    self._generate()
                except EngineError as error:
                    self._refuse("", error)
                while self._take("some"):  # after a refusal: what the journal answers is still answered
                    pass
            self.behind.finish()
        finally:
            try:
                self.ahead.close()
            finally:
                self.behind.close()
        spent.append(time.monotonic())
        timings.append(self._timings())
        self._say()
        return self._phases(began, spent, timings)

    def _generate(self) -> None:
        cached = sum(tally.cached for tally in self.tallies.values())
        self.progress.phase(f"{self.name}: generating", None if self.total is None else max(0, self.total - cached))
        self.generating = True
        for prepared, completion in self.backend.stream(self._source()):
            group = self.waiting.pop(self.keys.pop(id(prepared)))
            self.tallies[group.part].add(completion)
            asked = [(one.request, one) for one in group.prepared]
            self.behind.put(Landed(asked, completion, "" if completion.failure is not None else prepared.key))
            self.progress.advance(len(asked), completion.usage.completion_tokens)
        if self.waiting:
            raise EngineError(
                f"the engine ended with {len(self.waiting)} questions unanswered", hint="run again to ask them again"
            )

    # --- what goes to the engine ---

    def _source(self) -> Iterator[Prepared | None]:
        """Questions as the engine takes them; None while there are none and it still has some to answer."""
        at_once = getattr(self.backend, "is_continuous", False)
        while True:
            while self.ready:
                one = self.ready.popleft()
                part = self.part_of(one.request)
                limit = self.tallies[part].spent(self.limits.get(part, _NO_LIMITS))
                if limit:
                    self.ready.appendleft(one)
                    self._refuse(part, _budget_spent(limit))
                    continue
                yield one
            if not self._take("some" if not self.waiting else "now" if at_once else "idle"):
                if self.over:
                    return
                yield None

    def _take(self, until: Until) -> bool:
        """Sort what has been rendered: answered by the journal, with an answer that is awaited, or to be asked."""
        rendered = self.ahead.take(until)
        self.over = rendered is None
        repeated: list[tuple[str, Prepared]] = []
        fresh: dict[str, Prepared] = {}
        for request, one in rendered or ():
            self._tally(request).asked += 1
            if isinstance(one, Failure):
                self.behind.put(Landed([(request, None)], Completion("", finish_reason="error", failure=one)))
                continue
            self.unkeyed += not one.key
            key = one.key or f"unkeyed {self.unkeyed}"  # recorded outputs: no two are known to be equal
            if key in fresh or key in self.waiting or self.behind.under_way(key):
                repeated.append((key, one))
            else:
                fresh[key] = one
        stored = self.journal.find([one.key for one in fresh.values()]) if fresh else {}
        for key, one in fresh.items():
            self._sort(key, one, stored.get(key))
        for key, one in repeated:
            if key in self.waiting:
                self.waiting[key].prepared.append(one)
            else:
                self._sort(key, one, self.behind.under_way(key) or self.journal.find([key]).get(key))
        return bool(rendered)

    def _sort(self, key: str, one: Prepared, found: Completion | None) -> None:
        part = self.part_of(one.request)
        if found is not None:
            self.tallies[part].cached += 1
            self.behind.put(Landed([(one.request, one)], found))
            if self.generating:
                self.progress.advance(1)
        elif refusal := self.refused.get("") or self.refused.get(part):
            self._lose(_Waiting(part, [one]), refusal)
        else:
            self.waiting[key] = _Waiting(part, [one])
            self.keys[id(one)] = key
            self.ready.append(one)

    # --- what is never answered ---

    def _refuse(self, part: str, error: EngineError) -> None:
        """Ask nothing further of a part ("" for all): what waits is not answered for this reason, but what is in flight may be."""
        self.refused.setdefault(part, error)
        held = [one for one in self.ready if not part or self.part_of(one.request) == part]
        self.ready = deque(one for one in self.ready if part and self.part_of(one.request) != part)
        for key in list(self.waiting) if not part else [self.keys.pop(id(one)) for one in held]:
            self._lose(self.waiting.pop(key), error)

    def _lose(self, group: _Waiting, error: EngineError) -> None:
        failure = Failure(group.part, error.kind, str(error), error.hint, retryable=True)
        asked = [(one.request, one) for one in group.prepared]
        self.behind.put(Landed(asked, Completion("", finish_reason="error", failure=failure)))
        self.lost[str(error)] = self.lost.get(str(error), 0) + len(asked)

    # --- what is said of it ---

    def _tally(self, request: Request) -> _Tally:
        return self.tallies.setdefault(self.part_of(request), _Tally())

    def _timings(self) -> Timings:
        return self.backend.timings() if isinstance(self.backend, Timed) else Timings()

    def _say(self) -> None:
        for part, tally in self.tallies.items():
            if tally.cached:
                self.progress.note(f"{part}: {tally.cached} of {tally.asked} answers are in the journal already")
        for part, error in self.refused.items():
            hint = f" ({error.hint})" if error.hint else ""
            number = self.lost.get(str(error), 0)
            self.progress.note(f"{part or self.name}: {error}{hint}; {number} questions stay unanswered")

    def _phases(self, began: float, spent: Sequence[float], timings: Sequence[Timings]) -> list[Phase]:
        """spent: when preparing, loading and generating ended, as far as it came. timings: at the start, once loaded, at the end."""
        asked, cached = (sum(getattr(one, name) for one in self.tallies.values()) for name in ("asked", "cached"))
        phases = [Phase(f"{self.name}: preparing", spent[1] - began, asked, cached)]
        if len(spent) < 4:
            return phases
        phases.append(Phase(f"{self.name}: loading", spent[2] - spent[1]))
        if compiled := timings[1].compiling - timings[0].compiling:
            phases.append(Phase(f"{self.name}: compiling", compiled, beside=True))
        seconds = spent[-1] - spent[-2]
        for part, tally in self.tallies.items():
            mine = part == self.name
            phases.append(
                Phase(
                    f"{part}: generating",
                    seconds if mine else 0.0,
                    tally.generated,
                    0,
                    tally.prompt_tokens,
                    tally.completion_tokens,
                    beside=not mine,
                )
            )
        return phases + self._within(seconds, timings)

    def _within(self, seconds: float, timings: Sequence[Timings]) -> list[Phase]:
        """Generating as shares of the requests' own time in the engine, and what was done behind it."""
        prefill, decode = (getattr(timings[-1], one) - getattr(timings[-2], one) for one in ("prefill", "decode"))
        read, written = (
            sum(getattr(one, name) for one in self.tallies.values()) for name in ("prompt_tokens", "completion_tokens")
        )
        phases: list[Phase] = []
        if prefill + decode > 0:
            share = seconds / (prefill + decode)
            phases.append(Phase(f"{self.name}: prefill", prefill * share, prompt_tokens=read, beside=True))
            phases.append(Phase(f"{self.name}: decode", decode * share, completion_tokens=written, beside=True))
        return [*phases, Phase(f"{self.name}: scoring", self.behind.seconds, beside=True)]


def _budget_spent(limit: str) -> EngineError:
    hint = "raise it, or run again: what was paid for is kept"
    return EngineError(f"{limit} is reached", kind="budget_spent", hint=hint)
