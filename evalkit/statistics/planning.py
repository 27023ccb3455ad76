"""Can it decide? How many items a question takes, and what so many items can tell apart."""

from __future__ import annotations

import math

from evalkit.statistics.cautions import ENOUGH, rests_on_too_few
from evalkit.types import Estimate


def more_items_needed(
    estimate: Estimate, threshold: float, *, differences: int | None = None, level: float | None = None
) -> int | None:
    """Further items until `threshold` lies outside the interval, were value and spread to stay as observed.

    The smallest N with |value - threshold| > z sigma / sqrt(N), sigma = se sqrt(n), less the n there are; where the
    interval is wider than z se (few items, missing ones) its own half-width is scaled instead. Where no spread was seen the
    interval closes as 1 / N and not as 1 / sqrt(N): a half-width h has h / (1 - h) = z^2 / N (Tango's exactly, Clopper
    and Pearson's nearly). 0: the interval is clear of the threshold. None: no number would do (the value is at the threshold), or there is no interval to go by.
    Where too few items differ for a pass, N is at least what makes enough of them differ at the observed rate.
    differences: how many differ, unless `estimate.differing` says so. level: at which all N are to be read, where that is not
    the estimate's: the last look's, for what an earlier look left undecided.
    """
    from scipy.special import ndtri

    low, high, se, n = estimate.low, estimate.high, estimate.se, estimate.n
    if low is None or high is None or n == 0 or math.isnan(estimate.value):
        return None
    clear = low > threshold or high < threshold
    needed = n
    if not clear:
        gap = abs(estimate.value - threshold)
        if gap == 0:
            return None
        half = estimate.value - low if estimate.value > threshold else high - estimate.value
        now, then = (float(ndtri((1 + one) / 2)) for one in (estimate.level, level or estimate.level))
        narrower = (then / now) ** 2
        if se == 0 and estimate.worst is None and half < 1:
            needed = max(math.floor(narrower * n * half / (1 - half) * (1 - gap) / gap) + 1, n + 1)
        else:
            needed = math.floor((then * se * math.sqrt(n) / gap) ** 2) + 1 if se is not None else 0
            if needed <= n:
                needed = max(math.floor(narrower * n * (half / gap) ** 2) + 1, n + 1)
    if rests_on_too_few(estimate):
        differing = estimate.differing if estimate.differing is not None else differences
        if not differing:
            return None
        needed = max(needed, math.ceil(n * ENOUGH / differing))
    return needed - n


def sample_size(
    margin: float, discordance: float, *, delta: float = 0.0, power: float = 0.8, level: float = 0.95
) -> int:
    """Items for a tuned model that truly differs by `delta` to be shown no worse than base by `margin`.

    n = (z_{1-alpha/2} + z_power)^2 (discordance - delta^2) / (margin + delta)^2, rounded up; one sample an item, right
    or wrong. discordance: share of items on which exactly one model is right. Raises ValueError where margin + delta
    is not positive (no n would do) or |delta| exceeds the discordance (it cannot).
    Source: Miller 2024, arXiv:2411.00640, section 5.
    """
    if margin + delta <= 0:
        raise ValueError(
            f"margin={margin}, delta={delta}: a loss at or beyond the margin is never shown to be within it"
        )
    if not abs(delta) <= discordance <= 1:
        raise ValueError(f"discordance={discordance}, delta={delta}: must satisfy |delta| <= discordance <= 1")
    return math.ceil(_z_sum(power, level) ** 2 * (discordance - delta**2) / (margin + delta) ** 2)


def detectable_difference(n: int, discordance: float, *, power: float = 0.8, level: float = 0.95) -> float:
    """The smallest margin within which `n` items show two equal models to be, with this power. In score units.

    discordance: share of items on which exactly one model is right. Raises ValueError for n < 1.
    """
    if n < 1:
        raise ValueError(f"n={n}: at least one item is needed")
    if not 0 <= discordance <= 1:
        raise ValueError(f"discordance={discordance}: a share lies in [0, 1]")
    return _z_sum(power, level) * math.sqrt(discordance / n)


def _z_sum(power: float, level: float) -> float:
    from scipy.special import ndtri

    if not (0 < power < 1 and 0 < level < 1):
        raise ValueError(f"power={power}, level={level}: both must lie between 0 and 1")
    return float(ndtri((1 + level) / 2) + ndtri(power))
