"""A file that is there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from evalkit.types import InputError


def write_whole(path: Path, write: Callable[[Path], object]) -> Path:
    """Let `write` make the file beside its place, then move it there. Raises InputError where that cannot be done."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(f"--out: {path}: cannot be written: {error}") from None
    finally:
        temporary.unlink(missing_ok=True)
    return path
