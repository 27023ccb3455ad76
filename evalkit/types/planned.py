"""What is said of a run before it starts: whether it can decide, what would help, and what it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Expected:
    """What is expected of one suite's scores.

    discordance: the share of items on which one sample of either model differs. lasting: the part of it that lies in items
    which the models really answer differently, and which no repeat averages out. size: by how much a differing item differs,
    1 for right or wrong. correlation: of the differences within a cluster. rate: how often base shows what a guard counts. score:
    of base on items that the models answer alike. missing: the share of items never answered. spread: the standard
    deviation of differences that have no bounds; None: unknown. source: where the numbers are from.
    """

    discordance: float = 0.10
    lasting: float = 0.25
    size: float = 1.0
    correlation: float = 0.2
    rate: float = 0.02
    score: float = 0.6
    missing: float = 0.0
    spread: float | None = None
    source: str = "assumed"


@dataclass(frozen=True, slots=True)
class PlannedGate:
    """One gate, had the models the assumed differences.

    passes: how often it passes. detectable: the smallest limit that it would pass at the policy's power, in the unit of
    `threshold` and signed as it; None where no limit would do. items: it rests on. unit: as at `Gate`.
    """

    kind: str
    subject: str
    required: bool
    rule: str
    threshold: float
    passes: float
    detectable: float | None
    items: int
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Remedy:
    """One thing that would make GO likelier, in words, and how likely it would then be.

    enough: as likely as the policy asks. available: whether it can be had with the data that are there.
    """

    what: str
    go: float
    enough: bool
    available: bool = True


@dataclass(frozen=True, slots=True)
class PlannedCost:
    """What one model, or judge, is going to take; None where it was not measured.

    answers: to be given. seconds: to generate them, loading included. tokens: read and written together, where only that could
    be foreseen. measured: answers the numbers rest on; 0: they are an estimate.
    """

    name: str
    answers: int
    prompt_tokens: float | None = None
    completion_tokens: float | None = None
    tokens: float | None = None
    seconds: float | None = None
    usd: float | None = None
    measured: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """Whether a run can decide, found by simulating it `runs` times under its whole policy.

    go: how often it ends in GO where the models are equal and tuned gains `gain` on targets; `low`, `high`: the interval of
    the simulation. power: what the policy asks for. asked: in a sequential run, the share of items asked on average.
    """

    go: float
    low: float
    high: float
    power: float
    runs: int
    gain: float
    gates: tuple[PlannedGate, ...]
    expected: Mapping[str, Expected]
    remedies: tuple[Remedy, ...] = ()
    costs: tuple[PlannedCost, ...] = ()
    cautions: tuple[str, ...] = ()
    asked: float | None = None
    items: Mapping[str, int] = field(default_factory=dict)

    @property
    def decides(self) -> bool:
        """Whether GO is surely as likely as the policy asks: also the lower end of the simulation's interval is."""
        return self.low >= self.power
