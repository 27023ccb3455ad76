"""FastChat's MT-bench judgments: pairs in both orders, single grades from 1 to 10, or votes of people.

Pairs: {question_id, model_1, model_2, g1_winner, g2_winner, judge, turn, g1_user_prompt, g1_judgment, ...}: game 1 shows model_1
first, game 2 model_2; a winner is model_1, model_2, tie or error. Grades: {question_id, model, judge, score, turn, user_prompt,
judgment}, -1 where none could be read. Votes: {judge, model_a, model_b, question_id, turn, winner}.
Source: github.com/lm-sys/FastChat, fastchat/llm_judge.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import permutations, zip_longest
from pathlib import Path

from evalkit.importers.imported import Imported
from evalkit.importers.rows import Row, chosen, content_hash, field_of, judges_of, one_judge, rows_of
from evalkit.importers.texts import Texts
from evalkit.importers.turns import Turn, turn_of
from evalkit.importers.votes import add_votes, is_vote
from evalkit.types import InputError, Order, Verdict

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
    """Judgments on two models. Each turn is an item, and a question's turns are a cluster; `turn` picks one.

    What was judged again is a repeat: it measures the judge, and does not count twice.
    questions, answers: FastChat's question.jsonl and model_answer files, for the texts. Raises InputError.
    """
    rows = rows_of(judgments)
    if turn is not None:
        rows = [(place, row) for place, row in rows if row.get("turn") == turn]
    if not rows:
        raise InputError(f"{judgments[0]}: no judgment{'' if turn is None else f' of turn {turn}'}")
    where, first = judgments[0].name, rows[0][1]
    if is_vote(first):
        pairs, kind, add = _pairs(rows, "model_a", "model_b"), "pairwise", add_votes
    elif "g1_winner" in first:
        pairs, kind, add = _pairs(rows, "model_1", "model_2"), "pairwise", _add_games
    elif "score" in first:
        names = {str(field_of(row, "model", place)) for place, row in rows}
        pairs, kind, add = set(permutations(names, 2)) or {(name, name) for name in names}, "pointwise", _add_grades
    else:
        raise InputError(f"{rows[0][0]}: is no MT-bench judgment: neither g1_winner, score nor winner is there")
    base, tuned = chosen(pairs, base, tuned, where)
    judges = judges_of(rows) if add is add_votes else [one_judge(rows, where)]
    imported = Imported(
        suite="mt-bench",
        base=base,
        tuned=tuned,
        judge=judges[0] if len(judges) == 1 else "votes",
        judge_kind=kind,
        source=f"{where}, judgments of MT-bench (Zheng et al. 2023, arXiv:2306.05685)",
        licence="as the judgments' own",
        hash=content_hash(judgments),
    )
    if len(judges) > 1:
        imported.cautions = (f"votes of {len(judges)} judges, averaged by prompt: {', '.join(judges[:3])}, ...",)
    add(imported, rows, Texts(questions, answers))
    if not imported.items:
        raise InputError(f"{judgments[0]}: no judgment on {base!r} and {tuned!r} together")
    return imported


def _pairs(rows: Sequence[Row], one: str, two: str) -> set[tuple[str, str]]:
    return {(str(field_of(row, one, place)), str(field_of(row, two, place))) for place, row in rows}


def _add_games(imported: Imported, rows: Sequence[Row], texts: Texts) -> None:
    verdicts: dict[Turn, list[Verdict]] = {}
    asked: Counter[tuple[Turn, Order]] = Counter()
    for place, row in rows:
        one, two = (str(field_of(row, name, place)) for name in ("model_1", "model_2"))
        if {one, two} != {imported.base, imported.tuned}:
            continue
        turn = turn_of(row, place)
        for game, shown in (("g1", (one, two)), ("g2", (two, one))):
            order: Order = "base_first" if shown[0] == imported.base else "tuned_first"
            score = _score(str(field_of(row, f"{game}_winner", place)), one, imported, place)
            texts.learn(turn.question, row.get(f"{game}_user_prompt"), shown)
            reason = _text(row.get(f"{game}_judgment"))
            verdict = imported.verdict(turn.id, order, score, reason, repeat=asked[turn, order])
            verdicts.setdefault(turn, []).append(verdict)
            asked[turn, order] += 1
    for turn, given in verdicts.items():
        turn.add(imported, texts, given)


def _score(winner: str, one: str, imported: Imported, place: str) -> float | None:
    match winner:
        case "tie":
            return 0.5
        case "error":
            return None
        case "model_1" | "model_2":
            return float((winner == "model_1") == (one == imported.tuned))
    raise InputError(f"{place}: winner {winner!r}: must be model_1, model_2, tie or error")


def _add_grades(imported: Imported, rows: Sequence[Row], texts: Texts) -> None:
    marks: dict[Turn, dict[str, list[tuple[float | None, str]]]] = {}
    for place, row in rows:
        model, turn = str(field_of(row, "model", place)), turn_of(row, place)
        if model not in (imported.base, imported.tuned):
            continue
        texts.learn(turn.question, row.get("user_prompt"), (model,))
        mark = _mark(field_of(row, "score", place), place)
        marks.setdefault(turn, {}).setdefault(model, []).append((mark, _text(row.get("judgment"))))
    missing = 0
    for turn, by_model in marks.items():
        if len(by_model) < 2:
            missing += 1
            continue
        both = zip_longest(by_model[imported.base], by_model[imported.tuned], fillvalue=(None, ""))
        turn.add(imported, texts, [_graded(imported, turn, *pair, repeat=i) for i, pair in enumerate(both)])
    if missing:
        imported.cautions = (f"{missing} answers of one model were graded and not the other's: left out",)


def _graded(
    imported: Imported, turn: Turn, base: tuple[float | None, str], tuned: tuple[float | None, str], *, repeat: int
) -> Verdict:
    told = "\n\n".join(f"{arm}: {said}" for arm, (_, said) in (("base", base), ("tuned", tuned)) if said)
    if base[0] is None or tuned[0] is None:
        return imported.verdict(turn.id, "apart", None, told, repeat=repeat)
    grades = (base[0], tuned[0])
    score = 0.5 if grades[0] == grades[1] else float(grades[1] > grades[0])
    return imported.verdict(turn.id, "apart", score, told, grades, repeat=repeat)


def _mark(score: object, place: str) -> float | None:
    """A grade as a mark in [0, 1]; None where the judge gave none, which FastChat writes as -1."""
    if not isinstance(score, int | float) or isinstance(score, bool) or not (score == -1 or 0 <= score <= _BEST):
        raise InputError(f"{place}: score: {score!r}: must be a number from 1 to 10, or -1 for none")
    return None if score == -1 else (max(float(score), _WORST) - _WORST) / (_BEST - _WORST)


def _text(said: object) -> str:
    return said if isinstance(said, str) else ""
