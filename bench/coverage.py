"""Do intervals hold the truth as often as they say? Ours and three of peers', on the same simulated sets.

Printed a case: how often evalkit's 95 % interval held the true difference; how often it lay above it (which is what
gives a wrong GO at a loss of exactly the margin) and below it; its mean half-width in points; sets without an interval;
and of each peer's interval the coverage and half-width:

- `unpaired z`: difference of two means -+ 1.96 sqrt(stderr^2 + stderr^2), as lm-eval's stderr column suggests
- `paired z`: mean difference -+ 1.96 sd / sqrt(n), clusters not looked at
- `bootstrap`: percentiles of the mean over RESAMPLES resamples of the items, clusters not looked at (fewer resamples than
  one would take for one set: it adds about .3 points to the misses)

Items, samples and clusters are drawn anew in every set; sizes of clusters stay.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bench.simulated import SimulatedSuite, draw_counts, interval, simulated_comparison
from evalkit.statistics import widened_difference

RESAMPLES = 500
CHUNK = 500  # sets drawn at once
Z = 1.959963984540054

Limits = np.ndarray
"""Shape (sets, 2): low and high, NaN where there is no interval."""

Draw = Callable[[int, np.random.Generator], tuple[np.ndarray, np.ndarray]]
"""Base and tuned scores of so many sets, each of shape (sets, n)."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Between which shares coverage shall lie. refused: there shall be no interval at all."""

    least: float = 0.94
    most: float = 1.0
    refused: bool = False

    def __str__(self) -> str:
        if self.refused:
            return "refused"
        return f"{100 * self.least:g}-{100 * self.most:g}" if self.most < 1 else f"{100 * self.least:g} or more"


AROUND, AT_LEAST, FEW_CLUSTERS, REFUSED = Claim(0.94, 0.96), Claim(0.94), Claim(0.925, 0.97), Claim(refused=True)


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of set. limits: (sets, rng) -> the limits of evalkit and of each peer, by name; truth: what they seek."""

    name: str
    claim: Claim
    truth: float
    limits: Callable[[int, np.random.Generator], dict[str, Limits]]


@dataclass(frozen=True, slots=True)
class Measured:
    """Shares of all intervals given that held the truth, lay above and below it; mean half-width; how many were given."""

    held: float
    above: float
    below: float
    half_width: float
    given: int
    sets: int

    def keeps(self, claim: Claim) -> bool:
        """Whether what was seen can be what is claimed: within 2.58 standard errors of the simulation."""
        if claim.refused or not self.given:
            return claim.refused and not self.given
        error = 2.58 * math.sqrt(claim.least * (1 - claim.least) / self.given)
        return claim.least - error <= self.held <= claim.most + error


def measure(limits: Limits, truth: float) -> Measured:
    """What a case's limits come to."""
    low, high = limits[~np.isnan(limits).any(axis=1)].T
    if not low.size:
        return Measured(np.nan, np.nan, np.nan, np.nan, 0, len(limits))
    above, below = float(np.mean(low > truth)), float(np.mean(high < truth))
    return Measured(1 - above - below, above, below, float(np.mean(high - low)) / 2, low.size, len(limits))


def simulate(case: Case, sets: int, seed: int) -> dict[str, Measured]:
    """Every method's figures in one case. The same seed gives the same figures."""
    rng = np.random.default_rng([seed, *case.name.encode()])
    chunks = [case.limits(min(CHUNK, sets - start), rng) for start in range(0, sets, CHUNK)]
    return {name: measure(np.concatenate([chunk[name] for chunk in chunks]), case.truth) for name in chunks[0]}


def binary(n: int, regressed: float, fixed: float, *, base: float = 0.6) -> Case:
    """Right or wrong, one answer an item, with these chances of either flip. From 20 expected differences a ceiling too."""
    discordance = regressed + fixed
    suite = SimulatedSuite("", n, discordance, fixed - regressed, base=base)

    def limits(sets: int, rng: np.random.Generator) -> dict[str, Limits]:
        counts = draw_counts([suite], sets, rng)[:, 0, :]
        r, f, kept, _ = counts.T
        ours = [interval(int(a), int(b), n, 0.95) for a, b in zip(r, f, strict=True)]
        value = (f - r) / n
        one, other = (kept + r) / n, (kept + f) / n
        again = rng.multinomial(n, counts[:, None, :] / n, size=(sets, RESAMPLES))
        return {
            "evalkit": np.array([(one.low, one.high) for one in ours]),
            "unpaired z": _z(value, np.sqrt((one * (1 - one) + other * (1 - other)) / (n - 1))),
            "paired z": _z(value, np.sqrt(((r + f) / n - value**2) / (n - 1))),
            "bootstrap": _percentiles((again[..., 1] - again[..., 0]) / n),
        }

    name = f"binary, n {n}, {100 * regressed:g} % lost, {100 * fixed:g} % won"
    return Case(name, AROUND if n * discordance >= 20 else AT_LEAST, fixed - regressed, limits)


def scored(
    name: str, claim: Claim, truth: float, draw: Draw, groups: np.ndarray | None = None, *, binary: bool = False
) -> Case:
    """Any scores, sent through the function that a run sends them through."""

    def limits(sets: int, rng: np.random.Generator) -> dict[str, Limits]:
        base, tuned = draw(sets, rng)
        ours = [widened_difference(one, other, groups, binary=binary) for one, other in zip(base, tuned, strict=True)]
        found: dict[str, Limits] = {"evalkit": np.array([(one.low, one.high) for one in ours], dtype=float)}
        if np.isnan(base).any() or np.isnan(tuned).any():
            return found
        d, n = tuned - base, base.shape[1]
        value = d.mean(axis=1)
        apart = np.sqrt((base.var(axis=1, ddof=1) + tuned.var(axis=1, ddof=1)) / n)
        # The same resamples of places serve all sets of a chunk.
        again = rng.multinomial(n, np.full(n, 1 / n), size=RESAMPLES)
        return found | {
            "unpaired z": _z(value, apart),
            "paired z": _z(value, d.std(axis=1, ddof=1) / np.sqrt(n)),
            "bootstrap": _percentiles(d @ again.T / n),
        }

    return Case(name, claim, truth, limits)


def graded(n: int, *, differing: float = 1.0) -> Case:
    """Scores in [0, 1]; the share `differing` of tuned's mixes base's score with a lower one."""

    def draw(sets: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        base, other = rng.beta(4, 2, (sets, n)), rng.beta(3, 2, (sets, n))
        return base, np.where(rng.random((sets, n)) < differing, (base + other) / 2, base)

    share = "" if differing == 1 else f", {100 * differing:g} % differing"
    return scored(f"graded, n {n}{share}", AROUND, differing * (0.6 - 2 / 3) / 2, draw)


def repeats(n: int, k_base: int, k_tuned: int) -> Case:
    """Means of right or wrong over repeats; an item's chance is p for base and .8 p + .2 r for tuned."""

    def draw(sets: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        p, r = rng.beta(2, 1, (sets, n)), rng.beta(1, 2, (sets, n))
        return rng.binomial(k_base, p) / k_base, rng.binomial(k_tuned, 0.8 * p + 0.2 * r) / k_tuned

    return scored(f"repeats, n {n}, K {k_base} and {k_tuned}", AROUND, 0.2 * (1 / 3 - 2 / 3), draw)


def clustered(
    sizes: Sequence[int], shape: str, claim: Claim, *, correlation: float = 0.2, lost: float = 0.18, won: float = 0.12
) -> Case:
    """Right or wrong in clusters, each with its own chances of either flip, drawn from a Dirichlet distribution.

    lost, won: their means. correlation: of two items' differences within a cluster.
    """
    groups = np.repeat(np.arange(len(sizes)), sizes)
    concentration = (1 / correlation - 1) * np.array([lost, won, 1 - lost - won])

    def draw(sets: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        chances = rng.dirichlet(concentration, size=(sets, len(sizes)))[:, groups]
        kind, both = rng.random((2, sets, groups.size))
        loses = kind < chances[..., 0]
        wins = ~loses & (kind < chances[..., 0] + chances[..., 1])
        alike = ~loses & ~wins & (both < 0.6)
        return (alike | loses).astype(float), (alike | wins).astype(float)

    name = f"{len(sizes)} clusters of {shape}, n {groups.size}"
    return scored(name, claim, won - lost, draw, groups, binary=True)


def tax(name: str, suites: Sequence[SimulatedSuite], claim: Claim) -> Case:
    """The pooled loss over several binary suites."""

    def limits(sets: int, rng: np.random.Generator) -> dict[str, Limits]:
        counts = draw_counts(suites, sets, rng)
        ours = [simulated_comparison(suites, row).tax for row in counts]
        n, (r, f, kept, _) = counts.sum(axis=2), np.moveaxis(counts, 2, 0)
        one, other = (kept + r) / n, (kept + f) / n
        value = ((r - f) / n).mean(axis=1)
        apart, paired = (one * (1 - one) + other * (1 - other)) / (n - 1), ((r + f) / n - ((r - f) / n) ** 2) / (n - 1)
        return {
            "evalkit": np.array([(one.low, one.high) for one in ours if one], dtype=float),
            "unpaired z": _z(value, np.sqrt(apart.sum(axis=1)) / len(suites)),
            "paired z": _z(value, np.sqrt(paired.sum(axis=1)) / len(suites)),
        }

    return Case(f"tax, {name}", claim, -float(np.mean([suite.delta for suite in suites])), limits)


def missing(n: int, share: float) -> Case:
    """Right or wrong, and tuned answers a share of what it would have got wrong not at all."""

    def draw(sets: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        d = rng.choice([-1.0, 1.0, 0.0], size=(sets, n), p=[0.07, 0.05, 0.88])
        both = (rng.random(d.shape) < 0.6).astype(float)
        base, tuned = np.where(d == 0, both, d < 0).astype(float), np.where(d == 0, both, d > 0).astype(float)
        gone = (tuned == 0) & (rng.random(d.shape) < share / 0.42)
        return base, np.where(gone, np.nan, tuned)

    return scored(f"binary, n {n}, {100 * share:g} % unanswered", AT_LEAST, -0.02, draw, binary=True)


def cases() -> list[Case]:
    """What the table shows."""

    def suites(*sizes: int, discordance: float) -> list[SimulatedSuite]:
        return [SimulatedSuite(str(n), n, discordance, -discordance / 5) for n in sizes]

    rising = {count: [*range(1, count + 1)] for count in (20, 40)}
    return [
        *(binary(n, r, f) for n in (50, 100, 200) for r, f in ((0.01, 0.01), (0.03, 0.0), (0.06, 0.04), (0.15, 0.1))),
        *(binary(n, r, f) for n in (1000, 5000) for r, f in ((0.005, 0.005), (0.02, 0.0), (0.06, 0.04), (0.1, 0.1))),
        missing(500, 0.002),
        missing(500, 0.02),
        *(graded(n) for n in (30, 100, 1000)),
        *(graded(n, differing=0.2) for n in (150, 1000)),
        repeats(50, 4, 4),
        repeats(500, 4, 4),
        repeats(200, 1, 8),
        clustered([10] * 20, "10", AROUND),
        clustered([10] * 60, "10", AROUND),
        clustered(rising[20], "1 to 20", AROUND),
        clustered(rising[40], "1 to 40", AROUND),
        clustered([60, *[5] * 29], "5, one of 60", AROUND),
        *(clustered([20] * count, "20", FEW_CLUSTERS) for count in (5, 8, 12, 19)),
        *(
            clustered([10 * i for i in range(1, count + 1)], f"10 to {10 * count}", FEW_CLUSTERS)
            for count in (5, 8, 12)
        ),
        clustered([5 * i for i in range(1, 20)], "5 to 95", FEW_CLUSTERS),
        clustered([50] * 4, "50", REFUSED),
        tax("five suites of 500, 10 %", suites(*[500] * 5, discordance=0.1), AROUND),
        tax("100 to 5,000 items, 10 %", suites(100, 300, 800, 2000, 5000, discordance=0.1), AT_LEAST),
        tax("five suites of 100, 2 %", suites(*[100] * 5, discordance=0.02), AT_LEAST),
    ]


def lines(sets: int, seed: int) -> Iterator[str]:
    """The table, a line as soon as it is known."""
    peers = ("unpaired z", "paired z", "bootstrap")
    yield f"Coverage in percent of nominal 95 % intervals, {sets:,} simulated sets a case (seed {seed}); +- half-width in points"
    yield (
        f"{'case':<44}{'claim':>12}{'evalkit':>16}{'above':>7}{'below':>7}{'none':>7}{'':>3}"
        + "".join(f"{peer:>16}" for peer in peers)
    )
    broken = 0
    for case in cases():
        found = simulate(case, sets, seed)
        ours = found["evalkit"]
        kept = ours.keeps(case.claim)
        broken += not kept
        sides = f"{100 * ours.above:7.1f}{100 * ours.below:7.1f}" if ours.given else f"{'-':>7}{'-':>7}"
        yield (
            f"{case.name:<44}{case.claim!s:>12}{_cell(ours)}{sides}{ours.sets - ours.given:>7}{'' if kept else ' !':>3}"
            + "".join(_cell(found[peer]) if peer in found else f"{'-':>16}" for peer in peers)
        )
    yield (
        f"{broken} of {len(cases())} cases outside what is claimed (!)"
        if broken
        else "every case as claimed, within simulation error"
    )


def _cell(measured: Measured) -> str:
    if not measured.given:
        return "none".rjust(16)
    return f"{100 * measured.held:.1f} +-{100 * measured.half_width:5.2f}".rjust(16)


def _z(value: np.ndarray, se: np.ndarray) -> Limits:
    return np.stack([value - Z * se, value + Z * se], axis=1)


def _percentiles(means: np.ndarray) -> Limits:
    return np.quantile(means, [0.025, 0.975], axis=1).T
