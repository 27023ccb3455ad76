"""What is said of a suite before any model is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to know. is_problem: the suite misleads until it is put right; else it deserves a look.

    task: where; empty for the whole suite.
    """

    is_problem: bool
    task: str
    text: str


@dataclass(frozen=True, slots=True)
class Spread:
    """Smallest, middle and largest of some lengths."""

    least: int
    median: int
    most: int


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """One task in numbers. asked: items that a run asks, of `items`. characters, tokens: lengths of prompts; None unknown.

    earns: mean score, in [0, 1], of replies that know nothing of the answer, by what they are.
    """

    name: str
    kind: str
    metric: str
    items: int
    asked: int
    samples: int
    characters: Spread
    tokens: Spread | None = None
    earns: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Power:
    """What so many items can show of two equal models, with the power and level of the default policy.

    within: the margin within which they are shown to be, by the share of items that come out differently.
    margin: what the suite's own gate allows. clusters: how many, where items come in clusters; `within` then takes the
    items of a cluster for independent, and `within_clusters` for copies of one another: the truth lies between.
    most_hits: the most items that may count against a guard's own rate, None where no number passes or no rate gates.
    """

    items: int
    samples: int
    margin: float | None
    within: Mapping[float, float]
    clusters: int | None = None
    within_clusters: Mapping[float, float] = field(default_factory=dict)
    max_rate: float | None = None
    most_hits: int | None = None


@dataclass(frozen=True, slots=True)
class Vetted:
    """All that is known of a suite without a model's answers. power: None where its scores have no bounds."""

    name: str
    role: str
    tasks: tuple[TaskFacts, ...]
    power: Power | None
    findings: tuple[Finding, ...]

    @property
    def is_sound(self) -> bool:
        """Whether nothing has to be put right."""
        return not any(finding.is_problem for finding in self.findings)
