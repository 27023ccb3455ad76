"""Intervals as a drawing of plain characters, for what shows no picture: comments, step summaries, mail, logs.

GitHub takes `<svg>` and `data:` images out of Markdown, and its mermaid charts know neither error bars nor mail clients. A
block of code shows everywhere, in a font whose characters are equally wide.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from evalkit.report.numbers import bare_difference, points
from evalkit.report.summary import verdict_word
from evalkit.report.text import shortened
from evalkit.report.words import worst_first
from evalkit.types import Comparison, Decision, Estimate, Gate

_WIDTH = 41  # odd: zero has a cell of its own
_MOST = 30
_NAME = 32  # characters of a suite's name


@dataclass(frozen=True, slots=True)
class _Line:
    name: str
    estimate: Estimate
    limit: float | None
    word: str


def strips(comparison: Comparison, decision: Decision) -> list[str]:
    """A line for every difference that is in points, under a scale for each role; empty where none has an interval.

    `│` is zero, `┊` what the policy allows, `├──●──┤` the difference with its interval, `◄` and `►` what goes on beyond.
    A gain can be ten times what may be lost, so that on one scale the losses would all look like nothing.
    """
    suites = [
        suite
        for suite in worst_first(comparison.suites)
        if not suite.unit and suite.delta.low is not None and suite.delta.high is not None
    ]
    wide = max((len(shortened(suite.name, _NAME)) for suite in suites), default=0) + 2
    drawn: list[str] = []
    for role in dict.fromkeys(suite.role for suite in suites[:_MOST]):
        lines = [
            _Line(suite.name, suite.delta, _limit(suite.name, decision), verdict_word(suite.name, decision))
            for suite in suites[:_MOST]
            if suite.role == role
        ]
        reach = _reach(lines)
        ends = points(-reach), points(reach)
        drawn.append(f"{role:<{wide}}  {ends[0]}{'0':^{_WIDTH - len(ends[0]) - len(ends[1])}}{ends[1]} pp")
        for line in lines:
            # A backtick could end the block that this stands in.
            name = "  " + shortened(line.name, _NAME).replace("`", "'")
            drawn.append(f"{name:<{wide}}  {_strip(line, reach)}  {bare_difference(line.estimate)}  {line.word}")
    if len(suites) > _MOST:
        drawn.append(f"{'':<{wide}}  and {len(suites) - _MOST} more, in the table below and in report.html")
    return drawn


def _limit(suite: str, decision: Decision) -> float | None:
    """Where the gate on a suite's difference to base is held, if one is."""
    found = [gate for gate in decision.gates if gate.subject == suite and _reads_the_difference(gate)]
    return found[0].threshold if found else None


def _reads_the_difference(gate: Gate) -> bool:
    return gate.kind in ("retain", "target", "guard_increase") and gate.against == "base" and gate.unit is None


def _reach(lines: list[_Line]) -> float:
    """Half the width of the scale: a round number of points that holds every difference and limit, and most intervals."""
    ends = [abs(end) for line in lines for end in (line.estimate.low, line.estimate.high) if end is not None]
    least = max(
        [abs(line.estimate.value) for line in lines] + [abs(line.limit) for line in lines if line.limit is not None]
    )
    wanted = max(least, min(max(ends), 4 * least)) * 1.05 if least else max(ends) * 1.05
    if not wanted or not math.isfinite(wanted):
        return 0.01
    unit = 10 ** math.floor(math.log10(wanted))
    return next(step * unit for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if step * unit >= wanted * (1 - 1e-9))


def _strip(line: _Line, reach: float) -> str:
    cells = [" "] * _WIDTH
    middle = _WIDTH // 2

    def cell(value: float) -> int:
        return middle + round(value / reach * middle)

    low, high = line.estimate.low, line.estimate.high
    assert low is not None and high is not None, "lines without an interval are not drawn"
    cells[middle] = "│"
    if line.limit is not None and abs(line.limit) <= reach:
        cells[cell(line.limit)] = "┊" if cell(line.limit) != middle else "│"
    first, last = max(0, cell(low)), min(_WIDTH - 1, cell(high))
    for place in range(first, last + 1):
        cells[place] = "─" if cells[place] == " " else "┼"
    cells[first] = "◄" if low < -reach else "├"
    cells[last] = "►" if high > reach else "┤"
    if math.isfinite(line.estimate.value):
        cells[min(max(cell(line.estimate.value), 0), _WIDTH - 1)] = "●"
    return "".join(cells)
