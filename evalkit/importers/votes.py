"""Rows {question_id, model_a, model_b, winner}: human votes, battles, another judge's verdicts; several on one prompt allowed."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from evalkit.importers.imported import Imported
from evalkit.importers.rows import Row, field_of
from evalkit.importers.texts import Texts
from evalkit.importers.turns import Turn, turn_of
from evalkit.types import InputError


def is_vote(row: dict[str, object]) -> bool:
    """Whether the row is a vote."""
    return {"model_a", "model_b", "winner"} <= set(row)


def add_votes(imported: Imported, rows: Sequence[Row], texts: Texts) -> None:
    """All votes on the two models, averaged by prompt: it is the unit, however many people voted on it."""
    scores: dict[Turn, list[float]] = {}
    for place, row in rows:
        first, second = (str(field_of(row, name, place)) for name in ("model_a", "model_b"))
        if {first, second} == {imported.base, imported.tuned}:
            score = _score(str(field_of(row, "winner", place)), first, imported, place)
            scores.setdefault(turn_of(row, place), []).append(score)
    for turn, given in scores.items():
        told = f"{len(given)} votes: tuned {sum(one == 1 for one in given)}, ties {sum(one == 0.5 for one in given)}"
        verdict = imported.verdict(turn.id, "unknown", fmean(given), told if len(given) > 1 else "")
        turn.add(imported, texts, [verdict])


def _score(winner: str, first: str, imported: Imported, place: str) -> float:
    if winner.startswith("tie"):  # FastChat marks a judge that flips with the order "tie (inconsistent)"
        return 0.5
    if winner not in ("model_a", "model_b"):
        raise InputError(f"{place}: winner: {winner!r}: must be model_a, model_b or tie")
    return float((winner == "model_a") == (first == imported.tuned))
