"""What the rest of evalkit knows of a task, whatever it was made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from evalkit.config import SamplingSpec, TaskSpec
from evalkit.tasks.examples import StoredExamples
from evalkit.types import Completion, Example, Question, Score

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Marker(Protocol):
    """How a task source marks its own items, where the scorers of `evalkit/scorers` do not.

    metric: its name. binary: marks are 0 or 1 only, as far as was seen. bounded: they lie in [0, 1]. worse_is_higher: a
    guard's metric. runs_programs: marking runs what a model wrote, in this very process.
    """

    metric: str
    bounded: bool
    worse_is_higher: bool
    runs_programs: bool

    @property
    def binary(self) -> bool:
        """Whether every mark so far was 0 or 1."""
        ...

    def mark(self, example: Example, samples: Sequence[Sequence[Completion]]) -> list[Score]:
        """One score a sample. samples: for each sample the answers to the item's questions, in order, none failed."""
        ...


@dataclass(frozen=True, slots=True)
class Task:
    """One task ready to be asked: its examples in the source's order, and how answers are sampled and marked.

    spec: the native task of the suite file; None where a task source brought this one, which then marks by `marker`.
    """

    suite: str
    name: str
    kind: str
    examples: Sequence[Example]
    hash: str
    sampling: SamplingSpec = SamplingSpec()
    judge: bool = True
    limit: int | None = None
    spec: TaskSpec | None = None
    marker: Marker | None = None

    @property
    def clustered(self) -> bool:
        """Whether any item belongs to a group."""
        if isinstance(self.examples, StoredExamples):
            return self.examples.clustered
        return any(example.group is not None for example in self.examples)

    @property
    def turns(self) -> int:
        """The most turns that an item has."""
        if isinstance(self.examples, StoredExamples):
            return self.examples.turns
        return 1 + max((len(example.follow_ups) for example in self.examples), default=0)

    def questions(self, example: Example) -> tuple[Question, ...]:
        """What one sample of an item asks, each to be answered by itself."""
        if example.questions:
            return example.questions
        if self.kind == "loglikelihood":
            return (Question(text=example.messages[0].content),)
        return (Question(example.messages, options=self._options(example)),)

    def samples(self, n: int) -> int:
        """How many samples of an item are worth taking when `n` are asked for: what is only scored is the same each time."""
        return n if self.kind == "generate" else 1

    def _options(self, example: Example) -> tuple[str, ...]:
        """The strings whose log-probability decides a choice item; empty for generation."""
        if self.kind != "choice" or self.spec is None:
            return ()
        return tuple(LETTERS[: len(example.choices)]) if self.spec.options == "letters" else example.choices
