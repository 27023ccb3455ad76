"""Comparisons of scores that are written down, item by item."""

import numpy as np

from evalkit.comparing.comparison import compare_records
from evalkit.stored.records import Records, samples_frame, verdicts_frame
from evalkit.types import (
    Completion,
    Example,
    Failure,
    Manifest,
    ModelRecord,
    Score,
    SuiteRecord,
    TaskRecord,
)

MODEL = ModelRecord("m", "replay", "m", "f")


def manifest(*suites):
    return Manifest(1, "r", "now", "", MODEL, MODEL, suites, (), {}, {}, {})


def record(name="s", tasks=("t",), **fields):
    task = {key: fields.pop(key) for key in ("samples", "binary", "clustered") if key in fields}
    return SuiteRecord(
        name,
        fields.pop("role", "retain"),
        "h",
        tuple(TaskRecord(t, "generate", "accuracy", 9, 9, **task) for t in tasks),
        **fields,
    )


def records(rows):
    """rows: (suite, task, id, base values, tuned values[, group])."""
    kept = Records()
    for suite, task, id_, base, tuned, *group in rows:
        for arm, values in (("base", base), ("tuned", tuned)):
            for sample, value in enumerate(np.atleast_1d(np.asarray(values, dtype=float))):
                lost = np.isnan(value)
                failure = Failure(arm, "timeout", "no reply") if lost else None
                score = Score(
                    "accuracy", None if lost else float(value), cause="wrong" if value == 0 else None, failure=failure
                )
                kept.add(suite, task, arm, sample, Example(id_, (), "x", (), *group), Completion("x"), score)
    return kept.table()


def compared(rows, *suites, **options):
    table = records(rows)
    return compare_records(samples_frame(table), verdicts_frame(table), manifest(*suites), **options)
