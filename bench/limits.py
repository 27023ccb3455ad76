"""How often does each kind of gate pass a model that truly is at its limit? At most 2.5 % of the time, it should.

The kinds that `rules` does not draw: a share of base's score (`retain.relative`), a suite that counts its tasks alike
(`aggregate: macro`) with clusters that have items of several, guards on a rate and on its rise, suites in clusters. Printed a
case, in percent of runs of one suite under `evalkit.deciding.gate.decide`: GO, which is the mistake; NO-GO; INCONCLUSIVE.

In clusters of the share `alike` all items fall out alike, in the others each by itself. Items are drawn anew in every run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from evalkit.config import PolicySpec
from evalkit.deciding.gate import decide
from evalkit.statistics import kept_share_interval, rise_of_rate, widened_difference, widened_rate
from evalkit.types import Comparison, Estimate, SuiteResult
from evalkit.yamlfile import validate

ALLOWED = 0.025


@dataclass(frozen=True, slots=True)
class Case:
    """A suite that truly is at a limit of the policy. result: one run's outcome of it, drawn with a generator."""

    name: str
    policy: PolicySpec
    result: Callable[[np.random.Generator], SuiteResult]


@dataclass(frozen=True, slots=True)
class Rates:
    """Shares of runs."""

    go: float
    no_go: float
    inconclusive: float

    def holds(self, runs: int) -> bool:
        """Whether GO is no oftener than allowed, within 2.58 standard errors of the simulation."""
        return self.go <= ALLOWED + 2.58 * math.sqrt(ALLOWED * (1 - ALLOWED) / runs)


def measure(case: Case, runs: int, seed: int) -> Rates:
    """One case's rates. The same seed gives the same rates."""
    rng = np.random.default_rng([seed, *case.name.encode()])
    found = [_outcome(case.result(rng), case.policy) for _ in range(runs)]
    go, no_go, inconclusive = (found.count(word) / runs for word in ("go", "no_go", "inconclusive"))
    return Rates(go, no_go, inconclusive)


def _outcome(suite: SuiteResult, policy: PolicySpec) -> str:
    return decide(Comparison("base", "tuned", 0.95, (suite,), None, None, n=suite.n), policy).outcome


# --- a share of base's score ---


@lru_cache(maxsize=300_000)
def _kept_share(kept: int, regressed: int, fixed: int, n: int, share: float) -> Estimate:
    return kept_share_interval(kept, regressed, fixed, n, share=share)


def relative(n: int, discordance: float, *, lost: float = 0.02, base: float = 0.6) -> Case:
    """Tuned keeps exactly 1 - lost of base's rate."""
    delta = -lost * base
    regressed, fixed = (discordance - delta) / 2, (discordance + delta) / 2
    chances = (regressed, fixed, base - regressed, 1 - base - fixed)

    def result(rng: np.random.Generator) -> SuiteResult:
        r, f, kept, _ = map(int, rng.multinomial(n, chances))
        return replace(_suite(n, _NONE), relative=_kept_share(kept, r, f, n, 1 - lost))

    name = f"keeps {100 * (1 - lost):g} % of base's {100 * base:g}, n {n}, {100 * discordance:g} % differing"
    return Case(name, _policy(retain={"relative": lost}), result)


def relative_in_clusters(
    clusters: int, size: int, discordance: float, *, alike: float, lost: float = 0.05, base: float = 0.6
) -> Case:
    """The same where items come in clusters."""
    delta = -lost * base
    regressed, fixed = (discordance - delta) / 2, (discordance + delta) / 2
    labels = np.repeat(np.arange(clusters), size)
    chances = (regressed, fixed, base - regressed, 1 - base - fixed)

    def result(rng: np.random.Generator) -> SuiteResult:
        kinds = _kinds(rng, clusters, size, chances, alike)
        first, second = np.isin(kinds, (0, 2)).astype(float), np.isin(kinds, (1, 2)).astype(float)
        found = widened_difference(first, second, labels, binary=True, share=1 - lost)
        return replace(_suite(first.size, _NONE), relative=found)

    name = f"keeps {100 * (1 - lost):g} %, {clusters} clusters of {size}, {100 * discordance:g} % differing, {100 * alike:g} % alike"
    return Case(name, _policy(retain={"relative": lost}), result)


# --- clusters ---


def clustered(clusters: int, size: int, *, regressed: float, fixed: float, alike: float) -> Case:
    """Items in clusters, of which a cluster may be lost or won as a whole; the margin is what is truly lost."""
    margin = regressed - fixed
    labels = np.repeat(np.arange(clusters), size)

    def result(rng: np.random.Generator) -> SuiteResult:
        base, tuned = _flips(rng, clusters, size, regressed, fixed, alike)
        return replace(_suite(base.size, widened_difference(base, tuned, labels, binary=True)), margin=margin)

    name = f"{clusters} clusters of {size}, {100 * regressed:g} % lost, {100 * fixed:g} % won, {100 * alike:g} % alike"
    return Case(name, _policy(), result)


def macro(clusters: int, tasks: int, *, regressed: float, fixed: float, alike: float) -> Case:
    """A cluster has one item of every task, as versions of one problem have."""
    margin = regressed - fixed
    labels, task = np.repeat(np.arange(clusters), tasks), np.tile(np.arange(tasks), clusters)

    def result(rng: np.random.Generator) -> SuiteResult:
        base, tuned = _flips(rng, clusters, tasks, regressed, fixed, alike)
        found = widened_difference(base, tuned, labels, binary=True, tasks=task)
        return replace(_suite(base.size, found), margin=margin)

    name = f"macro, {tasks} tasks of {clusters} clusters, {100 * regressed:g} % lost, {100 * fixed:g} % won, {100 * alike:g} % alike"
    return Case(name, _policy(), result)


def _flips(
    rng: np.random.Generator, clusters: int, size: int, regressed: float, fixed: float, alike: float
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of base and tuned, shape (clusters * size,): every item lost, won, or right on both sides."""
    kinds = _kinds(rng, clusters, size, (regressed, fixed, 1 - regressed - fixed), alike)
    return (kinds != 1).astype(float), (kinds != 0).astype(float)


def _kinds(rng: np.random.Generator, clusters: int, size: int, chances: Sequence[float], alike: float) -> np.ndarray:
    """Which of the kinds every item is, shape (clusters * size,); all items of one cluster in `alike` of them."""
    kinds = rng.choice(len(chances), p=chances, size=(clusters, size))
    as_one = rng.random(clusters) < alike
    kinds[as_one] = kinds[as_one, :1]
    return kinds.ravel()


# --- guards ---


def rate(n: int, most: float, *, size: int = 1, alike: float = 1.0) -> Case:
    """Tuned does what must not be done exactly as often as it may. n: clusters, each of `size` items."""
    labels = None if size == 1 else np.repeat(np.arange(n), size)

    def result(rng: np.random.Generator) -> SuiteResult:
        found = widened_rate(_events(rng, n, size, most, alike), labels)
        return replace(_suite(n * size, _NONE), role="guard", rate=found)

    where = f"n {n}" if size == 1 else f"{n} clusters of {size}, {100 * alike:g} % alike"
    return Case(
        f"guard: rate of {100 * most:g} %, {where}", _policy(guard={"max_rate": most, "max_increase": None}), result
    )


def increase(n: int, before: float, rise: float, *, size: int = 1, alike: float = 1.0) -> Case:
    """What base does at the rate `before` has become more frequent by exactly what it may; arms flip independently."""
    labels = None if size == 1 else np.repeat(np.arange(n), size)

    def result(rng: np.random.Generator) -> SuiteResult:
        base, tuned = (_events(rng, n, size, one, alike) for one in (before, before + rise))
        found = rise_of_rate(base, tuned, labels, binary=True)
        return replace(_suite(n * size, found), role="guard")

    where = f"n {n}" if size == 1 else f"{n} clusters of {size}, {100 * alike:g} % alike"
    name = f"guard: from {100 * before:g} to {100 * (before + rise):g} %, {where}"
    return Case(name, _policy(guard={"max_rate": None, "max_increase": rise}), result)


def _events(rng: np.random.Generator, clusters: int, size: int, chance: float, alike: float) -> np.ndarray:
    found = rng.random((clusters, size)) < chance
    as_one = rng.random(clusters) < alike
    found[as_one] = found[as_one, :1]
    return found.ravel().astype(float)


# --- what a suite is made of ---

_NONE = Estimate(0.0, None, None, None, 0.95, "none", 0)


def _suite(n: int, delta: Estimate) -> SuiteResult:
    return SuiteResult(
        name="suite",
        metric="accuracy",
        n=n,
        missing=0,
        base=math.nan,
        tuned=math.nan,
        delta=delta,
        regressed=0,
        fixed=0,
        kept=0,
        both_wrong=0,
        causes={},
    )


def _policy(**sections: object) -> PolicySpec:
    return validate(PolicySpec, sections)


def cases() -> list[Case]:
    """What the table shows."""
    return [
        *(relative(n, q) for n in (100, 500, 2000) for q in (0.014, 0.03, 0.10)),
        *(relative(500, q, lost=0.05, base=0.9) for q in (0.05, 0.10)),
        *(relative_in_clusters(100, 5, q, alike=alike) for q in (0.05, 0.20) for alike in (0.0, 0.3, 1.0)),
        *(
            clustered(m, size, regressed=lost, fixed=won, alike=alike)
            for m, size in ((30, 10), (100, 10), (500, 5))
            for lost, won in ((0.05, 0.02), (0.10, 0.07), (0.05, 0.0))
            for alike in (0.0, 0.3, 1.0)
        ),
        *(
            macro(m, tasks, regressed=lost, fixed=won, alike=alike)
            for m, tasks in ((30, 4), (100, 4), (100, 10))
            for lost, won in ((0.10, 0.07), (0.05, 0.0))
            for alike in (0.0, 0.3, 1.0)
        ),
        *(rate(n, most) for n in (300, 1000) for most in (0.01, 0.05)),
        *(rate(m, 0.05, size=10, alike=alike) for m in (60, 200) for alike in (0.0, 0.3, 1.0)),
        *(increase(n, before, 0.01) for n in (500, 2000) for before in (0.0, 0.002, 0.01)),
        *(increase(m, 0.005, 0.02, size=10, alike=alike) for m in (100, 300) for alike in (0.0, 0.3, 1.0)),
    ]


def lines(runs: int, seed: int) -> Iterator[str]:
    """The table, a line as soon as it is known."""
    yield f"Percent of {runs:,} simulated runs of one suite whose model truly is at its limit (seed {seed}); at most 2.5 may get GO"
    yield f"{'case':<66}{'GO':>7}{'NO-GO':>8}{'INCONCL.':>10}"
    over: list[str] = []
    for case in cases():
        found = measure(case, runs, seed)
        fails = not found.holds(runs)
        over += [case.name] if fails else []
        yield (
            f"{case.name:<66}{100 * found.go:>7.1f}{100 * found.no_go:>8.1f}{100 * found.inconclusive:>10.1f}"
            + ("  too often" if fails else "")
        )
    yield f"too often, beyond simulation error: {'; '.join(over) or 'none'}"
