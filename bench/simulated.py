"""Comparisons out of simulated pair counts: what `evalkit.deciding.gate.decide` reads, without records or data frames.

    suites = five_suites(1000, 0.10, margin=0.03, deltas=(-0.03, 0, 0, 0, 0))
    counts = draw_counts(suites, runs=10_000, rng=np.random.default_rng(0))
    outcomes(suites, counts)                 # "go" | "no_go" | "inconclusive", one a run
    simulated_comparison(suites, counts[0])  # one run's Comparison, with the product's own intervals

Counts may be of a prefix: a suite's n is what its counts add up to, so a look after a fifth of the items is

    parts = [draw_counts([replace(suite, n=200) for suite in suites], runs, rng) for _ in range(5)]
    looks = np.cumsum(parts, axis=0)         # shape (5, runs, suites, 4)

at the level of that look (`level=repeated_level(bound)`). Intervals are kept by their counts, so that tens of thousands
of runs take seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from evalkit.config import PolicySpec
from evalkit.deciding.gate import decide
from evalkit.statistics import pooled, tango_interval
from evalkit.types import Comparison, Estimate, Outcome, SuiteResult

REGRESSED, FIXED, KEPT, BOTH_WRONG = range(4)
"""The order of counts on their last axis: only base right, only tuned right, both right, neither."""


@dataclass(frozen=True, slots=True)
class SimulatedSuite:
    """A required retain suite of right-or-wrong items, one answer each, as it truly is.

    discordance: the share of items on which exactly one model is right. delta: the true tuned - base. margin: what the
    suite may lose; None: the policy's. base: base's own rate, which peers' unpaired rules read and ours do not.
    """

    name: str
    n: int
    discordance: float
    delta: float = 0.0
    margin: float | None = None
    weight: float = 1.0
    base: float = 0.6

    @property
    def chances(self) -> tuple[float, float, float, float]:
        """Of each kind of item, in the order of counts. Raises ValueError where there is no such suite."""
        regressed, fixed = (self.discordance - self.delta) / 2, (self.discordance + self.delta) / 2
        chances = regressed, fixed, self.base - regressed, 1 - self.base - fixed
        if min(chances) < -1e-12:
            raise ValueError(f"{self}: no items can be like this: {chances}")
        return tuple(max(chance, 0.0) for chance in chances)  # pyright: ignore[reportReturnType]


def five_suites(
    n: int, discordance: float, *, margin: float | None = None, deltas: Sequence[float] = (0.0,) * 5
) -> tuple[SimulatedSuite, ...]:
    """As many suites as there are deltas, alike in all else."""
    return tuple(
        SimulatedSuite(f"suite {place}", n, discordance, delta, margin) for place, delta in enumerate(deltas, 1)
    )


def draw_counts(suites: Sequence[SimulatedSuite], runs: int, rng: np.random.Generator) -> np.ndarray:
    """Shape (runs, suites, 4): how many items of each kind every suite had in each run."""
    return np.stack([rng.multinomial(suite.n, suite.chances, size=runs) for suite in suites], axis=1)


@lru_cache(maxsize=300_000)
def interval(regressed: int, fixed: int, n: int, level: float) -> Estimate:
    """`tango_interval`, remembered."""
    return tango_interval(regressed, fixed, n, level=level)


def simulated_comparison(suites: Sequence[SimulatedSuite], counts: np.ndarray, *, level: float = 0.95) -> Comparison:
    """What a run with these counts is decided on. counts: shape (suites, 4). level: two-sided, of every interval."""
    results = tuple(_suite(suite, *map(int, row), level) for suite, row in zip(suites, counts, strict=True))
    deltas, names = [result.delta for result in results], [result.name for result in results]
    tax = pooled(deltas, [suite.weight for suite in suites], level=level, sign=-1, names=names)
    return Comparison("base", "tuned", level, results, tax, None, n=int(counts.sum()))


def outcomes(
    suites: Sequence[SimulatedSuite], counts: np.ndarray, *, policy: PolicySpec | None = None, level: float = 0.95
) -> np.ndarray:
    """The decision of every run, as strings. counts: shape (runs, suites, 4). policy: the default one."""
    policy = policy or PolicySpec()
    flat = counts.reshape(len(counts), -1)
    unlike, place = np.unique(flat, axis=0, return_inverse=True)
    decided: list[Outcome] = [
        decide(simulated_comparison(suites, row.reshape(counts.shape[1:]), level=level), policy).outcome
        for row in unlike
    ]
    return np.array(decided)[place.ravel()]


def _suite(suite: SimulatedSuite, regressed: int, fixed: int, kept: int, both_wrong: int, level: float) -> SuiteResult:
    n = regressed + fixed + kept + both_wrong
    return SuiteResult(
        name=suite.name,
        metric="accuracy",
        n=n,
        missing=0,
        base=(kept + regressed) / n,
        tuned=(kept + fixed) / n,
        delta=interval(regressed, fixed, n, level),
        regressed=regressed,
        fixed=fixed,
        kept=kept,
        both_wrong=both_wrong,
        causes={},
        margin=suite.margin,
        weight=suite.weight,
    )
