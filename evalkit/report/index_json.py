"""The index as JSON: rates in [0, 1]; a gain is tuned - base, a tax is a loss; null: does not apply."""

from __future__ import annotations

import json

from evalkit.report.sweep_json import estimate_row
from evalkit.types import RunIndex, StoredModel, StoredRun

SCHEMA = 1


def index_json(index: RunIndex) -> str:
    """The index as text, newest run first, every key always present."""
    data = {
        "schema": SCHEMA,
        "root": index.root,
        "runs": [_run(run) for run in index.runs],
        "sweeps": [
            {
                "folder": sweep.folder,
                "base": sweep.base,
                "complete": sweep.complete,
                "best": sweep.best,
                "candidates": [
                    {"name": one.name, "folder": one.folder, "decision": one.decision, "step": one.step, "failure": one.failure}
                    for one in sweep.candidates
                ],
            }
            for sweep in index.sweeps
        ],
        "unreadable": [{"folder": one.folder, "reason": one.reason} for one in index.unreadable],
    }  # fmt: skip
    # Folder names of the file system may hold bytes that are no text.
    return (
        json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace").decode("utf-8")
        + "\n"
    )


def _run(run: StoredRun) -> dict[str, object]:
    return {
        "folder": run.folder,
        "run_id": run.run_id,
        "created": run.created,
        "base": _model(run.base),
        "tuned": _model(run.tuned),
        "complete": run.decision.complete,
        "decision": run.decision.outcome,
        "reasons": list(run.decision.reasons),
        "gain": estimate_row(run.gain),
        "tax": estimate_row(run.tax),
        "judges": [
            {"name": one.name, "against": one.against, "exam": one.exam, "win_rate": estimate_row(one.win_rate)}
            for one in run.judges
        ],
        "n": run.n,
        "missing": run.missing,
        "sweep": run.sweep,
        "report": run.report,
    }


def _model(model: StoredModel) -> dict[str, object]:
    return {"name": model.name, "fingerprint": model.fingerprint, "step": model.step}
