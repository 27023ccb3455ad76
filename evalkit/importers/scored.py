"""What an importer of marks gives: both models, the suites, and every sample with the mark that the other tool gave it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from evalkit.stored.records import Records
from evalkit.types import JudgeRecord, ModelRecord, SuiteRecord


@dataclass(slots=True)
class ImportedScores:
    """One import: `records` hold base's and tuned's samples with their marks. No judge has read them."""

    base_record: ModelRecord
    tuned_record: ModelRecord
    suite_records: tuple[SuiteRecord, ...] = ()
    records: Records = field(default_factory=Records)
    cautions: tuple[str, ...] = ()
    judge_records: tuple[JudgeRecord, ...] = ()


NO_FINGERPRINT = ""
"""Of a model whose weights nobody looked at: an unknown fingerprint, which equals no other."""


def told_apart(base: ModelRecord, tuned: ModelRecord, files: tuple[Path, Path]) -> tuple[ModelRecord, ModelRecord]:
    """Two models of one name, each with the name of its file or folder behind it, where those differ."""
    if base.name != tuned.name or files[0].name == files[1].name:
        return base, tuned
    return replace(base, name=f"{base.name} ({files[0].name})"), replace(tuned, name=f"{tuned.name} ({files[1].name})")
