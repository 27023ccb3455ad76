"""Tax and gain in a few lines: pooled, of the worst suite, which losses were found, which slices are flagged."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from evalkit.report.numbers import count, difference, interval, percent, pp
from evalkit.types import BY_TASK, SMALLEST_SLICE, Comparison, Decision, Estimate, SuiteResult, Worst


@dataclass(frozen=True, slots=True)
class Line:
    """One number of the run as a whole, and in a sentence what it means."""

    name: str
    value: str
    meaning: str


def tax_lines(comparison: Comparison, decision: Decision) -> list[Line]:
    """What stands above the table of suites."""
    return list(_lines(comparison, decision))


def _lines(comparison: Comparison, decision: Decision) -> Iterator[Line]:
    retained_suites = [one for one in comparison.suites if one.role == "retain" and not one.advisory]
    k = len(retained_suites)
    if comparison.tax:
        limit = next((gate.threshold for gate in decision.gates if gate.kind == "tax"), None)
        allowed = f"; up to {_loss(limit)} is allowed" if limit is not None else ""
        yield Line("Pooled tax", _with_limits(comparison.tax), f"what tuned lost over {_suites(k)}, by weight{allowed}")
    if comparison.worst_tax and k > 1:
        meaning = f"the largest loss of one suite, with limits that hold for all {count(k)} at once"
        yield Line("Worst suite", worst_suite(comparison.worst_tax), meaning)
    if comparison.tax and k > 1:
        found = list(comparison.losses_found)
        more = f" and {count(len(found) - 5)} more" if len(found) > 5 else ""
        yield Line(
            "Losses found", ", ".join(found[:5]) + more if found else "none",
            f"suites that lost more than chance, of {count(k)} tested together (Holm); one that is not found is not ruled out",
        )  # fmt: skip
    if comparison.gain:
        targets = sum(one.role == "target" and not one.advisory for one in comparison.suites)
        yield Line("Pooled gain", difference(comparison.gain), f"what tuned gained over {_suites(targets, 'target')}")
    slices = [one for suite in comparison.suites for one in suite.slices]
    if slices:
        flagged, left_out = sum(one.flagged for one in slices), sum(one.slices_left_out for one in comparison.suites)
        small = f"; {count(left_out)} of fewer than {SMALLEST_SLICE} items left out" if left_out else ""
        meaning = f"tasks and slices that changed more than chance (Benjamini-Hochberg, 5 %){small}"
        yield Line("Flagged", f"{count(flagged)} of {count(len(slices))}", meaning)


def worst_suite(worst: Worst) -> str:
    """The largest loss and whose it is: gsm8k 6.4 pp [3.9, 9.4]."""
    return f"{worst.name} {_with_limits(worst.loss)}"


def retained(suite: SuiteResult) -> str:
    """What is left above chance: retained 91.2 % [88.0, 94.5]. Hidden: "" where it does not apply or means nothing."""
    kept = suite.retention
    if kept is None or not math.isfinite(kept.value):
        return ""
    return f"retained {percent(kept.value)} {_percents(kept)}"


def flagged_slices(comparison: Comparison, most: int = 10) -> list[str]:
    """The flagged slices in words, the largest change first: mmlu, anatomy: -12.0 pp [-19.1, -4.2] on 135 items."""
    found = [(suite, one) for suite in comparison.suites for one in suite.slices if one.flagged]
    found.sort(key=lambda pair: -abs(pair[1].delta.value))
    lines = [
        f"{suite.name}, {one.value if one.name == BY_TASK else f'{one.name} {one.value}'}: "
        f"{difference(one.delta, suite.unit)} on {count(one.n)} items"
        for suite, one in found[:most]
    ]
    return lines + ([f"and {count(len(found) - most)} more"] if len(found) > most else [])


def _loss(value: float) -> str:
    return pp(value).lstrip("+")


def _with_limits(loss: Estimate) -> str:
    return f"{_loss(loss.value)} {interval(loss.low, loss.high)}"


def _percents(kept: Estimate) -> str:
    if kept.low is None or kept.high is None:
        return "(no interval)"
    return f"[{100 * kept.low:.1f}, {100 * kept.high:.1f}]"


def _suites(number: int, role: str = "retain") -> str:
    return f"the {role} suite" if number == 1 else f"{count(number)} {role} suites"


def p_values(comparison: Comparison) -> str:
    """The adjusted p-values of the losses found, for the method: gsm8k p < 0.001, mmlu p = 0.020."""
    return ", ".join(f"{name} p {_p(p)}" for name, p in comparison.losses_found.items())


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"
