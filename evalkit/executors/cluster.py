"""The Ray cluster of a run: connecting to it, what it has, and what one replica takes of it."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TextIO

from evalkit.config import ExecutorSpec, ModelSpec
from evalkit.types import InputError, ModelRecord

_RELEASE_S = 10.0
_REACH_S = 10.0
_LISTENER = "ray_listen_error_messages"

# Of the environment, what replicas share with the driver: where files are kept, and what decides how vLLM computes.
_SHARED = ("EVALKIT_CACHE", "HF_HUB_OFFLINE")
_NOT_SHARED = ("VLLM_HOST_IP", "VLLM_HOST_PORT", "VLLM_PORT")


@dataclass(frozen=True, slots=True)
class Need:
    """What one replica takes, all of it on one node. grouped: its GPUs work on one model together."""

    gpus: float
    cpus: float
    grouped: bool = False

    @property
    def words(self) -> str:
        """`2 GPUs and 2 CPUs`."""
        return (
            f"{counted(self.gpus, 'GPU')} and {counted(self.cpus, 'CPU')}" if self.gpus else counted(self.cpus, "CPU")
        )

    def fits(self, resources: Mapping[str, float]) -> int:
        """How many replicas so much is enough for."""
        parts = [resources.get(name, 0.0) / each for name, each in (("GPU", self.gpus), ("CPU", self.cpus)) if each]
        return int(min(parts) + 1e-9)


@dataclass(frozen=True, slots=True)
class Room:
    """How many replicas the cluster has room for: in all, and at the moment."""

    total: int
    free: int


def counted(number: float, unit: str) -> str:
    """1 GPU, 2 GPUs, 0.5 GPUs."""
    return f"{number:g} {unit}{'' if number == 1 else 's'}"


class Standing(Protocol):
    """A model whose replicas stand on the cluster."""

    def close(self) -> None:
        """Give back the cluster's resources."""
        ...


class Cluster:
    """Shared by the models of a run, whose replicas stand on it side by side or one model after the other."""

    def __init__(self, executor: ExecutorSpec) -> None:
        self.executor = executor
        self._standing: list[Standing] = []

    def connect(self) -> None:
        """Connect, unless this process is connected already; it stays so. Raises InputError where there is no cluster."""
        import ray

        if ray.is_initialized():
            return
        asked = self.executor
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        address = asked.address or os.environ.get("RAY_ADDRESS", "")
        client = address.startswith("ray://")
        if asked.node_ip and not client:
            options["_node_ip_address"] = asked.node_ip
        if asked.address is None and not client:
            options["include_dashboard"] = False  # where a cluster is started for this run
        _hush()
        try:
            _reach(address)  # Ray itself would try for many minutes
            ray.init(asked.address, **options)
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            where = address or "this machine"
            said = " ".join(str(error).split())[:300]
            raise InputError(
                f"executor: ray: no cluster at {where}: {said}; start one (ray start --head), and name it in `address` or "
                "RAY_ADDRESS as HOST:PORT"
            ) from None

    def need(self, specs: Mapping[str, ModelSpec], records: Mapping[str, ModelRecord]) -> Need:
        """What one replica of these models takes. records: of this machine, with the engine options that hold."""
        stated = self.executor
        options = next(iter(records.values())).engine_options
        kinds = {spec.backend for spec in specs.values()}
        group = _size(options, "tensor_parallel_size") * _size(options, "pipeline_parallel_size")
        gpus = stated.gpus if stated.gpus is not None else float(group if _on_gpu(kinds, options) else 0)
        if stated.gpus is not None and 0 < stated.gpus < group:
            raise InputError(
                f"executor: gpus: {stated.gpus:g}: the engine spreads each model over {group} GPUs; leave `gpus` out, or lower "
                "engine.tensor_parallel_size"
            )
        cpus = stated.cpus or (max(1.0, gpus) if gpus else self._smallest_node())
        return Need(gpus, cpus, grouped=gpus > 1)

    def room(self, need: Need) -> Room:
        """How many replicas there is room for."""
        import ray

        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        total = sum(need.fits(resources) for resources in nodes)
        return Room(total, min(total, need.fits(ray.available_resources())))

    def make_room(self, asking: Standing, need: Need) -> Room:
        """Room for the replicas of `asking`; others of this run give theirs back where both cannot stand."""
        room = self.room(need)
        others = [one for one in self._standing if one is not asking]
        wanted = self.executor.replicas or room.total
        if others and room.free < wanted:
            for other in others:
                other.close()
            until = time.monotonic() + _RELEASE_S
            while room.free < wanted and time.monotonic() < until:  # Ray takes a moment to notice
                time.sleep(0.2)
                room = self.room(need)
        self._standing = [*(one for one in self._standing if one is not asking), asking]
        return room

    def left(self, farm: Standing) -> None:
        """A model's replicas have been given back."""
        self._standing = [one for one in self._standing if one is not farm]

    @property
    def words(self) -> str:
        """`8 GPUs, 2 of them free, and 64 CPUs, 40 of them free, on 2 nodes; at most 4 GPUs and 32 CPUs on one`."""
        import ray

        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        free = ray.available_resources()
        parts: list[str] = []
        largest: list[str] = []
        for unit in ("GPU", "CPU"):
            has = [node.get(unit, 0.0) for node in nodes]
            if unit == "CPU" or sum(has):
                parts.append(f"{counted(sum(has), unit)}, {free.get(unit, 0.0):g} of them free,")
                largest.append(counted(max(has, default=0.0), unit))
        on = f"on {counted(len(nodes), 'node')}"
        return f"{' and '.join(parts)} {on}" + (f"; at most {' and '.join(largest)} on one" if len(nodes) > 1 else "")

    def environment(self) -> dict[str, Any]:
        """The runtime environment of replicas: the one that was stated, with the variables that they share with this process."""
        stated = dict(self.executor.runtime_env)
        shared = {name: os.environ[name] for name in _SHARED if name in os.environ}
        shared |= {name: value for name, value in os.environ.items() if name.startswith("VLLM_")}
        variables = {name: value for name, value in shared.items() if name not in _NOT_SHARED}
        return {**stated, "env_vars": {**variables, **dict(stated.get("env_vars", {}))}}

    def _smallest_node(self) -> float:
        import ray

        has = [node["Resources"].get("CPU", 0.0) for node in ray.nodes() if node["Alive"]]
        return min((one for one in has if one >= 1), default=1.0)


def _size(options: Mapping[str, object], name: str) -> int:
    value = options.get(name, 1)
    return value if isinstance(value, int) and value > 0 else 1


def _on_gpu(kinds: set[str], options: Mapping[str, object]) -> bool:
    """Whether these engines compute on GPUs, as it was settled on this machine."""
    if kinds == {"vllm"}:
        from evalkit.backends.vllm import is_cpu_build

        return not is_cpu_build()
    device = str(options.get("device", "auto"))
    if "device_map" in options or device not in ("auto", "cpu"):
        return True
    from evalkit.backends.quiet import quiet

    with quiet():
        import torch

        return device == "auto" and torch.cuda.is_available()


class _WithoutRay:
    """Standard output without what Ray prints there of its nodes: a run's JSON may go there, and losses are told in evalkit's own words."""

    def __init__(self, within: TextIO) -> None:
        self._within = within

    def write(self, text: str) -> int:
        return len(text) if threading.current_thread().name == _LISTENER else self._within.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._within, name)


def _reach(address: str) -> None:
    """Raise OSError where nothing listens at HOST:PORT or ray://HOST:PORT; other words are for Ray to understand."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_REACH_S).close()


def _hush() -> None:
    if not isinstance(sys.stdout, _WithoutRay):
        sys.stdout = _WithoutRay(sys.stdout)  # type: ignore[assignment]
