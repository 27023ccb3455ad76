"""Tuned against the model in use now, line by line: what the gates that are held against it read."""

from __future__ import annotations

from dataclasses import dataclass

from evalkit.report.numbers import amount, count
from evalkit.report.summary import combined, gates_of, pool_gates, tax_gates
from evalkit.report.words import VERDICTS, worst_first
from evalkit.types import INCUMBENT, Comparison, Decision, Estimate, Gate, Manifest, SuiteResult


@dataclass(frozen=True, slots=True)
class Line:
    """A suite, a pool, the pooled tax or the pooled gain. A tax counts a loss positive. cautions: on this line alone."""

    name: str
    role: str
    n: str
    incumbent: str
    tuned: str
    delta: Estimate
    flips: str
    verdict: str | None
    word: str
    missing: int = 0
    unit: str | None = None
    cautions: tuple[str, ...] = ()
    pooled: bool = False


@dataclass(frozen=True, slots=True)
class IncumbentTable:
    """All that gates hold against the incumbent of this name."""

    name: str
    lines: tuple[Line, ...]


def incumbent_table(comparison: Comparison, decision: Decision, manifest: Manifest) -> IncumbentTable | None:
    """None where no gate is held against the incumbent."""
    over = comparison.against_incumbent
    if over is None or manifest.incumbent is None:
        return None
    lines = [_line(suite, suite.name, gates_of(suite.name, decision, INCUMBENT)) for suite in worst_first(over.suites)]
    lines += [_line(pool, f"{pool.name} (pool)", pool_gates(pool.name, decision, INCUMBENT)) for pool in over.pools]
    if over.tax:
        lines.append(_pooled("pooled tax", "retain", over.tax, tax_gates(decision, INCUMBENT)))
    if over.gain:
        lines.append(_pooled("pooled gain", "target", over.gain, []))
    return IncumbentTable(manifest.incumbent.name, tuple(lines))


def _line(suite: SuiteResult, name: str, gates: list[Gate]) -> Line:
    return Line(
        name=name,
        role=suite.role,
        n=count(suite.n),
        incumbent=amount(suite.base, suite.unit),
        tuned=amount(suite.tuned, suite.unit),
        delta=suite.delta,
        flips="" if suite.unit else f"{count(suite.regressed)} / {count(suite.fixed)}",
        verdict=combined(gates),
        word=_word(gates),
        missing=suite.missing,
        unit=suite.unit,
        cautions=tuple(dict.fromkeys([*suite.cautions, *suite.delta.cautions])),
    )


def _pooled(name: str, role: str, estimate: Estimate, gates: list[Gate]) -> Line:
    return Line(
        name, role, "", "", "", estimate, "", combined(gates), _word(gates) if name == "pooled tax" else "", pooled=True
    )


def _word(gates: list[Gate]) -> str:
    verdict = combined(gates)
    return VERDICTS[verdict] if verdict else "no gate"
