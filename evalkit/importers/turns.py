"""One turn of one question: an item of its own, and the turns of a question are a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evalkit.importers.imported import Imported
from evalkit.importers.rows import field_of
from evalkit.importers.texts import Texts
from evalkit.types import InputError, Verdict


@dataclass(frozen=True, slots=True)
class Turn:
    """A question's turn, from 1; None where judgments know no turns."""

    question: str
    turn: int | None

    @property
    def id(self) -> str:
        """The item's id."""
        return self.question if self.turn is None else f"{self.question}-turn-{self.turn}"

    def add(self, imported: Imported, texts: Texts, verdicts: Sequence[Verdict]) -> None:
        """Put the turn with its texts and verdicts into the import."""
        base, tuned = (texts.answer(self.question, name, self.turn) for name in (imported.base, imported.tuned))
        group = None if self.turn is None else self.question
        imported.add(self.id, texts.question(self.question, self.turn), base, tuned, verdicts, group)


def turn_of(row: dict[str, object], place: str) -> Turn:
    """The turn that a row judges. Raises InputError for a turn that is no number from 1."""
    turn = row.get("turn")
    if turn is not None and (not isinstance(turn, int) or isinstance(turn, bool) or turn < 1):
        raise InputError(f"{place}: turn: {turn!r}: must be 1, 2, ...")
    return Turn(str(field_of(row, "question_id", place)), turn)
