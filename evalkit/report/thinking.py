"""Test-time compute as the page shows it: a plot and a table a suite."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from evalkit.report.curves import NARROW, WIDE, budget_curves
from evalkit.report.numbers import NOTHING, count, counted_difference, difference, percent
from evalkit.report.text import shortened
from evalkit.report.view import samples_link
from evalkit.types import Comparison, Measure, SuiteAtTestTime


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a suite's table; basis: how the interval was computed, over what."""

    name: str
    base: str
    tuned: str
    change: str
    basis: str


@dataclass(frozen=True, slots=True)
class View:
    """One suite. wide, narrow: its plot for either screen; None where the engine counted no tokens."""

    name: str
    note: str
    wide: str | None
    narrow: str | None
    lines: list[Line]


def views(comparison: Comparison) -> list[View]:
    """The suites in the order of the run."""
    return [_view(suite) for suite in comparison.test_time]


def _view(suite: SuiteAtTestTime) -> View:
    many = f"{count(suite.samples)} samples each" if suite.samples > 1 else "one sample each"
    metric = shortened(suite.metric, 24)
    wide, narrow = (
        (
            budget_curves(
                suite.budgets, suite.base_curve, suite.tuned_curve, metric, frame, samples_link(suite=suite.name)
            )
            for frame in (WIDE, NARROW)
        )
        if suite.budgets
        else (None, None)
    )
    return View(suite.name, f"{count(suite.n)} items, {many}", wide, narrow, list(_lines(suite)))


def _lines(suite: SuiteAtTestTime) -> Iterator[Line]:
    for k, measure in suite.pass_at_k.items():
        yield _rate(f"pass@{k}", measure)
    for k, measure in suite.maj_at_k.items():
        if k > 1:  # of one sample, the vote is the answer
            yield _rate(f"maj@{k}", measure)
    if suite.truncated:
        yield _rate("cut off at the token limit", suite.truncated)
    for name, measure in (("tokens an answer", suite.tokens), ("tokens a solved answer", suite.tokens_per_solved)):
        if measure:
            sides = [NOTHING if one is None else count(round(one)) for one in (measure.base, measure.tuned)]
            yield Line(name, sides[0], sides[1], counted_difference(measure.delta), _basis(measure))


def _rate(name: str, measure: Measure) -> Line:
    return Line(name, percent(measure.base), percent(measure.tuned), difference(measure.delta), _basis(measure))


def _basis(measure: Measure) -> str:
    delta = measure.delta
    return f"n = {count(delta.n)}, {delta.method}" if delta else "nothing was solved"
