"""Rows of another tool's JSONL files, each with its place; and which two of the models in them are compared."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import xxhash

from evalkit.tasks.data import jsonl_rows
from evalkit.types import InputError

Row = tuple[str, dict[str, object]]
"""Where a row stands (file:line), and its fields."""


def rows_of(files: Iterable[Path]) -> list[Row]:
    """All rows of JSONL files. Raises InputError for a missing file or an unreadable line."""
    return [(row.place, dict(row.values)) for path in files for row in jsonl_rows(path)]


def field_of(row: dict[str, object], name: str, place: str) -> object:
    """A field that a row must have."""
    if name not in row:
        raise InputError(f"{place}: no field {name!r}; the row has: {', '.join(sorted(row))}")
    return row[name]


def id_of(row: dict[str, object], place: str) -> str:
    """The question's id, under either of its names."""
    return str(row["uid"] if "uid" in row else field_of(row, "question_id", place))


def one_judge(rows: Iterable[Row], where: str) -> str:
    """The judge of all rows; FastChat names model and prompt, and the model is the judge. Raises InputError for several."""
    names = sorted({_judge(row) for _, row in rows})
    if len(names) > 1:
        raise InputError(f"{where}: judge: several in one file ({', '.join(names[:3])}); import one at a time")
    return names[0] if names else "judge"


def judges_of(rows: Iterable[Row]) -> list[str]:
    """Every judge, by name."""
    return sorted({_judge(row) for _, row in rows})


def _judge(row: dict[str, object]) -> str:
    judge = row.get("judge", "judge")
    return str(judge[0]) if isinstance(judge, list) and judge else str(judge)


def content_hash(files: Iterable[Path]) -> str:
    """Over the bytes of the files, in order."""
    digest = xxhash.xxh3_128()
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def chosen(pairs: Iterable[tuple[str, str]], base: str | None, tuned: str | None, where: str) -> tuple[str, str]:
    """Which two models are compared: those named; where one is, the other may be the only one it was held against.

    pairs: models that were judged together. Raises InputError.
    """
    met = set(pairs)
    known = sorted({name for pair in met for name in pair})
    for flag, name in (("--base", base), ("--tuned", tuned)):
        if name is not None and name not in known:
            raise InputError(f"{flag}: no model {name!r} in {where}; it holds: {', '.join(known)}")
    if base is not None and base == tuned:
        raise InputError(f"--tuned: {tuned!r} is base too; name two different models")
    if base is None or tuned is None:
        named = base if base is not None else tuned
        others = {name for pair in met if named in pair for name in pair} - {named}
        if named is None or len(others) != 1:
            raise InputError(
                f"{where}: say which models to compare with --base and --tuned; it holds: {', '.join(known)}"
            )
        other = others.pop()
        base, tuned = (base, other) if base is not None else (other, tuned)
    assert base is not None and tuned is not None
    return base, tuned
