"""Suites made of suites: the members of a composed one, each with what is said of it there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evalkit.catalog import find_any_suite, find_suite
from evalkit.config import ComposedSpec, MemberSpec, SamplingSpec, SourceSpec, SuiteSpec, TaskSpec
from evalkit.types import InputError


@dataclass(frozen=True, slots=True)
class Chosen:
    """The suites of a run, and the pools that composed ones among them bring."""

    suites: tuple[SuiteSpec, ...]
    pools: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def choose(names: Iterable[str | SuiteSpec], folder: str | Path = ".", *, asked_by: str = "--suite") -> Chosen:
    """The suites of these names or paths, composed ones as their members. Raises InputError."""
    suites: list[SuiteSpec] = []
    pools: dict[str, tuple[str, ...]] = {}
    for name in names:
        found = name if isinstance(name, SuiteSpec) else find_any_suite(name, folder, asked_by=asked_by)
        chosen = Chosen((found,)) if isinstance(found, SuiteSpec) else expand(found)
        suites += chosen.suites
        for pool, members in chosen.pools.items():
            if pools.setdefault(pool, members) != members:
                raise InputError(f"{asked_by}: two composed suites define pool {pool!r}, and differently; rename one")
    return Chosen(tuple(suites), pools)


def expand(spec: ComposedSpec) -> Chosen:
    """The members of a composed suite, changed as it says. Raises InputError naming file and field."""
    where = spec.file or spec.name
    suites: list[SuiteSpec] = []
    for place, member in enumerate(spec.suites):
        field_ = f"{where}: suites[{place}]"
        found = find_suite(member.suite, spec.folder or ".", asked_by=f"{field_}.suite")
        suites.append(_changed(found, member, field_))
    roles = {suite.name: suite.role for suite in suites}
    if len(roles) < len(suites):
        names = [suite.name for suite in suites]
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"{where}: suites: two are named {twice!r}; give one another `name`")
    for name, members in spec.pools.items():
        unknown = [one for one in members if one not in roles]
        if unknown:
            raise InputError(f"{where}: pools.{name}: no suite {unknown[0]!r} in it; it has: {', '.join(roles)}")
        if len({roles[one] for one in members}) > 1:
            raise InputError(f"{where}: pools.{name}: its suites have different roles; pool what is gated alike")
    return Chosen(tuple(suites), dict(spec.pools))


def _changed(suite: SuiteSpec, member: MemberSpec, where: str) -> SuiteSpec:
    """The suite as the composed one wants it. A changed role leaves the margin and limits of the old one behind."""
    changed: dict[str, Any] = {
        name: value
        for name in ("name", "role", "margin", "weight", "against")
        if (value := getattr(member, name)) is not None
    }
    role = member.role or suite.role
    if role != suite.role:
        changed = {"margin": None, "guard": type(suite.guard)(), "against": None} | changed
    if member.guard.stated:
        if role != "guard":
            raise InputError(f"{where}.guard: belongs to role: guard; the role of {suite.name!r} is {role}")
        changed["guard"] = member.guard
    changed["tasks"] = tuple(_changed_task(task, member) for task in suite.tasks)
    return suite.model_copy(update=changed)


def _changed_task(task: TaskSpec | SourceSpec, member: MemberSpec) -> TaskSpec | SourceSpec:
    changed: dict[str, Any] = {}
    bounds = [bound for bound in (task.limit, member.limit) if bound is not None]
    if bounds:
        changed["limit"] = min(bounds)
    # What is only scored is not sampled; of a source's tasks it is known later, and they look for themselves.
    if isinstance(task, SourceSpec) or task.kind == "generate":
        stated = member.sampling.model_dump(exclude_none=True)
        changed["sampling"] = SamplingSpec(**{**task.sampling.model_dump(exclude_none=True), **stated})
    return task.model_copy(update=changed)
