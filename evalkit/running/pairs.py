"""One judge's share of a run: the pairs it reads, handed to it as soon as both sides are there, and its verdicts.

Answers come from one thread, questions are taken by another, and replies landed by a third: some may be the same. Which pairs are read is fixed before the first answer, so what happens to finish first makes no difference.
"""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Iterator, Sequence

from evalkit.config import JudgeSpec
from evalkit.judging import ORDERS, Pair, PairReader
from evalkit.running.requests import Item
from evalkit.stored.records import Records
from evalkit.tasks import Suite
from evalkit.types import Completion, Failure, Prepared, Request, Verdict

Place = tuple[str, str, str]
"""Suite, task and id of an item."""


def is_judged(item: Item, suites: Sequence[Suite]) -> bool:
    """Whether judges read an item: it is written, not chosen, and neither its suite nor its task says `judge: false`."""
    task = item.task
    return task.kind == "generate" and task.judge and any(s.name == task.suite and s.spec.judge for s in suites)


class JudgedPairs:
    """The pairs of one judge (no jury). items: all of a run, in the pre-drawn order; suites: as loaded."""

    def __init__(self, spec: JudgeSpec, items: Sequence[Item], suites: Sequence[Suite], records: Records) -> None:
        self.spec = spec
        self._records = records
        self._reader = PairReader(spec)
        self._items = {place_of(item): item for item in _first_of_each_task(spec, items, suites)}
        self._sides: dict[Place, dict[str, Completion]] = {}
        self._queue: queue.SimpleQueue[Request] = queue.SimpleQueue()
        self._again: dict[
            Place, Pair
        ] = {}  # the first in the pre-drawn order of those that came, and no more than are asked again
        self._number = {place: number for number, place in enumerate(self._items)}
        self._finished = self._stopped = self._rechecked = False
        self._open = 0
        self._counting = threading.Lock()  # questions are taken by one thread and replies landed by another

    def __len__(self) -> int:
        return len(self._items)

    @property
    def items(self) -> list[Item]:
        """What it reads, in the pre-drawn order."""
        return list(self._items.values())

    def add(self, item: Item, arm: str, completion: Completion) -> None:
        """One side of a pair has come. Raises InputError where the rubric cannot be rendered for it."""
        place = place_of(item)
        if place not in self._items or arm not in (self.spec.against, "tuned"):
            return
        sides = self._sides.setdefault(place, {})
        sides[arm] = completion
        if len(sides) < 2:
            return
        del self._sides[place]
        base, tuned = sides[self.spec.against], sides["tuned"]
        if failure := base.failure or tuned.failure:
            self._unjudged(place, failure)
            return
        pair = Pair(place[0], place[1], item.example, base, tuned)
        self._keep(place, pair)
        self._ask(pair, repeat=0)

    def _keep(self, place: Place, pair: Pair) -> None:
        """A pair that may be asked again; each is one question at the least."""
        self._again[place] = pair
        if len(self._again) > 2 * self.spec.recheck:
            first = sorted(self._again, key=lambda one: self._number[one])[: self.spec.recheck]
            self._again = {one: self._again[one] for one in first}

    @property
    def waiting(self) -> int:
        """How many questions are still to be answered."""
        with self._counting:
            return self._queue.qsize() + self._open

    def finish(self) -> None:
        """No more answers will come."""
        self._finished = True

    def stop(self) -> None:
        """Ask nothing further, whatever is waiting."""
        self._stopped = True

    def so_far(self) -> list[Request]:
        """What is waiting to be asked; after `finish`, when nothing else is, some of it a second time."""
        asked = self._drain()
        if not asked and self._finished and not self._rechecked:
            self._recheck()
            asked = self._drain()
        return asked

    def as_they_come(self) -> Iterator[Request | None]:
        """The questions as pairs become complete, None while there are none; ends when all is asked and landed."""
        while not self._stopped:
            finished = self._finished  # before looking: what is added until then is seen
            request, settled = self._next()
            if request is None:
                if not finished or not settled:
                    yield None
                elif not self._rechecked:
                    self._recheck()
                else:
                    return
                continue
            yield request

    def land(self, request: Request, completion: Completion, prepared: Prepared | None) -> None:
        """Take one reply: its verdicts are recorded, and what has to be asked further waits to be."""
        landed = self._reader.land(request, completion, prepared)
        for verdict in landed.verdicts:
            self._records.add_verdict(verdict)
        with self._counting:  # at once: no moment at which nothing seems to be left
            for further in landed.further:
                self._queue.put(further)
            self._open = max(0, self._open - 1)

    def _next(self) -> tuple[Request | None, bool]:
        """The next question, open from now on; without one, whether all that were taken have landed."""
        with self._counting:
            try:
                request = self._queue.get_nowait()
            except queue.Empty:
                return None, not self._open
            self._open += 1
            return request, False

    def _ask(self, pair: Pair, *, repeat: int) -> int:
        questions = self._reader.questions(pair, repeat=repeat)
        for request in questions:
            self._queue.put(request)
        return len(questions)

    def _recheck(self) -> None:
        """The first pairs of the pre-drawn order once more: is the answer to the same question the same?"""
        self._rechecked = True
        asked = 0
        for place in sorted(self._again, key=lambda one: self._number[one]):
            if asked >= self.spec.recheck:
                return
            asked += self._ask(self._again[place], repeat=1)

    def _drain(self) -> list[Request]:
        asked: list[Request] = []
        while not self._queue.empty():
            asked.append(self._queue.get())
        return asked

    def _unjudged(self, place: Place, failure: Failure) -> None:
        """A pair of which an answer never came is unscored: the others' win rate must not stand for it unsaid."""
        suite, task, id = place
        for order in ("apart",) if self.spec.is_graded_apart else ORDERS:
            self._records.add_verdict(Verdict(id, self.spec.name, order, None, suite=suite, task=task, failure=failure))


def place_of(item: Item) -> Place:
    """Where an item stands."""
    return item.task.suite, item.task.name, item.example.id


def _first_of_each_task(spec: JudgeSpec, items: Sequence[Item], suites: Sequence[Suite]) -> Iterator[Item]:
    """What the judge's limits allow of each task, from the front of the random order."""
    taken: Counter[tuple[str, str]] = Counter()
    most = spec.limits.pairs_per_task
    for item in items:
        place = (item.task.suite, item.task.name)
        if spec.kind == "reference" and not item.example.answer:
            continue
        if is_judged(item, suites) and (most is None or taken[place] < most):
            taken[place] += 1
            yield item
