"""Arena-Hard's judgments: each prompt in two games, the baseline first in game 1 and the model first in game 2; or battles.

Judgments of v0.1: {question_id, model, judge, games: [{score: "A>B", judgment}, ...]}; of v2.0: {uid, model, judge, baseline, games:
[{score, judgment: {answer}}, ...]}. Scores: A>>B, A>B, A=B, B>A, B>>A; null where none could be read. Battles: {question_id, model_a,
model_b, winner}. A much better answer counts as a win here, once: Arena-Hard enters it three times, and takes rows for prompts.
Source: github.com/lmarena/arena-hard-auto.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evalkit.importers.imported import Imported, chosen, content_hash, field_of, rows_of, texts_of
from evalkit.importers.votes import add_votes, is_votes, models_of
from evalkit.types import InputError, Order, Verdict

_POINTS_OF_B = {"A>>B": 0.0, "A>B": 0.0, "A=B": 0.5, "B=A": 0.5, "B>A": 1.0, "B>>A": 1.0, "A<B": 1.0, "A<<B": 1.0}
_ORDERS: tuple[Order, Order] = ("base_first", "tuned_first")


def import_arena_hard(
    judgments: Sequence[Path],
    *,
    base: str | None = None,
    tuned: str | None = None,
    questions: Sequence[Path] = (),
    answers: Sequence[Path] = (),
) -> Imported:
    """Judgments of one model against the baseline. questions, answers: for the texts. Raises InputError."""
    rows = rows_of(judgments)
    if not rows:
        raise InputError(f"{judgments[0]}: no judgment")
    battles = is_votes(rows)
    if battles:
        base, tuned = chosen(models_of(rows), base, tuned, judgments[0].name)
        judge = "battles"
    else:
        models = sorted({str(field_of(row, "model", place)) for place, row in rows})
        if tuned is None and len(models) > 1:
            raise InputError(f"{judgments[0].name}: say which model with --tuned; it holds: {', '.join(models)}")
        tuned = tuned or models[0]
        if tuned not in models:
            raise InputError(f"--tuned: no model {tuned!r} in {judgments[0].name}; it holds: {', '.join(models)}")
        rows = [(place, row) for place, row in rows if row["model"] == tuned]
        named = {str(row["baseline"]) for _, row in rows if "baseline" in row}
        if base is None and len(named) > 1:
            raise InputError(
                f"{judgments[0].name}: several baselines: {', '.join(sorted(named))}; name one with --base"
            )
        if base is not None and named:
            rows = [(place, row) for place, row in rows if row.get("baseline") == base]
        base = base or (named.pop() if named else "baseline")
        judge = str(rows[0][1].get("judge", "judge")) if rows else "judge"
    imported = Imported(
        suite="arena-hard",
        base=base,
        tuned=tuned,
        judge=judge,
        judge_kind="pairwise",
        source=f"{judgments[0].name}, judgments of Arena-Hard (Li et al. 2024, arXiv:2406.11939)",
        licence="as the judgments' own",
        hash=content_hash(judgments),
    )
    prompts, replies = texts_of(questions, answers)
    if battles:
        add_votes(imported, rows, prompts, replies)
    else:
        for place, row in rows:
            id = str(row["uid"] if "uid" in row else field_of(row, "question_id", place))
            of_base, of_tuned = (replies.get((id, name)) for name in (base, tuned))
            imported.add(id, prompts.get(id), of_base, of_tuned, _verdicts(imported, id, row, place))
    if not imported.items:
        raise InputError(f"{judgments[0]}: no judgment on {base!r} and {tuned!r} together")
    return imported


def _verdicts(imported: Imported, id: str, row: dict[str, object], place: str) -> list[Verdict]:
    games = field_of(row, "games", place)
    if not isinstance(games, list) or len(games) != 2:
        raise InputError(f"{place}: games: must be two, with the baseline first and with the model first")
    verdicts: list[Verdict] = []
    for order, game in zip(_ORDERS, games, strict=True):
        said = game.get("score") if isinstance(game, dict) else None
        if said is not None and said not in _POINTS_OF_B:
            raise InputError(f"{place}: score: {said!r}: must be one of {', '.join(_POINTS_OF_B)}, or null")
        points = None if said is None else _POINTS_OF_B[said]
        if points is not None and order == "tuned_first":
            points = 1 - points
        told = game.get("judgment", "") if isinstance(game, dict) else ""
        told = told.get("answer", "") if isinstance(told, dict) else told
        verdicts.append(imported.verdict(id, order, points, str(told)))
    return verdicts
