"""A policy file: the written rule for GO / NO-GO / INCONCLUSIVE."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, model_validator

from evalkit.config.spec import Fraction, Spec
from evalkit.types import Against, Role, Spending


class TaxPolicy(Spec):
    """Pooled loss over retain suites: pass if high < max, fail if low > max.

    max: the largest loss that may be paid. against: what the difference is to, `base` or `incumbent`.
    """

    max: Fraction = 0.02
    against: Against = "base"


class RetainPolicy(Spec):
    """Each retain suite: pass if low > -margin, fail if high < -margin.

    margin: what a suite may lose. against: what the difference is to, `base` or `incumbent`.
    relative: instead, of suites that state no margin of their own, the share of base's score that may be lost: pass if
    tuned - (1 - relative) base is above 0 with its whole interval.
    """

    margin: Fraction = 0.05
    relative: Fraction | None = None
    against: Against = "base"


class TargetPolicy(Spec):
    """Each target suite: pass if low > min_gain, fail if high < min_gain.

    min_gain: what a suite must gain at least. against: what the difference is to, `base` or `incumbent`.
    """

    min_gain: float = Field(default=0.0, ge=-1, le=1)
    against: Against = "base"


class GuardPolicy(Spec):
    """Each guard: tuned's own rate, and its increase over base or the incumbent; None switches one off.

    max_rate: the highest rate. max_increase: the largest increase. against: what the difference is to, `base` or `incumbent`.
    """

    max_rate: Fraction | None = 0.05
    max_increase: Fraction | None = 0.02
    against: Against = "base"


class ExamPolicy(Spec):
    """What a judge must reach before it may gate.

    min_agreement: with people, on the pairs that they labelled; the whole interval's low end.
    """

    min_agreement: Fraction = 0.65


class JudgePolicy(Spec):
    """A judge that passed its exam gates: pass if the win rate's low > min_win_rate.

    min_win_rate: ties count half. exam: what it must have passed. max_unscored: with a larger share of verdicts that could
    not be read the gate is undecided.
    """

    min_win_rate: Fraction = 0.45
    exam: ExamPolicy = ExamPolicy()
    max_unscored: Fraction = 0.02


class SequentialPolicy(Spec):
    """What `compare --sequential` does: how often it looks, and when it gives up.

    looks: how often. spending: how the level's error is shared among the looks.
    futility: below this chance that the last look decides (GO or NO-GO), were the trend to go on, the run stops undecided.
    None: never.
    """

    looks: int = Field(default=5, ge=2, le=20)
    spending: Spending = "obrien_fleming"
    futility: Fraction | None = 0.05


class MissingPolicy(Spec):
    """The share of items that may be missing before the run is incomplete (exit 4).

    max: of all items, in [0, 1].
    """

    max: Fraction = 0.002


class PolicySpec(Spec):
    """The written rule for GO / NO-GO / INCONCLUSIVE. An empty file is the default policy.

    level: of all intervals. power: how surely equal models should get GO, for `evalkit plan`.
    tax, retain, target, guard, judge: the limits of each kind of gate. missing: how much may lack an answer.
    pools: suites that are gated as one, by the pool's name. sequential: what `compare --sequential` does.
    inconclusive: whether an undecided run exits with 3 (fail) or 0 (pass). plan: whether a run that could hardly decide is
    warned about or refused. required: whose gates count: all, or suites, pools and judges by name; the tax always does.
    against: what a section's differences are: tuned - base, or tuned - incumbent (the model in use now).
    """

    level: float = Field(default=0.95, ge=0.5, lt=1)
    power: float = Field(default=0.8, gt=0, lt=1)
    tax: TaxPolicy = TaxPolicy()
    retain: RetainPolicy = RetainPolicy()
    pools: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    target: TargetPolicy = TargetPolicy()
    guard: GuardPolicy = GuardPolicy()
    judge: JudgePolicy = JudgePolicy()
    missing: MissingPolicy = MissingPolicy()
    sequential: SequentialPolicy = SequentialPolicy()
    inconclusive: Literal["fail", "pass"] = "fail"
    plan: Literal["warn", "refuse"] = "warn"
    required: Literal["all"] | tuple[str, ...] = "all"
    file: str = Field(default="", exclude=True)
    folder: str = Field(default="", exclude=True)

    @model_validator(mode="after")
    def _pools_hold_something(self) -> PolicySpec:
        check_pools(self.pools)
        return self

    def against(self, role: Role) -> Against:
        """What suites of this role are held against, unless they say it themselves."""
        return {"retain": self.retain, "target": self.target, "guard": self.guard}[role].against


def check_pools(pools: Mapping[str, tuple[str, ...]]) -> None:
    """Raise ValueError for a pool that holds no several suites."""
    for name, members in pools.items():
        if len(members) < 2:
            raise ValueError(f"pools.{name}: a pool names at least two suites")
