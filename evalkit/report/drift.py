"""The drift section as the page shows it: a table a suite, what moved marked, and a first line that says what moved most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evalkit.report.numbers import amount, bare_difference, count, difference, interval, percent, points, rounded
from evalkit.report.words import CAUSES
from evalkit.types import PROBES, Comparison, Drift, SuiteDrift

NAMES = {
    "length": "length of an answer",
    "refusal_rate": "declined",
    "format_validity": "answer in the form asked for",
    "unparsed_rate": CAUSES["unparsed"],
    "unextracted_rate": CAUSES["unextracted"],
    "truncation_rate": CAUSES["truncated"],
    "repetition_rate": "going round in circles",
    "distinct_2": "different word pairs (distinct-2)",
    "ece": "calibration error (ECE)",
    "brier": "Brier score",
    "bits_per_byte": "bits per byte of held-out text",
    "kl_per_token": "KL(tuned || base)",
}
_PARTS = ("unparsed_rate", "unextracted_rate")
"""What format validity already counts; not said twice in the first line."""

_TOLD = 3


@dataclass(frozen=True, slots=True)
class Line:
    """One measure of one suite. moved: "up" or "down" where the interval leaves zero out, "distance" of a divergence."""

    name: str
    base: str
    tuned: str
    change: str
    moved: str
    basis: str


@dataclass(frozen=True, slots=True)
class Table:
    """One suite's measures. moved: how many of them did."""

    suite: str
    lines: list[Line]
    moved: int
    cautions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DriftView:
    """The whole section; `headline` is its first line."""

    headline: str
    tables: list[Table]


def drift_view(comparison: Comparison) -> DriftView | None:
    """The section, or None where nothing was measured. Rates of zero on both sides are left out."""
    shown = [(one, [measure for measure in one.measures if not is_nothing(measure)]) for one in comparison.drift]
    tables = [
        Table(suite_name(one), [_line(measure) for measure in kept], sum(m.moved for m in kept), one.cautions)
        for one, kept in shown
        if kept
    ]
    return DriftView(headline(comparison.drift), tables) if tables else None


def headline(drift: Sequence[SuiteDrift]) -> str:
    """How many measures moved, and the ones that did most clearly: farthest from zero in widths of their interval."""
    measures = [(one, measure) for one in drift for measure in one.measures if not is_nothing(measure)]
    moved = sorted(((o, m) for o, m in measures if m.moved), key=lambda pair: -_clarity(pair[1]))
    if not moved:
        return f"None of {count(len(measures))} measures moved: every interval holds zero, or there is none."
    first: dict[str, str] = {}
    for one, measure in moved:
        if measure.name not in _PARTS:
            place = "" if one.suite == PROBES else f" on {one.suite}"
            first.setdefault(measure.name, f"{NAMES.get(measure.name, measure.name)}{place} {change_text(measure)}")
    verb = f"{count(len(moved))} of {count(len(measures))} measures moved"
    return f"{verb}, most clearly: {'; '.join(list(first.values())[:_TOLD])}." if first else f"{verb}."


def suite_name(one: SuiteDrift) -> str:
    """What a suite's table is called."""
    return "beside the suites" if one.suite == PROBES else one.suite


def change_text(measure: Drift) -> str:
    """A change with its interval, in the unit that it is counted in."""
    change = measure.change
    match measure.unit:
        case "rate":
            return difference(change)
        case "tokens" | "characters":
            return f"{points(change.value)} % {interval(change.low, change.high)}"
        case "score":
            return bare_difference(change, measure.unit)
    text = difference(change, measure.unit)
    return text.lstrip("+") if measure.base is None else text


def _line(measure: Drift) -> Line:
    moved = "distance" if measure.base is None else ""
    if measure.moved:
        moved = "up" if measure.change.value > 0 else "down"
    basis = "; ".join([f"n = {count(measure.change.n)}, {measure.change.method}", *measure.change.cautions])
    return Line(
        NAMES.get(measure.name, measure.name),
        _level(measure.base, measure.unit),
        _level(measure.tuned, measure.unit),
        change_text(measure),
        moved,
        basis,
    )


def _level(value: float | None, unit: str) -> str:
    """What one model does, without the unit that the line's name or its change says."""
    if value is None:
        return "\u2013"
    if unit == "rate":
        return percent(value)
    return f"{rounded(value)} {unit}" if unit in ("tokens", "characters") else amount(value, unit)


def is_nothing(measure: Drift) -> bool:
    """Whether it is a rate of zero on both sides, which no table lists."""
    return measure.unit == "rate" and not measure.base and not measure.tuned


def _clarity(measure: Drift) -> float:
    change = measure.change
    width = (change.high or 0.0) - (change.low or 0.0)
    return abs(change.value) / width if width > 0 else 0.0
