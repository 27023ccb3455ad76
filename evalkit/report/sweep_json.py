"""sweep.json: rates in [0, 1]; a gain is tuned - base, a tax is a loss; null: does not apply."""

from __future__ import annotations

import json
import math
from typing import Any

from evalkit.report.files import REPORT
from evalkit.report.summary import combined, gates_of
from evalkit.types import AgainstBest, Candidate, Estimate, Sweep

SCHEMA = 1


def sweep_row(sweep: Sweep) -> dict[str, object]:
    """The sweep as plain data, every key always present. level: of all intervals `simultaneous` at once; each_level: of
    one of them by itself.
    """
    return {
        "schema": SCHEMA,
        "complete": sweep.complete,
        "base": sweep.base,
        "level": sweep.level,
        "each_level": sweep.each_level,
        "best": sweep.best,
        "front": [one.name for one in sweep.front],
        "candidates": [_candidate(one) for one in sweep.candidates],
        "hold_out": sweep.hold_out,
        "fresh_items": dict(sweep.fresh),
        "confirm": sweep.confirm,
        "cautions": list(sweep.cautions),
    }


def sweep_json(sweep: Sweep) -> str:
    """sweep.json as text."""
    return json.dumps(sweep_row(sweep), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _candidate(one: Candidate) -> dict[str, object]:
    comparison, decision = one.comparison, one.decision
    return {
        "name": one.name,
        "file": one.file,
        "folder": one.folder,
        "report": f"{one.folder}/{REPORT}" if one.folder is not None else None,
        "fingerprint": one.fingerprint or None,
        "step": one.step,
        "complete": one.complete,
        "decision": decision.outcome if decision else None,
        "reasons": list(decision.reasons) if decision else [],
        "failure": one.failure,
        "on_front": one.on_front,
        "gain": estimate_row(comparison.gain if comparison else None),
        "tax": estimate_row(comparison.tax if comparison else None),
        "simultaneous": {"gain": estimate_row(one.gain), "tax": estimate_row(one.tax)},
        "against_best": _against(one.against_best),
        "suites": [
            {
                "name": suite.name,
                "role": suite.role,
                "unit": suite.unit,
                "n": suite.n,
                "missing": suite.missing,
                "delta": estimate_row(suite.delta),
                "verdict": combined(gates_of(suite.name, decision)) if decision else None,
            }
            for suite in (comparison.suites if comparison else ())
        ],
        "judges": [
            {"name": judge.name, "n": judge.n, "win_rate": estimate_row(judge.win_rate)}
            for judge in (comparison.judges if comparison else ())
        ],
    }


def _against(held: AgainstBest | None) -> dict[str, object] | None:
    if held is None:
        return None
    return {"gain": estimate_row(held.gain), "tax": estimate_row(held.tax), "apart": held.apart}


def estimate_row(estimate: Estimate | None) -> dict[str, object] | None:
    """An estimate as plain data; what is not finite is null."""
    if estimate is None:
        return None
    row: dict[str, Any] = {name: getattr(estimate, name) for name in ("value", "se", "low", "high", "level")}
    finite = {name: number if number is not None and math.isfinite(number) else None for name, number in row.items()}
    return {**finite, "method": estimate.method, "n": estimate.n, "cautions": list(estimate.cautions)}
