"""What evalkit writes beside Inspect's own fields when it exports a run, so that an import gives the same run back."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from evalkit.types import InputError, ModelRecord, SuiteRecord, TaskRecord

KEY = "evalkit"
"""The key in the metadata of a log, and of each of its samples."""


@dataclass(frozen=True, slots=True)
class LogNote:
    """Of a log: who answered which task of which suite. suite.tasks: all of its tasks, each in a log of its own."""

    arm: str
    model: ModelRecord
    suite: SuiteRecord
    task: TaskRecord


@dataclass(frozen=True, slots=True)
class SampleNote:
    """Of a sample: what Inspect has no field for. known: which of `prompt` and `text` the run holds."""

    known: tuple[str, ...] = ()
    cause: str | None = None
    finish_reason: str | None = None
    logprobs: tuple[float | None, ...] | None = None
    group: str | None = None
    slices: Mapping[str, str] = field(default_factory=dict)
    failure: str | None = None
    failure_hint: str | None = None
    verdicts: tuple[Mapping[str, Any], ...] = ()


def as_metadata(note: LogNote | SampleNote) -> dict[str, Any]:
    """As plain JSON data."""
    return {KEY: _adapter(type(note)).dump_python(note, mode="json")}


def log_note(metadata: Mapping[str, Any] | None, where: str) -> LogNote | None:
    """The note on a log; None on one that evalkit did not write. Raises InputError for one that cannot be read."""
    return _read(LogNote, metadata, where)


def sample_note(metadata: Mapping[str, Any] | None, where: str) -> SampleNote | None:
    """The note on a sample, as `log_note`."""
    return _read(SampleNote, metadata, where)


@functools.cache
def _adapter(kind: type[Any]) -> Any:
    """Once a kind: making one takes longer than a hundred notes."""
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def _read(kind: type[Any], metadata: Mapping[str, Any] | None, where: str) -> Any:
    from pydantic import ValidationError

    if not metadata or KEY not in metadata:
        return None
    try:
        return _adapter(kind).validate_python(metadata[KEY])
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"{where}: metadata.{KEY}.{place}: {first['msg']}; written by another version of evalkit? export the run again"
        ) from None
