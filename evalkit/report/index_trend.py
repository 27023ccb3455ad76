"""Trends as SVG text: one number of every run of a base, with its interval, over training steps or over time."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from evalkit.report.charts import COLOURS, EDGES, MUTED, RULE, TUNED
from evalkit.report.index_rows import anchor, judge_name, moment
from evalkit.report.numbers import count, difference, rate
from evalkit.report.svg import chart_over, finished, svg_text
from evalkit.report.sweep_words import tax
from evalkit.report.text import one_line
from evalkit.report.words import headline
from evalkit.types import Estimate, Trend, TrendPoint

MOST_TRENDS = 4
"""Bases whose trend is drawn, those with the newest runs first."""

WIDTH, HEIGHT = 284, 152
_DAY_MS = 86_400_000.0
_SHAPES = {"pass": "circle", "fail": "square", "inconclusive": "diamond", None: "triangle-up"}


@dataclass(frozen=True, slots=True)
class Dot:
    """One run on a chart. x: a step, or ms since 1970. value, low, high: in percent or percentage points.

    line: which dots are joined; "" joins it to none. verdict: a gate's word, None where the run is incomplete.
    """

    x: float
    value: float
    low: float | None
    high: float | None
    verdict: str | None
    line: str
    comparable: bool
    title: str
    href: str


@dataclass(frozen=True, slots=True)
class Panel:
    """The trend of one base as the page shows it: charts over steps where there are any, and over time."""

    title: str
    told: str
    steps: list[tuple[str, str]]
    times: list[tuple[str, str]]


def panels(trends: Sequence[Trend]) -> tuple[list[Panel], int]:
    """The trends as drawn, and how many were not."""
    drawn = [panel for panel in map(_panel, trends[:MOST_TRENDS]) if panel.steps or panel.times]
    return drawn, max(0, len(trends) - MOST_TRENDS)


def levels(trends: Sequence[Trend]) -> str:
    """At which level the intervals of what is drawn hold, in words: 95 %, or 90 or 95 % (as each run's policy asks)."""
    drawn = [point for trend in trends[:MOST_TRENDS] for point in (*trend.gain, *trend.tax, *trend.win_rate)]
    found = [f"{100 * level:g}" for level in sorted({point.value.level for point in drawn})]
    policies = " (as each run's policy asks)" if len(found) > 1 else ""
    return f"{' or '.join(found)} %{policies}"


def _panel(trend: Trend) -> Panel:
    told = f"{count(trend.runs)} runs"
    if trend.others:
        told += f", {count(trend.others)} measured otherwise than the newest"
    if trend.left_out:
        told += f", the {count(trend.left_out)} oldest not drawn"
    win = f"win rate (%), {judge_name(trend.judge)}" if trend.judge else ""
    axes = [
        ("Gain (pp)", trend.gain, 0.0),
        ("Tax (pp)", trend.tax, 0.0),
        (win[:1].upper() + win[1:], trend.win_rate, 50.0),
    ]
    steps: list[tuple[str, str]] = []
    times: list[tuple[str, str]] = []
    for caption, points, rule in axes:
        stepped = [point for point in points if point.run.tuned.step is not None]
        if len({point.run.tuned.step for point in stepped}) > 1:
            steps.append((caption, trend_chart(_dots(stepped, rule, "step"), "step", rule)))
        if len({point.run.seconds for point in points}) > 1:
            times.append((caption, trend_chart(_dots(points, rule, "time"), "time", rule)))
    return Panel(trend.base, told, steps, times)


def _dots(points: Sequence[TrendPoint], rule: float, axis: str) -> tuple[Dot, ...]:
    dots: list[Dot] = []
    for point in points:
        run, value = point.run, point.value
        x = float(run.tuned.step or 0) if axis == "step" else 1000 * (run.seconds or 0.0)
        shown = rate(value) if rule else tax(value) if value is run.tax else difference(value)
        verdict = {"go": "pass", "no_go": "fail", "inconclusive": "inconclusive"}.get(run.outcome)
        title = f"{run.tuned.name}: {headline(run.decision)}, {shown}, {moment(run)}"
        if not point.comparable:
            title += "; measured otherwise than the newest run"
        low, high = _percents(value)
        dots.append(
            Dot(x, 100 * value.value, low, high, verdict, point.family if point.comparable else "", point.comparable,
                one_line(title), f"#{anchor('run', run.folder)}")
        )  # fmt: skip
    if axis == "step":
        # Two runs of one step, as of a repeated run, would fold the line back on itself.
        crowded = {line for (line, _), seen in Counter((dot.line, dot.x) for dot in dots).items() if seen > 1}
        dots = [dot if dot.line not in crowded else _unjoined(dot) for dot in dots]
    return tuple(dots)


def _unjoined(dot: Dot) -> Dot:
    return Dot(dot.x, dot.value, dot.low, dot.high, dot.verdict, "", dot.comparable, dot.title, dot.href)


def _percents(value: Estimate) -> tuple[float | None, float | None]:
    if value.low is None or value.high is None or not (math.isfinite(value.low) and math.isfinite(value.high)):
        return None, None
    return 100 * value.low, 100 * value.high


@lru_cache(maxsize=256)
def trend_chart(dots: tuple[Dot, ...], axis: str, rule: float) -> str:
    """One number over "step" or "time": intervals as lines, runs as marks in the shape of their verdict.

    Hollow marks are not comparable with the filled ones. rule: where nothing would have changed.
    """
    import altair as alt

    ends = [end for dot in dots for end in (dot.value, dot.low, dot.high) if end is not None and math.isfinite(end)]
    low, high = min([rule, *ends]), max([rule, *ends])
    room = max(high - low, 0.1) * 0.08
    up = [low - room, high + room]
    digits = "d" if up[1] - up[0] > 5 else ".1f" if up[1] - up[0] > 0.5 else ".2f"
    style: dict[str, Any] = {
        "titleFontWeight": "normal", "titleColor": MUTED, "labelColor": MUTED, "titleFontSize": 13, "labelFontSize": 13,
        "domainColor": RULE, "tickColor": RULE, "grid": False,
    }  # fmt: skip
    across = alt.X("x:Q", scale=_scale(alt, dots), axis=_axis(alt, dots, axis, style))
    y = alt.Y(
        "value:Q", scale=alt.Scale(domain=up, nice=False, zero=False),
        axis=alt.Axis(title=None, tickCount=4, format=digits, minExtent=36, **style),
    )  # fmt: skip
    rows = [
        {
            "x": dot.x, "value": dot.value, "low": dot.low, "high": dot.high, "line": dot.line, "title": dot.title,
            "href": dot.href, "colour": COLOURS[dot.verdict] if dot.comparable else MUTED, "shape": _SHAPES[dot.verdict],
            "filled": dot.comparable, "edge": EDGES[dot.verdict] if dot.comparable else MUTED,
        }
        for dot in dots
    ]  # fmt: skip
    # Each layer would copy rows of its own: they are given once, to the whole chart.
    data = alt.Chart()
    colour = alt.Color("colour:N", scale=None)
    marks: dict[str, Any] = {
        "x": across, "y": y, "color": colour, "shape": alt.Shape("shape:N", scale=None), "description": "title:N", "href": "href:N",
    }  # fmt: skip
    size = 90 if len(dots) <= 60 else 40
    layers: list[Any] = [
        chart_over(alt, [{"value": rule}]).mark_rule(color=MUTED, aria=False).encode(y=y),
        data.transform_filter("datum.line != ''")
        .mark_line(color=TUNED, strokeWidth=1.5, aria=False)
        .encode(x=across, y=y, detail="line:N"),
        data.transform_filter("isValid(datum.low)")
        .mark_rule(strokeWidth=1.5, opacity=0.8, aria=False)
        .encode(
            x=across,
            y=alt.Y("low:Q", scale=alt.Scale(domain=up, nice=False, zero=False)),
            y2="high:Q",
            color=alt.Color("edge:N", scale=None),
        ),
        data.transform_filter("datum.filled").mark_point(filled=True, opacity=1, size=size).encode(**marks),
        data.transform_filter("!datum.filled")
        .mark_point(filled=False, opacity=1, size=size, strokeWidth=1.5)
        .encode(**marks),
    ]
    return svg_text(finished(alt.layer(*layers, data=alt.InlineData(values=rows)), WIDTH, HEIGHT))


def _scale(alt: Any, dots: Sequence[Dot]) -> Any:
    first, last = min(dot.x for dot in dots), max(dot.x for dot in dots)
    room = max(last - first, 1.0) * 0.05
    return alt.Scale(domain=[first - room, last + room], nice=False, zero=False)


def _axis(alt: Any, dots: Sequence[Dot], axis: str, style: dict[str, Any]) -> Any:
    if axis == "step":
        words = "replace(format(datum.value, ','), /,/g, '\u202f')"
        places = sorted({dot.x for dot in dots})
        ticks = places if len(places) <= 4 else [places[round(at * (len(places) - 1) / 3)] for at in range(4)]
        return alt.Axis(title="step", values=ticks, labelExpr=words, labelOverlap=True, **style)
    first, last = min(dot.x for dot in dots), max(dot.x for dot in dots)
    days = (last - first) / _DAY_MS
    pattern = "%b %Y" if days > 300 else "%-d %b" if days > 2 else "%-d %b, %H:%M"
    ticks = [first + (last - first) * at / 2 for at in range(3)] if days <= 2 else _days(first, last)
    # UTC, as everywhere on the page; the reader's own zone is not known where this is drawn.
    return alt.Axis(
        title=None,
        values=ticks,
        labelExpr=f"utcFormat(datum.value, '{pattern}')",
        labelOverlap=True,
        labelFlush=True,
        **style,
    )


def _days(first: float, last: float) -> list[float]:
    """Three midnights between the first and the last run, spread evenly."""
    start, end = math.ceil(first / _DAY_MS), math.floor(last / _DAY_MS)
    return sorted({_DAY_MS * round(start + (end - start) * at / 2) for at in range(3)})
