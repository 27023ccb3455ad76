"""Imported tasks as suites: which belong together, in which role, within which margin."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Literal, cast, get_args

import xxhash

from evalkit.importers.logged import LoggedTask, add_pair
from evalkit.importers.naming import PerTask
from evalkit.stored.records import Records
from evalkit.types import InputError, Role, SuiteRecord, TaskRecord


@dataclass(frozen=True, slots=True)
class Terms:
    """What the user says of suites. roles, margins: by suite name; `aggregates`: pool or macro."""

    roles: PerTask
    margins: PerTask
    aggregates: PerTask

    @classmethod
    def read(cls, roles: Sequence[str], margins: Sequence[str], aggregates: Sequence[str]) -> Terms:
        """From the flags' values. Raises InputError."""
        read = PerTask.read("--margin", margins)
        for text in (read.everywhere, *read.named.values()):
            if text is not None and not _is_fraction(text):
                raise InputError(f"--margin: {text!r}: must be a number from 0 to 1, as in --margin gsm8k=0.03")
        return cls(
            PerTask.read("--role", roles, get_args(Role)),
            read,
            PerTask.read("--aggregate", aggregates, ("pool", "macro")),
        )

    def check(self, suites: Mapping[str, Sequence[str]]) -> None:
        """Every name is a suite's. suites: their tasks, by name. Raises InputError."""
        for said in (self.roles, self.margins, self.aggregates):
            for name in said.named:
                holder = next((suite for suite, tasks in suites.items() if name in tasks), None)
                if name not in suites and holder is not None:
                    raise InputError(
                        f"{said.flag}: {name!r} is a task of suite {holder!r}, which is gated as a whole; name the suite, or "
                        "import the task by itself with --task"
                    )
            said.check(suites)


def _is_fraction(text: str) -> bool:
    try:
        return 0 <= float(text) <= 1
    except ValueError:
        return False


class Suites:
    """Takes both sides of task after task, and gives the suites they form."""

    def __init__(self, terms: Terms, records: Records, source: str) -> None:
        self._terms = terms
        self._records = records
        self._source = source
        self._parts: dict[str, list[tuple[TaskRecord, LoggedTask, LoggedTask]]] = {}
        self._hashes: dict[str, xxhash.xxh3_128] = {}
        self.cautions: list[str] = []

    def add(self, suite: str, base: LoggedTask, tuned: LoggedTask) -> None:
        """One task of a suite; its samples go into the records. Raises InputError where the sides are not of one task."""
        record, cautions = add_pair(suite, base, tuned, self._records)
        self.cautions += cautions
        digest = self._hashes.setdefault(suite, xxhash.xxh3_128())
        for one in sorted(base.answers, key=lambda answer: (answer.id, answer.sample)):
            digest.update(repr((record.name, one.id, one.sample, sorted(one.same.items()))).encode("utf-8", "replace"))
        # What was answered is in the records by now.
        self._parts.setdefault(suite, []).append((record, replace(base, answers=()), replace(tuned, answers=())))

    def finish(self) -> tuple[SuiteRecord, ...]:
        """The suites, in the order in which they were met. Raises InputError where a suite cannot have its role."""
        return tuple(self._suite(name, parts) for name, parts in self._parts.items())

    def _suite(self, name: str, parts: Sequence[tuple[TaskRecord, LoggedTask, LoggedTask]]) -> SuiteRecord:
        tasks = tuple(record for record, _, _ in parts)
        written = parts[0][1].suite
        role = self._role(name, [base for _, base, _ in parts], written)
        margin = self._terms.margins.of(name)
        aggregate = self._terms.aggregates.of(name)
        if written is not None:
            written = replace(written, role=role, tasks=tasks)
        else:
            chances = [base.chance for _, base, _ in parts if base.chance is not None]
            written = SuiteRecord(
                name,
                role,
                self._hashes[name].hexdigest(),
                tasks,
                chance=fmean(chances) if len(chances) == len(parts) and role != "guard" else 0.0,
                source=self._source,
            )
        return replace(
            written,
            margin=written.margin if margin is None else float(margin),
            aggregate=written.aggregate if aggregate is None else cast(Literal["pool", "macro"], aggregate),
        )

    def _role(self, name: str, tasks: Sequence[LoggedTask], written: SuiteRecord | None) -> Role:
        units = dict.fromkeys(task.record.metric for task in tasks)
        if not all(task.record.bounded for task in tasks) and len(units) > 1:
            raise InputError(f"suite {name!r}: its tasks are counted in different units: {', '.join(units)}; --metric")
        said = self._terms.roles.of(name) or (written.role if written else None)
        for_guards = [task for task in tasks if task.worse_is_higher or not task.record.bounded]
        if not for_guards:
            return cast(Role, said or "retain")
        metrics = ", ".join(dict.fromkeys(task.record.metric for task in for_guards))
        if len(for_guards) < len(tasks):
            raise InputError(
                f"suite {name!r}: of its tasks' metrics, {metrics} is better when lower and others are not; choose with --metric, "
                "or import the tasks by themselves with --task"
            )
        if said not in (None, "guard"):
            raise InputError(
                f"--role: {name}={said}: {metrics} is better when lower, or has no bounds; say {name}=guard, whose gate bounds the "
                "increase, or choose another metric with --metric"
            )
        if said is None:
            self.cautions.append(
                f"{name}: {metrics} is better when lower, so the suite is a guard: its increase is bounded"
            )
        return "guard"


def common(base: Iterable[str], tuned: Iterable[str], chosen: Sequence[str]) -> None:
    """Both models ran the same tasks. Raises InputError naming those that one did not."""
    held: dict[str, set[str]] = {"base": set(base), "tuned": set(tuned)}
    for arm, other in (("base", "tuned"), ("tuned", "base")):
        alone = sorted(held[arm] - held[other])
        if alone:
            some = ", ".join(alone[:5]) + (f" and {len(alone) - 5} more" if len(alone) > 5 else "")
            both = sorted(held["base"] & held["tuned"])
            fix = f"run it for {other} too" if len(alone) == 1 else f"run them for {other} too"
            if both and not chosen:
                fix += f", or name what is to be compared: --task {both[0]}" + (" --task ..." if len(both) > 1 else "")
            raise InputError(f"{other} has no log of {some}, which {arm} has; {fix}")
