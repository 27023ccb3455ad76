"""FastChat's MT-bench judgments: pairs in both orders, single grades from 1 to 10, or votes of people.

Pairs: {question_id, model_1, model_2, g1_winner, g2_winner, judge, turn, g1_judgment, g2_judgment}: game 1 shows model_1 first,
game 2 model_2; a winner is model_1, model_2, tie or error. Grades: {question_id, model, judge, score, turn, judgment}, -1 where
none could be read. Votes: {judge, model_a, model_b, question_id, turn, winner}.
Source: github.com/lm-sys/FastChat, fastchat/llm_judge.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from evalkit.importers.imported import Imported, chosen, content_hash, field_of, rows_of, texts_of
from evalkit.importers.votes import Rows, add_votes, is_votes, models_of
from evalkit.types import InputError, Order

_WORST, _BEST = 1, 10


def import_mt_bench(
    judgments: Sequence[Path],
    *,
    base: str | None = None,
    tuned: str | None = None,
    turn: int | None = None,
    questions: Sequence[Path] = (),
    answers: Sequence[Path] = (),
) -> Imported:
    """Judgments on two models. The question is the unit: its turns are averaged, unless `turn` picks one.

    questions, answers: FastChat's question.jsonl and model_answer files, for the texts. Raises InputError.
    """
    rows = rows_of(judgments)
    if turn is not None:
        rows = [(place, row) for place, row in rows if row.get("turn") == turn]
    if not rows:
        raise InputError(f"{judgments[0]}: no judgment{'' if turn is None else f' of turn {turn}'}")
    if is_votes(rows):
        names, kind = models_of(rows), "pairwise"
    elif "g1_winner" in rows[0][1]:
        names = {str(field_of(row, name, place)) for place, row in rows for name in ("model_1", "model_2")}
        kind = "pairwise"
    elif "score" in rows[0][1]:
        names, kind = {str(field_of(row, "model", place)) for place, row in rows}, "pointwise"
    else:
        raise InputError(f"{rows[0][0]}: is no MT-bench judgment: neither g1_winner, score nor winner is there")
    base, tuned = chosen(names, base, tuned, judgments[0].name)
    judges = sorted({_judge(row) for _, row in rows})
    imported = Imported(
        suite="mt-bench",
        base=base,
        tuned=tuned,
        judge=judges[0] if len(judges) == 1 else "votes",
        judge_kind=kind,
        source=f"{judgments[0].name}, judgments of MT-bench (Zheng et al. 2023, arXiv:2306.05685)",
        licence="as the judgments' own",
        hash=content_hash(judgments),
    )
    prompts, replies = texts_of(questions, answers)
    if is_votes(rows):
        add_votes(imported, rows, prompts, replies)
    elif kind == "pairwise":
        _add_pairs(imported, rows, prompts, replies)
    else:
        _add_grades(imported, rows, prompts, replies)
    if not imported.items:
        raise InputError(f"{judgments[0]}: no judgment on {base!r} and {tuned!r} together")
    return imported


def _judge(row: dict[str, object]) -> str:
    judge = row.get("judge", "judge")
    return str(judge[0]) if isinstance(judge, list) and judge else str(judge)


def _add_pairs(imported: Imported, rows: Rows, prompts: dict[str, str], replies: dict[tuple[str, str], str]) -> None:
    games: dict[str, dict[Order, list[tuple[float | None, str]]]] = {}
    for place, row in rows:
        one, two = (str(field_of(row, name, place)) for name in ("model_1", "model_2"))
        if {one, two} != {imported.base, imported.tuned}:
            continue
        question = str(field_of(row, "question_id", place))
        for game, first in (("g1", one), ("g2", two)):
            order: Order = "base_first" if first == imported.base else "tuned_first"
            score = _score(str(field_of(row, f"{game}_winner", place)), one, imported, place)
            held = games.setdefault(question, {}).setdefault(order, [])
            held.append((score, str(row.get(f"{game}_judgment", ""))))
    for question, orders in games.items():
        verdicts = []
        for order, given in orders.items():
            # A turn that nobody could read leaves the question unscored: the other turn must not stand for both.
            known = [score for score, _ in given if score is not None]
            score = fmean(known) if len(known) == len(given) else None
            verdicts.append(imported.verdict(question, order, score, "\n\n".join(text for _, text in given)))
        base, tuned = (replies.get((question, name)) for name in (imported.base, imported.tuned))
        imported.add(question, prompts.get(question), base, tuned, verdicts)


def _score(winner: str, one: str, imported: Imported, place: str) -> float | None:
    match winner:
        case "tie":
            return 0.5
        case "error":
            return None
        case "model_1" | "model_2":
            return float((winner == "model_1") == (one == imported.tuned))
    raise InputError(f"{place}: winner {winner!r}: must be model_1, model_2, tie or error")


def _add_grades(imported: Imported, rows: Rows, prompts: dict[str, str], replies: dict[tuple[str, str], str]) -> None:
    marks: dict[str, dict[str, list[tuple[float | None, str]]]] = {}
    for place, row in rows:
        model, question = (str(field_of(row, name, place)) for name in ("model", "question_id"))
        score = field_of(row, "score", place)
        if not isinstance(score, int | float):
            raise InputError(f"{place}: score: {score!r}: must be a number from 1 to 10, or -1 for none")
        mark = None if score < _WORST else (min(float(score), _BEST) - _WORST) / (_BEST - _WORST)
        marks.setdefault(question, {}).setdefault(model, []).append((mark, str(row.get("judgment", ""))))
    for question, by_model in marks.items():
        if not {imported.base, imported.tuned} <= set(by_model):
            continue
        grades: list[float] = []
        for name in (imported.base, imported.tuned):
            known = [mark for mark, _ in by_model[name] if mark is not None]
            if known and len(known) == len(by_model[name]):
                grades.append(fmean(known))
        score = None
        if len(grades) == 2:
            score = 0.5 if grades[0] == grades[1] else float(grades[1] > grades[0])
        said = [text for name in (imported.base, imported.tuned) for _, text in by_model[name] if text]
        pair = (grades[0], grades[1]) if len(grades) == 2 else None
        base, tuned = (replies.get((question, name)) for name in (imported.base, imported.tuned))
        verdict = imported.verdict(question, "apart", score, "\n\n".join(said), pair)
        imported.add(question, prompts.get(question), base, tuned, [verdict])
