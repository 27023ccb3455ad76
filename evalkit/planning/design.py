"""What a run is going to ask: how many items of which suites, how often, in which clusters. No scores yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from evalkit.comparing.pairing import scored
from evalkit.running.requests import Item
from evalkit.types import SuiteRecord


@dataclass(frozen=True, slots=True)
class PlannedSuite:
    """One suite's items. tasks: of each, how many. groups: of each task a cluster number an item; None where items are
    independent. samples: of each item and model. available: items that the data hold. sampled: answers are drawn at a
    temperature, so that a repeat is another answer.
    """

    record: SuiteRecord
    tasks: tuple[int, ...]
    groups: tuple[NDArray[np.intp] | None, ...]
    samples: int = 1
    binary: bool = True
    bounded: bool = True
    available: int = 0
    sampled: bool = False

    @property
    def n(self) -> int:
        """All its items."""
        return sum(self.tasks)

    def scaled(self, factor: float) -> PlannedSuite:
        """The same with `factor` times the items, and as many times the clusters."""
        tasks = tuple(max(1, round(n * factor)) for n in self.tasks)
        groups = tuple(None if one is None else _repeated(one, n) for one, n in zip(self.groups, tasks, strict=True))
        return replace(self, tasks=tasks, groups=groups)


@dataclass(frozen=True, slots=True)
class PlannedJudge:
    """A judge whose exam lets it decide, and how many prompts it reads."""

    name: str
    prompts: int


@dataclass(frozen=True, slots=True)
class Design:
    """All that a run asks."""

    suites: tuple[PlannedSuite, ...]
    judges: tuple[PlannedJudge, ...] = ()

    @property
    def n(self) -> int:
        """All items."""
        return sum(one.n for one in self.suites)

    def scaled(self, factor: float) -> Design:
        """The same with `factor` times the items everywhere."""
        judges = tuple(replace(one, prompts=round(one.prompts * factor)) for one in self.judges)
        return Design(tuple(one.scaled(factor) for one in self.suites), judges)

    def repeated(self, samples: int) -> Design:
        """The same with at least `samples` samples of whatever is drawn at a temperature."""
        return replace(
            self,
            suites=tuple(
                replace(one, samples=samples, binary=False) if one.sampled and one.samples < samples else one
                for one in self.suites
            ),
        )


def design_of(records: Sequence[SuiteRecord], items: Sequence[Item], judges: Sequence[PlannedJudge] = ()) -> Design:
    """The design of a run. records: its suites that a scorer marks are planned; items: as drawn."""
    by_task: dict[tuple[str, str], list[Item]] = {}
    for item in items:
        by_task.setdefault((item.task.suite, item.task.name), []).append(item)
    suites = []
    for record in records:
        tasks = [(task, by_task.get((record.name, task.name), [])) for task in scored(record)]
        tasks = [(task, mine) for task, mine in tasks if mine]
        if not tasks:
            continue
        numbers: dict[str, int] = {}
        suites.append(
            PlannedSuite(
                record=record,
                tasks=tuple(len(mine) for _, mine in tasks),
                groups=tuple(_clusters(mine, numbers) if task.clustered else None for task, mine in tasks),
                samples=max(task.samples for task, _ in tasks),
                binary=all(task.binary and task.samples == 1 for task, _ in tasks),
                bounded=all(task.bounded for task, _ in tasks),
                available=sum(task.available for task, _ in tasks),
                sampled=all(min(task.temperature.values(), default=0.0) > 0 for task, _ in tasks),
            )
        )
    return Design(tuple(suites), tuple(judges))


def _clusters(items: Sequence[Item], numbers: dict[str, int]) -> NDArray[np.intp]:
    """A number for each cluster of a suite; an item without one is a cluster of its own."""
    found = []
    for place, item in enumerate(items):
        label = f"group {item.example.group}"
        if item.example.group is None:
            label = f"item {item.task.name} {place}"
        found.append(numbers.setdefault(label, len(numbers)))
    return np.array(found, dtype=np.intp)


def _repeated(groups: NDArray[np.intp], n: int) -> NDArray[np.intp]:
    """Clusters like these for `n` items: the same sizes over again, under other numbers."""
    times = -(-n // groups.size)
    step = int(groups.max()) + 1
    return np.concatenate([groups + step * 1_000_003 * turn for turn in range(times)])[:n]
