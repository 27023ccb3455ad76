"""Where the engines of a run stand: in this process, or as replicas on a Ray cluster."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from evalkit.config.spec import Spec

_KINDS = ("local", "ray")


def executor_fields(value: object) -> object:
    """What a single word says as the fields of an `ExecutorSpec`; anything else unchanged.

    `local`, `ray` (the cluster that RAY_ADDRESS names or that runs here), `HOST:PORT` or `ray://HOST:PORT` (that one).
    Raises ValueError for any other word.
    """
    if not isinstance(value, str):
        return value
    if value in _KINDS:
        return {"kind": value}
    if re.fullmatch(r"(ray://)?[A-Za-z0-9._\-\[\]:]+:\d+", value):
        return {"kind": "ray", "address": value}
    near = difflib.get_close_matches(value, _KINDS, n=1)
    raise ValueError(
        f"unknown executor; did you mean {near[0]!r}?"
        if near
        else "unknown executor; it is `local`, `ray`, or a cluster's address: HOST:PORT or ray://HOST:PORT"
    )


def _unless_auto(value: object) -> object:
    return None if value == "auto" else value


class ExecutorSpec(Spec):
    """Where engines stand, and how work is handed to them.

    kind: `local` is this process; all other fields belong to `ray`.
    address: of the cluster; None for the one that RAY_ADDRESS names, else one that runs on this machine, else one that is
    started on it for this run. node_ip: the address of this machine that nodes of the cluster reach it at, where Ray
    does not find it itself.
    replicas: engines of each model; None ("auto") for as many as the cluster has room for. gpus, cpus: what one replica
    takes; None for GPUs as its engine's parallel sizes say and a CPU for each, or all CPUs of a node for a CPU engine.
    shard: how many requests a replica is handed at a time. tries: how often a request is put whose replica is lost.
    wait_s: for how long a run without any replica waits for the cluster. answer_s: for how long a replica that has requests may
    answer none before it counts as lost. runtime_env: as of `ray.init`, untouched.
    """

    kind: Literal["local", "ray"]
    address: Annotated[str | None, BeforeValidator(_unless_auto)] = None
    node_ip: str | None = None
    replicas: Annotated[Annotated[int, Field(ge=1)] | None, BeforeValidator(_unless_auto)] = None
    gpus: Annotated[Annotated[float, Field(ge=0)] | None, BeforeValidator(_unless_auto)] = None
    cpus: Annotated[Annotated[float, Field(gt=0)] | None, BeforeValidator(_unless_auto)] = None
    shard: Annotated[int, Field(ge=1)] = 64
    tries: Annotated[int, Field(ge=1)] = 3
    wait_s: Annotated[float, Field(gt=0)] = 300.0
    answer_s: Annotated[float, Field(gt=0)] = 3600.0
    runtime_env: Mapping[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _fields_belong_to_ray(self) -> ExecutorSpec:
        stated = sorted(self.model_fields_set - {"kind"})
        if self.kind == "local" and stated:
            raise ValueError(f"`{stated[0]}` belongs to `kind: ray`")
        if self.gpus is not None and self.gpus > 1 and self.gpus % 1:
            raise ValueError("`gpus` is a whole number, or a share of one GPU below 1")
        return self


LOCAL = ExecutorSpec(kind="local")
"""Engines in this process: what holds where nothing is said."""
