"""Arena-Hard's judgments: each prompt in two games, the baseline first in game 1 and the model first in game 2; or battles.

Judgments of v0.1: {question_id, model, judge, games: [{score: "A>B", judgment, user_prompt}, ...]}; of v2.0: {uid, model, judge,
baseline, games: [{score, judgment: {answer}, prompt}, ...]}. Scores: A>>B, A>B, A=B, B>A, B>>A; null where none could be read.
Battles: {question_id, model_a, model_b, winner}. A much better answer counts as a win here, once: Arena-Hard enters it three
times, and takes rows for prompts. Source: github.com/lmarena/arena-hard-auto.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from evalkit.importers.imported import Imported
from evalkit.importers.rows import Row, chosen, content_hash, field_of, id_of, one_judge, rows_of
from evalkit.importers.texts import Texts
from evalkit.importers.votes import add_votes, is_vote
from evalkit.types import InputError, Order, Verdict

_POINTS_OF_B = {
    "A>>B": 0.0, "A>B": 0.0, "A=B": 0.5, "B>A": 1.0, "B>>A": 1.0,
    "B<<A": 0.0, "B<A": 0.0, "B=A": 0.5, "A<B": 1.0, "A<<B": 1.0,
}  # fmt: skip
_ORDERS: tuple[Order, Order] = ("base_first", "tuned_first")


def import_arena_hard(
    judgments: Sequence[Path],
    *,
    base: str | None = None,
    tuned: str | None = None,
    questions: Sequence[Path] = (),
    answers: Sequence[Path] = (),
) -> Imported:
    """Judgments of one model against the baseline, which v0.1 does not name: `base` does. Raises InputError.

    What was judged again is a repeat: it measures the judge, and does not count twice.
    questions, answers: question.jsonl and model_answer files, for the texts.
    """
    rows = rows_of(judgments)
    if not rows:
        raise InputError(f"{judgments[0]}: no judgment")
    where = judgments[0].name
    battles = is_vote(rows[0][1])
    if battles:
        pairs = {(str(field_of(row, "model_a", place)), str(field_of(row, "model_b", place))) for place, row in rows}
        base, tuned = chosen(pairs, base, tuned, where)
        judge = "battles"
    else:
        base, tuned, rows = _one_pair(rows, base, tuned, where)
        judge = one_judge(rows, where)
    imported = Imported(
        suite="arena-hard",
        base=base,
        tuned=tuned,
        judge=judge,
        judge_kind="pairwise",
        source=f"{where}, judgments of Arena-Hard (Li et al. 2024, arXiv:2406.11939)",
        licence="as the judgments' own",
        hash=content_hash(judgments),
    )
    texts = Texts(questions, answers)
    (add_votes if battles else _add_games)(imported, rows, texts)
    if not imported.items:
        raise InputError(f"{judgments[0]}: no judgment on {base!r} and {tuned!r} together")
    return imported


def _one_pair(rows: Sequence[Row], base: str | None, tuned: str | None, where: str) -> tuple[str, str, list[Row]]:
    """Base and tuned, and the rows on them. A file may hold several models, and a category a baseline of its own."""
    models = sorted({str(field_of(row, "model", place)) for place, row in rows})
    if tuned is None and len(models) > 1:
        raise InputError(f"{where}: say which model with --tuned; it holds: {', '.join(models)}")
    tuned = tuned or models[0]
    if tuned not in models:
        raise InputError(f"--tuned: no model {tuned!r} in {where}; it holds: {', '.join(models)}")
    mine = [(place, row) for place, row in rows if row["model"] == tuned]
    named = sorted({str(row["baseline"]) for _, row in mine if row.get("baseline") is not None})
    if not named:
        return base or "baseline", tuned, mine
    if base is None and len(named) > 1:
        raise InputError(f"{where}: several baselines: {', '.join(named)}; name one with --base")
    base = base or named[0]
    if base not in named:
        raise InputError(f"--base: no baseline {base!r} in {where}; it holds: {', '.join(named)}")
    return base, tuned, [(place, row) for place, row in mine if row.get("baseline") == base]


def _add_games(imported: Imported, rows: Sequence[Row], texts: Texts) -> None:
    verdicts: dict[str, list[Verdict]] = {}
    asked: Counter[str] = Counter()
    for place, row in rows:
        id = id_of(row, place)
        verdicts.setdefault(id, []).extend(_verdicts(imported, id, row, place, texts, asked[id]))
        asked[id] += 1
    for id, given in verdicts.items():
        base, tuned = (texts.answer(id, name) for name in (imported.base, imported.tuned))
        imported.add(id, texts.question(id), base, tuned, given)


def _verdicts(
    imported: Imported, id: str, row: dict[str, object], place: str, texts: Texts, repeat: int
) -> list[Verdict]:
    games = field_of(row, "games", place)
    if not isinstance(games, list) or len(games) != 2:
        raise InputError(f"{place}: games: must be two, with the baseline first and with the model first")
    verdicts: list[Verdict] = []
    for order, game in zip(_ORDERS, games, strict=True):
        game = game if isinstance(game, dict) else {}
        said = game.get("score")
        if said is not None and said not in _POINTS_OF_B:
            raise InputError(f"{place}: score: {said!r}: must be one of {', '.join(_POINTS_OF_B)}, or null")
        points = None if said is None else _POINTS_OF_B[said]
        shown = (imported.base, imported.tuned)
        if order == "tuned_first":
            shown = (imported.tuned, imported.base)
            points = None if points is None else 1 - points
        texts.learn(id, game.get("user_prompt", game.get("prompt")), shown)
        told = game.get("judgment")
        told = told.get("answer") if isinstance(told, dict) else told
        reason = told if isinstance(told, str) else ""
        verdicts.append(imported.verdict(id, order, points, reason, repeat=repeat))
    return verdicts
