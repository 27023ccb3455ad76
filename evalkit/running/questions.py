"""What models are asked of the suites' items, in which order."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from evalkit.config import ModelSpec
from evalkit.running.pairs import JudgedPairs, place_of
from evalkit.running.requests import Item, complete_sampling, requests_for
from evalkit.types import ARMS, Request


@dataclass(frozen=True, slots=True)
class Questions:
    """Every item for base and tuned; for the incumbent those on which a judge or a gate holds tuned against it.

    specs: the models by arm. judged: the pairs of every judge. gated: suites with a gate against the incumbent.
    """

    specs: Mapping[str, ModelSpec]
    judged: Sequence[JudgedPairs] = ()
    gated: Collection[str] = ()

    def of(self, arms: Sequence[str], items: Iterable[Item]) -> Iterator[Request]:
        """Requests of what one engine serves: items that may be answered at length before short ones."""
        thinking = thinking_budget(self.specs.values())
        for arm, item in self._asked(arms, longest_first(items, self.specs[arms[0]])):
            yield from requests_for(item, arm, self.specs[arm], thinking=thinking)

    def again(self, items: Sequence[Item]) -> Iterator[Request]:
        """Base's questions once more, last first: in another order they share their batches with others, as they would on any other day."""
        thinking = thinking_budget(self.specs.values())
        for item in reversed(items):
            yield from requests_for(item, "base", self.specs["base"], thinking=thinking, replicate=1)

    def number(self, arms: Sequence[str], items: Iterable[Item]) -> int:
        """How many requests `of` comes to, without later turns."""
        number = 0
        for arm, item in self._asked(arms, items):
            samples = item.task.samples(complete_sampling(self.specs[arm].sampling, item.task.sampling).n)
            number += samples * (1 if item.task.kind == "generate" else len(item.task.questions(item.example)))
        return number

    def _asked(self, arms: Sequence[str], items: Iterable[Item]) -> Iterator[tuple[str, Item]]:
        held = {place_of(item) for one in self.judged if one.spec.against == "incumbent" for item in one.items}
        for item in items:
            for arm in arms:
                if arm in ARMS or item.task.suite in self.gated or place_of(item) in held:
                    yield arm, item


def longest_first(items: Iterable[Item], spec: ModelSpec) -> list[Item]:
    """Items that may be answered at length before short ones, so that no long answer is left to the end alone.

    Those of one task stay together, and in their order: what their prompts share is met in the prefix cache.
    """

    def room(item: Item) -> int:
        if item.task.kind != "generate":
            return 0
        return complete_sampling(spec.sampling, item.task.sampling).max_tokens

    return sorted(items, key=room, reverse=True)


def thinking_budget(specs: Iterable[ModelSpec]) -> int:
    """The room for a reasoning trace that every arm gets which has one: the largest that any of them states."""
    return max((spec.reasoning.budget or 0 for spec in specs if spec.reasoning), default=0)
