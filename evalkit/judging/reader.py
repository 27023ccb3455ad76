"""A judge's questions on a pair, and what its replies come to: whatever its form, verdicts.

Holds what is open between a question and its verdict, and nothing else: no engine, no journal.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from evalkit.config import JudgeSpec
from evalkit.judging.prompts import judge_requests
from evalkit.judging.verdicts import read_verdict
from evalkit.scorers.reasoning import split_reasoning
from evalkit.types import Completion, Example, Order, Prepared, Request, Verdict


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
        self._orders: dict[Request, Order] = {}

    def questions(self, pair: Pair, *, repeat: int = 0) -> list[Request]:
        """All that is asked of one pair. repeat: which time; the same question is another request then.

        Raises InputError where the rubric cannot be rendered.
        """
        asked: list[Request] = []
        for one in judge_requests(self.spec, pair.suite, pair.task, pair.example, pair.base, pair.tuned):
            request = replace(one.request, replicate=repeat)
            self._orders[request] = one.order
            asked.append(request)
        return asked

    def land(self, request: Request, completion: Completion, prepared: Prepared | None = None) -> Landed:
        """Take one reply."""
        order = self._orders.pop(request)
        completion = split_reasoning(completion, self.spec.model.reasoning, prepared)
        verdict = read_verdict(self.spec, order, request, completion)
        return Landed((replace(verdict, repeat=request.replicate),))
