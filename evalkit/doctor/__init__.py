"""Is everything here that a comparison needs? Each answer is a line, and what is not well comes with its fix."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from evalkit.doctor.engine import engines
from evalkit.doctor.files import given_files
from evalkit.doctor.finding import Finding, Status
from evalkit.doctor.installed import software
from evalkit.doctor.machine import disk, gpus, journal, memory, sandbox
from evalkit.doctor.reach import hub

__all__ = ["Finding", "Status", "examine", "gpus", "hub"]


def examine(files: Sequence[Path] = (), *, start_engines: bool = True) -> Iterator[Finding]:
    """Look at software, machine, engines, cache and hub, then at the model and judge files; each finding as it is made.

    start_engines: also import the engines, in a process of their own: only that shows that they work together, and it
    takes seconds.
    """
    yield from software()
    yield from gpus()
    yield from engines(start=start_engines)
    yield from memory()
    yield from disk()
    yield from journal()
    yield from sandbox()
    yield from hub()
    yield from given_files(files)
