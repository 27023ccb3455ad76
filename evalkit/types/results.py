"""What follows from the answers: estimates, results, gates, the decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from evalkit.types.estimate import Estimate, Worst
from evalkit.types.judged import JudgeResult
from evalkit.types.noise import NoiseFloor
from evalkit.types.words import Against, GateVerdict, Outcome, Role, Side


@dataclass(frozen=True, slots=True)
class TaskResult:
    """One task's paired outcome; `delta.low/high` are widened for missing items.

    base, tuned: mean score over the `n` items scored on both sides. se_* fields live in `delta`.
    regressed, fixed: items with d < 0 and d > 0. kept, both_wrong: items with d = 0, above and at zero.
    causes: why tuned lost the items it lost. bounded: scores lie in [0, 1], so that differences are points.
    """

    name: str
    metric: str
    n: int
    missing: int
    base: float
    tuned: float
    delta: Estimate
    regressed: int
    fixed: int
    kept: int
    both_wrong: int
    causes: Mapping[str, int]
    cautions: tuple[str, ...] = ()
    bounded: bool = True

    @property
    def unit(self) -> str | None:
        """What scores without bounds are counted in ("bits per byte"); None for scores in [0, 1]."""
        return None if self.bounded else self.metric


@dataclass(frozen=True, slots=True)
class Overlap:
    """How many of a suite's items stand in training data, of the `n` scored on both sides.

    checked: training files were given, of either arm. Without any, every item is unknown: nothing says it is clean.
    flagged: items of which so much stands in them that they count as overlapping. unknown: items too short to tell.
    delta_without: the difference on the items known to be free of overlap; None where none is flagged.
    """

    checked: bool = False
    flagged: int = 0
    unknown: int = 0
    n: int = 0
    delta_without: Estimate | None = None

    @property
    def status(self) -> Literal["overlap", "none_found", "unknown"]:
        """In a word; unknown where nothing was looked up, or no item is long enough to be. Never "clean"."""
        if self.flagged:
            return "overlap"
        return "none_found" if self.checked and self.unknown < self.n else "unknown"


@dataclass(frozen=True, slots=True)
class Slice:
    """The items of a suite that share a value. It describes; no gate reads it.

    name: what is shared: "task", or a field that the suite's file names under `slices`. value: which one. n and the
    following: as of a task. p: two-sided, of "no difference", exact where marks are right or wrong and not clustered;
    None where nothing can be tested. flagged: by Benjamini and Hochberg over all slices of the run, at 5 %.
    """

    name: str
    value: str
    n: int
    base: float
    tuned: float
    regressed: int
    fixed: int
    delta: Estimate
    p: float | None
    flagged: bool = False


@dataclass(frozen=True, slots=True)
class SuiteResult(TaskResult):
    """A suite's paired outcome: its tasks' items pooled, or averaged by task where `aggregate: macro`.

    rate: for a guard, tuned's own rate with its interval; None where the metric is no rate. guard: the suite's own
    limits, by name (`max_rate`, `max_increase`). advisory: it decides nothing. against: what its file says its gates are
    held against; None where that is the policy's to say.
    without_format: the difference on the items of which neither arm's answer was lost to its form; None where none was,
    and for guards. lost_to_form: how many of the `n` items each arm lost so, by arm; an item may count for both.
    retention: of a retain suite, the share of what base could do above chance that tuned still does; its value is NaN
    where base is too near chance, and None elsewhere. slices: parts of at least 10 items; slices_left_out: smaller ones.
    relative: of a retain suite, tuned - (1 - rho) base, where the policy lets a share rho of base's score be lost.
    relative_without: the same with items set aside, by why ("form", "overlap"), where there are any.
    """

    role: Role = "retain"
    chance: float = 0.0
    margin: float | None = None
    weight: float = 1.0
    tasks: tuple[TaskResult, ...] = ()
    rate: Estimate | None = None
    guard: Mapping[str, float | None] = field(default_factory=dict)
    advisory: bool = False
    without_format: Estimate | None = None
    lost_to_form: Mapping[str, int] = field(default_factory=dict)
    overlap: Overlap = Overlap()
    retention: Estimate | None = None
    slices: tuple[Slice, ...] = ()
    slices_left_out: int = 0
    against: Against | None = None
    relative: Estimate | None = None
    relative_without: Mapping[str, Estimate] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Every one of tuned's answers is base's own, to the letter. answers: how many were compared.

    adapter: tuned is an adapter on top of weights. same_weights: both arms have the same fingerprint: base against base.
    against: whose answers they are, base's or the incumbent's.
    """

    answers: int
    adapter: bool
    same_weights: bool
    against: Against = "base"

    @property
    def words(self) -> str:
        """What was seen, and what it means."""
        alike = f"every one of {self.answers} answers is the same in {self.against} and tuned"
        if self.against != "base":
            return (
                f"tuned and the incumbent {'are the same weights' if self.same_weights else 'answered alike'}: {alike}"
            )
        if self.same_weights:
            return f"both models are the same weights, and {alike}"
        return f"{'the adapter changed nothing' if self.adapter else 'the two models answered alike'}: {alike}"


@dataclass(frozen=True, slots=True)
class Drift:
    """One measure of how the two models behave, whatever the marks. It describes; no gate reads it.

    base, tuned: in `unit`, over the same items; None where the measure is of tuned alone or of the pair (a divergence).
    change: tuned - base in `unit`; of a length the relative change, tuned / base - 1. Zero always means no change.
    unit: "rate" (in [0, 1]), "tokens", "characters", "score" (a number without unit), or the unit itself in words.
    """

    name: str
    base: float | None
    tuned: float | None
    change: Estimate
    unit: str

    @property
    def moved(self) -> bool:
        """Whether the change's interval leaves zero out. A divergence is a distance: it is never zero, and never moves."""
        low, high = self.change.low, self.change.high
        return self.base is not None and low is not None and high is not None and (low > 0 or high < 0)


@dataclass(frozen=True, slots=True)
class SuiteDrift:
    """The measures that apply to one suite, or to the probes. cautions: what they were computed without."""

    suite: str
    measures: tuple[Drift, ...]
    cautions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Measure:
    """One number of both models, and tuned - base with its interval. base, tuned, delta: None where there is none."""

    base: float | None
    tuned: float | None
    delta: Estimate | None


@dataclass(frozen=True, slots=True)
class SuiteAtTestTime:
    """What more samples and more tokens buy each model on one suite. Descriptive: no gate reads it.

    n: items with every sample scored on both sides. samples: how many of an item both models wrote. pass_at_k, maj_at_k:
    by k; empty where marks are graded, or no answers are extracted. tokens: an answer, its trace included; None, as
    are the following, where the engine counted none. tokens_per_solved: all tokens over all solved samples. truncated:
    the share of answers cut off, None where nobody knows how they ended. budgets: tokens an answer; base_curve,
    tuned_curve: the mean score had every answer been cut off there.
    """

    name: str
    metric: str
    n: int
    samples: int
    pass_at_k: Mapping[int, Measure]
    maj_at_k: Mapping[int, Measure]
    truncated: Measure | None = None
    tokens: Measure | None = None
    tokens_per_solved: Measure | None = None
    budgets: tuple[int, ...] = ()
    base_curve: tuple[float, ...] = ()
    tuned_curve: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """base against tuned: every number of the report that does not depend on the policy's verdicts.

    worst_tax: the largest loss of a retain suite, with limits that hold for all of them at once. losses_found: the retain
    suites that lost anything at all, each with its p-value adjusted by Holm over those suites. Both describe and gate
    nothing. unchanged: where tuned answered exactly as base.
    against_incumbent: the same with the model in use now in place of base, over the suites of which any gate is held
    against it; without judges and without what only describes. None where no gate is. noise: base asked again; None where it
    was not.
    """

    base: str
    tuned: str
    level: float
    suites: tuple[SuiteResult, ...]
    tax: Estimate | None
    gain: Estimate | None
    judges: tuple[JudgeResult, ...] = ()
    pools: tuple[SuiteResult, ...] = ()
    n: int = 0
    missing: int = 0
    failures: Mapping[str, int] = field(default_factory=dict)
    cautions: tuple[str, ...] = ()
    test_time: tuple[SuiteAtTestTime, ...] = ()
    drift: tuple[SuiteDrift, ...] = ()
    worst_tax: Worst | None = None
    losses_found: Mapping[str, float] = field(default_factory=dict)
    unchanged: Unchanged | None = None
    against_incumbent: Comparison | None = None
    noise: NoiseFloor | None = None

    def over(self, against: Against) -> Comparison | None:
        """The comparison that a gate reads: this one, or tuned against the incumbent where there is one."""
        return self if against == "base" else self.against_incumbent


@dataclass(frozen=True, slots=True)
class Gate:
    """One rule, what it was applied to, and what came of it.

    kind: "tax", "retain", "retain_relative", "target", "guard_rate", "guard_increase", "pool" or "judge". subject: the suite, pool or
    judge. rule: the rule in words. threshold: the number the interval was held against, in score units, signed as
    `estimate` is. more_items_needed: 0 when decided, None when no number of further items would do.
    unit: of `estimate` and `threshold` where scores have no bounds ("bits per byte"); None: rates and points.
    side: of the threshold on which the whole interval must lie for a pass.
    against: whom `estimate` compares tuned with; of a guard's own rate, which compares it with nobody, "base".
    """

    kind: str
    subject: str
    required: bool
    rule: str
    threshold: float
    estimate: Estimate
    verdict: GateVerdict
    reason: str
    more_items_needed: int | None = 0
    unit: str | None = None
    side: Side = "above"
    against: Against = "base"


@dataclass(frozen=True, slots=True)
class Decision:
    """The outcome, gate by gate. Incomplete runs are never `go`.

    cautions: gates that would fall out otherwise with some items set aside, and a tuned model that answered exactly as
    base. They change no verdict. error_rates: how often this rule, with these gates, would err, in sentences.
    """

    outcome: Outcome
    complete: bool
    gates: tuple[Gate, ...]
    reasons: tuple[str, ...]
    cautions: tuple[str, ...] = ()
    error_rates: tuple[str, ...] = ()
