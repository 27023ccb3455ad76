"""What an importer of marks gives: both models, the suites, and every sample with the mark that the other tool gave it."""

from __future__ import annotations

from dataclasses import dataclass, field

from evalkit.records import Records
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
