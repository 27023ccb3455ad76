"""One replica: an ordinary backend at work in a process of its own, which takes shards and gives back what has landed.

Runs as a Ray actor, and needs no Ray itself. Answers travel together, not one by one: at thousands a second the calls would cost the
driver more than what it does with them.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
import uuid
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from evalkit.backends import Backend, Timed, Timings, open_backends
from evalkit.config import ModelSpec
from evalkit.executors.shards import Numbered
from evalkit.provenance import hardware
from evalkit.stored.cache import cache_folder
from evalkit.types import Completion, EngineError, InputError, ModelRecord, Prepared

_IDLE_S = 0.01

# What must be the same of a model wherever it answers.
_IDENTITY = ("fingerprint", "tokenizer_fingerprint", "template_hash", "engine", "engine_version")


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a replica does not answer. usage: a mistake in a file rather than of an engine. differs: it is not the model that was asked for."""

    message: str
    kind: str
    hint: str = ""
    usage: bool = False
    differs: bool = False

    def error(self) -> EngineError | InputError:
        """The same as an exception."""
        if self.usage:
            return InputError(self.message)
        return EngineError(self.message, kind=self.kind, hint=self.hint)


@dataclass(frozen=True, slots=True)
class Told:
    """How a replica is doing. birth: of this very process, another one after a restart. records: who answers, once it is `ready`."""

    birth: str
    host: str
    doing: str
    ready: bool = False
    fault: Fault | None = None
    records: Mapping[str, ModelRecord] | None = None
    hardware: str = ""
    timings: Timings = Timings()


@dataclass(frozen=True, slots=True)
class Landed:
    """What has landed since the last call, by number; how many requests the engine has not taken in yet; where its time went so far."""

    answers: tuple[tuple[int, Completion], ...]
    queued: int
    fault: Fault | None = None
    timings: Timings = Timings()


class Replica:
    """Loads its engine in a thread of its own as soon as it exists; `describe` says when it is ready.

    models: what it serves, one backend together, with paths that hold on any node. expected: who answers, as found where
    the run was started: another model is not loaded.
    """

    def __init__(self, models: Mapping[str, ModelSpec], expected: Mapping[str, ModelRecord]) -> None:
        self._models, self._expected = dict(models), dict(expected)
        self._birth = uuid.uuid4().hex
        self._changed = threading.Condition()
        self._doing = "opening"
        self._ready = self._ended = False
        self._fault: Fault | None = None
        self._records: dict[str, ModelRecord] | None = None
        self._queue: deque[Numbered] = deque()
        self._inside: dict[int, Numbered] = {}  # what the engine has, by id of the request
        self._answers: list[tuple[int, Completion]] = []
        self._stream = 0
        self._timings = Timings()
        self._hardware = _hardware()
        self._thread = threading.Thread(target=self._work, name="engine", daemon=True)
        self._thread.start()

    # --- called from elsewhere ---

    def describe(self, seen: str = "", wait_s: float = 0.0) -> Told:
        """How it is doing; waits a moment where it is still doing what was `seen` last."""
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self._fault or self._doing != seen, timeout=wait_s)
            return Told(
                self._birth,
                _here(),
                self._doing,
                self._ready,
                self._fault,
                self._records,
                self._hardware,
                self._timings,
            )

    def exchange(self, shard: Sequence[Numbered], low: int, linger_s: float, wait_s: float) -> Landed:
        """Take a shard, and give back what has landed: at once where fewer than `low` requests are left for the engine to take in,
        else when something has landed, and `linger_s` later for what comes right after it.
        """
        with self._changed:
            self._queue.extend(shard)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._answers or self._fault or len(self._queue) < low, timeout=wait_s)
            linger = bool(self._answers) and not self._fault and len(self._queue) >= low
        if linger:
            time.sleep(linger_s)
        with self._changed:
            answers, self._answers = tuple(self._answers), []
            return Landed(answers, len(self._queue), self._fault, self._timings)

    def forget(self) -> None:
        """Drop what was asked and not answered."""
        with self._changed:
            self._queue.clear()
            self._answers.clear()
            self._stream += 1
            self._changed.notify_all()

    def end(self, wait_s: float = 0.0) -> None:
        """Give back memory and devices; waits so long for the engine to come to an end."""
        self.forget()
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._thread.join(wait_s)

    # --- the engine's own thread ---

    def _work(self) -> None:
        backend: Backend | None = None
        try:
            backend = self._open()
            backend.start(self)
            with self._changed:
                self._records = {name: backend.record(name) for name in backend.models}
                self._timings = _timings(backend)
                self._doing, self._ready = "ready", True
                self._changed.notify_all()
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._queue or self._ended)
                    if self._ended:
                        break
                self._answer(backend)
        except Exception as error:  # the boundary of a process: it becomes words for whoever asks
            with self._changed:
                self._fault = _fault(error)
                self._changed.notify_all()
        finally:
            if backend is not None:
                backend.close()

    def _open(self) -> Backend:
        """The backend of these models; it is not started where it is not what was asked for."""
        here = _here()
        for spec in self._models.values():
            for field, value in (("model", spec.model), ("adapter", spec.adapter)):
                if value and Path(value).is_absolute() and not Path(value).is_dir():
                    raise EngineError(
                        f"{here}: no folder {value}, the `{field}` of {spec.file or spec.name}",
                        kind="not_reachable",
                        hint="weights must lie under the same path on every node: a shared file system, or a copy on each",
                    )
        opened = open_backends(self._models, cache_folder())
        for backend in opened:
            for name in backend.models:
                _check_same(name, self._expected[name], backend.record(name), here)
        if len(opened) != 1:
            raise EngineError(
                f"{here}: {', '.join(self._models)} need {len(opened)} engines here, and one where the run was started",
                kind="model_differs",
                hint="install the same engine on every node",
            )
        return opened[0]

    def _answer(self, backend: Backend) -> None:
        """Answer what is asked until nothing is left or it is to be forgotten."""
        number = self._stream
        # Closing it withdraws what is still in the engine.
        answers = cast(
            "Generator[tuple[Prepared, Completion]]",
            backend.stream(self._asked(number, getattr(backend, "is_continuous", False))),
        )
        try:
            for prepared, completion in answers:
                with self._changed:
                    if self._stream != number:
                        return
                    self._timings = _timings(backend)
                    self._answers.append((self._inside.pop(id(prepared))[0], completion))
                    self._changed.notify_all()
        finally:
            self._inside.clear()
            answers.close()

    def _asked(self, number: int, continuous: bool) -> Iterator[Prepared | None]:
        """What is in the queue; where that is empty the end, or a pause for an engine that goes on with what it has."""
        while True:
            with self._changed:
                if self._stream != number:
                    return
                taken = self._queue.popleft() if self._queue else None
                if taken is not None:
                    self._inside[id(taken[1])] = taken
                    self._changed.notify_all()  # whoever waits for room
                elif not continuous or not self._inside:
                    return
            if taken is None:
                yield None
            else:
                yield taken[1]

    # --- as the Progress of its backend ---

    def phase(self, name: str, total: int | None = None, *, unit: str = "requests") -> None:
        """What it is doing, for `describe`."""
        with self._changed:
            self._doing = name
            self._changed.notify_all()

    def advance(self, requests: int = 1, tokens: int = 0) -> None:
        """Ignored: the driver counts what lands."""

    def note(self, text: str) -> None:
        """Ignored: what matters of it stands in the model's record."""


def _timings(backend: Backend) -> Timings:
    return backend.timings() if isinstance(backend, Timed) else Timings()


def _check_same(name: str, expected: ModelRecord, found: ModelRecord, here: str) -> None:
    """Raise EngineError unless the model found here is the one that was asked for."""
    for field in _IDENTITY:
        there, mine = getattr(expected, field), getattr(found, field)
        if there != mine:
            raise EngineError(
                f"{here}: {name} is another model here: {field.replace('_', ' ')} {mine}, and {there} where the run was started",
                kind="model_differs",
                hint="every node needs the same weights under the same path, and the same engine in the same version",
            )


def _fault(error: Exception) -> Fault:
    here = _here()
    text = str(error)
    if isinstance(error, EngineError):
        message = text if text.startswith(f"{here}: ") else f"{here}: {text}"
        return Fault(message, error.kind, error.hint, differs=error.kind == "model_differs")
    if isinstance(error, InputError):
        return Fault(text, "input", usage=True)
    return Fault(f"{here}: {type(error).__name__}: {text}", "internal", "this may be a bug; please report it")


def _here() -> str:
    """What the cluster calls this node, which is its address; else this machine's name."""
    ray = sys.modules.get("ray")
    return ray.util.get_node_ip_address() if ray is not None and ray.is_initialized() else socket.gethostname()


def _hardware() -> str:
    """What this node computes with: its GPUs, else its processor."""
    found = hardware()
    return found.get("gpus") or found["cpu"]
