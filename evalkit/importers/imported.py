"""What every importer gives: the pairs with their texts where there are any, and what one judge said of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from evalkit.scorers import UNSCORED
from evalkit.stored.records import Records
from evalkit.types import (
    IMPORTED,
    Completion,
    Example,
    Failure,
    JudgeRecord,
    Message,
    ModelRecord,
    Order,
    Prepared,
    Request,
    Sampling,
    Score,
    SuiteRecord,
    TaskRecord,
    Verdict,
    Winner,
)

_KEPT = 2000
"""Characters of a reason that are kept, as of a judge's own reply."""


@dataclass(slots=True)
class Imported:
    """One import: `records` hold base's and tuned's answers and the verdicts of `judge`, all in `suite`.

    judge_kind: as a judge file says. hash: over the content of the files it came from. clustered: items belong to groups.
    alpaca_eval: that tool's own length-controlled win rates in [0, 1], by its name for them.
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
    clustered: bool = False
    cautions: tuple[str, ...] = ()
    alpaca_eval: Mapping[str, float] = field(default_factory=dict)

    def add(
        self,
        id: str,
        prompt: str | None,
        base: str | None,
        tuned: str | None,
        verdicts: Sequence[Verdict],
        group: str | None = None,
    ) -> None:
        """One pair. A text that is not at hand is None, and stays unknown: no length is measured of it."""
        message = (Message("user", prompt if prompt is not None else ""),)
        example = Example(id, message, group=group)
        for arm, text in (("base", base), ("tuned", tuned)):
            answer = None if text is None else Completion(text, finish_reason="recorded")
            request = Request(arm, self.suite, self.suite, id, message, Sampling())
            prepared = None if prompt is None else Prepared(request, prompt, key="")
            self.records.add(self.suite, self.suite, arm, 0, example, answer, Score(UNSCORED, None), prepared)
        for verdict in verdicts:
            self.records.add_verdict(verdict)
        self.items += 1
        self.clustered = self.clustered or group is not None

    def verdict(
        self,
        id: str,
        order: Order,
        score: float | None,
        reason: str = "",
        grades: tuple[float, float] | None = None,
        repeat: int = 0,
    ) -> Verdict:
        """One verdict; score is tuned's, in [0, 1], None where nobody could read it. grades: base's and tuned's marks."""
        failure = None
        if score is None:
            failure = Failure("judge", "unreadable_verdict", f"the imported file holds none: {reason[:200]!r}")
        return Verdict(
            example_id=id,
            judge=self.judge,
            order=order,
            winner=winner_of(score),
            score=score,
            reason=reason[:_KEPT],
            suite=self.suite,
            task=self.suite,
            failure=failure,
            repeat=repeat,
            base_grade=grades[0] if grades else None,
            tuned_grade=grades[1] if grades else None,
        )

    @property
    def base_record(self) -> ModelRecord:
        """Base, of which only the name is known."""
        return self._model(self.base)

    @property
    def tuned_record(self) -> ModelRecord:
        """Tuned, of which only the name is known."""
        return self._model(self.tuned)

    @property
    def suite_records(self) -> tuple[SuiteRecord, ...]:
        """The one suite: prompts that a judge alone has read."""
        task = TaskRecord(self.suite, "generate", UNSCORED, self.items, self.items, clustered=self.clustered)
        return (SuiteRecord(self.suite, "target", self.hash, (task,), source=self.source, licence=self.licence),)

    @property
    def judge_records(self) -> tuple[JudgeRecord, ...]:
        """The one judge, which took no exam."""
        model = self._model(self.judge)
        return (JudgeRecord(self.judge, self.judge_kind, self.hash, model, alpaca_eval=self.alpaca_eval),)

    def _model(self, name: str) -> ModelRecord:
        return ModelRecord(name, IMPORTED, name, f"{self.hash}-{name}", engine=IMPORTED)


def winner_of(score: float | None) -> Winner | None:
    """Who a score of tuned's in [0, 1] names; a tie at one half exactly."""
    if score is None:
        return None
    return "tie" if score == 0.5 else "tuned" if score > 0.5 else "base"
