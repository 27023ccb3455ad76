"""Ctrl-C ends a command with a code of its own, and says that nothing is lost."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

INTERRUPTED = 130


@contextmanager
def resumable() -> Iterator[None]:
    """For commands whose answers are journalled as they land. Ctrl-C exits with INTERRUPTED."""
    try:
        yield
    except KeyboardInterrupt:
        print("evalkit: interrupted; what was generated is kept, run the same command to go on", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
