"""A judge's questions on a pair, and what its replies come to: whatever its form, verdicts.

Holds what is open between a question and its verdict, and nothing else: no engine, no journal.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from evalkit.config import JudgeSpec
from evalkit.judging.grading import AnswerReader, Mark
from evalkit.judging.prompts import judge_requests, repair
from evalkit.judging.verdicts import POINTS, read_verdict
from evalkit.scorers.reasoning import split_reasoning
from evalkit.types import Completion, Example, Order, Prepared, Request, Verdict, Winner

_KEPT = 2000


@dataclass(frozen=True, slots=True)
class Pair:
    """One prompt and both answers to it."""

    suite: str
    task: str
    example: Example
    base: Completion
    tuned: Completion


@dataclass(frozen=True, slots=True)
class Landed:
    """What one reply brought: verdicts that are complete now, and questions that have to be asked further."""

    verdicts: tuple[Verdict, ...] = ()
    further: tuple[Request, ...] = ()


class PairReader:
    """One judge (no jury): `questions` for each pair, `land` for each reply, in any order."""

    def __init__(self, spec: JudgeSpec) -> None:
        self.spec = spec
        self._asked: dict[Request, tuple[Order, str]] = {}
        self._unread: dict[Request, tuple[Verdict, str]] = {}
        self._answers = AnswerReader(spec) if spec.is_graded_apart else None
        self._marks: dict[tuple[str, str, str, int], dict[str, Mark]] = {}

    def questions(self, pair: Pair, *, repeat: int = 0) -> list[Request]:
        """All that is asked of one pair; nothing where it needs a reference and there is none.

        repeat: which time; the same question is another request then. Raises InputError where the rubric cannot be rendered.
        """
        place = (pair.suite, pair.task, pair.example)
        if self._answers is not None:
            if not self._answers.asks(pair.example):
                return []
            sides = (("base", pair.base), ("tuned", pair.tuned))
            return [
                one
                for arm, side in sides
                for one in self._answers.questions(*place, side, sample=0, arm=arm, repeat=repeat)
            ]
        asked: list[Request] = []
        for one in judge_requests(self.spec, *place, pair.base, pair.tuned):
            request = replace(one.request, replicate=repeat)
            self._asked[request] = (one.order, one.nonce)
            asked.append(request)
        return asked

    def land(self, request: Request, completion: Completion, prepared: Prepared | None = None) -> Landed:
        """Take one reply. One that cannot be read is asked for once more, in the plainest form."""
        completion = split_reasoning(completion, self.spec.model.reasoning, prepared)
        if self._answers is not None:
            return self._land_mark(self._answers, request, completion)
        order, nonce = self._asked.pop(request)
        verdict = read_verdict(self.spec, order, request, completion, nonce)
        verdict = replace(verdict, repeat=request.replicate)
        before = self._unread.pop(request, None)
        unreadable = verdict.failure is not None and verdict.failure.kind == "unreadable_verdict"
        if before is None:
            if not unreadable:
                return Landed((verdict,))
            again = repair(request, completion.text, self.spec, nonce)
            self._asked[again] = (order, nonce)
            self._unread[again] = (verdict, completion.text)
            return Landed(further=(again,))
        unread, reply = before
        if completion.failure is not None:
            return Landed((unread,))  # nothing was said the second time (recorded verdicts hold one reply)
        said = completion.text if verdict.winner is None else verdict.reason
        verdict = replace(verdict, reason=f"{reply[:_KEPT]}\n\n(asked again) {said[:_KEPT]}".strip())
        return Landed((verdict,))

    def _land_mark(self, answers: AnswerReader, request: Request, completion: Completion) -> Landed:
        mark = answers.land(request, completion)
        if mark is None:
            return Landed()
        key = (request.suite, request.task, request.example_id, request.replicate)
        marks = self._marks.setdefault(key, {})
        marks[answers.arm_of(request)] = mark
        if len(marks) < 2:
            return Landed()
        del self._marks[key]
        return Landed((self._verdict(request, marks["base"], marks["tuned"]),))

    def _verdict(self, request: Request, base: Mark, tuned: Mark) -> Verdict:
        """The higher mark wins."""
        winner: Winner | None = None
        if base.value is not None and tuned.value is not None:
            apart = tuned.value - base.value
            winner = "tie" if abs(apart) <= self.spec.tie_width + 1e-9 else "tuned" if apart > 0 else "base"
        masses = [mark.mass for mark in (base, tuned) if mark.mass is not None]
        parts = {"base": base.by_part, "tuned": tuned.by_part}
        return Verdict(
            example_id=request.example_id,
            judge=self.spec.name,
            order="apart",
            winner=winner,
            score=None if winner is None else POINTS[winner],
            reason=f"base {base.told or 'unread'}, tuned {tuned.told or 'unread'}",
            suite=request.suite,
            task=request.task,
            failure=base.failure or tuned.failure,
            repeat=request.replicate,
            base_grade=base.value,
            tuned_grade=tuned.value,
            mass=min(masses, default=None),
            detail=json.dumps(parts) if len(base.by_part) > 1 else "",
        )
