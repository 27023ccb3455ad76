"""Looking more than once: bounds that keep the error of all looks together, and what follows at each look.

Written out because no maintained Python library has it (R has gsDesign, rpact and ldbounds).

Time is the information fraction t in (0, 1], here the share of the planned items. The score S(t) = Z(t) sqrt(t) has
independent increments, S(t) - S(s) ~ N(drift (t - s), t - s), where `drift` is the expected Z of the last planned look:
the true effect over its standard error there. What has crossed no bound is carried from look to look by numerical
integration.

Sources: Armitage, McPherson and Rowe 1969, JRSS A 132:235-244 (the recursion); Lan and DeMets 1983, Biometrika
70:659-663 (spending); Jennison and Turnbull 2000, Group Sequential Methods, chapters 9 (repeated intervals), 10
(conditional power) and 19 (the integration).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Spending = Literal["obrien_fleming", "pocock"]

FARTHEST = 8.0
"""No bound lies beyond: the level of the interval at such a look would no longer be distinguishable from 1."""

CLOSEST = 0.001
"""Two looks lie at least so far apart, in information fractions."""

_NODES = 16  # of Gauss and Legendre on each panel
_PANEL = 4.0  # width of a panel in standard deviations of the narrower neighbouring step


def spending_bounds(
    fractions: Sequence[float], *, alpha: float = 0.025, spending: Spending = "obrien_fleming"
) -> tuple[float, ...]:
    """Upper bounds for Z at looks with these information fractions, crossed with probability `alpha` in all at no drift.

    alpha: one-sided, of all looks together. Of it a look at fraction t may have spent, with the looks before it,

        obrien_fleming:  2 (1 - Phi(z_{alpha / 2} / sqrt t))
        pocock:          alpha ln(1 + (e - 1) t),

    so bounds depend on the looks that were taken, not on those planned after them. Both spend `alpha` at t = 1; a last
    fraction below 1 leaves some unspent. Bounds end at FARTHEST, where a look spends less than 1e-15.

    Raises ValueError for fractions that do not increase from above 0 to at most 1 in steps of CLOSEST, and for an alpha
    outside (0, 0.5).
    """
    _check_fractions(fractions)
    if not 0 < alpha < 0.5:
        raise ValueError(f"alpha={alpha!r}: one-sided, it must lie between 0 and 0.5, as in 0.025")
    if spending not in ("obrien_fleming", "pocock"):
        raise ValueError(f"spending={spending!r}: must be 'obrien_fleming' or 'pocock'")
    bounds: list[float] = []
    running, before = _START, 0.0
    for place, fraction in enumerate(fractions):
        spent = _spent(fraction, alpha, spending)
        bounds.append(_bound(running, fraction, spent - before))
        before = spent
        if place + 1 < len(fractions):
            running = _carried(running, bounds[-1], fraction, fractions[place + 1], 0.0)
    return tuple(bounds)


def crossing_probability(bounds: Sequence[float], fractions: Sequence[float], drift: float = 0.0) -> tuple[float, ...]:
    """The probability that Z lies above its bound for the first time at each look.

    bounds: one a look; infinity for a look that cannot stop. drift: the expected Z at fraction 1. Their sum is the
    error at no drift, and the power at the drift that was planned for. Raises ValueError as `spending_bounds` does, and
    where bounds and fractions differ in number or a bound is NaN.
    """
    _check_fractions(fractions)
    if len(bounds) != len(fractions):
        raise ValueError(f"{len(bounds)} bounds for {len(fractions)} looks: give one a look")
    if any(math.isnan(bound) for bound in bounds) or not math.isfinite(drift):
        raise ValueError(f"bounds={tuple(bounds)}, drift={drift}: numbers are needed")
    first: list[float] = []
    running = _START
    for place, (bound, fraction) in enumerate(zip(bounds, fractions, strict=True)):
        first.append(_crossing(running, bound, fraction, drift))
        if place + 1 < len(fractions):
            running = _carried(running, bound, fraction, fractions[place + 1], drift)
    return tuple(first)


def repeated_level(bound: float) -> float:
    """The two-sided level 1 - 2 (1 - Phi(bound)) of the repeated confidence interval at a look with this bound.

    Intervals at these levels hold the truth at all looks together with probability 1 - 2 alpha at least, however the
    decision to stop was made. Raises ValueError for a bound that is not above 0.
    """
    from scipy.special import erf

    if not bound > 0:
        raise ValueError(f"bound={bound!r}: must be above 0, as bounds for an alpha below 0.5 mostly are")
    return float(erf(bound / math.sqrt(2)))


def conditional_power(z: float, fraction: float, bound_final: float, drift: float | None = None) -> float:
    """The probability that Z will lie above `bound_final` at fraction 1, given its value `z` at `fraction`.

    drift: the expected Z at fraction 1; None: as the trend so far has it, z / sqrt(fraction). Looks in between are
    not counted. It advises on futility without binding: bounds and errors stay as they are whether one stops or not.
    Raises ValueError for a fraction outside (0, 1).
    """
    from scipy.special import ndtr

    if not 0 < fraction < 1:
        raise ValueError(f"fraction={fraction!r}: must lie between 0 and 1; at 1 nothing is left to come")
    if drift is None:
        drift = z / math.sqrt(fraction)
    left = 1 - fraction
    return float(ndtr((z * math.sqrt(fraction) + drift * left - bound_final) / math.sqrt(left)))


@dataclass(frozen=True, slots=True)
class _Running:
    """Where the scores of those lie that have crossed no bound, as masses at points, at information fraction `at`."""

    at: float
    points: NDArray[np.float64]
    masses: NDArray[np.float64]


_START = _Running(0.0, np.zeros(1), np.ones(1))


def _check_fractions(fractions: Sequence[float]) -> None:
    if not fractions:
        raise ValueError("fractions is empty: at least one look is needed")
    before = 0.0
    for place, fraction in enumerate(fractions):
        if not fraction - before >= CLOSEST * (1 - 1e-9):
            raise ValueError(
                f"fractions[{place}] is {fraction}: must exceed {before} by {CLOSEST} at least; fractions increase"
            )
        before = fraction
    if before > 1:
        raise ValueError(f"fractions[{len(fractions) - 1}] is {before}: an information fraction is at most 1")


def _spent(fraction: float, alpha: float, spending: Spending) -> float:
    from scipy.special import ndtr, ndtri

    if spending == "pocock":
        return alpha * math.log1p((math.e - 1) * fraction)
    return 2 * float(ndtr(ndtri(alpha / 2) / math.sqrt(fraction)))


def _bound(running: _Running, fraction: float, spend: float) -> float:
    from scipy.optimize import brentq

    def excess(bound: float) -> float:
        return _crossing(running, bound, fraction, 0.0) - spend

    if excess(FARTHEST) >= 0:
        return FARTHEST
    return float(brentq(excess, -FARTHEST, FARTHEST, xtol=1e-10))  # pyright: ignore[reportArgumentType]


def _crossing(running: _Running, bound: float, fraction: float, drift: float) -> float:
    from scipy.special import ndtr

    step = fraction - running.at
    above = (running.points + drift * step - bound * math.sqrt(fraction)) / math.sqrt(step)
    return float(running.masses @ ndtr(above))


def _carried(running: _Running, bound: float, fraction: float, then: float, drift: float) -> _Running:
    """Those still running after the look at `fraction`, on points fine enough for the step to the look at `then`."""
    step, sd = fraction - running.at, math.sqrt(fraction)
    low = drift * fraction - FARTHEST * sd
    high = max(min(bound * sd, drift * fraction + FARTHEST * sd), low)
    points, weights = _grid(low, high, _PANEL * math.sqrt(min(step, then - fraction)))
    apart = (points[:, None] - running.points - drift * step) / math.sqrt(step)
    density = np.exp(-(apart**2) / 2) @ running.masses / math.sqrt(2 * math.pi * step)
    return _Running(fraction, points, weights * density)


def _grid(low: float, high: float, width: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points and weights of an integral from low to high, Gauss-Legendre on panels of this width at most."""
    nodes, weights = _gauss_legendre()
    panels = max(1, math.ceil((high - low) / width))
    half = (high - low) / panels / 2
    centres = low + half * (2 * np.arange(panels) + 1)
    return (centres[:, None] + half * nodes).ravel(), np.tile(half * weights, panels)


@cache
def _gauss_legendre() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.polynomial.legendre.leggauss(_NODES)
