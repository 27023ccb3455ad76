"""Items that a choice has not been made on: which a stored run has asked, and which a sweep keeps back."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from evalkit.stored.runs import SAMPLES, read_manifest
from evalkit.tasks import Suite
from evalkit.types import PROBES, FreshFrom, InputError, RunError

Place = tuple[str, str, str]
"""Suite, task and id: what an item is known by in every run."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What stored runs have asked. folders: as the user named them. places: every item. clusters: (suite, label)."""

    folders: tuple[str, ...]
    runs: tuple[str, ...]
    places: frozenset[Place]
    clusters: frozenset[tuple[str, str]]


def asked_in(folders: Sequence[str | Path]) -> Asked:
    """Every item that the runs in these folders have asked: runs themselves, or folders of runs, as a sweep's is.

    Raises RunError for a folder that holds no finished run, or one that cannot be read.
    """
    runs: list[str] = []
    places: set[Place] = set()
    clusters: set[tuple[str, str]] = set()
    for folder in map(Path, folders):
        for stored in _runs_in(folder):
            runs.append(read_manifest(stored).run_id)
            for suite, task, id_, group in _items_of(stored / SAMPLES):
                places.add((suite, task, id_))
                if group is not None:
                    clusters.add((suite, group))
    return Asked(tuple(map(str, folders)), tuple(dict.fromkeys(runs)), frozenset(places), frozenset(clusters))


def left_out(suites: Sequence[Suite], asked: Asked) -> tuple[frozenset[Place], FreshFrom, tuple[str, ...]]:
    """The items of these suites that were asked before, what the manifest keeps of it, and cautions.

    Raises InputError, naming how many there were, for a suite of which none is left: its gate could never be decided.
    """
    of_suites = {suite.name: _places(suite) for suite in suites}
    for suite in suites:
        every = of_suites[suite.name]
        if every and asked.places.issuperset(every):
            raise InputError(
                f"--fresh-from: {', '.join(asked.folders)}: suite {suite.name!r}: all of its {len(every)} items were asked "
                "there, and none is left; add items, leave it out with --suite, or sweep again with --hold-out 0.25"
            )
    known = frozenset(place for every in of_suites.values() for place in every if place in asked.places)
    left = {name: len(every) - len(known.intersection(every)) for name, every in of_suites.items()}
    record = FreshFrom(asked.folders, asked.runs, len(known), sum(left.values()))
    return known, record, tuple(_cautions(suites, known, asked))


def held_back(suites: Sequence[Suite], share: float, *, seed: int) -> tuple[frozenset[Place], tuple[str, ...]]:
    """A share of every task's items, kept back for confirming a choice; and cautions on tasks that could keep none.

    Clusters (`group`) stay whole, across the tasks of a suite too; as whole ones do not come in every size, as many are
    kept back as come closest to the share, and of every task something is left to ask. Which ones depends
    on the seed alone.
    """
    held: set[Place] = set()
    cautions: list[str] = []
    for suite in suites if share else ():
        decided: dict[str, bool] = {}  # a cluster that several tasks of a suite share falls on one side
        for task in suite.tasks:
            units: dict[str, list[Place]] = {}
            for example in task.examples:
                place = (suite.name, task.name, example.id)
                label = f"item {task.name} {example.id}" if example.group is None else f"group {example.group}"
                units.setdefault(label, []).append(place)
            aim = share * len(task.examples)
            kept = sum(len(places) for label, places in units.items() if decided.get(label))
            asked = len(task.examples) - kept
            for label in sorted(units, key=lambda label: _number(seed, suite.name, label)):
                size = len(units[label])
                if label not in decided:
                    closer = abs(kept + size - aim) < abs(kept - aim)
                    decided[label] = closer and size < asked
                    kept, asked = (kept + size, asked - size) if decided[label] else (kept, asked)
            held.update(place for label, places in units.items() if decided[label] for place in places)
            if not kept:
                cautions.append(
                    f"{suite.name}: of task {task.name!r} nothing is held out: {len(task.examples)} "
                    f"{'item' if len(task.examples) == 1 else 'items'} in {len(units)} "
                    f"{'cluster' if len(units) == 1 else 'clusters'} cannot give {100 * share:g} %"
                )
    return frozenset(held), tuple(cautions)


def _places(suite: Suite) -> Set[Place]:
    return {(suite.name, task.name, example.id) for task in suite.tasks for example in task.examples}


def _cautions(suites: Sequence[Suite], known: frozenset[Place], asked: Asked) -> list[str]:
    """Fresh items that are relatives of asked ones are not quite fresh."""
    told: list[str] = []
    for suite in suites:
        fresh = [
            example
            for task in suite.tasks
            for example in task.examples
            if (suite.name, task.name, example.id) not in known
        ]
        related = sum((suite.name, example.group) in asked.clusters for example in fresh if example.group is not None)
        if related:
            told.append(
                f"{suite.name}: {related} of the {len(fresh)} fresh items stand in a cluster (`group`) of which other items "
                "were asked before; they are not quite fresh"
            )
    return told


def _runs_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise RunError(f"{folder}: no such folder; give the folder of a finished run or sweep")
    if (folder / SAMPLES).is_file():
        return [folder]
    inside = sorted(one for one in folder.iterdir() if (one / SAMPLES).is_file())
    if not inside:
        raise RunError(
            f"{folder}: holds no finished run; give the folder that `evalkit compare` or `evalkit sweep` wrote"
        )
    return inside


def _items_of(path: Path) -> set[tuple[str, str, str, str | None]]:
    import pyarrow as pa

    try:
        table = pq.read_table(path, columns=["suite", "task", "id", "group"])
    except (pa.ArrowInvalid, OSError, KeyError) as error:
        raise RunError(f"{path}: cannot be read: {error}") from None
    columns = (table[name].cast(pa.string()).to_pylist() for name in ("suite", "task", "id", "group"))
    return {row for row in zip(*columns, strict=True) if row[0] != PROBES}


def _number(*parts: object) -> bytes:
    return hashlib.sha256(repr(parts).encode()).digest()
