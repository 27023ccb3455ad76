"""Tasks: rows -> Examples. `load_suite` is the door."""

from __future__ import annotations

import difflib
import hashlib
import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from evalkit.config import SourceSpec, SuiteSpec
from evalkit.tasks.native import load_task
from evalkit.tasks.task import Marker, Task
from evalkit.types import InputError

__all__ = ["Marker", "Place", "Suite", "Task", "load_suite", "task_source"]


@dataclass(frozen=True, slots=True)
class Suite:
    """A suite with its tasks' examples read and checked."""

    spec: SuiteSpec
    tasks: tuple[Task, ...]

    @property
    def name(self) -> str:
        """The suite's name."""
        return self.spec.name

    @property
    def hash(self) -> str:
        """Content hash over what is asked and how it is marked; role, margin and weight are policy, not content."""
        return hashlib.sha256("".join(task.hash for task in self.tasks).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a task source was asked for: the suite, its folder, and `file: tasks[i]` for messages."""

    suite: str
    folder: str
    where: str


Source = Callable[[SourceSpec, Place], Sequence[Task]]
"""From an entry of `tasks` to the tasks it brings. Raises InputError before any engine has started."""

_BUILT_IN = {"lm_eval": "evalkit.tasks.lm_eval"}
_SOURCES: dict[str, Source] = {}


def task_source(name: str) -> Callable[[Source], Source]:
    """Register a task source: `@task_source("mine")` above a function, and `- mine: {...}` in a suite asks for it."""

    def register(source: Source) -> Source:
        _SOURCES[name] = source
        return source

    return register


def load_suite(spec: SuiteSpec) -> Suite:
    """Read all rows of a suite and render every prompt. Raises InputError before any engine has started."""
    file = spec.file or spec.name
    tasks: list[Task] = []
    for index, entry in enumerate(spec.tasks):
        if isinstance(entry, SourceSpec):
            place = Place(spec.name, spec.folder, f"{file}: tasks[{index}]")
            tasks += _find_source(entry.source, place.where)(entry, place)
        else:
            tasks.append(load_task(spec.name, index, entry, file=file, folder=spec.folder))
    names = [task.name for task in tasks]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise InputError(f"{file}: tasks: two tasks are named {twice!r}; names within a suite are unique")
    return Suite(spec, tuple(tasks))


def _find_source(name: str, where: str) -> Source:
    if name not in _SOURCES and name in _BUILT_IN:
        importlib.import_module(_BUILT_IN[name])
    if name not in _SOURCES:
        known = sorted({*_BUILT_IN, *_SOURCES})
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
        raise InputError(f"{where}: unknown task source {name!r}; {hint} (a native task has `data` and `prompt`)")
    return _SOURCES[name]
