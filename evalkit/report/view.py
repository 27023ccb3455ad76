"""What the templates show, computed: suites, flips, causes. No markup here, and no numbers in the templates."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from urllib.parse import urlencode

from evalkit.report.numbers import count
from evalkit.report.summary import combined, gates_of, verdict_word
from evalkit.report.tax import retained
from evalkit.report.words import CELLS, GUARD_CELLS, gate_limit, worst_first
from evalkit.types import BY_TASK, Against, Comparison, Decision, Gate, Slice, SuiteResult, TaskResult


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a flip matrix: `tone` is harm, gain or none; `link` opens the samples behind it."""

    name: str
    word: str
    items: int
    tone: str
    link: str


@dataclass(frozen=True, slots=True)
class Part:
    """A task or a slice of a suite, as the table shows it under the suite. link: its samples."""

    label: str
    result: Slice | TaskResult
    flagged: bool
    details: str
    cautions: list[str]
    link: str


MOST_PARTS = 100
"""Slices of one suite that the page lists; the others are in summary.json."""


@dataclass(frozen=True, slots=True)
class SuiteView:
    """A suite as the tables show it. word: its verdict in words, or why it has none. parts: flagged ones first. parts_title:
    what and how many they are, in words.
    """

    result: SuiteResult
    verdict: str | None
    word: str
    gates: list[Gate]
    limits: str
    cells: tuple[Cell, Cell, Cell, Cell]
    cautions: list[str]
    link: str
    retention: str
    parts: list[Part]
    parts_title: str


@dataclass(frozen=True, slots=True)
class CauseCell:
    """How many items of a suite were lost to one cause, and the samples behind them."""

    cause: str
    items: int
    link: str


@dataclass(frozen=True, slots=True)
class CauseLine:
    """A suite's losses by cause, in the order of `Causes.names`."""

    suite: str
    lost: int
    cells: list[CauseCell]


@dataclass(frozen=True, slots=True)
class Causes:
    """Why items were lost: a line a suite, a column a cause, the most frequent cause first."""

    names: list[str]
    lines: list[CauseLine]


def samples_link(**filters: str) -> str:
    """The address of the sample explorer with these filters set."""
    return f"#samples?{urlencode(filters)}"


def tally(decision: Decision) -> str:
    """All gates in a line: 8 gates: 1 failed, 3 undecided, 4 passed."""
    words = {"fail": "failed", "inconclusive": "undecided", "pass": "passed"}
    seen = Counter(gate.verdict for gate in decision.gates)
    parts = [f"{count(seen[verdict])} {word}" for verdict, word in words.items() if seen[verdict]]
    noun = "gate" if len(decision.gates) == 1 else "gates"
    return f"{count(len(decision.gates))} {noun}: {', '.join(parts)}" if parts else "no gate applied"


def suite_views(comparison: Comparison, decision: Decision, against: Against = "base") -> list[SuiteView]:
    """The suites by role, within a role by harm, each with the gates held against one model."""
    views: list[SuiteView] = []
    for suite in worst_first(comparison.suites):
        gates = gates_of(suite.name, decision, against)
        cautions = list(dict.fromkeys([*suite.cautions, *suite.delta.cautions]))
        if suite.missing:
            cautions.insert(0, f"{count(suite.missing)} items missing; the interval is widened for them")
        limits = ", ".join(f"limit {gate_limit(gate)}" for gate in gates if gate.kind != "guard_rate")
        views.append(
            SuiteView(
                suite,
                combined(gates),
                verdict_word(suite.name, decision),
                gates,
                limits,
                _cells(suite),
                cautions,
                samples_link(suite=suite.name),
                retained(suite),
                *_parts(suite),
            )
        )
    return views


def _parts(suite: SuiteResult) -> tuple[list[Part], str]:
    """A suite's tasks and slices: flagged ones first, then by harm; tasks too small to be slices last."""
    sign = -1 if suite.role == "guard" else 1
    slices = sorted(suite.slices, key=lambda one: (not one.flagged, one.name != BY_TASK, sign * one.delta.value))
    shown = {one.value for one in slices if one.name == BY_TASK}
    small = [task for task in suite.tasks if task.name not in shown] if len(suite.tasks) > 1 else []
    parts = [_slice_part(suite, one) for one in slices[:MOST_PARTS]]
    parts += [_task_part(suite, task) for task in small[: MOST_PARTS - len(parts)]]
    total, flagged = len(slices) + len(small), sum(one.flagged for one in slices)
    if not total:
        return [], ""
    noun = "tasks" if all(one.name == BY_TASK for one in slices) else "slices"
    more = f", {count(flagged)} flagged" if flagged else ""
    cut = f", {count(len(parts))} listed" if total > len(parts) else ""
    return parts, f"{count(total)} {noun}{more}{cut}"


def _slice_part(suite: SuiteResult, one: Slice) -> Part:
    p = "" if one.p is None else f", p {'< 0.0001' if one.p < 0.0001 else f'= {one.p:.4f}'}"
    whole = one.name == BY_TASK
    return Part(
        label=one.value if whole else f"{one.name}: {one.value}",
        result=one,
        flagged=one.flagged,
        details=f"n = {count(one.n)}, {one.delta.method}{p}",
        cautions=list(one.delta.cautions),
        link=samples_link(suite=suite.name, task=one.value) if whole else _slice_link(suite.name, one),
    )


def _slice_link(suite: str, one: Slice) -> str:
    named = json.dumps([one.name, one.value], ensure_ascii=False, separators=(",", ":"))
    return samples_link(suite=suite, slice=named)


def _task_part(suite: SuiteResult, task: TaskResult) -> Part:
    details = f"n = {count(task.n)}, {task.delta.method}"
    return Part(task.name, task, False, details, list(task.cautions), samples_link(suite=suite.name, task=task.name))


def causes(comparison: Comparison) -> Causes | None:
    """Why tuned lost items, suites with the most losses first; None where it lost none. Guards count events, not losses."""
    suites = [suite for suite in comparison.suites if suite.role != "guard" and any(suite.causes.values())]
    totals = Counter[str]()
    for suite in suites:
        totals.update(suite.causes)
    names = [cause for cause, number in totals.most_common() if number]

    def line(suite: SuiteResult) -> CauseLine:
        cells = [
            CauseCell(cause, suite.causes.get(cause, 0), samples_link(suite=suite.name, cell="regressed", cause=cause))
            for cause in names
        ]
        return CauseLine(suite.name, sum(suite.causes.values()), cells)

    lines = sorted((line(suite) for suite in suites), key=lambda one: (-one.lost, one.suite))
    return Causes(names, lines) if lines else None


def _cells(suite: SuiteResult) -> tuple[Cell, Cell, Cell, Cell]:
    """Kept, regressed, fixed, both wrong: rows are base right and wrong, columns tuned right and wrong."""
    guard = suite.role == "guard"
    names = GUARD_CELLS if guard else CELLS
    tones = {"regressed": "gain" if guard else "harm", "fixed": "harm" if guard else "gain"}

    def cell(name: str, items: int) -> Cell:
        return Cell(name, names[name], items, tones.get(name, "none"), samples_link(suite=suite.name, cell=name))

    return (
        cell("kept", suite.kept),
        cell("regressed", suite.regressed),
        cell("fixed", suite.fixed),
        cell("both_wrong", suite.both_wrong),
    )
