"""How much more often something happens than it did: the difference of two rates of what hardly ever does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.statistics.cautions import ENOUGH, rests_on_too_few
from evalkit.statistics.missing import widened_difference, widened_rate
from evalkit.types import Estimate


def rise_of_rate(
    base: ArrayLike,
    tuned: ArrayLike,
    groups: Sequence[object] | NDArray[np.generic] | None = None,
    *,
    level: float = 0.95,
    binary: bool,
) -> Estimate:
    """`widened_difference` of two rates, with limits where a t interval has too little to go by.

    base, tuned, groups, binary: as there. Where few clusters (or items of several samples) differ a t interval may carry no
    pass, and where none does there is none: of two models that never did it no rise could be ruled out. But tuned's rate
    rises by no more than tuned's rate, and falls by no more than base's. So while fewer than 20 clusters of tuned's show the
    event, `high` is the upper limit of tuned's own rate, and `low`, where there is no other, minus that of base's.
    """
    found = widened_difference(base, tuned, groups, level=level, binary=binary)
    if found.low is not None and not rests_on_too_few(found):
        return found
    before, after = (widened_rate(arm, groups, level=level) for arm in (base, tuned))
    if before.high is None or after.high is None or (after.differing or 0) >= ENOUGH:
        return found
    method = f"no more than tuned's own rate, {after.method}"
    low = -before.high if found.low is None else found.low
    return replace(found, low=low, high=after.high, method=method, cautions=())
