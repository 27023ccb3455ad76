"""Suites -> the requests of a run: which items, in which order, with which complete sampling settings."""

from __future__ import annotations

import dataclasses
import hashlib
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence, Set

from evalkit.config import ModelSpec, SamplingSpec
from evalkit.tasks import Suite, Task
from evalkit.tasks.examples import StoredExamples
from evalkit.types import Example, Message, Request, Sampling


class Item:
    """One example of one task: what both models are asked, once per sample.

    example: or its number in the task, and it is then read whenever it is looked at: many items do not fill the memory.
    """

    __slots__ = ("_held", "task")

    def __init__(self, task: Task, example: Example | int) -> None:
        self.task = task
        self._held = example

    @property
    def example(self) -> Example:
        """What is asked, and what is known of the answer."""
        held = self._held
        return self.task.examples[held] if isinstance(held, int) else held

    @property
    def is_stored(self) -> bool:
        """Whether the example is read from disk."""
        return isinstance(self._held, int)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Item) and (self.task, self.example) == (other.task, other.example)

    __hash__ = None  # type: ignore[assignment]


class ItemIndex:
    """Items by suite, task and id."""

    def __init__(self, items: Iterable[Item]) -> None:
        self._stored: dict[tuple[str, str], Task] = {}
        self._held: dict[tuple[str, str, str], Item] = {}
        for item in items:
            if item.is_stored:
                self._stored[item.task.suite, item.task.name] = item.task
            else:
                self._held[item.task.suite, item.task.name, item.example.id] = item

    def __getitem__(self, place: tuple[str, str, str]) -> Item:
        """The item there, its example read. Raises KeyError."""
        suite, task, id_ = place
        found = self._stored.get((suite, task))
        if found is None or not isinstance(found.examples, StoredExamples):
            return self._held[place]
        return Item(found, found.examples.find(id_))


def draw(
    suites: Sequence[Suite],
    *,
    seed: int,
    limit: int | None = None,
    without: Set[tuple[str, str, str]] = frozenset(),
) -> list[Item]:
    """All items in the pre-drawn random order; with `limit`, a random sample of so many of each task.

    The order of one task depends on the seed and that task alone, so a longer run extends a shorter one.
    without: (suite, task, id) of items that are not asked, whatever the limit; it counts the others.
    """
    drawn: list[Item] = []
    for suite in suites:
        for task in suite.tasks:
            order = list(range(len(task.examples)))
            _random(seed, suite.name, task.name).shuffle(order)
            if without:
                order = [at for at in order if (suite.name, task.name, task.examples[at].id) not in without]
            most = [bound for bound in (task.limit, limit) if bound is not None]
            stored = isinstance(task.examples, StoredExamples)
            drawn += [Item(task, at if stored else task.examples[at]) for at in order[: min(most, default=None)]]
    return drawn


def first_of_each_task(items: Sequence[Item], n: int) -> list[Item]:
    """The first `n` items of each task, in the order of `items`."""
    taken: Counter[tuple[str, str]] = Counter()
    kept: list[Item] = []
    for item in items:
        place = (item.task.suite, item.task.name)
        taken[place] += 1
        if taken[place] <= n:
            kept.append(item)
    return kept


def complete_sampling(model: SamplingSpec, task: SamplingSpec) -> Sampling:
    """A task's settings over a model's over evalkit's defaults; nothing is left to the engine."""
    stated = {**model.model_dump(exclude_none=True), **task.model_dump(exclude_none=True)}
    return Sampling(**stated)


def requests_for(
    item: Item, name: str, model: ModelSpec, *, thinking: int = 0, replicate: int = 0
) -> Iterator[Request]:
    """One request for each question of each sample of one item for one model.

    thinking: tokens of room for a reasoning trace, the same for both arms, where the model file states its markers.
    replicate: 0; another number asks the same again, with other seeds where answers are sampled.
    """
    task, example = item.task, item.example
    sampling = complete_sampling(model.sampling, task.sampling)
    if model.reasoning is not None:
        # Room for the trace, on top of the answer's own. A stop string would end the trace: it is applied to the answer.
        sampling = dataclasses.replace(sampling, max_tokens=sampling.max_tokens + thinking, stop=())
    questions = task.questions(example)
    asked = [[(turn.role, turn.content) for turn in one.messages] or one.plain for one in questions]
    for sample in range(task.samples(sampling.n)):
        place = (example.id, asked, sample, replicate)
        for part, question in enumerate(questions):
            yield Request(
                model=name,
                suite=task.suite,
                task=task.name,
                example_id=example.id,
                messages=question.messages,
                sampling=_one_sample(sampling, place, is_scored=bool(question.options) or question.text is not None),
                sample=sample,
                replicate=replicate,
                options=question.options,
                part=part,
                plain=question.plain,
                verbatim=question.verbatim,
                text=question.text,
            )


def next_turn(item: Item, request: Request, answers: Sequence[str]) -> Request:
    """The request for the turn after `request`, whose answers so far are `answers`."""
    messages = list(item.example.messages)
    for answer, follow_up in zip(answers, item.example.follow_ups, strict=False):
        messages += [Message("assistant", answer), Message("user", follow_up)]
    return dataclasses.replace(request, messages=tuple(messages), turn=len(answers))


def _one_sample(sampling: Sampling, place: tuple[object, ...], *, is_scored: bool) -> Sampling:
    """The settings of this very sample.

    Every sample has a seed of its own, the same for both arms: one seed for all items would hand each item the same
    random numbers and so correlate items that the statistics take for independent. It goes by the item's id and what
    is asked, not by the suite: the same item in two suites is sampled once.
    """
    seed = _random(sampling.seed, *place).getrandbits(31)
    if is_scored:
        sampling = dataclasses.replace(sampling, temperature=0.0, max_tokens=1, stop=())
    return dataclasses.replace(sampling, n=1, seed=seed)


def _random(*parts: object) -> random.Random:
    return random.Random(hashlib.sha256(repr(parts).encode()).digest())
