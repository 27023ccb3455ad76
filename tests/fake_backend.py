"""A scripted stand-in for an engine, for unit tests. It is registered by a test fixture and nowhere else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from evalkit.backends import Backend
from evalkit.config import ModelSpec
from evalkit.types import Completion, EngineError, Failure, ModelRecord, Prepared, Progress, Request, Usage


@dataclass
class Script:
    """What the fake engines answer, and what they saw."""

    answer: Callable[[Request], Completion | str] = lambda request: "42"
    refuse: Callable[[Request], Failure | None] = lambda request: None
    die_after: int | None = None
    cannot_start: bool = False
    one_engine: bool = False  # for all models, as a base and its adapters
    as_asked: tuple[str, ...] = ()  # models whose questions may come while others are answered
    generated: list[Request] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)


class Fake:
    def __init__(self, specs: Mapping[str, ModelSpec], script: Script) -> None:
        self.models = tuple(specs)
        self._specs = specs
        self._script = script
        self.streams_as_asked = self.models[0] in script.as_asked

    def record(self, model: str) -> ModelRecord:
        spec = self._specs[model]
        return ModelRecord(spec.name, "fake", spec.model or "", spec.model or "", engine="fake")

    def prepare(self, request: Request) -> Prepared | Failure:
        refused = self._script.refuse(request)
        if refused:
            return refused
        prompt = "\n".join(f"{m.role}: {m.content}" for m in request.messages)
        seed = request.sampling.seed if request.sampling.temperature else None
        asked = (prompt, request.text, request.options, request.tokens)
        return Prepared(request, prompt, key=repr((self._specs[request.model].model, asked, seed, request.replicate)))

    def start(self, progress: Progress) -> None:
        if self._script.cannot_start:
            raise EngineError("out of memory while loading", kind="out_of_memory", hint="use a smaller model")
        self._script.started.append(self.models[0])

    def stream(self, prepared: Iterable[Prepared | None]) -> Iterator[tuple[Prepared, Completion]]:
        for one in prepared:
            if one is None:
                time.sleep(0.001)
                continue
            if self._script.die_after is not None and len(self._script.generated) >= self._script.die_after:
                raise EngineError("the engine died", hint="run again")
            self._script.generated.append(one.request)
            answer = self._script.answer(one.request)
            if isinstance(answer, str):
                answer = Completion(answer, usage=Usage(3, 5))
            yield one, answer

    def close(self) -> None:
        self._script.closed.append(self.models[0])


def open_fake(models: Mapping[str, ModelSpec], script: Script) -> list[Backend]:
    if script.one_engine:
        return [Fake(models, script)]
    return [Fake({name: spec}, script) for name, spec in models.items()]
