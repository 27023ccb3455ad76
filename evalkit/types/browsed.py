"""Stored runs as an index shows them: what summary.json and manifest.json say, and no more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from evalkit.types.estimate import Estimate
from evalkit.types.results import Decision
from evalkit.types.words import Against, Exam, GateVerdict, Role


@dataclass(frozen=True, slots=True)
class StoredModel:
    """One arm of a stored run. step: of training, where its record states one or a name holds one."""

    name: str
    fingerprint: str
    step: int | None = None


@dataclass(frozen=True, slots=True)
class StoredSuite:
    """What a stored run says of a suite. hash: of its content; "" where the manifest does not know the suite.

    base, tuned, delta: None where nothing was scored. asked: by what its figures enter gain and tax (weight, aggregate).
    """

    name: str
    role: Role
    hash: str
    n: int
    missing: int
    base: float | None
    tuned: float | None
    delta: Estimate | None
    unit: str | None = None
    verdict: GateVerdict | None = None
    asked: str = ""


@dataclass(frozen=True, slots=True)
class StoredJudge:
    """What a stored run says of a judge. hash: of its model, settings and rubric; "" where the manifest does not know it."""

    name: str
    hash: str
    against: Against
    win_rate: Estimate | None
    exam: Exam = "none"


@dataclass(frozen=True, slots=True)
class StoredRun:
    """One stored run. folder: relative to the index's root, with slashes; "." for the root itself.

    created: as ISO text; seconds: the same since 1970, None where it is no time. level: of its intervals. report: it has a
    report.html. setup: how the models were asked, by name; two runs that differ in one are not quite comparable. policy:
    by its top-level fields, each as canonical JSON. sweep: the folder of the sweep it belongs to.
    """

    folder: str
    run_id: str
    created: str
    seconds: float | None
    base: StoredModel
    tuned: StoredModel
    decision: Decision
    gain: Estimate | None
    tax: Estimate | None
    suites: tuple[StoredSuite, ...]
    judges: tuple[StoredJudge, ...]
    n: int
    missing: int
    level: float
    setup: Mapping[str, str] = field(default_factory=dict)
    policy: Mapping[str, str] = field(default_factory=dict)
    cautions: tuple[str, ...] = ()
    report: bool = True
    sweep: str | None = None

    @property
    def outcome(self) -> str:
        """go, no_go, inconclusive, or incomplete before any of them."""
        return self.decision.outcome if self.decision.complete else "incomplete"

    @property
    def measure(self) -> tuple[object, ...]:
        """With what gain and tax were measured: two runs of the same measure have comparable figures."""
        suites = sorted((suite.name, suite.role, suite.hash, suite.asked) for suite in self.suites)
        return (self.base.fingerprint, tuple(suites))


@dataclass(frozen=True, slots=True)
class StoredCandidate:
    """A candidate as its sweep names it. folder: None where nothing was written. failure: why its run broke off."""

    name: str
    folder: str | None
    decision: str | None
    step: int | None = None
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class StoredSweep:
    """One stored sweep."""

    folder: str
    base: str
    complete: bool
    best: str | None
    candidates: tuple[StoredCandidate, ...]
    report: bool = True


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A folder that looks like a run or a sweep and cannot be read, with the reason in a line."""

    folder: str
    reason: str


@dataclass(frozen=True, slots=True)
class RunIndex:
    """All that lies under one folder. runs: newest first."""

    root: str
    runs: tuple[StoredRun, ...]
    sweeps: tuple[StoredSweep, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """One number of one run on a trend. family: its tuned model's name without numbers, so that checkpoints share one.

    comparable: measured as the newest run of the trend was.
    """

    run: StoredRun
    value: Estimate
    family: str
    comparable: bool


@dataclass(frozen=True, slots=True)
class Trend:
    """Gain, tax and win rate of all runs over one base, oldest first. runs: how many there are; left_out: older ones that are
    not drawn. judge: whose win rate it is, with how its exam stands.
    """

    base: str
    runs: int
    left_out: int
    others: int
    gain: tuple[TrendPoint, ...]
    tax: tuple[TrendPoint, ...]
    win_rate: tuple[TrendPoint, ...]
    judge: StoredJudge | None = None
