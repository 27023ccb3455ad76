"""The replicas of one model as Ray actors: placed, watched, asked, restarted by Ray where they were lost."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from evalkit.config import ModelSpec
from evalkit.executors.cluster import Need
from evalkit.executors.replica import Fault, Landed, Replica, Told
from evalkit.executors.shards import Numbered
from evalkit.types import ModelRecord

_RESTARTS = 3
_PING_S = 1.0
_DESCRIBE_S = 5.0
_END_S = 10.0


@dataclass(frozen=True, slots=True)
class Placed:
    """A replica has its resources and loads."""

    replica: str
    told: Told


@dataclass(frozen=True, slots=True)
class Joined:
    """A replica is ready."""

    replica: str
    told: Told


@dataclass(frozen=True, slots=True)
class Answered:
    """A replica gave back what had landed."""

    replica: str
    landed: Landed


@dataclass(frozen=True, slots=True)
class Lost:
    """A replica does not answer. over: and it does not come back. why: in words. fault: where it said so itself."""

    replica: str
    why: str
    over: bool
    fault: Fault | None = None


Event = Placed | Joined | Answered | Lost


class Pool(Protocol):
    """What a farm needs of the replicas of its model."""

    @property
    def idle(self) -> list[str]:
        """The replicas that are ready and may be asked."""
        ...

    @property
    def placing(self) -> int:
        """How many have no resources yet, or wait to be started again."""
        ...

    @property
    def loading(self) -> int:
        """How many have resources and are not ready yet."""
        ...

    def ask(self, replica: str, shard: Sequence[Numbered], low: int, wait_s: float) -> None:
        """Hand over a shard, and ask for what has landed; as `Replica.exchange`."""
        ...

    def wait(self, timeout_s: float) -> list[Event]:
        """What has happened; waits so long for anything to happen."""
        ...

    def give_up(self, replica: str, why: str) -> Lost:
        """Take a replica for lost that says nothing any more, and have it started again."""
        ...

    def forget(self) -> None:
        """Have replicas drop what they were asked."""
        ...

    def close(self) -> None:
        """Give back all resources."""
        ...


@dataclass(slots=True)
class _Actor:
    """state: placing (no resources yet, or to be started again), loading, ready, over.

    birth: of its process. lost: of the one that is not asked any more, `ended` once it was told to end.
    """

    handle: Any
    group: Any = None
    state: Literal["placing", "loading", "ready", "over"] = "placing"
    busy: bool = False
    doing: str = ""
    birth: str = ""
    lost: str = ""
    ended: bool = False
    ping_at: float | None = field(default=0.0)


class RayPool:
    """`count` replicas of `models`, each taking `need`. expected: who has to answer. environment: Ray's runtime environment. kind: what
    stands there.
    """

    def __init__(
        self,
        models: Mapping[str, ModelSpec],
        expected: Mapping[str, ModelRecord],
        need: Need,
        count: int,
        environment: Mapping[str, Any],
        kind: type[Replica] = Replica,
    ) -> None:
        import ray

        self._linger_s = min(0.25, 0.002 * count)  # some 500 calls a second in all, however many replicas
        self._calls: dict[Any, tuple[str, str]] = {}
        self._actors: dict[str, _Actor] = {}
        actor = ray.remote(kind)
        for number in range(1, count + 1):
            # Where GPUs work together they are reserved together, and stay so while the actor is started again.
            group, where = _group(need) if need.grouped else (None, "SPREAD")
            handle = actor.options(
                num_gpus=need.gpus,
                num_cpus=need.cpus,
                scheduling_strategy=where,
                max_restarts=_RESTARTS,
                max_task_retries=0,  # which requests are put again is for the driver to say
                max_concurrency=4,
                runtime_env=dict(environment),
            ).remote(dict(models), dict(expected))
            self._actors[f"replica {number}"] = _Actor(handle, group)

    @property
    def idle(self) -> list[str]:
        """The replicas that are ready and may be asked."""
        return [name for name, one in self._actors.items() if one.state == "ready" and not one.busy]

    @property
    def placing(self) -> int:
        """How many have no resources yet, or wait to be started again."""
        return sum(one.state == "placing" for one in self._actors.values())

    @property
    def loading(self) -> int:
        """How many have resources and are not ready yet."""
        return sum(one.state == "loading" for one in self._actors.values())

    def ask(self, replica: str, shard: Sequence[Numbered], low: int, wait_s: float) -> None:
        """Hand over a shard, and ask for what has landed."""
        one = self._actors[replica]
        one.busy = True
        self._calls[one.handle.exchange.remote(list(shard), low, self._linger_s, wait_s)] = (replica, "exchange")

    def wait(self, timeout_s: float) -> list[Event]:
        """What has happened; waits so long for anything to happen."""
        import ray
        from ray.exceptions import RayError

        self._ping()
        if not self._calls:
            time.sleep(min(timeout_s, _PING_S))
            return []
        ready, _ = ray.wait(list(self._calls), num_returns=1, timeout=timeout_s)
        if not ready:
            return []
        ready, _ = ray.wait(list(self._calls), num_returns=len(self._calls), timeout=0)
        events: list[Event] = []
        for ref in ready:
            name, call = self._calls.pop(ref)
            one = self._actors[name]
            try:
                value = ray.get(ref)
            except RayError as error:
                if call == "describe" or one.busy:
                    events += self._failed(name, one, error)
                continue
            if call == "describe":
                events += self._described(name, one, value)
            elif one.busy:
                one.busy = False
                events.append(Answered(name, value))
                if value.fault is not None:
                    events.append(self._leave(name, one, value.fault.message, fault=value.fault))
                    _start_again(one)
        return events

    def give_up(self, replica: str, why: str) -> Lost:
        """Take a replica for lost that says nothing any more, and have it started again."""
        one = self._actors[replica]
        self._calls = {ref: call for ref, call in self._calls.items() if call != (replica, "exchange")}
        lost = self._leave(replica, one, why)
        _start_again(one)
        return lost

    def forget(self) -> None:
        """Have replicas drop what they were asked."""
        # Who is asked at the moment stays so until it answers: two calls at a time would take each other's answers.
        for one in self._actors.values():
            if one.state == "ready":
                one.handle.forget.remote()

    def close(self) -> None:
        """Give back all resources; engines have a moment to end by themselves."""
        import ray
        from ray.util.placement_group import remove_placement_group

        living = [one for one in self._actors.values() if one.state != "over"]
        ends = [one.handle.end.remote(_END_S) for one in living if one.state in ("ready", "loading")]
        if ends:
            ray.wait(ends, num_returns=len(ends), timeout=_END_S + 2)
        for one in living:
            ray.kill(one.handle, no_restart=True)
        for one in self._actors.values():
            if one.group is not None:
                remove_placement_group(one.group)
        self._actors, self._calls = {}, {}

    def _ping(self) -> None:
        """Ask those that are not ready how they are doing."""
        for name, one in self._actors.items():
            if one.state in ("placing", "loading") and one.ping_at is not None and time.monotonic() >= one.ping_at:
                one.ping_at = None
                self._calls[one.handle.describe.remote(one.doing, _DESCRIBE_S)] = (name, "describe")

    def _described(self, name: str, one: _Actor, told: Told) -> list[Event]:
        if told.birth == one.lost:
            # It was only out of reach; what it was asked is with others by now, and a call to it may still be waiting there.
            if not one.ended:
                _start_again(one)
            one.ping_at = time.monotonic() + _PING_S
            return []
        events: list[Event] = []
        if one.state == "placing":
            one.state = "loading"
            events.append(Placed(name, told))
        one.birth, one.doing, one.ping_at = told.birth, told.doing, time.monotonic()
        if told.fault is not None:
            import ray

            # What cannot be loaded here cannot be loaded the next time either.
            ray.kill(one.handle, no_restart=True)
            events.append(self._leave(name, one, told.fault.message, over=True, fault=told.fault))
        elif told.ready:
            one.state = "ready"
            events.append(Joined(name, told))
        return events

    def _failed(self, name: str, one: _Actor, error: Exception) -> list[Event]:
        from ray.exceptions import ActorUnavailableError, GetTimeoutError, NodeDiedError, ObjectLostError, RayTaskError

        words = _words(error)
        if isinstance(error, ActorUnavailableError | ObjectLostError | NodeDiedError | GetTimeoutError):
            if one.state == "placing":
                one.ping_at = time.monotonic() + _PING_S
                return []
            return [self._leave(name, one, words)]
        fault = (
            Fault(words, "internal", "this may be a bug; please report it") if isinstance(error, RayTaskError) else None
        )
        return [self._leave(name, one, words, over=True, fault=fault)]

    def _leave(self, name: str, one: _Actor, why: str, *, over: bool = False, fault: Fault | None = None) -> Lost:
        one.state, one.busy, one.doing = "over" if over else "placing", False, ""
        one.lost, one.ended = one.birth, False
        one.ping_at = None if over else time.monotonic() + _PING_S
        return Lost(name, why, over, fault)


def _start_again(one: _Actor) -> None:
    """End the process; Ray starts another one, as often as it may."""
    import ray

    one.ended = True
    ray.kill(one.handle, no_restart=False)


def _group(need: Need) -> tuple[Any, Any]:
    """GPUs that work together, all of them on one node, and how an actor is put there."""
    from ray.util.placement_group import placement_group
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    group = placement_group([{"GPU": need.gpus, "CPU": need.cpus}], strategy="STRICT_PACK")
    return group, PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=0)


def _words(error: Exception) -> str:
    """The end of Ray's message, which says what happened, on one line."""
    lines = [" ".join(line.split()) for line in str(error).splitlines() if line.strip()]
    lines = [
        line for line in lines if not line.startswith(("class_name", "actor_id", "pid:", "namespace", "ip:", "name:"))
    ]
    return " ".join(lines)[-400:] or type(error).__name__
