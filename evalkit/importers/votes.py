"""Rows {question_id, model_a, model_b, winner}: human votes, battles, another judge's verdicts; several on one prompt allowed."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from evalkit.importers.imported import Imported, field_of
from evalkit.types import InputError

Rows = Sequence[tuple[str, dict[str, object]]]


def is_votes(rows: Rows) -> bool:
    """Whether the first row is a vote."""
    return bool(rows) and {"model_a", "model_b", "winner"} <= set(rows[0][1])


def models_of(rows: Rows) -> set[str]:
    """Every model that is voted on."""
    return {str(row[name]) for _, row in rows for name in ("model_a", "model_b") if name in row}


def add_votes(imported: Imported, rows: Rows, prompts: dict[str, str], replies: dict[tuple[str, str], str]) -> None:
    """All votes on the two models, averaged by question: the prompt is the unit, however many people voted on it."""
    scores: dict[str, list[float]] = {}
    for place, row in rows:
        first, second = (str(field_of(row, name, place)) for name in ("model_a", "model_b"))
        if {first, second} != {imported.base, imported.tuned}:
            continue
        question = str(field_of(row, "question_id", place))
        scores.setdefault(question, []).append(_score(str(field_of(row, "winner", place)), first, imported, place))
    for question, given in scores.items():
        told = f"{len(given)} votes: tuned {sum(one == 1 for one in given)}, ties {sum(one == 0.5 for one in given)}"
        verdict = imported.verdict(question, "unknown", fmean(given), told if len(given) > 1 else "")
        base, tuned = (replies.get((question, name)) for name in (imported.base, imported.tuned))
        imported.add(question, prompts.get(question), base, tuned, [verdict])


def _score(winner: str, first: str, imported: Imported, place: str) -> float:
    if winner.startswith("tie"):  # FastChat marks a judge that flips with the order "tie (inconsistent)"
        return 0.5
    if winner not in ("model_a", "model_b"):
        raise InputError(f"{place}: winner: {winner!r}: must be model_a, model_b or tie")
    return float((winner == "model_a") == (first == imported.tuned))
