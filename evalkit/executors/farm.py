"""A backend whose engine stands on a cluster, as many times as there is room, and whose work goes to whichever replica is free."""

from __future__ import annotations

import importlib.metadata
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from evalkit.backends import Backend, Timings
from evalkit.config import ModelSpec
from evalkit.executors.cluster import Cluster, Need, Room, counted
from evalkit.executors.pool import Answered, Event, Joined, Lost, Placed, Pool, RayPool
from evalkit.executors.replica import Told
from evalkit.executors.shards import Shards
from evalkit.types import (
    Completion,
    EngineError,
    Failure,
    InputError,
    ModelRecord,
    Prepared,
    Progress,
    Request,
    Silent,
    Token,
)

_TICK_S = 0.5
_PAUSE_S = 0.05
_EXCHANGE_S = 1.0
_SAID_AFTER_S = 10.0
_GRACE_S = 30.0

MakePool = Callable[[Mapping[str, ModelSpec], Mapping[str, ModelRecord], Need, int, Mapping[str, Any]], Pool]


class Farm:
    """Serves the models of `local`, a backend that is never started: it says who they are and renders their prompts.

    specs: by the names it serves. Models that share an engine here share it on every replica. Only what could not be had
    otherwise ends a run: a replica that is lost is started again by Ray, and what it had goes to the others.
    """

    is_continuous = True

    def __init__(
        self, local: Backend, specs: Mapping[str, ModelSpec], cluster: Cluster, make_pool: MakePool = RayPool
    ) -> None:
        self.models = local.models
        self._local = local
        self._specs = dict(specs)
        self._cluster = cluster
        self._make_pool = make_pool
        self._pool: Pool | None = None
        self._name = " + ".join(local.models)
        self._progress: Progress = Silent()
        self._working: dict[str, Told] = {}
        self._records: Mapping[str, ModelRecord] = {}
        self._hosts: dict[str, str] = {}
        self._devices: dict[str, None] = {}
        self._brought = 0.0  # when the stream brought something last
        # When a replica answered last, or was asked first after it had nothing to do.
        self._heard: dict[str, float] = {}
        self._timings: dict[str, Timings] = {}  # by birth
        self._count = self._losses = self._put_again = 0
        self._last: Lost | None = None
        self._refused: EngineError | InputError | None = None

    # --- before any engine ---

    def record(self, model: str) -> ModelRecord:
        """Who answers as `model`, and where."""
        mine = self._local.record(model)
        found = self._records.get(model, mine)
        notes = dict.fromkeys((*mine.notes, *found.notes, *([self._note] if self._hosts else [])))
        return replace(mine, adapter_mode=found.adapter_mode, notes=tuple(notes))

    def prepare(self, request: Request) -> Prepared | Failure:
        """Render one request."""
        return self._local.prepare(request)

    def tokens(self, model: str, ids: Sequence[int]) -> tuple[Token, ...]:
        """What these ids of `model` stand for, one by one."""
        return self._local.tokens(model, ids)  # type: ignore[attr-defined] - whatever loads weights has a tokenizer

    # --- the engines ---

    def start(self, progress: Progress) -> None:
        """Place the replicas, and wait until those that have their resources are ready.

        Raises EngineError where none can be placed in time, or none can load.
        """
        self._progress = progress
        if self._refused is not None:
            raise self._refused
        if self._pool is not None:
            if not self._working and self._pool.placing + self._pool.loading == 0:
                raise self._all_lost()
            return
        progress.phase(f"{self._name}: connecting to Ray")
        self._cluster.connect()
        records = {name: self._local.record(name) for name in self.models}
        need = self._cluster.need(self._specs, records)
        room = self._cluster.make_room(self, need)
        self._count = self._cluster.executor.replicas or max(1, room.free)
        self._say_asked(need, room)
        models = {name: _anywhere(spec, records[name], need) for name, spec in self._specs.items()}
        self._pool = self._make_pool(models, records, need, self._count, self._cluster.environment())
        self._until_ready(need, room)

    def stream(self, prepared: Iterable[Prepared | None]) -> Iterator[tuple[Prepared, Completion]]:
        """Answer requests as they land, in whatever order; a request that was lost too often is yielded with its failure."""
        self.start(Silent() if self._pool is None else self._progress)
        assert self._pool is not None
        executor = self._cluster.executor
        shards = Shards(prepared, shard=executor.shard, tries=executor.tries, by_model=self._loads_by_model)
        since = self._brought = time.monotonic()  # when there was a replica last
        try:
            while True:
                self._hand_out(shards)
                if shards.done:
                    return
                for event in self._pool.wait(_PAUSE_S if shards.paused else _TICK_S):
                    self._heed(event)
                    if isinstance(event, Answered):
                        if event.landed.answers:
                            self._heard[event.replica] = time.monotonic()
                        for number, completion in event.landed.answers:
                            one = shards.land(number)
                            if one is not None:
                                yield one, completion
                    elif isinstance(event, Lost):
                        yield from self._put_back(shards, event)
                for name in self._silent(shards):
                    why = f"it has answered nothing for {self._cluster.executor.answer_s:g} s"
                    event = self._pool.give_up(name, why)
                    self._heed(event)
                    yield from self._put_back(shards, event)
                if self._working:
                    since = time.monotonic()
                elif self._pool.placing + self._pool.loading == 0:
                    raise self._all_lost()
                elif self._pool.loading == 0 and time.monotonic() - since > executor.wait_s:
                    raise self._nothing_placed()
        finally:
            if not shards.done:
                self._pool.forget()

    def timings(self) -> Timings:
        """Of all replicas: the longest compiling, and what requests took altogether."""
        each = self._timings.values()
        return Timings(
            max((one.compiling for one in each), default=0.0),
            sum(one.prefill for one in each),
            sum(one.decode for one in each),
        )

    def close(self) -> None:
        """Give back the cluster's resources."""
        if self._pool is not None:
            pool, self._pool = self._pool, None
            self._working = {}
            self._cluster.left(self)
            pool.close()

    def _silent(self, shards: Shards) -> list[str]:
        """The replicas that have requests and have answered none of them for too long."""
        too_long = time.monotonic() - self._cluster.executor.answer_s
        return [name for name in self._working if shards.held_by(name) and self._heard.get(name, math.inf) < too_long]

    def _hand_out(self, shards: Shards) -> None:
        """Keep every replica asked that has something to do, with a shard waiting behind what its engine has taken in."""
        assert self._pool is not None
        read = shards.read
        for name in self._pool.idle:
            had = shards.held_by(name)
            shard = shards.take(name, len(self._working))
            if shard and not had:
                self._heard[name] = time.monotonic()
            if shard or shards.held_by(name):
                low = shards.size(len(self._working)) if shard else 0
                # While prompts are still being rendered, more is there in a moment; later only answers bring more.
                soon = shards.paused and time.monotonic() - self._brought < 2 * _EXCHANGE_S
                self._pool.ask(name, shard, low, _PAUSE_S if soon else _EXCHANGE_S)
        if shards.read > read:
            self._brought = time.monotonic()

    def _put_back(self, shards: Shards, lost: Lost) -> Iterator[tuple[Prepared, Completion]]:
        """What a lost replica had goes to the front again; what has been lost too often is given up."""
        had = shards.held_by(lost.replica)
        given_up = shards.lost(lost.replica)
        self._put_again += had - len(given_up)
        if had:
            self._progress.note(f"{self._name}: {had} requests of {lost.replica} are put again, to whichever is free")
        for one in given_up:
            times = self._cluster.executor.tries
            failure = Failure(
                where=one.request.model,
                kind="lost",
                message=f"each of the {times} replicas that were asked was lost: {lost.why}",
                hint="run again to ask it again; if it happens again, look for what these prompts have in common",
                retryable=True,
            )
            yield one, Completion("", finish_reason="error", failure=failure)

    def _until_ready(self, need: Need, room: Room) -> None:
        """Wait for the replicas that have their resources; once one is ready, not much longer than it took."""
        assert self._pool is not None
        began = time.monotonic()
        said, ready_after = False, math.inf
        at_once = self._count <= room.free
        while not self._working or self._pool.loading or (at_once and self._pool.placing):
            for event in self._pool.wait(_TICK_S):
                self._heed(event)
            spent = time.monotonic() - began
            if self._working:
                ready_after = min(ready_after, spent)
            if spent > max(_GRACE_S, 2 * ready_after):
                return
            if not self._working and self._pool.placing + self._pool.loading == 0:
                raise self._all_lost()
            if not room.free and not self._hosts and not said and spent > _SAID_AFTER_S:
                said = True
                self._progress.note(f"{self._name}: waiting for resources: {self._asked_and_there(need)}")
            if not self._working and self._pool.loading == 0 and spent > self._cluster.executor.wait_s:
                raise self._nothing_placed(need)

    def _heed(self, event: Event) -> None:
        """Remember what a pool says, and tell whoever watches."""
        if isinstance(event, Placed):
            again = event.replica in self._hosts
            self._hosts[event.replica] = event.told.host
            self._devices[event.told.hardware] = None
            self._progress.note(
                f"{self._name}: {event.replica} of {self._count} is placed{' again' if again else ''} on {event.told.host}"
            )
        elif isinstance(event, Joined):
            self._working[event.replica] = event.told
            self._timings[event.told.birth] = event.told.timings
            self._records = event.told.records or self._records
        elif isinstance(event, Answered):
            if event.replica in self._working:
                self._timings[self._working[event.replica].birth] = event.landed.timings
        elif isinstance(event, Lost):
            self._working.pop(event.replica, None)
            self._losses += 1
            self._last = event
            where = f" on {self._hosts[event.replica]}" if event.replica in self._hosts else ""
            then = "" if event.over else "; Ray starts it again where there is room"
            self._progress.note(f"{self._name}: {event.replica}{where} is lost: {event.why}{then}")
            if event.fault is not None and event.fault.differs:
                self._refused = event.fault.error()
                raise self._refused

    # --- words ---

    @property
    def _note(self) -> str:
        """For the manifest: where it was answered, and what was lost."""
        hosts = dict.fromkeys(self._hosts.values())
        version = importlib.metadata.version("ray")
        lost = f"; {counted(self._losses, 'loss')}" if self._losses == 1 else f"; {self._losses} losses"
        lost = f"{lost}, {self._put_again} requests put again" if self._losses else ""
        on = f"{', '.join(hosts)} ({'; '.join(self._devices)})"
        return f"answered on Ray {version} by {counted(len(self._hosts), 'replica')} on {on}{lost}"

    def _say_asked(self, need: Need, room: Room) -> None:
        at_once = "" if self._count <= room.free else f", {room.free} of them at once"
        self._progress.phase(f"{self._name}: placing {counted(self._count, 'replica')} on Ray")
        self._progress.note(
            f"{self._name}: {counted(self._count, 'replica')} of {need.words} each{at_once}; the cluster has {self._cluster.words}"
        )

    def _asked_and_there(self, need: Need) -> str:
        return f"each replica takes {need.words} on one node, and the cluster has {self._cluster.words}"

    def _nothing_placed(self, need: Need | None = None) -> EngineError:
        waited = f"{self._cluster.executor.wait_s:g} s"
        if need is None:
            return EngineError(
                f"no replica is left, and the cluster brought none back in {waited}: {self._last.why if self._last else ''}",
                kind="replicas_lost",
                hint="run again when it has nodes: what was answered is kept",
            )
        return EngineError(
            f"no replica could be placed in {waited}: {self._asked_and_there(need)}",
            kind="no_resources",
            hint="wait for other work on it to end, add nodes, lower engine.tensor_parallel_size or `gpus` and `cpus` of the "
            "executor, or raise its `wait_s`",
        )

    def _all_lost(self) -> EngineError:
        last = self._last
        assert last is not None
        if last.fault is not None:
            error = last.fault.error()
            if not isinstance(error, EngineError):
                raise error
            return error
        return EngineError(
            f"all {self._count} replicas were lost; the last one: {last.why}",
            kind="replicas_lost",
            hint="run again: what was answered is kept. Ray's own logs are in /tmp/ray/session_latest/logs of the node",
        )

    @property
    def _loads_by_model(self) -> bool:
        """Whether replicas found that they cannot serve adapters side by side, and load weights for each model in turn."""
        return any(one.adapter_mode != self._local.record(name).adapter_mode for name, one in self._records.items())


def _anywhere(spec: ModelSpec, record: ModelRecord, need: Need) -> ModelSpec:
    """The same model as any node opens it: paths that hold everywhere, files read, and what was settled here settled."""
    changes: dict[str, Any] = {"engine": dict(record.engine_options)}
    if need.grouped and spec.backend == "vllm":
        # Within a placement group vLLM would ask Ray for GPUs of its own, which its own actor holds already.
        changes["engine"] = {"distributed_executor_backend": "mp", **changes["engine"]}
    for field in ("model", "adapter"):
        value = getattr(spec, field)
        if value is not None:
            changes[field] = spec.path_of(value)
    template = spec.chat_template
    if template is not None and "{" not in template and "\n" not in template:
        changes["chat_template"] = Path(spec.path_of(template)).read_text("utf-8")
    return spec.model_copy(update=changes)
