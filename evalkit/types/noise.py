"""How much of what changed is noise: base asked the same questions again, beside tuned on the very same items."""

from __future__ import annotations

from dataclasses import dataclass

from evalkit.types.estimate import Estimate


@dataclass(frozen=True, slots=True)
class SuiteNoise:
    """Two runs of base on some items of one suite. A flip is an item whose mark (the mean over its samples) differs.

    n: items scored in both runs of base and of tuned; missing: asked again, and not so. flips, flip_rate: of base against
    itself; tuned_flips, tuned_flip_rate: of tuned against base, on these items. delta: again - base; tuned_delta: tuned - base on these
    items. All None, or 0, where nothing is scored. answers, answers_differ: of all answers that came both times, those
    that read differently, or of which a log-probability differs where only that was asked. floor: a half-width around zero: how far two
    runs of base over all items of the suite differ by chance, at the level of `delta`; 0 where base is deterministic,
    None where no flip was seen and yet answers differ. unit: of differences of scores without bounds; None: points.
    """

    name: str
    n: int
    missing: int
    answers: int
    answers_differ: int
    flips: int = 0
    tuned_flips: int = 0
    flip_rate: Estimate | None = None
    tuned_flip_rate: Estimate | None = None
    delta: Estimate | None = None
    tuned_delta: Estimate | None = None
    floor: float | None = None
    unit: str | None = None

    @property
    def deterministic(self) -> bool:
        """Whether base answered everything again to the last token."""
        return self.answers > 0 and not self.answers_differ and not self.flips


@dataclass(frozen=True, slots=True)
class NoiseFloor:
    """Base asked again, suite by suite and over all of them. tax, tuned_tax: pooled over retain suites, on these items."""

    asked: int
    suites: tuple[SuiteNoise, ...]
    flip_rate: Estimate | None = None
    tuned_flip_rate: Estimate | None = None
    tax: Estimate | None = None
    tuned_tax: Estimate | None = None
    cautions: tuple[str, ...] = ()

    @property
    def answers(self) -> int:
        """How many answers came both times."""
        return sum(suite.answers for suite in self.suites)

    @property
    def answers_differ(self) -> int:
        """How many of them differ."""
        return sum(suite.answers_differ for suite in self.suites)

    @property
    def deterministic(self) -> bool:
        """Whether base answered everything again to the last token."""
        return bool(self.answers) and all(suite.deterministic for suite in self.suites if suite.answers)
