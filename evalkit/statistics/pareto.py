"""Which of several candidates no other one beats at once in what it gains and in what it costs."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def pareto_front(gains: ArrayLike, taxes: ArrayLike) -> tuple[int, ...]:
    """The places of the points that no other dominates: none gains at least as much at no higher a tax, and one of the
    two better. Equal points are on the front together.

    gains, taxes: shape (k,), more gain and less tax being better. NaN in both of a point leaves it out; where all gains
    (or all taxes) are NaN the other axis alone decides. Raises ValueError for shapes that differ.
    """
    gain, tax = np.asarray(gains, dtype=float), np.asarray(taxes, dtype=float)
    if gain.shape != tax.shape or gain.ndim != 1:
        raise ValueError(f"gains have shape {gain.shape}, taxes {tax.shape}: both must be (k,), one a candidate")
    gain, tax = (np.zeros_like(axis) if np.isnan(axis).all() else axis for axis in (gain, tax))
    known = ~(np.isnan(gain) | np.isnan(tax)) & ~(np.isnan(np.asarray(gains)) & np.isnan(np.asarray(taxes)))
    front: list[int] = []
    for place in np.flatnonzero(known):
        no_worse = known & (gain >= gain[place]) & (tax <= tax[place])
        better = (gain > gain[place]) | (tax < tax[place])
        if not (no_worse & better).any():
            front.append(int(place))
    return tuple(front)
