"""A number with what is known about it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with what is known about it. low and high are None where no interval can honestly be given.

    df: the degrees of freedom of se. worst: the smallest and the largest value that missing items could have brought
    about; None where none are missing. differing: how many items (or clusters, where they are the unit) differ between
    the models; of a pool, the fewest of its components.
    """

    value: float
    se: float | None
    low: float | None
    high: float | None
    level: float
    method: str
    n: int
    cautions: tuple[str, ...] = ()
    df: float | None = None
    worst: tuple[float, float] | None = None
    differing: int | None = None


@dataclass(frozen=True, slots=True)
class Worst:
    """The largest loss among several suites (or candidates), and whose it is. A loss counts positive.

    loss.low, loss.high: limits for the largest true loss among all of them at once, whichever has it.
    """

    name: str
    loss: Estimate
