"""The forest plot and the gain-tax plane as the page shows them: which rows, in which groups, on which scale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evalkit.report.charts import NARROW, WIDE, Row, forest, plane, span
from evalkit.report.numbers import amount, bare_difference, count, difference, interval, pp, signed
from evalkit.report.summary import combined, gates_of, pool_gates, tax_gates
from evalkit.report.view import samples_link
from evalkit.report.words import ROLES, VERDICTS, gate_numbers, worst_first
from evalkit.types import INCUMBENT, Comparison, Decision, Estimate, Gate, GateVerdict, Role, SuiteResult

_DIRECTIONS: dict[Role, str] = {
    "target": "\u2190 loss\u2003tuned \u2212 base (pp)\u2003gain \u2192",
    "retain": "\u2190 loss\u2003tuned \u2212 base (pp)\u2003gain \u2192",
    "guard": "\u2190 fewer\u2003tuned \u2212 base (pp)\u2003more \u2192",
}


@dataclass(frozen=True, slots=True)
class Group:
    """A role's part of the forest plot, or what of it has a unit of its own, drawn for a wide and for a narrow screen.

    own_scale: its axis is not that of the other groups.
    """

    role: Role
    heading: str
    wide: str
    narrow: str
    own_scale: bool = False


def forest_groups(comparison: Comparison, decision: Decision) -> list[Group]:
    """The forest plot: a group per role, each with its pooled row last, then one per unit of suites without bounds."""
    rows: dict[Role, list[Row]] = {}
    for role in ROLES:
        found = _rows(role, None, comparison, decision)
        if found:
            rows[role] = found
    domains = _domains(rows)
    groups: list[Group] = []
    apart = len(set(domains.values())) > 1
    last = {_DIRECTIONS[role]: role for role in rows}  # a direction is said once, under the last group it holds for
    for role, found in rows.items():
        direction = _DIRECTIONS[role] if apart or last[_DIRECTIONS[role]] == role else ""
        wide, narrow = (forest(found, domains[role], layout, direction) for layout in (WIDE, NARROW))
        groups.append(Group(role, ROLES[role], wide, narrow, own_scale=apart))
    units: dict[str, Role] = {suite.unit: suite.role for suite in [*comparison.suites, *comparison.pools] if suite.unit}
    return groups + [_own_unit(unit, role, comparison, decision) for unit, role in units.items()]


def _domains(rows: Mapping[Role, list[Row]]) -> dict[Role, tuple[float, float]]:
    """The stretch of points that each group shows: one for all unless that hides a group."""
    spans: dict[Role, tuple[float, float]] = {role: span(found) for role, found in rows.items()}
    whole = (
        min((low for low, _ in spans.values()), default=0.0),
        max((high for _, high in spans.values()), default=0.0),
    )
    narrowest = min((high - low for low, high in spans.values()), default=0.0)
    shared = whole[1] - whole[0] <= 2.5 * narrowest
    return {role: whole if shared else own for role, own in spans.items()}


def _own_unit(unit: str, role: Role, comparison: Comparison, decision: Decision) -> Group:
    """The suites that are counted in a unit of their own, on an axis of their own."""
    found = _rows(role, unit, comparison, decision)
    direction = f"\u2190 lower\u2003tuned \u2212 base ({unit})\u2003higher \u2192"
    domain = span(found, 1.0)
    wide, narrow = (forest(found, domain, layout, direction, 1.0) for layout in (WIDE, NARROW))
    return Group(role, f"{ROLES[role]}, in {unit}", wide, narrow, own_scale=True)


def gain_tax_plane(comparison: Comparison, decision: Decision) -> str | None:
    """The gain-tax plane over base, or None where one of the two does not apply, or is held against the incumbent."""
    gain, tax = comparison.gain, comparison.tax
    allowed = [gate for gate in tax_gates(decision) if gate.required]
    targets = [gate for gate in decision.gates if gate.kind == "target" and gate.required]
    elsewhere = [gate for gate in decision.gates if gate.kind in ("tax", "target") and gate.against != "base"]
    if gain is None or tax is None or elsewhere:
        return None
    most = allowed[0].threshold if allowed else None
    # Of several target suites each has to gain by itself; no gate is on what they gain together.
    least = targets[0].threshold if len(targets) == 1 else None
    title = f"gain {difference(gain)}, n = {count(gain.n)}; tax {difference(tax)}, n = {count(tax.n)}; the ellipse is their joint {100 * comparison.level:g} % region"
    ends = [(one.value, one.low, one.high) for one in (gain, tax)]
    return plane(
        ends[0], ends[1], (least, most), combined([*allowed, *targets]), title, level=comparison.level, href="#suites"
    )


def _rows(role: Role, unit: str | None, comparison: Comparison, decision: Decision) -> list[Row]:
    suites = [suite for suite in worst_first(comparison.suites) if (suite.role, suite.unit) == (role, unit)]
    rows = [_row(suite, decision) for suite in suites]
    rows += [_pool_row(pool, decision) for pool in comparison.pools if (pool.role, pool.unit) == (role, unit)]
    if role == "retain" and comparison.tax:
        rows.append(_tax_row(comparison.tax, decision))
    if role == "target" and comparison.gain and len(suites) > 1:
        gain = comparison.gain
        text = f"pooled gain {difference(gain)}, n = {count(gain.n)}"
        rows.append(
            Row("pooled gain", "", gain.value, gain.low, gain.high, difference(gain), "", None, text, "#suites",
                pooled=True)
        )  # fmt: skip
    return rows


def _limit(gate: Gate, suite: SuiteResult) -> float:
    """Where a gate's limit lies among differences; a share of base's score as so many points of it."""
    if gate.kind == "retain_relative":
        return suite.delta.value - gate.estimate.value
    return gate.threshold


def _row(suite: SuiteResult, decision: Decision) -> Row:
    gates = gates_of(suite.name, decision)
    verdict = combined(gates)
    limit = next((_limit(gate, suite) for gate in gates if gate.kind != "guard_rate"), None)
    rules = "; ".join(f"{gate.rule}: {gate_numbers(gate)}, {VERDICTS[gate.verdict]}" for gate in gates)
    title = f"{suite.name}: {difference(suite.delta, suite.unit)}, n = {count(suite.n)}, {suite.delta.method}. {rules}"
    numbers = bare_difference(suite.delta, suite.unit)
    if suite.delta.low is None:
        numbers = f"{signed(suite.delta.value) if suite.unit else pp(suite.delta.value)}, no interval"
    return Row(
        name=suite.name,
        values=_arrow(suite),
        value=suite.delta.value,
        low=suite.delta.low,
        high=suite.delta.high,
        numbers=numbers,
        word=_word(gates_of(suite.name, decision, INCUMBENT), verdict),
        verdict=verdict,
        title=title,
        href=samples_link(suite=suite.name),
        limit=limit,
        more_is_better=suite.role != "guard",
        decides=_decides(gates, decision),
    )


def _pool_row(pool: SuiteResult, decision: Decision) -> Row:
    gates = pool_gates(pool.name, decision)
    verdict = combined(gates)
    return Row(
        name=f"{pool.name} (pool)",
        values=_arrow(pool),
        value=pool.delta.value,
        low=pool.delta.low,
        high=pool.delta.high,
        numbers=bare_difference(pool.delta, pool.unit),
        word=_word(pool_gates(pool.name, decision, INCUMBENT), verdict),
        verdict=verdict,
        title=f"pool {pool.name}: {difference(pool.delta, pool.unit)}, n = {count(pool.n)}",
        href="#suites",
        limit=gates[0].threshold if gates else None,
        more_is_better=pool.role != "guard",
        decides=_decides(gates, decision),
        pooled=True,
    )


def _tax_row(tax: Estimate, decision: Decision) -> Row:
    """The tax drawn where its loss lies, left of zero, so that one direction means one thing in the whole plot."""
    gates = tax_gates(decision)
    verdict = combined(gates)
    between = interval(tax.low, tax.high)
    return Row(
        name="pooled tax",
        values="",
        value=-tax.value,
        low=None if tax.high is None else -tax.high,
        high=None if tax.low is None else -tax.low,
        numbers=f"tax {_tax_text(tax.value)} {between}",
        word=_word(tax_gates(decision, INCUMBENT), verdict),
        verdict=verdict,
        title=f"pooled tax {_tax_text(tax.value)} {between}, n = {count(tax.n)}; drawn as a change, so a tax lies left",
        href="#suites",
        limit=-gates[0].threshold if gates else None,
        decides=_decides(gates, decision),
        pooled=True,
    )


def _word(elsewhere: list[Gate], verdict: GateVerdict | None) -> str:
    """The verdict, or why there is none on this row. elsewhere: the gates that are held against the incumbent."""
    return VERDICTS[verdict] if verdict else "see below" if elsewhere else "no gate"


def _tax_text(value: float) -> str:
    return pp(value).lstrip("+")


def _arrow(suite: SuiteResult) -> str:
    return f"{amount(suite.base, suite.unit).removesuffix(' %')} \u2192 {amount(suite.tuned, suite.unit)}"


def _decides(gates: list[Gate], decision: Decision) -> bool:
    """Whether the outcome turned on one of these gates."""
    turning = {"no_go": "fail", "inconclusive": "inconclusive"}.get(decision.outcome)
    return any(gate.required and gate.verdict == turning for gate in gates)
