"""Exams that judges took, one file a judge, found by the judge's hash: another rubric or model has another exam, or none."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from evalkit.config import JudgeSpec
from evalkit.types import ExamRecord, InputError

_EXAMS = TypeAdapter(ExamRecord)


def exam_folders(judge: JudgeSpec, cache: Path) -> tuple[Path, ...]:
    """Where a judge's exams are looked up: in the cache, and in `exams/` beside its file, which a team can commit."""
    beside = (Path(judge.folder) / "exams",) if judge.folder else ()
    return (cache / "exams", *beside)


def save_exam(record: ExamRecord, folder: Path) -> Path:
    """Write the exam as HASH.json into `folder`, whole or not at all; return the path. It replaces an earlier one.

    Raises InputError where the folder cannot be written.
    """
    path = folder / f"{record.judge_hash}.json"
    temporary = folder / f".{record.judge_hash}.{os.getpid()}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(_EXAMS.dump_json(record, indent=2) + b"\n")
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error}") from None
    return path


def find_exam(judge_hash: str, folders: Iterable[Path]) -> ExamRecord | None:
    """The latest exam of the judge with this hash, of those in `folders`; None where it took none.

    Raises InputError for a file that is no exam, or another judge's.
    """
    found: list[ExamRecord] = []
    for folder in folders:
        path = folder / f"{judge_hash}.json"
        try:
            record = _EXAMS.validate_json(path.read_bytes())
        except FileNotFoundError:
            continue
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error}") from None
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(str(part) for part in first["loc"]) or "the file"
            raise InputError(f"{path}: {place}: {first['msg']}; remove it and take the exam again") from None
        if record.judge_hash != judge_hash:
            raise InputError(f"{path}: judge_hash: {record.judge_hash!r}: another judge's exam; remove it")
        found.append(record)
    return max(found, key=lambda record: record.taken, default=None)
