"""One base against several candidates: what each gained, what it cost, and which cannot be told apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from evalkit.types.estimate import Estimate
from evalkit.types.results import Comparison, Decision


@dataclass(frozen=True, slots=True)
class AgainstBest:
    """A candidate held against the best, item by item: candidate - best.

    gain: positive where it gains more. tax: positive where it costs more. Intervals hold for all pairs of candidates and
    for both at once, since which one is the best was read from the same numbers. None where a side does not apply.
    """

    gain: Estimate | None
    tax: Estimate | None

    @property
    def apart(self) -> bool:
        """Whether the two can be told apart: one of the intervals leaves zero out."""
        sides = [one for one in (self.gain, self.tax) if one is not None]
        return any(one.low is not None and one.high is not None and (one.low > 0 or one.high < 0) for one in sides)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One candidate of a sweep.

    file: its model file. folder: of its own run, within the sweep's; None where nothing was written. step: of training,
    where it is known. comparison, decision: None where its run broke off, and `failure` then says why. gain, tax: with
    intervals that hold for all candidates and both axes at once; None where they do not apply, or its run is incomplete.
    against_best: None for the best itself, and where the two cannot be compared.
    """

    name: str
    file: str
    folder: str | None
    fingerprint: str = ""
    step: int | None = None
    comparison: Comparison | None = None
    decision: Decision | None = None
    failure: str | None = None
    gain: Estimate | None = None
    tax: Estimate | None = None
    on_front: bool = False
    against_best: AgainstBest | None = None

    @property
    def complete(self) -> bool:
        """Whether its run came through, with no more missing than the policy allows."""
        return self.decision is not None and self.decision.complete


@dataclass(frozen=True, slots=True)
class Sweep:
    """Several candidates over one base, the front first, then by decision and gain.

    level: at which all intervals of `Candidate.gain` and `.tax` hold at once; each_level: of one of them by itself; None
    where there is none. best: GO before undecided before NO-GO, then the fewest estimates beyond their gates' limits, the largest
    gain, the smallest tax; None where no run is complete. fresh: how many items of each suite no candidate was asked. hold_out: the share kept back.
    confirm: the command that holds the best against the base on those; None where that cannot be done.
    inconclusive_passes: the policy says `inconclusive: pass`.
    """

    base: str
    level: float
    candidates: tuple[Candidate, ...]
    best: str | None = None
    each_level: float | None = None
    hold_out: float = 0.0
    fresh: Mapping[str, int] = field(default_factory=dict)
    confirm: str | None = None
    inconclusive_passes: bool = False
    cautions: tuple[str, ...] = ()

    @property
    def front(self) -> tuple[Candidate, ...]:
        """The candidates that no other one beats in gain and tax at once."""
        return tuple(one for one in self.candidates if one.on_front)

    @property
    def complete(self) -> bool:
        """Whether every candidate's run is."""
        return all(one.complete for one in self.candidates)

    def candidate(self, name: str) -> Candidate:
        """The candidate of that name."""
        return next(one for one in self.candidates if one.name == name)
