"""The texts that judgments are about: from the questions' and answers' own files, else from the prompts the judge was shown.

FastChat and Arena-Hard keep with each judgment what they asked the judge, and in it stand question and answers between lines such
as `[The Start of Assistant A's Answer]`. A prompt in which such a line stands more than once (an answer may hold one) is not read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from evalkit.importers.rows import field_of, id_of, rows_of

_OPENS, _CLOSES = r"(?:\[|<\|)", r"(?:\]|\|>)"
_QUESTION = re.compile(rf"^{_OPENS}(?:User Question|User Prompt|Question){_CLOSES}\n", re.MULTILINE)
_ANY_START = re.compile(rf"\n+{_OPENS}The Start of ")

Turns = tuple[str, ...]


class Texts:
    """Questions and answers by question id, each a text a turn; what no file holds is None."""

    def __init__(self, questions: Sequence[Path] = (), answers: Sequence[Path] = ()) -> None:
        """questions: question.jsonl; answers: model_answer files. Raises InputError for an unreadable one."""
        self._questions = {id_of(row, place): _asked(row) for place, row in rows_of(questions)}
        self._answers = {
            (id_of(row, place), str(row.get("model_id") or field_of(row, "model", place))): _answered(row)
            for place, row in rows_of(answers)
        }

    def question(self, id: str, turn: int | None = None) -> str | None:
        """What was asked, up to and with `turn`; None: all turns."""
        turns = self._questions.get(id, ())[:turn]
        if turn is not None and len(turns) < turn:
            return None
        return _joined(turns)

    def answer(self, id: str, model: str, turn: int | None = None) -> str | None:
        """What `model` answered to `turn`; None: to all turns."""
        turns = self._answers.get((id, model), ())
        if turn is None:
            return _joined(turns)
        return turns[turn - 1] if len(turns) >= turn else None

    def learn(self, id: str, shown: object, models: Sequence[str]) -> None:
        """Read what a judge was shown: `models` in the order in which they stood. The files' own texts come first."""
        text = _last_message(shown)
        if text is None:
            return
        asked, answers = _read(text, len(models))
        if len(asked) > len(self._questions.get(id, ())):
            self._questions[id] = asked
        for model, turns in zip(models, answers, strict=False):
            if len(turns) > len(self._answers.get((id, model), ())):
                self._answers[id, model] = turns


def _asked(row: dict[str, object]) -> Turns:
    turns = row.get("turns") or row.get("prompt")
    if isinstance(turns, list):
        return tuple(_content(turn) for turn in turns)
    return () if turns is None else (str(turns),)


def _answered(row: dict[str, object]) -> Turns:
    choices, messages = row.get("choices"), row.get("messages")
    if isinstance(choices, list) and choices and isinstance(choices[0], dict):
        return tuple(_content(turn) for turn in choices[0].get("turns", []))
    if isinstance(messages, list):
        said = [one for one in messages if isinstance(one, dict) and one.get("role") == "assistant"]
        return tuple(_content(one) for one in said)
    return (str(row["output"]),) if isinstance(row.get("output"), str) else ()


def _content(turn: object) -> str:
    """A turn's text: itself, or under `content`, in newer files under `content` and then `answer`."""
    while isinstance(turn, dict):
        turn = turn.get("content", turn.get("answer", ""))
    return "" if turn is None else str(turn)


def _joined(turns: Turns) -> str | None:
    if len(turns) < 2:
        return turns[0] if turns else None
    return "\n\n".join(f"turn {number}: {turn}" for number, turn in enumerate(turns, start=1))


def _last_message(shown: object) -> str | None:
    if isinstance(shown, list) and shown:
        shown = shown[-1].get("content") if isinstance(shown[-1], dict) else None
    return shown if isinstance(shown, str) else None


def _read(text: str, models: int) -> tuple[Turns, list[Turns]]:
    """Question and answers in one prompt to a judge; empty where they cannot be told for sure."""
    names = ["Assistant A", "Assistant B"][:models]
    talks = [_between(text, f"{name}'s Conversation with User") for name in names]
    if all(talk is not None for talk in talks):
        split = [_split_talk(talk or "", name) for talk, name in zip(talks, names, strict=True)]
        return split[0][0], [answers for _, answers in split]
    if models == 1:
        names = ["Assistant"]
    answers = [_between(text, f"{name}'s Answer") for name in names]
    question = _question(text)
    if question is None or any(answer is None for answer in answers):
        return (), []
    return (question,), [(answer or "",) for answer in answers]


def _between(text: str, what: str) -> str | None:
    starts = list(re.finditer(rf"{_OPENS}The Start of {what}{_CLOSES}\n", text))
    ends = list(re.finditer(rf"\n{_OPENS}The End of {what}{_CLOSES}", text))
    if len(starts) != 1 or len(ends) != 1 or ends[0].start() < starts[0].end() - 1:
        return None
    return text[starts[0].end() : max(ends[0].start(), starts[0].end())]


def _question(text: str) -> str | None:
    marks = list(_QUESTION.finditer(text))
    if len(marks) != 1:
        return None
    end = _ANY_START.search(text, marks[0].end())
    return text[marks[0].end() : end.start()] if end else None


def _split_talk(talk: str, name: str) -> tuple[Turns, Turns]:
    parts = re.split(rf"\n*### (?:User|{name}):\n", f"\n{talk.rstrip()}")[1:]
    if len(parts) != 4:
        return (), ()
    return (parts[0], parts[2]), (parts[1], parts[3])
