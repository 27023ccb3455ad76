"""A sweep's charts as SVG text: candidates in the gain-tax plane with their regions, and curves over training steps."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from evalkit.report.charts import COLOURS, EDGES, INK, MUTED, RULE, SHAPES, TUNED, allowed_area
from evalkit.report.svg import chart_over, finished, svg_text
from evalkit.report.text import one_line, shortened

Triple = tuple[float, float | None, float | None]
"""Value, low and high, in percentage points or in the unit of an axis."""

_GLYPH_PX, _LINE_PX = 7.0, 16.0


@dataclass(frozen=True, slots=True)
class Spot:
    """One candidate in the plane. region: both intervals hold for all candidates at once."""

    label: str
    gain: Triple
    tax: Triple
    verdict: str | None
    on_front: bool
    best: bool
    title: str
    href: str


@dataclass(frozen=True, slots=True)
class Step:
    """One candidate on a curve. href: where its point leads."""

    step: int
    value: Triple
    verdict: str | None
    title: str
    href: str = ""


@dataclass(frozen=True, slots=True)
class Size:
    """Width and height of a plot, in pixels; cells: the longest label."""

    width: int
    height: int
    cells: int = 20


PLANE_WIDE, PLANE_NARROW = Size(680, 400, 26), Size(296, 300, 12)
CURVE, SMALL = Size(316, 200), Size(236, 128)


def candidates_plane(spots: Sequence[Spot], limits: tuple[float | None, float | None], size: Size) -> str:
    """The gain-tax plane: every candidate with its region, the front as a line, over what the policy allows.

    limits: the least gain and the most tax, in points; None where no such gate applies.
    """
    import altair as alt

    least, most = limits
    across = _reach([end for spot in spots for end in spot.gain] + [least])
    up = _reach([end for spot in spots for end in spot.tax] + [most])
    x = alt.X("x:Q", scale=alt.Scale(domain=across, nice=False, zero=False), axis=_axis(alt, "gain (pp)", across))
    y = alt.Y("y:Q", scale=alt.Scale(domain=up, nice=False, zero=False), axis=_axis(alt, "tax (pp)", up, minExtent=36))
    layers = allowed_area(alt, limits, across, up, x, y, names=("x", "y"))
    layers += _regions(alt, spots, x, y)
    front = sorted(({"x": s.gain[0], "y": s.tax[0]} for s in spots if s.on_front), key=lambda at: (at["x"], at["y"]))
    if len(front) > 1:
        line = chart_over(alt, front).mark_line(color=INK, strokeWidth=1.5, interpolate="step-before", aria=False)
        layers.append(line.encode(x=x, y=y))
    for spot in spots:
        at = [{"x": spot.gain[0], "y": spot.tax[0], "title": one_line(spot.title), "href": spot.href}]
        layers.append(
            chart_over(alt, at)
            .mark_point(
                filled=True, opacity=1, size=220 if spot.best else 110, color=COLOURS[spot.verdict],
                shape=SHAPES[spot.verdict], stroke=INK if spot.on_front else EDGES[spot.verdict], strokeWidth=1.5,
            )
            .encode(x=x, y=y, description="title:N", href="href:N")
        )  # fmt: skip
    for spot, dx, dy, align in _labels(spots, across, up, size):
        at = [{"x": spot.gain[0], "y": spot.tax[0], "text": shortened(spot.label, size.cells)}]
        style = {"fontWeight": "bold"} if spot.best else {}
        layers.append(
            chart_over(alt, at)
            .mark_text(align=align, baseline="middle", dx=dx, dy=dy, fontSize=13, color=INK, aria=False, **style)
            .encode(x=x, y=y, text="text:N")
        )
    return svg_text(finished(alt.layer(*layers), size.width, size.height))


def step_curve(
    steps: Sequence[Step],
    title: str,
    size: Size,
    *,
    limit: float | None = None,
    domain: tuple[float, float] | None = None,
) -> str:
    """One number over training steps, with intervals; a line joins them where no step has two candidates."""
    import altair as alt

    up = list(domain) if domain else _reach([end for one in steps for end in one.value] + [limit])
    places = sorted({one.step for one in steps})
    room = max(places[-1] - places[0], 1) * 0.05
    across = [places[0] - room, places[-1] + room]
    most = max(2, size.width // 64)
    ticks = places if len(places) <= most else [places[round(i * (len(places) - 1) / (most - 1))] for i in range(most)]
    style = _style()
    x_axis = alt.Axis(
        title="step", values=ticks, labelExpr="replace(format(datum.value, ','), /,/g, '\u202f')", labelOverlap=True,
        **style,
    )  # fmt: skip
    x = alt.X("x:Q", scale=alt.Scale(domain=across, nice=False, zero=False), axis=x_axis)
    y = alt.Y(
        "y:Q", scale=alt.Scale(domain=up, nice=False, zero=False, clamp=True),
        axis=_axis(alt, title, up, minExtent=40, ticks=4),
    )  # fmt: skip
    layers: list[Any] = [chart_over(alt, [{"y": 0.0}]).mark_rule(color=MUTED, aria=False).encode(y=y)]
    if limit is not None:
        dashed = chart_over(alt, [{"y": limit}]).mark_rule(color=MUTED, strokeDash=[3, 2], aria=False)
        layers.append(dashed.encode(y=y))
    ordered = sorted(steps, key=lambda one: one.step)
    if len(places) == len(steps):
        line = chart_over(alt, [{"x": one.step, "y": one.value[0]} for one in ordered])
        layers.append(line.mark_line(color=TUNED, strokeWidth=1.5, aria=False).encode(x=x, y=y))
    for one in ordered:
        value, low, high = one.value
        if low is not None and high is not None:
            ends = [{"x": one.step, "y": low, "to": high}]
            layers.append(
                chart_over(alt, ends).mark_rule(color=TUNED, strokeWidth=1.5, aria=False).encode(x=x, y=y, y2="to:Q")
            )
        at = [{"x": one.step, "y": value, "title": one_line(one.title), "href": one.href or None}]
        point = chart_over(alt, at).mark_point(
            filled=True, opacity=1, size=90, color=COLOURS[one.verdict], shape=SHAPES[one.verdict],
            stroke=EDGES[one.verdict], strokeWidth=1,
        )  # fmt: skip
        layers.append(point.encode(x=x, y=y, description="title:N", href="href:N"))
    return svg_text(finished(alt.layer(*layers), size.width, size.height))


def reach_of(values: Sequence[float | None]) -> tuple[float, float]:
    """A stretch that shows all of these, and zero, for charts that share it."""
    low, high = _reach(values)
    return low, high


def _regions(alt: Any, spots: Sequence[Spot], x: Any, y: Any) -> Iterator[Any]:
    """Each region as a rectangle: filled on the front, dashed elsewhere; a lone interval as a line."""
    for spot in sorted(spots, key=lambda spot: spot.on_front):
        (gain, left, right), (tax, bottom, top) = spot.gain, spot.tax
        colour, edge = COLOURS[spot.verdict], EDGES[spot.verdict]
        if left is not None and right is not None and bottom is not None and top is not None:
            area = [{"x": left, "to": right, "y": bottom, "top": top}]
            look: dict[str, Any] = {"fillOpacity": 0.08} if spot.on_front else {"fillOpacity": 0, "strokeDash": [2, 3]}
            mark = chart_over(alt, area).mark_rect(
                fill=colour, stroke=edge, strokeOpacity=0.8, strokeWidth=1, aria=False, **look
            )
            yield mark.encode(x=x, x2="to:Q", y=y, y2="top:Q")
            continue
        if left is not None and right is not None:
            ends = [{"x": left, "to": right, "y": tax}]
            yield chart_over(alt, ends).mark_rule(color=edge, aria=False).encode(x=x, x2="to:Q", y=y)
        if bottom is not None and top is not None:
            ends = [{"x": gain, "y": bottom, "top": top}]
            yield chart_over(alt, ends).mark_rule(color=edge, aria=False).encode(x=x, y=y, y2="top:Q")


def _labels(
    spots: Sequence[Spot], across: list[float], up: list[float], size: Size
) -> Iterator[tuple[Spot, float, float, str]]:
    """Where each name stands beside its point: the first place at which it hides nothing; the best chooses first.

    A name that fits nowhere is left to the table and the point's own title, unless it is on the front.
    """
    at = {
        id(spot): (
            (spot.gain[0] - across[0]) / (across[1] - across[0]) * size.width,
            (up[1] - spot.tax[0]) / (up[1] - up[0]) * size.height,
        )
        for spot in spots
    }
    taken = [(left - 6, top - 6, left + 6, top + 6) for left, top in at.values()]
    for spot in sorted(spots, key=lambda spot: (not spot.best, not spot.on_front)):
        left, top = at[id(spot)]
        width = _GLYPH_PX * min(len(spot.label), size.cells)
        ways = [(11, 0, "left"), (-11, 0, "right"), (0, -16, "center"), (0, 16, "center"), (9, -14, "left"), (9, 14, "left"),
                (-9, -14, "right"), (-9, 14, "right"), (0, -30, "center"), (0, 30, "center")]  # fmt: skip
        boxes = [(_box(left + dx, top + dy, width, align), (dx, dy, align)) for dx, dy, align in ways]
        inside = [
            one
            for one in boxes
            if one[0][0] >= 0 and one[0][2] <= size.width and 0 <= one[0][1] and one[0][3] <= size.height
        ]
        free = next((one for one in inside if not any(_overlap(one[0], other) for other in taken)), None)
        chosen = free or ((inside or boxes)[0] if spot.best else None)
        if chosen is not None:
            taken.append(chosen[0])
            yield spot, *chosen[1]


def _box(x: float, y: float, width: float, align: str) -> tuple[float, float, float, float]:
    left = {"left": x, "right": x - width, "center": x - width / 2}[align]
    return left, y - _LINE_PX / 2, left + width, y + _LINE_PX / 2


def _overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _reach(values: Sequence[float | None]) -> list[float]:
    known = [0.0, *(value for value in values if value is not None and math.isfinite(value))]
    room = max(max(known) - min(known), 1e-6) * 0.08
    return [min(known) - room, max(known) + room]


def _axis(alt: Any, title: str, domain: Sequence[float], *, ticks: int = 6, **more: Any) -> Any:
    width = domain[1] - domain[0]
    digits = "d" if width > 5 else ".1f" if width > 0.5 else ".2f" if width > 0.05 else ".3f"
    return alt.Axis(title=title, tickCount=ticks, format=digits, **_style(), **more)


def _style() -> dict[str, Any]:
    return {
        "titleFontWeight": "normal", "titleColor": MUTED, "labelColor": MUTED, "titleFontSize": 13, "labelFontSize": 13,
        "domainColor": RULE, "tickColor": RULE, "grid": False,
    }  # fmt: skip
