"""How numbers read: the same rounding, signs and units on every surface.

Rates and differences come in [0, 1] and leave as percent and percentage points. What has no bounds names its `unit` and
leaves as it is, with three decimals.
"""

from __future__ import annotations

import math

from evalkit.types import Estimate

THIN_SPACE = "\u202f"  # narrow, and does not break: 1 319 stays on one line
NOTHING = "n/a"


def count(number: int) -> str:
    """Thousands set apart by thin spaces: 1 319."""
    return f"{number:,}".replace(",", THIN_SPACE)


def points(value: float | None) -> str:
    """Percentage points with sign and one decimal, without the unit: -6.4, +31.2, 0.0."""
    if value is None or not math.isfinite(value):
        return NOTHING
    rounded = round(value * 100, 1)
    return f"{rounded:+.1f}" if rounded else "0.0"


def signed(value: float | None) -> str:
    """A difference of what has no bounds, without the unit: +0.019, 0.000."""
    if value is None or not math.isfinite(value):
        return NOTHING
    rounded = round(value, 3)
    return f"{rounded:+.3f}" if rounded else "0.000"


def pp(value: float | None, unit: str | None = None) -> str:
    """A difference in percentage points, or in its own unit: -6.4 pp, +0.019 bits per byte."""
    text = signed(value) if unit else points(value)
    return text if text == NOTHING else f"{text} {unit or 'pp'}"


def size(value: float, unit: str | None = None) -> str:
    """The size of a difference, without its sign, where words give the direction: 6.4 pp, 0.019 bits per byte."""
    return f"{abs(value):.3f} {unit}" if unit else f"{abs(round(value * 100, 1)):.1f} pp"


def amount(value: float | None, unit: str | None = None) -> str:
    """A mean score: 86.6 %, or in a unit that is said beside it 0.861."""
    if not unit:
        return percent(value)
    return NOTHING if value is None or not math.isfinite(value) else f"{value:.3f}"


def percent(value: float | None) -> str:
    """A rate: 93.0 %."""
    return NOTHING if value is None or not math.isfinite(value) else f"{value * 100:.1f} %"


def interval(low: float | None, high: float | None, unit: str | None = None) -> str:
    """An interval in the units of its point: [-8.3, -4.6], [0.011, 0.027]; "no interval" where there is none."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return "no interval"
    # A plus sign inside brackets only repeats what the point already says.
    ends = [signed(end) if unit else points(end) for end in (low, high)]
    return f"[{ends[0].lstrip('+')}, {ends[1].lstrip('+')}]"


def difference(estimate: Estimate | None, unit: str | None = None) -> str:
    """A difference with its interval: -6.4 pp [-8.3, -4.6], +0.019 bits per byte [0.011, 0.027]."""
    if estimate is None:
        return NOTHING
    return f"{pp(estimate.value, unit)} {interval(estimate.low, estimate.high, unit)}"


def bare_difference(estimate: Estimate, unit: str | None = None) -> str:
    """The same where a unit of its own is said elsewhere, as by an axis: +0.019 [0.011, 0.027]."""
    return difference(estimate, unit).replace(f" {unit}", "", 1) if unit else difference(estimate)


def rate(estimate: Estimate | None) -> str:
    """A rate with its interval: 41.0 % [38.2, 43.9]."""
    if estimate is None:
        return NOTHING
    return f"{percent(estimate.value)} {interval(estimate.low, estimate.high)}"


def plain(estimate: Estimate) -> str:
    """A number that is no rate, with its interval: 0.44 [0.38, 0.50]."""
    if not math.isfinite(estimate.value):
        return NOTHING
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.2f}, no interval"
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"


def duration(seconds: float) -> str:
    """Seconds as a person says them: 8 s, 3 min 12 s, 2 h 05 min."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def rounded(number: float) -> str:
    """A count that only its first three digits matter of: 812, 48 200, 1.31 million."""
    if not math.isfinite(number):
        return NOTHING
    if number >= 1e6:
        return f"{number / 1e6:.2f} million"
    digits = max(0, len(str(int(number))) - 3)
    return count(int(round(number, -digits)))


def counted_difference(estimate: Estimate | None) -> str:
    """A difference of counts with its interval, in whole numbers: +312 [250, 374]."""
    if estimate is None or not math.isfinite(estimate.value):
        return NOTHING
    value = f"{round(estimate.value):+,}".replace(",", THIN_SPACE) if round(estimate.value) else "0"
    if estimate.low is None or estimate.high is None:
        return f"{value}, no interval"
    return f"{value} [{count(round(estimate.low))}, {count(round(estimate.high))}]"
