"""Scores of a suite's items, drawn as they are expected to fall."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalkit.planning.design import PlannedSuite
from evalkit.types import Expected

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scores:
    """Drawn scores of some items: shape (n,), NaN where missing. groups: a cluster number an item."""

    base: Floats
    tuned: Floats
    groups: NDArray[np.intp] | None


def drawn_scores(
    suite: PlannedSuite, expected: Expected, rng: np.random.Generator, *, gain: float, loss: float
) -> list[Scores]:
    """Scores of one suite, a task at a time, whose true differences are `gain` on targets and -`loss` elsewhere.

    A retained item answered by several samples is settled, open (either answer a coin's toss), or differs for good; guards
    count events at the expected rate; within a cluster differences are shared as often as the correlation says.
    """
    found: list[Scores] = []
    shared: dict[int, int] = {}
    for n, groups in zip(suite.tasks, suite.groups, strict=True):
        if not suite.bounded:
            base, tuned = np.zeros(n), rng.normal(loss, expected.spread or 0.0, n)
        elif suite.record.role == "guard":
            base, tuned = _guard(n, expected, loss, rng)
        else:
            effect = gain if suite.record.role == "target" else -loss
            if suite.samples > 1:
                base, tuned = _sampled(n, expected, effect, suite.samples, rng)
            else:
                base, tuned = _single(n, expected, effect, groups, shared, rng)
        if suite.bounded and suite.record.role != "guard":
            settled = (base == tuned) & (rng.random(n) >= expected.score)
            base, tuned = np.where(settled, 0.0, base), np.where(settled, 0.0, tuned)
        if expected.missing:
            tuned = np.where(rng.random(n) < expected.missing, np.nan, tuned)
        found.append(Scores(base, tuned, groups))
    return found


def _single(
    n: int,
    expected: Expected,
    effect: float,
    groups: NDArray[np.intp] | None,
    shared: dict[int, int],
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """One answer an item of each model: the difference is -size, 0 or +size."""
    size = expected.size
    q = min(1.0, max(expected.discordance, abs(effect) / size))
    up, down = (q + effect / size) / 2, (q - effect / size) / 2
    d = steps(rng.random(n), up, down)
    if groups is not None:
        numbers = np.unique(groups)
        for number, step in zip(numbers.tolist(), steps(rng.random(numbers.size), up, down).tolist(), strict=True):
            shared.setdefault(number, step)
        together = np.array([shared[number] for number in numbers.tolist()])[np.searchsorted(numbers, groups)]
        d = np.where(rng.random(n) < np.sqrt(expected.correlation), together, d)
    return np.where(d > 0, 1 - size, 1.0), np.where(d < 0, 1 - size, 1.0)


def steps(drawn: Floats, up: float, down: float) -> NDArray[np.intp]:
    """+1, -1 or 0 for uniform numbers, with these chances."""
    return np.where(drawn < up, 1, np.where(drawn < up + down, -1, 0))


def _sampled(
    n: int, expected: Expected, effect: float, samples: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """The mean of several samples of each model."""
    lasting = min(1.0, max(expected.lasting * expected.discordance, abs(effect)))
    open_ = min(1 - lasting, 2 * max(0.0, expected.discordance - lasting))
    kind = rng.random(n)
    base, tuned = np.ones(n), np.ones(n)
    up = (lasting + effect) / 2
    base[kind < up] = 0
    tuned[(kind >= up) & (kind < lasting)] = 0
    tossed = (kind >= lasting) & (kind < lasting + open_)
    for arm in (base, tuned):
        arm[tossed] = rng.binomial(samples, 0.5, size=int(tossed.sum())) / samples
    return base, tuned


def _guard(n: int, expected: Expected, rise: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Both models show the behaviour at about the expected rate, on different items as far as the discordance goes."""
    rate = expected.rate
    differing = min(expected.discordance, 2 * rate * (1 - rate))
    kind = rng.random(n)
    base = kind < rate
    tuned = (kind >= differing / 2) & (kind < rate + differing / 2 + rise)
    return base.astype(float), tuned.astype(float)
