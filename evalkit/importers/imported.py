"""What every importer gives: the pairs with their texts where there are any, and what one judge said of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import xxhash

from evalkit.records import Records
from evalkit.scorers import UNSCORED
from evalkit.tasks.data import jsonl_rows
from evalkit.types import Completion, Example, InputError, Message, Order, Score, Verdict, Winner

ABSENT = "(the imported file does not hold this text)"


@dataclass(slots=True)
class Imported:
    """One import: `records` hold base's and tuned's answers and the verdicts of `judge`, all in `suite`.

    judge_kind: as a judge file says. hash: over the content of the files it came from. extra: numbers worth telling.
    """

    suite: str
    base: str
    tuned: str
    judge: str
    judge_kind: str
    source: str
    licence: str
    hash: str
    records: Records = field(default_factory=Records)
    items: int = 0
    cautions: tuple[str, ...] = ()
    extra: dict[str, float] = field(default_factory=dict)

    def add(
        self, id: str, prompt: str | None, base: str | None, tuned: str | None, verdicts: Sequence[Verdict]
    ) -> None:
        """One pair. A text that is not there is said not to be."""
        example = Example(id, (Message("user", prompt if prompt is not None else ABSENT),))
        for arm, text in (("base", base), ("tuned", tuned)):
            answer = Completion(text if text is not None else ABSENT, finish_reason="recorded")
            self.records.add(self.suite, self.suite, arm, 0, example, answer, Score(UNSCORED, None))
        for verdict in verdicts:
            self.records.add_verdict(verdict)
        self.items += 1

    def verdict(
        self, id: str, order: Order, score: float | None, reason: str = "", grades: tuple[float, float] | None = None
    ) -> Verdict:
        """One verdict; score is tuned's, in [0, 1], None where nobody could read it. grades: base's and tuned's marks."""
        return Verdict(
            example_id=id,
            judge=self.judge,
            order=order,
            winner=winner_of(score),
            score=score,
            reason=reason,
            suite=self.suite,
            task=self.suite,
            base_grade=grades[0] if grades else None,
            tuned_grade=grades[1] if grades else None,
        )


def winner_of(score: float | None) -> Winner | None:
    """Who a score of tuned's in [0, 1] names; a tie at one half exactly."""
    if score is None:
        return None
    return "tie" if score == 0.5 else "tuned" if score > 0.5 else "base"


def rows_of(files: Iterable[Path]) -> list[tuple[str, dict[str, object]]]:
    """All rows of JSONL files, each with its place. Raises InputError for a missing file or an unreadable line."""
    rows: list[tuple[str, dict[str, object]]] = []
    for path in files:
        if not path.is_file():
            raise InputError(f"{path}: no such file")
        rows += [(row.place, dict(row.values)) for row in jsonl_rows(path)]
    return rows


def field_of(row: dict[str, object], name: str, place: str) -> object:
    """A field that a row must have."""
    if name not in row:
        raise InputError(f"{place}: no field {name!r}; the row has: {', '.join(sorted(row))}")
    return row[name]


def content_hash(files: Iterable[Path]) -> str:
    """Over the bytes of the files, in order."""
    digest = xxhash.xxh3_128()
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def chosen(names: Iterable[str], base: str | None, tuned: str | None, where: str) -> tuple[str, str]:
    """Which two models are compared: those named, else the only two there are. Raises InputError."""
    known = sorted(set(names))
    for flag, name in (("--base", base), ("--tuned", tuned)):
        if name is not None and name not in known:
            raise InputError(f"{flag}: no model {name!r} in {where}; it holds: {', '.join(known)}")
    left = [name for name in known if name not in (base, tuned)]
    if base is not None and tuned is None and len(left) == 1:
        tuned = left[0]
    if tuned is not None and base is None and len(left) == 1:
        base = left[0]
    if base is None or tuned is None:
        raise InputError(f"{where}: say which models to compare with --base and --tuned; it holds: {', '.join(known)}")
    if base == tuned:
        raise InputError(f"--tuned: {tuned!r} is base too; name two different models")
    return base, tuned


def texts_of(questions: Sequence[Path], answers: Sequence[Path]) -> tuple[dict[str, str], dict[tuple[str, str], str]]:
    """Prompts by question id, and answers by (question id, model), from FastChat's or Arena-Hard's own files."""
    prompts: dict[str, str] = {}
    for place, row in rows_of(questions):
        turns = row.get("turns") or row.get("prompt")
        if isinstance(turns, list):
            turns = [turn.get("content", "") if isinstance(turn, dict) else turn for turn in turns]
        prompts[_id(row, place)] = _joined(turns)
    replies: dict[tuple[str, str], str] = {}
    for place, row in rows_of(answers):
        model = str(row.get("model_id") or field_of(row, "model", place))
        replies[_id(row, place), model] = _joined(_reply(row))
    return prompts, replies


def _id(row: dict[str, object], place: str) -> str:
    return str(row["uid"] if "uid" in row else field_of(row, "question_id", place))


def _reply(row: dict[str, object]) -> object:
    choices = row.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], dict):
        turns = choices[0].get("turns", [])
        return [turn.get("content", "") if isinstance(turn, dict) else turn for turn in turns]
    messages = row.get("messages")
    if isinstance(messages, list):
        said = [one.get("content", "") for one in messages if isinstance(one, dict) and one.get("role") == "assistant"]
        return [one.get("answer", "") if isinstance(one, dict) else one for one in said]
    return row.get("output", ABSENT)


def _joined(turns: object) -> str:
    if not isinstance(turns, list):
        return str(turns)
    if len(turns) == 1:
        return str(turns[0])
    return "\n\n".join(f"turn {number}: {turn}" for number, turn in enumerate(turns, start=1))
