"""Accuracy against a token budget as SVG text: both models in one plot, each named at the end of its own line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from evalkit.report.charts import BASE, MUTED, RULE, TUNED
from evalkit.report.numbers import count, percent
from evalkit.report.svg import chart_over, finished, svg_text

_STYLES = {
    "base": {"color": BASE, "dash": [6, 4], "shape": "square"},
    "tuned": {"color": TUNED, "dash": [1, 0], "shape": "circle"},
}
_LINE_PX = 18
"""Labels nearer to each other than this would overlap."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The size of a plot, in pixels. labels: room at the right for the names of the lines. ticks: at most, across."""

    width: int
    height: int
    labels: int
    ticks: int


WIDE = Frame(680, 260, 104, 8)
NARROW = Frame(302, 240, 96, 4)


def budget_curves(
    budgets: Sequence[int],
    base: Sequence[float],
    tuned: Sequence[float],
    metric: str,
    frame: Frame,
    href: str | None = None,
) -> str:
    """Both models' mean score had every answer been cut off after so many tokens. Scores are fractions.

    href: where the points lead.
    """
    import altair as alt

    most = min(100.0, max(1.0, 100 * max(*base, *tuned)) * 1.08)
    x, y = _across(alt, budgets, frame), _up(alt, most, metric)
    ends = _apart(100 * base[-1], 100 * tuned[-1], least=_LINE_PX / frame.height * most, most=most)
    layers: list[Any] = []
    for name, values, end in (("base", base, ends[0]), ("tuned", tuned, ends[1])):
        style = _STYLES[name]
        points = [
            {
                "budget": budget,
                "score": 100 * value,
                "title": f"{name}: {percent(value)} within {count(budget)} tokens",
                "href": href,
            }
            for budget, value in zip(budgets, values, strict=True)
        ]
        label = [{"budget": budgets[-1], "score": end, "text": f"{name} {percent(values[-1])}"}]
        layers += [
            chart_over(alt, points)
            .mark_line(color=style["color"], strokeWidth=2, strokeDash=style["dash"], aria=False)
            .encode(x=x, y=y),
            chart_over(alt, points)
            .mark_point(filled=True, opacity=1, size=32, color=style["color"], shape=style["shape"])
            .encode(x=x, y=y, description="title:N", href="href:N"),
            chart_over(alt, label)
            .mark_text(align="left", baseline="middle", dx=10, fontSize=13, color=style["color"], aria=False)
            .encode(x=x, y=y, text="text:N"),
        ]
    return svg_text(finished(alt.layer(*layers), frame.width, frame.height))


def ticks(low: int, high: int, most: int) -> list[int]:
    """Round numbers from `low` to `high` for a logarithmic axis, at most so many; the two ends where none is between."""
    for steps in ((1, 2, 5), (1, 3), (1,)):
        found = [
            step * 10**power for power in range(len(str(high))) for step in steps if low <= step * 10**power <= high
        ]
        if 2 <= len(found) <= most:
            return found
    return sorted({low, high})


def _across(alt: Any, budgets: Sequence[int], frame: Frame) -> Any:
    low, high = budgets[0], budgets[-1]
    domain = [low, high] if low < high else [low / 2, high * 2]
    scale = alt.Scale(type="log", domain=domain, range=[0, frame.width - frame.labels], nice=False)
    # Numbers are said in full: 2k is read as 2 000 by some and as 2 048 by others.
    axis = alt.Axis(title="tokens an answer may take, its trace included", values=ticks(low, high, frame.ticks),
                    labelExpr="replace(format(datum.value, ','), /,/g, '\u202f')", labelFlush=True,
                    titleX=(frame.width - frame.labels) / 2, titleAnchor="middle", **_axis())  # fmt: skip
    return alt.X("budget:Q", scale=scale, axis=axis)


def _up(alt: Any, most: float, metric: str) -> Any:
    scale = alt.Scale(domain=[0, most], nice=False)
    axis = alt.Axis(title=f"{metric} (%)", tickCount=5, format="d" if most > 5 else ".1f", minExtent=36, **_axis())
    return alt.Y("score:Q", scale=scale, axis=axis)


def _axis() -> dict[str, Any]:
    return {
        "titleFontWeight": "normal", "titleColor": MUTED, "labelColor": MUTED, "titleFontSize": 13, "labelFontSize": 13,
        "domainColor": RULE, "tickColor": RULE, "grid": False,
    }  # fmt: skip


def _apart(base: float, tuned: float, *, least: float, most: float) -> tuple[float, float]:
    """Where the two labels stand: at their lines' ends, moved until they are `least` apart, within the plot."""
    lacking = least - abs(tuned - base)
    if lacking > 0:
        side = math.copysign(lacking / 2, tuned - base)
        base, tuned = base - side, tuned + side
        outside = min(0.0, base, tuned) or max(0.0, base - most, tuned - most)
        base, tuned = base - outside, tuned - outside
    return base, tuned
