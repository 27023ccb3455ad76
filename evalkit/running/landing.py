"""Where answers land: put together, scored and recorded at once, and handed to every judge that reads them."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from evalkit.config import JudgeSpec, ModelSpec
from evalkit.judging import AnswerReader
from evalkit.judging.grading import METRIC
from evalkit.running.pairs import JudgedPairs
from evalkit.running.requests import Item, ItemIndex, complete_sampling
from evalkit.running.turns import Turns
from evalkit.scorers import is_slow, score_samples
from evalkit.scorers.reasoning import cut_at_stops, split_reasoning
from evalkit.stored.records import Records
from evalkit.types import AGAIN, Completion, Failure, Phase, Prepared, Request, Score, Watching

_MOST_MARKING = 1024  # answers whose programs are waited for at a time

_Place = tuple[str, str, str]
"""Suite, task and id of an item."""

_Row = tuple[int, Completion, Prepared | None]
"""A sample's index, its answer as it is recorded, and what was asked first."""


@dataclass(slots=True)
class _Answered:
    """One arm's answers to one item, by (sample, part), until all that are marked together are there."""

    landed: dict[tuple[int, int], tuple[Completion, Prepared | None]] = field(default_factory=dict)


class Landing:
    """Takes every answer of a run as it comes, in any order.

    Answers to an item's several questions wait for each other; so do all samples of a task that a source marks by
    itself. Programs are run beside the engine, on as many threads as there are cores.
    """

    def __init__(
        self,
        specs: Mapping[str, ModelSpec],
        items: Sequence[Item],
        judged: Sequence[JudgedPairs],
        records: Records,
        graders: Mapping[tuple[str, str], JudgeSpec] | None = None,
        watching: Watching | None = None,
    ) -> None:
        self._watching = watching
        self._specs = specs
        self._judged = judged
        self._graders = graders or {}
        self._ungraded: list[tuple[Item, str, _Row]] = []
        self._readers: dict[str, AnswerReader] = {}
        self._graded: dict[Request, tuple[Item, str, _Row]] = {}
        self._records = records
        self._items = ItemIndex(items)
        self._open: dict[tuple[_Place, str, int], _Answered] = {}
        self._turns = Turns()
        self._threads: ThreadPoolExecutor | None = None
        self._marking: deque[tuple[Future[list[Score]], Item, str, list[_Row]]] = deque()

    # --- answers ---

    def answer(self, request: Request, completion: Completion, prepared: Prepared | None) -> None:
        """Take one answer: ask its next turn, or score and record it when all that belongs to it is there.

        A replicate of base's is recorded as an arm of its own, which no judge reads.
        """
        arm = AGAIN if request.replicate and request.model == "base" else request.model
        place = (request.suite, request.task, request.example_id)
        item = self._items[place]
        model = self._specs[request.model]
        if model.reasoning is not None:
            completion = split_reasoning(completion, model.reasoning, prepared)
            stops = complete_sampling(model.sampling, item.task.sampling).stop
            completion = cut_at_stops(completion, stops) if completion.failure is None else completion
        whole = self._turns.take(item, request, completion)
        if whole is None:
            return
        completion = whole
        together = item.task.marker is not None
        key = (place, arm, -1 if together else request.sample)
        answered = self._open.setdefault(key, _Answered())
        answered.landed[request.sample, request.part] = (completion, prepared)
        if len(answered.landed) == self._expected(item, request.model, together=together):
            del self._open[key]
            self._mark(item, arm, answered)
        if request.sample == 0:
            for judged in self._judged:
                judged.add(item, arm, completion)

    def follow_ups(self, models: Iterable[str]) -> Iterator[Request]:
        """The next turns of what these models answered, if they were not asked yet."""
        return self._turns.follow_ups(models)

    def settle(self, name: str) -> list[Phase]:
        """Wait for what is being marked beside the engine. Raises what marking raised."""
        if not self._marking:
            return []
        began, count = time.monotonic(), len(self._marking)
        while self._marking:
            future, item, arm, rows = self._marking.popleft()
            self._record(item, arm, rows, future.result())
        return [Phase(f"{name}: running programs after the last answer", time.monotonic() - began, count)]

    def close(self) -> None:
        """End the threads; what they have not begun is dropped."""
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)

    def _expected(self, item: Item, model: str, *, together: bool) -> int:
        parts = len(item.task.questions(item.example))
        if not together:
            return parts
        return parts * item.task.samples(complete_sampling(self._specs[model].sampling, item.task.sampling).n)

    def _mark(self, item: Item, arm: str, answered: _Answered) -> None:
        samples = sorted({sample for sample, _ in answered.landed})
        parts = range(len(answered.landed) // len(samples))
        answers = [[answered.landed[sample, part] for part in parts] for sample in samples]
        completions = [[completion for completion, _ in one] for one in answers]
        rows = [(sample, _joined(completions[i]), answers[i][0][1]) for i, sample in enumerate(samples)]
        if (item.task.suite, item.task.name) in self._graders:
            self._ungraded += [(item, arm, row) for row in rows]
            return
        if not is_slow(item.task):
            self._record(item, arm, rows, score_samples(item.task, item.example, completions))
            return
        if self._threads is None:
            self._threads = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="marking")
        future = self._threads.submit(score_samples, item.task, item.example, completions)
        self._marking.append((future, item, arm, rows))
        # A slow program holds back what landed after it, up to so many answers.
        while len(self._marking) > _MOST_MARKING or (self._marking[0][0].done() and len(self._marking) > 1):
            future, item, arm, rows = self._marking.popleft()
            self._record(item, arm, rows, future.result())

    def _record(self, item: Item, arm: str, rows: Sequence[_Row], scores: Sequence[Score]) -> None:
        for (sample, completion, prepared), mark in zip(rows, scores, strict=True):
            self._records.add(item.task.suite, item.task.name, arm, sample, item.example, completion, mark, prepared)
            if self._watching is not None:
                self._watching.scored(item.task.suite, (item.task.name, item.example.id, sample), arm, mark.value)

    # --- grades ---

    def grading(self, grader: JudgeSpec) -> list[Request]:
        """What this judge is to be asked of the answers that have landed since the last call.

        Those that never came, or cannot be graded, are recorded as they are.
        """
        reader = self._readers.setdefault(grader.name, AnswerReader(grader))
        mine = [one for one in self._ungraded if self._grader_of(one[0]) == grader.name]
        self._ungraded = [one for one in self._ungraded if self._grader_of(one[0]) != grader.name]
        asked: list[Request] = []
        for item, arm, row in mine:
            sample, completion, _ = row
            failure = completion.failure
            if failure is None and not reader.asks(item.example):
                failure = Failure(
                    "judge", "no_reference", "the item has no reference answer", "give the task an `answer`"
                )
            if failure is not None:
                self._record(item, arm, [row], [Score(METRIC, None, failure=failure)])
                continue
            place = (item.task.suite, item.task.name)
            for request in reader.questions(*place, item.example, completion, sample=sample, arm=arm):
                self._graded[request] = (item, arm, row)
                asked.append(request)
        return asked

    def _grader_of(self, item: Item) -> str:
        return self._graders[item.task.suite, item.task.name].name

    def grade(self, request: Request, completion: Completion, prepared: Prepared | None) -> None:
        """Take a reply on an answer, and record the answer once its mark is complete."""
        item, arm, row = self._graded.pop(request)
        grader = self._graders[request.suite, request.task]
        mark = self._readers[grader.name].land(request, split_reasoning(completion, grader.model.reasoning))
        if mark is not None:
            self._record(item, arm, [row], [mark.score])


def _joined(answers: Sequence[Completion]) -> Completion:
    """The answers to an item's several questions as one: their log-probabilities in a row."""
    if len(answers) == 1:
        return answers[0]
    logprobs = [value for one in answers for value in one.logprobs or ()]
    failure = next((one.failure for one in answers if one.failure), None)
    return replace(answers[0], logprobs=tuple(logprobs) or None, failure=failure)
