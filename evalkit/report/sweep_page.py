"""A sweep's own page: the plane, the curves, the table of candidates with links to their reports. No script at all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from evalkit.report import html, sweep_words
from evalkit.report.charts import NARROW, WIDE, Row, forest, span
from evalkit.report.files import REPORT
from evalkit.report.numbers import count, difference, rate
from evalkit.report.sweep_charts import (
    CURVE,
    PLANE_NARROW,
    PLANE_WIDE,
    SMALL,
    Spot,
    Step,
    Triple,
    candidates_plane,
    reach_of,
    step_curve,
)
from evalkit.report.words import ROLES, VERDICTS, sentence, worst_first
from evalkit.types import Candidate, Estimate, JudgeResult, SuiteResult, Sweep


@dataclass(frozen=True, slots=True)
class Line:
    """A candidate as the table shows it. link: its own report, relative to the page; empty where there is none."""

    anchor: str
    candidate: Candidate
    link: str
    decision: str
    verdict: str | None
    best: bool
    gain: str
    tax: str
    against: str
    judges: str
    why: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing under its caption; narrow: the same for a phone, where it differs."""

    caption: str
    wide: str
    narrow: str = ""


def render_sweep(sweep: Sweep) -> str:
    """The page as text; everything that comes from a file or a model is escaped."""
    style = html.asset("report.css") + html.asset("sweep.css")
    page = html.environment().get_template("sweep.html.j2")
    lines = [_line(place, one, sweep) for place, one in enumerate(sweep.candidates, start=1)]
    return page.render(
        sweep=sweep,
        style=html.trusted(style),
        policy=html.content_policy(style, ""),
        outcome=sweep_words.outcome_of(sweep),
        headline=sweep_words.sweep_headline(sweep),
        sentences=sweep_words.sweep_sentences(sweep),
        reminder=sweep_words.reminder(sweep),
        lost=sweep_words.lost(sweep),
        lines=lines,
        judged=any(line.judges for line in lines),
        compared=any(line.against for line in lines),
        figures=_figures(sweep, lines),
        curves=_curves(sweep, {line.candidate.name: f"#{line.anchor}" for line in lines}),
        suites=_suite_curves(sweep, {line.candidate.name: f"#{line.anchor}" for line in lines}),
    )


def _line(place: int, one: Candidate, sweep: Sweep) -> Line:
    judges = one.comparison.judges if one.comparison is not None else ()
    why = (
        f"Its run broke off: {one.failure}"
        if one.comparison is None or one.decision is None
        else sentence(one.comparison, one.decision)
    )
    return Line(
        anchor=f"candidate-{place}",
        candidate=one,
        link=f"{quote(one.folder)}/{REPORT}" if one.folder is not None else "",
        decision=sweep_words.decision_word(one),
        verdict=sweep_words.verdict_of(one),
        best=one.name == sweep.best,
        gain=difference(sweep_words.shown(one, "gain")),
        tax=sweep_words.tax(sweep_words.shown(one, "tax")),
        against="the best" if one.name == sweep.best else sweep_words.against_best(one),
        judges="; ".join(_win_rate(judge) for judge in judges if judge.win_rate is not None),
        why=why,
    )


def _win_rate(judge: JudgeResult) -> str:
    """A judge's win rate, marked where it can decide nothing: it passed no exam, or is one vote of a jury."""
    advisory = "" if judge.exam == "passed" and judge.jury is None else " (advisory)"
    return f"{judge.name} {rate(judge.win_rate)}{advisory}"


def _limits(sweep: Sweep) -> tuple[float | None, float | None]:
    """The least gain and the most tax of the policy, in points; the same for every candidate."""
    decided = next((one.decision for one in sweep.candidates if one.decision is not None), None)
    gates = decided.gates if decided is not None else ()
    least = [gate.threshold for gate in gates if gate.kind == "target" and gate.required]
    most = [gate.threshold for gate in gates if gate.kind == "tax" and gate.required]
    # Of several target suites each has to gain by itself; no gate is on what they gain together.
    return 100 * least[0] if len(least) == 1 else None, 100 * most[0] if most else None


def _figures(sweep: Sweep, lines: Sequence[Line]) -> list[Chart]:
    """The plane where there is a gain and a tax; else the one of them that there is, a row a candidate."""
    whole = [line for line in lines if line.candidate.complete]
    there = {axis: [line for line in whole if _known(getattr(line.candidate, axis))] for axis in ("gain", "tax")}
    least, most = _limits(sweep)
    if there["gain"] and there["tax"]:
        spots = [_spot(line) for line in there["gain"] if line in there["tax"]]
        drawn = [candidates_plane(spots, (least, most), size) for size in (PLANE_WIDE, PLANE_NARROW)]
        return [Chart("Gain against tax", *drawn)]
    figures: list[Chart] = []
    for axis, limit in (("gain", least), ("tax", most)):
        rows = [_row(line, axis, limit) for line in there[axis]]
        if rows:
            direction = "gain (pp)" if axis == "gain" else "tax (pp); a loss is positive"
            drawn = [forest(rows, span(rows), layout, direction) for layout in (WIDE, NARROW)]
            figures.append(Chart(f"Pooled {axis} of each candidate", *drawn))
    return figures


def _known(estimate: Estimate | None) -> bool:
    return estimate is not None and math.isfinite(estimate.value)


def _spot(line: Line) -> Spot:
    one = line.candidate
    return Spot(
        label=one.name,
        gain=_points(one.gain),
        tax=_points(one.tax),
        verdict=line.verdict,
        on_front=one.on_front,
        best=line.best,
        title=f"{one.name}: {line.decision}, {sweep_words.numbers(one)}",
        href=f"#{line.anchor}",
    )


def _row(line: Line, axis: str, limit: float | None) -> Row:
    estimate: Estimate = getattr(line.candidate, axis)
    return Row(
        name=line.candidate.name,
        values="",
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
        numbers=line.gain if axis == "gain" else line.tax,
        word=VERDICTS[line.verdict] if line.verdict else "incomplete",
        verdict=line.verdict,
        title=f"{line.candidate.name}: {line.decision}, {sweep_words.numbers(line.candidate)}",
        href=f"#{line.anchor}",
        limit=None if limit is None else limit / 100,
        more_is_better=axis == "gain",
        decides=line.best,
    )


def _points(estimate: Estimate | None, scale: float = 100.0) -> Triple:
    if estimate is None:
        return math.nan, None, None
    low, high = (None if end is None else end * scale for end in (estimate.low, estimate.high))
    return estimate.value * scale, low, high


def _stepped(sweep: Sweep) -> list[Candidate]:
    """The complete candidates whose step is known, where there are two different ones; none else."""
    known = [one for one in sweep.candidates if one.step is not None and one.complete]
    return known if len({one.step for one in known}) > 1 else []


def _curves(sweep: Sweep, links: Mapping[str, str]) -> list[Chart]:
    charts: list[Chart] = []
    for axis, limit in zip(("gain", "tax"), _limits(sweep), strict=True):
        steps = [
            Step(one.step or 0, _points(getattr(one, axis)), sweep_words.verdict_of(one), f"{one.name}: {sweep_words.numbers(one)}", links[one.name])
            for one in _stepped(sweep)
            if _known(getattr(one, axis))
        ]  # fmt: skip
        if len({one.step for one in steps}) > 1:
            charts.append(Chart(f"Pooled {axis}", step_curve(steps, f"{axis} (pp)", CURVE, limit=limit)))
    return charts


def _suite_curves(sweep: Sweep, links: Mapping[str, str]) -> list[tuple[str, list[Chart]]]:
    """Small multiples: tuned - base of each suite over steps, by role; suites of a role share their scale."""
    by_suite: dict[tuple[str, str | None, str], list[tuple[Candidate, SuiteResult]]] = {}
    for one in _stepped(sweep):
        for suite in worst_first(one.comparison.suites) if one.comparison else ():
            if math.isfinite(suite.delta.value):
                by_suite.setdefault((suite.role, suite.unit, suite.name), []).append((one, suite))
    groups: dict[str, list[Chart]] = {}
    for (role, unit, name), found in by_suite.items():
        if len({one.step for one, _ in found}) < 2:
            continue
        alike = [pair for key, pairs in by_suite.items() if key[:2] == (role, unit) for pair in pairs]
        scale = 1.0 if unit else 100.0
        domain = reach_of([end for _, suite in alike for end in _points(suite.delta, scale)])
        steps = [
            Step(one.step or 0, _points(suite.delta, scale), None, f"{one.name}: {difference(suite.delta, suite.unit)}, n = {count(suite.n)}", links[one.name])
            for one, suite in found
        ]  # fmt: skip
        title = unit or "change (pp)"
        groups.setdefault(role, []).append(Chart(name, step_curve(steps, title, SMALL, domain=domain)))
    return [(heading, groups[role]) for role, heading in ROLES.items() if role in groups]
