"""Which folders under a root hold runs, and what they say; read again only where a file changed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from evalkit.browsing.reading import read_run, read_sweep
from evalkit.types import RunError, RunIndex, StoredRun, StoredSweep, Unreadable

SUMMARY, MANIFEST, REPORT, SWEEP, SAMPLES = (
    "summary.json",
    "manifest.json",
    "report.html",
    "sweep.json",
    "samples.parquet",
)
RUN_FILES = (REPORT, SUMMARY, "summary.md", "junit.xml", MANIFEST, SAMPLES)
SWEEP_FILES = (REPORT, SWEEP, "summary.md")
DEEPEST = 12
"""Levels below the root that are searched."""

_SKIPPED = {"node_modules", "__pycache__", "site-packages"}
# Two of these together are a run's; one alone may be anything's (many web pages have a manifest.json).
_TELLING = {SUMMARY, MANIFEST, SAMPLES, REPORT}

Stamp = tuple[int, int, int]
"""Modification time in ns, size and inode of a file."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A folder that may hold a run or a sweep, with the stamps of its plain files."""

    path: Path
    folder: str
    stamps: tuple[tuple[str, Stamp], ...]

    @property
    def names(self) -> set[str]:
        return {name for name, _ in self.stamps}


class Scanner:
    """Finds and reads what lies under one folder, and remembers it until its files change.

    Links are not followed: what an index shows, lies where it says. Not for use from several threads at once.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._known: dict[str, tuple[tuple[tuple[str, Stamp], ...], list[StoredRun | StoredSweep | Unreadable]]] = {}

    def index(self) -> RunIndex:
        """What is there now, newest run first. A folder that cannot be read is among `unreadable`, with the reason."""
        known, unreadable = {}, []
        for found in _candidates(self.root, unreadable):
            before = self._known.get(found.folder)
            known[found.folder] = before if before and before[0] == found.stamps else (found.stamps, _read(found))
        self._known = known
        read = [one for _, told in known.values() for one in told]
        sweeps = [one for one in read if isinstance(one, StoredSweep)]
        whose = {one.folder: (sweep.folder, one.step) for sweep in sweeps for one in sweep.candidates if one.folder}
        runs = [_placed(one, *whose.get(one.folder, (None, None))) for one in read if isinstance(one, StoredRun)]
        return RunIndex(
            root=str(self.root),
            runs=tuple(sorted(runs, key=lambda run: (-(run.seconds or 0.0), run.folder))),
            sweeps=tuple(sorted(sweeps, key=lambda sweep: sweep.folder)),
            unreadable=tuple([*(one for one in read if isinstance(one, Unreadable)), *unreadable]),
        )


def _placed(run: StoredRun, sweep: str | None, step: int | None) -> StoredRun:
    """The run in its sweep, with the step that the sweep knows from its model file."""
    if sweep is None:
        return run
    return replace(run, sweep=sweep, tuned=replace(run.tuned, step=step if step is not None else run.tuned.step))


def _read(found: _Found) -> list[StoredRun | StoredSweep | Unreadable]:
    told: list[StoredRun | StoredSweep | Unreadable] = []
    report = REPORT in found.names
    if SWEEP in found.names:
        try:
            told.append(read_sweep(found.path / SWEEP, found.folder, report=report))
        except RunError as error:
            told.append(Unreadable(found.folder, str(error)))
    if _is_run(found.names):
        try:
            told.append(read_run(found.path / SUMMARY, found.path / MANIFEST, found.folder, report=report))
        except RunError as error:
            told.append(Unreadable(found.folder, str(error)))
    return told


def _is_run(names: set[str]) -> bool:
    """Two of a run's files, or the first that a run writes. A sweep's own folder has a report too, and is none."""
    telling = names & _TELLING
    return bool(telling & {SUMMARY, MANIFEST, SAMPLES}) and len(telling) > 1 or telling == {SAMPLES}


def _candidates(root: Path, unreadable: list[Unreadable]) -> Iterator[_Found]:
    """Folders below the root, itself first, that hold a file of a run or a sweep; in a fixed order."""
    waiting = [(root, ".", 0)]
    while waiting:
        path, folder, depth = waiting.pop()
        names: list[tuple[str, Stamp]] = []
        try:
            with os.scandir(path) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name, reverse=True):
                    if entry.is_dir(follow_symlinks=False):
                        if depth < DEEPEST and not entry.name.startswith(".") and entry.name not in _SKIPPED:
                            below = entry.name if folder == "." else f"{folder}/{entry.name}"
                            waiting.append((path / entry.name, below, depth + 1))
                    elif entry.name in _TELLING or entry.name == SWEEP:
                        status = entry.stat(follow_symlinks=False)
                        if stat.S_ISREG(status.st_mode):
                            names.append((entry.name, (status.st_mtime_ns, status.st_size, status.st_ino)))
        except OSError as error:
            unreadable.append(Unreadable(folder, f"cannot be opened: {error.strerror or error}"))
            continue
        found = _Found(path, folder, tuple(sorted(names)))
        if SWEEP in found.names or _is_run(found.names):
            yield found
