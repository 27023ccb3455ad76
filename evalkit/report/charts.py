"""The charts as SVG text: a forest plot per role, and the gain-tax plane. Drawn by altair, so they show without scripts.

Colours are those of the light theme; the style sheet maps each of them to its dark twin by attribute. Every position
across is given in pixels, because a forest plot is a table with one drawn column.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from evalkit.report.svg import chart_over, finished, svg_text
from evalkit.report.text import one_line, shortened

INK, MUTED, RULE, BAND = "#1b1f24", "#59616a", "#d5d9de", "#eef0f2"
TUNED, HARM, GAIN, OPEN, BASE = "#0072b2", "#d55e00", "#009e73", "#e69f00", "#6b737c"
POINTS = 100.0
"""Percentage points to a difference of 1, where scores lie in [0, 1]."""

COLOURS = {"fail": HARM, "pass": GAIN, "inconclusive": OPEN, None: BASE}
# For words, and for what is thin: outlines and intervals in the colours of the marks would be too faint on paper.
EDGES = {"fail": "#b04a00", "pass": "#00704f", "inconclusive": "#805300", None: MUTED}
SHAPES = {"fail": "square", "pass": "circle", "inconclusive": "diamond", None: "circle"}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a forest plot. Differences are in score units; texts are ready to show.

    limit: where the allowed side begins, and more_is_better which side that is. decides: whether the outcome turned
    on this row. pooled: drawn as a diamond, below a rule.
    """

    name: str
    values: str
    value: float
    low: float | None
    high: float | None
    numbers: str
    word: str
    verdict: str | None
    title: str
    href: str | None = None
    limit: float | None = None
    more_is_better: bool = True
    decides: bool = False
    pooled: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the columns of a forest plot are, in pixels; `stacked` puts texts above the drawn line."""

    width: int
    row: int
    name_cells: int
    values: int
    plot: tuple[int, int]
    numbers: int
    word: int
    stacked: bool = False


WIDE = Layout(778, 32, 25, 310, (334, 534), 690, 778)
NARROW = Layout(350, 64, 29, 14, (14, 340), 340, 350, stacked=True)


def span(rows: Sequence[Row], scale: float = POINTS) -> tuple[float, float]:
    """The stretch of differences, in the axis' unit, that shows every row's interval and limit, and zero."""
    ends = [0.0]
    for row in rows:
        ends += [end * scale for end in (row.value, row.low, row.high, row.limit) if end is not None]
    ends = [end for end in ends if math.isfinite(end)]
    low, high = min(ends), max(ends)
    room = max(high - low, 0.01 * scale) * 0.06
    return low - room, high + room


def forest(
    rows: Sequence[Row], domain: tuple[float, float], layout: Layout, direction: str, scale: float = POINTS
) -> str:
    """One group of suites as SVG: name, base and tuned, the interval over its allowed band, the numbers, the word.

    domain: as of `span`. scale: how many of the axis' units a difference of 1 is: 100 points, or 1 of a unit of its own.
    """
    import altair as alt

    height = layout.row * len(rows)
    data = [_placed(row, place, domain, layout, scale) for place, row in enumerate(rows)]
    across = alt.Scale(domain=list(domain), range=list(layout.plot), nice=False, zero=False, clamp=True)
    axis = alt.Axis(
        orient="bottom", title=direction, titleFontWeight="normal", titleColor=MUTED, titleFontSize=13, grid=False,
        labelFontSize=13, labelColor=MUTED, domainColor=RULE, tickColor=RULE, tickCount=5, labelFlush=False,
        format=_digits(domain[1] - domain[0]), titleX=sum(layout.plot) / 2, titleAnchor="middle",
    )  # fmt: skip
    x = alt.X("value:Q", scale=across, axis=axis)
    y = alt.Y("y:Q", scale=None, axis=None)
    chart = chart_over(alt, data)
    band = chart.transform_filter("isValid(datum.band_from)").mark_rect(color=BAND, strokeWidth=0, aria=False)
    limit = chart.transform_filter("isValid(datum.limit)").mark_rule(
        color=MUTED, strokeWidth=1, strokeDash=[3, 2], aria=False
    )
    zero = chart.mark_rule(color=MUTED, strokeWidth=1, aria=False)
    drawn = chart.transform_filter("isValid(datum.low) && !datum.pooled")
    layers: list[Any] = [
        band.encode(
            x=alt.X("band_from:Q", scale=across, axis=axis), x2="band_to:Q", y=alt.Y("top:Q", scale=None), y2="bottom:Q"
        ),
        zero.encode(x=alt.X("zero:Q", scale=across, axis=axis), y=alt.Y("top:Q", scale=None), y2="bottom:Q"),
        limit.encode(x=alt.X("limit:Q", scale=across, axis=axis), y=alt.Y("top:Q", scale=None), y2="bottom:Q"),
        chart.transform_filter("datum.pooled")
        .mark_rule(color=RULE, aria=False)
        .encode(x=alt.value(0), x2=alt.value(layout.width), y=alt.Y("edge:Q", scale=None)),
        drawn.mark_rule(strokeWidth=2, aria=False).encode(
            x=alt.X("low:Q", scale=across, axis=axis), x2="high:Q", y=y, color=alt.Color("text_colour:N", scale=None)
        ),
        *_diamonds(alt, data, across, axis),
        chart.transform_filter("!datum.pooled || !isValid(datum.low)")
        .mark_point(filled=True, opacity=1, strokeWidth=1, aria=False)
        .encode(
            x=x,
            y=y,
            shape=alt.Shape("shape:N", scale=None),
            size=alt.value(120),
            fill=alt.Fill("colour:N", scale=None),
            stroke=alt.Stroke("text_colour:N", scale=None),
        ),
    ]
    layers += _texts(alt, chart, layout)
    # The whole row is one target, with one title: a number and an interval open what the name opens.
    layers.append(
        chart.mark_rect(color=INK, fillOpacity=0, strokeWidth=0).encode(
            x=alt.value(0), x2=alt.value(layout.width), y=alt.Y("edge:Q", scale=None), y2="end:Q", href="href:N",
            description="title:N",
        )
    )  # fmt: skip
    return svg_text(finished(alt.layer(*layers), layout.width, height))


def plane(
    gain: tuple[float, float | None, float | None],
    tax: tuple[float, float | None, float | None],
    limits: tuple[float | None, float | None],
    verdict: str | None,
    title: str,
    *,
    level: float = 0.95,
    width: int = 240,
    href: str | None = None,
) -> str:
    """The gain-tax plane as SVG: the pair with both intervals and the region of both at once, over what the policy allows.

    gain, tax: value, low, high as fractions. limits: the least gain and the most tax that are allowed; None where
    no gate says so. level: of the intervals, and of the region. href: where the point leads.
    """
    import altair as alt

    def percents(*numbers: float | None) -> list[float]:
        return [number * 100 for number in numbers if number is not None and math.isfinite(number)]

    def reach(*numbers: float | None) -> list[float]:
        known = [0.0, *percents(*numbers)]
        room = max(max(known) - min(known), 1.0) * 0.15
        return [min(known) - room, max(known) + room]

    around = joint_region(gain, tax, level)
    across = reach(*gain, limits[0], *(x for x, _ in around))
    up = reach(*tax, limits[1], *(y for _, y in around))
    style: dict[str, Any] = {
        "titleFontWeight": "normal", "titleColor": MUTED, "labelColor": MUTED, "titleFontSize": 13, "labelFontSize": 13,
        "domainColor": RULE, "tickColor": RULE, "grid": False, "tickCount": 5,
    }  # fmt: skip
    x_scale = alt.Scale(domain=across, nice=False, zero=False)
    y_scale = alt.Scale(domain=up, nice=False, zero=False)
    x = alt.X("gain:Q", scale=x_scale, axis=alt.Axis(title="gain (pp)", **style))
    y = alt.Y("tax:Q", scale=y_scale, axis=alt.Axis(title="tax (pp)", minExtent=36, **style))
    least, most = (None if limit is None else limit * 100 for limit in limits)
    at = {"gain": gain[0] * 100, "tax": tax[0] * 100}
    colour, edge_colour, shape = COLOURS[verdict], EDGES[verdict], SHAPES[verdict]
    layers = allowed_area(alt, (least, most), across, up, x, y, names=("gain", "tax"))
    if around:
        edge = [{"gain": x * 100, "tax": y * 100, "place": place} for place, (x, y) in enumerate(around)]
        layers.append(
            chart_over(alt, edge)
            .mark_line(
                interpolate="linear-closed",
                stroke=edge_colour,
                strokeWidth=1,
                fill=colour,
                fillOpacity=0.14,
                aria=False,
            )
            .encode(x=x, y=y, order="place:Q")
        )
    if gain[1] is not None and gain[2] is not None:
        ends = [{**at, "gain": gain[1] * 100, "to": gain[2] * 100}]
        layers.append(
            chart_over(alt, ends).mark_rule(strokeWidth=2, color=edge_colour, aria=False).encode(x=x, x2="to:Q", y=y)
        )
    if tax[1] is not None and tax[2] is not None:
        ends = [{**at, "tax": tax[1] * 100, "top": tax[2] * 100}]
        layers.append(
            chart_over(alt, ends).mark_rule(strokeWidth=2, color=edge_colour, aria=False).encode(x=x, y=y, y2="top:Q")
        )
    layers.append(
        chart_over(alt, [{**at, "title": one_line(title), "href": href}])
        .mark_point(filled=True, opacity=1, size=120, color=colour, shape=shape, stroke=edge_colour, strokeWidth=1)
        .encode(x=x, y=y, description="title:N", href="href:N")
    )
    return svg_text(finished(alt.layer(*layers), width, width))


def allowed_area(
    alt: Any,
    limits: tuple[float | None, float | None],
    across: Sequence[float],
    up: Sequence[float],
    x: Any,
    y: Any,
    *,
    names: tuple[str, str],
) -> list[Any]:
    """What a policy allows in the gain-tax plane: a band, its word, a dashed line for each limit; nothing without any.

    limits: the least gain and the most tax, in the axes' unit. across, up: the domains. names: the fields of x and y.
    """
    (least, most), (gain, tax) = limits, names
    if least is None and most is None:
        return []
    area = {
        gain: across[0] if least is None else least, "to": across[1], tax: up[0], "top": up[1] if most is None else most,
    }  # fmt: skip
    word = [{gain: across[1], tax: up[0], "text": "allowed"}]
    layers: list[Any] = [
        chart_over(alt, [area]).mark_rect(color=BAND, aria=False).encode(x=x, x2="to:Q", y=y, y2="top:Q"),
        chart_over(alt, word)
        .mark_text(align="right", baseline="bottom", dx=-6, dy=-6, fontSize=13, color=MUTED, aria=False)
        .encode(x=x, y=y, text="text:N"),
    ]
    for limit, name, along in ((least, gain, {"x": x}), (most, tax, {"y": y})):
        if limit is not None:
            rule = chart_over(alt, [{name: limit}]).mark_rule(color=MUTED, strokeDash=[3, 2], aria=False)
            layers.append(rule.encode(**along))
    return layers


def joint_region(
    gain: tuple[float, float | None, float | None], tax: tuple[float, float | None, float | None], level: float
) -> list[tuple[float, float]]:
    """The edge of the region that holds gain and tax at once with probability `level`; empty without both intervals.

    The two are independent. Were both normal it is the ellipse whose half-axes are sqrt(chi2_2(level)) standard errors, so
    each interval's half-width times sqrt(-2 log(1 - level)) / z; intervals that are wider to one side make it so too.
    """
    if gain[1] is None or gain[2] is None or tax[1] is None or tax[2] is None:
        return []
    stretch = math.sqrt(-2 * math.log(1 - level)) / NormalDist().inv_cdf((1 + level) / 2)

    def at(one: tuple[float, float | None, float | None], along: float) -> float:
        value, low, high = one
        assert low is not None and high is not None
        return value + stretch * along * (high - value if along > 0 else value - low)

    turns = [2 * math.pi * place / 72 for place in range(72)]
    return [(at(gain, math.cos(turn)), at(tax, math.sin(turn))) for turn in turns]


def _placed(row: Row, place: int, domain: tuple[float, float], layout: Layout, scale: float) -> dict[str, Any]:
    """A row with its pixels down and its numbers in the axis' unit, cut at the domain's ends."""
    top = place * layout.row
    y = top + (layout.row - 12 if layout.stacked else layout.row / 2)
    within = [None if end is None else min(max(end * scale, domain[0]), domain[1]) for end in (row.low, row.high)]
    limit = None if row.limit is None else row.limit * scale
    allowed = (None, None) if limit is None else (limit, domain[1]) if row.more_is_better else (domain[0], limit)
    return {
        # The renderer would cut a name between the halves of one character, and give up the whole process.
        "name": shortened(row.name, layout.name_cells),
        "values": row.values,
        "value": row.value * scale if math.isfinite(row.value) else None,
        "low": within[0],
        "high": within[1],
        "numbers": row.numbers,
        "word": row.word,
        "colour": COLOURS[row.verdict],
        "text_colour": EDGES[row.verdict],
        "shape": "diamond" if row.pooled else SHAPES[row.verdict],
        "title": one_line(row.title),
        "href": row.href,
        "zero": 0.0,
        "limit": limit,
        "band_from": allowed[0],
        "band_to": allowed[1],
        "top": y - 12 if layout.stacked else top,
        "bottom": y + 12 if layout.stacked else top + layout.row,
        "y": y,
        "edge": top,
        "end": top + layout.row,
        "first": top + (12 if layout.stacked else layout.row / 2),
        "second": top + (32 if layout.stacked else layout.row / 2),
        "marker": "▸" if row.decides else "",
        "weight": "bold" if row.decides or row.pooled else "normal",
        "pooled": row.pooled,
    }


def _digits(width: float) -> str:
    """The format of an axis' numbers: as many decimals as five ticks over this width take."""
    return "d" if width > 3.6 else ".1f" if width > 0.36 else ".2f" if width > 0.036 else ".3f"


def _diamonds(alt: Any, data: list[dict[str, Any]], scale: Any, axis: Any) -> list[Any]:
    """Pooled rows as the diamond that readers of meta-analyses know: as wide as the interval, thickest at the point."""
    drawn: list[Any] = []
    for at in data:
        if not at["pooled"] or at["low"] is None or at["high"] is None:
            continue
        corners = [(at["low"], 0), (at["value"], 7), (at["high"], 0)]
        shape = [{"x": x, "top": at["y"] - half, "bottom": at["y"] + half} for x, half in corners]
        drawn.append(
            chart_over(alt, shape)
            .mark_area(color=at["colour"], opacity=1, line=False, aria=False)
            .encode(x=alt.X("x:Q", scale=scale, axis=axis), y=alt.Y("top:Q", scale=None, stack=None), y2="bottom:Q")
        )
    return drawn


def _texts(alt: Any, chart: Any, layout: Layout) -> list[Any]:
    """The columns of words and numbers."""
    first, second = alt.Y("first:Q", scale=None), alt.Y("second:Q", scale=None)
    strong, plain = chart.transform_filter("datum.weight == 'bold'"), chart.transform_filter("datum.weight != 'bold'")

    def column(source: Any, field: str, x: int, y: Any, **style: object) -> Any:
        mark = source.mark_text(baseline="middle", fontSize=13, aria=False, **style)
        return mark.encode(x=alt.value(x), y=y, text=f"{field}:N")

    name = {"align": "left", "color": INK}
    word = chart.mark_text(align="right", baseline="middle", fontSize=13, aria=False)
    return [
        column(chart, "marker", 0, first, align="left", color=INK),
        column(plain, "name", 14, first, **name),
        column(strong, "name", 14, first, fontWeight="bold", **name),
        column(chart, "values", layout.values, second, align="left" if layout.stacked else "right", color=MUTED),
        column(chart, "numbers", layout.numbers, second, align="right", color=INK),
        word.encode(
            x=alt.value(layout.word), y=first, text="word:N", color=alt.Color("text_colour:N", scale=None)
        ),
    ]  # fmt: skip
