"""Engines behind one small protocol. One file a backend, imported only when a model file names it.

A backend serves one or several models (a base and its adapters, on one engine). Identity and prompt rendering need no
running engine, so a run whose every answer is in the journal never starts one.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from evalkit.config import ModelSpec
from evalkit.types import Completion, Failure, InputError, ModelRecord, Prepared, Progress, Request, Token


class Backend(Protocol):
    """What the schedule needs of an engine."""

    models: tuple[str, ...]
    """The models served here, by the name requests carry: "base", "tuned", or a judge's name."""

    # Optional, false where absent. streams_as_asked: answers elsewhere, so it can be asked while another backend is at
    # work. is_continuous: takes requests into what it is answering already, not batch by batch.

    def record(self, model: str) -> ModelRecord:
        """Who answers as `model`: content fingerprints, template, precision. Starts nothing. Raises InputError."""
        ...

    def prepare(self, request: Request) -> Prepared | Failure:
        """Render and tokenise one request; a Failure where it cannot be asked (prompt longer than the context)."""
        ...

    def start(self, progress: Progress) -> None:
        """Load what generating needs, naming each step to `progress`. Raises EngineError. Idempotent."""
        ...

    def stream(self, prepared: Iterable[Prepared | None]) -> Iterator[tuple[Prepared, Completion]]:
        """Answer requests, yielding each as it lands, in any order.

        None: nothing to ask at the moment, and more may come once what was taken so far is answered: it must not be
        waited for. A backend whose `is_continuous` is true gets None as soon as nothing is at hand and goes on handing out what
        lands; any other gets it only when nothing is being rendered either. Pulls from `prepared` only as it has
        room, so what is not pulled yet can still be withheld. A request that fails alone is yielded with
        `completion.failure`; EngineError means the engine is gone.
        """
        ...

    def close(self) -> None:
        """Give back memory and devices. Idempotent."""
        ...


@runtime_checkable
class Tokenising(Protocol):
    """A backend that knows its models' tokens; an API does not."""

    def tokens(self, model: str, ids: Sequence[int]) -> tuple[Token, ...]:
        """What these ids of `model` stand for, one by one."""
        ...


@dataclass(frozen=True, slots=True)
class Timings:
    """Where an engine's time went so far, in seconds. compiling: a part of its start.

    prefill, decode: summed over requests, which share the engine; their ratio says which of the two it was busy with.
    """

    compiling: float = 0.0
    prefill: float = 0.0
    decode: float = 0.0


@runtime_checkable
class Timed(Protocol):
    """A backend whose engine says where its time goes."""

    def timings(self) -> Timings:
        """Since the backend was opened."""
        ...


Factory = Callable[[Mapping[str, ModelSpec], Path], list[Backend]]
"""Called with all models of one backend, by name, and a folder for files worth keeping between runs."""

_BUILT_IN = {
    "vllm": "evalkit.backends.vllm",
    "vllm-server": "evalkit.backends.vllm_server",
    "transformers": "evalkit.backends.transformers",
    "openai": "evalkit.backends.openai",
    "replay": "evalkit.backends.replay",
}
_FACTORIES: dict[str, Factory] = {}


def backend(name: str) -> Callable[[Factory], Factory]:
    """Register a factory: `@backend("mine")` above a function from specs to a list of backends."""

    def register(factory: Factory) -> Factory:
        _FACTORIES[name] = factory
        return factory

    return register


def backend_names() -> list[str]:
    """All names a model file may use as `backend:`."""
    return sorted({*_BUILT_IN, *_FACTORIES})


def open_backends(models: Mapping[str, ModelSpec], folder: Path) -> list[Backend]:
    """The backends that serve `models`, in the order of their first model. Starts no engine. Raises InputError."""
    by_backend: dict[str, dict[str, ModelSpec]] = {}
    for name, spec in models.items():
        if spec.backend not in backend_names():
            near = difflib.get_close_matches(spec.backend, backend_names(), n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(backend_names())}"
            raise InputError(f"{spec.file or spec.name}: backend: unknown backend {spec.backend!r}; {hint}")
        by_backend.setdefault(spec.backend, {})[name] = spec
    opened: list[Backend] = []
    for kind, specs in by_backend.items():
        if kind not in _FACTORIES:
            importlib.import_module(_BUILT_IN[kind])
        opened += _FACTORIES[kind](specs, folder)
    return sorted(opened, key=lambda one: min(list(models).index(name) for name in one.models))
