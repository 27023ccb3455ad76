"""The decision in words: the headline, one sentence a colleague could read aloud, and what would decide it."""

from __future__ import annotations

import math

from evalkit.report.numbers import count, difference, interval, percent, points, pp, rate, size
from evalkit.statistics import rests_on_too_few
from evalkit.types import INCUMBENT, Comparison, Decision, Gate, Manifest, Role, SuiteResult

HEADLINES = {"go": "GO", "no_go": "NO-GO", "inconclusive": "INCONCLUSIVE"}
VERDICTS = {"pass": "pass", "fail": "fail", "inconclusive": "undecided"}
ROLES: dict[Role, str] = {
    "target": "Target: must gain",
    "retain": "Retain: must not lose",
    "guard": "Guard: higher is worse",
}
CELLS = {"kept": "kept", "regressed": "regressed", "fixed": "fixed", "both_wrong": "both wrong"}
# A guard counts what should not happen: there a rise from 0 to 1 is the harm.
GUARD_CELLS = {"kept": "still seen", "regressed": "cleared", "fixed": "newly seen", "both_wrong": "never seen"}
CAUSES = {
    "wrong": "wrong answer",
    "unparsed": "no answer found",
    "unextracted": "answer there, not extracted",
    "truncated": "cut off at the token limit",
    "refused": "refused",
}


def headline(decision: Decision) -> str:
    """The verdict in one or two words; an incomplete run says so first."""
    outcome = HEADLINES[decision.outcome]
    return outcome if decision.complete else f"INCOMPLETE, {outcome}"


def cautions(comparison: Comparison, decision: Decision, manifest: Manifest) -> list[str]:
    """All that is to be known beside the verdict, each said once."""
    return list(dict.fromkeys([*decision.cautions, *comparison.cautions, *manifest.cautions]))


def sentence(comparison: Comparison, decision: Decision) -> str:
    """Why, in plain words: what was gained, then what decided."""
    deciding = [gate for gate in decision.gates if gate.required]
    failed = sorted((gate for gate in deciding if gate.verdict == "fail"), key=_excess, reverse=True)
    undecided = sorted((gate for gate in deciding if gate.verdict == "inconclusive"), key=_excess, reverse=True)
    gained = _gained(comparison, decision)
    if failed:
        more = f" ({_plural(len(failed) - 1, 'more gate')} failed)" if len(failed) > 1 else ""
        clauses = [gained] if gained and failed[0].kind != "target" else []
        worst = _worst(comparison.over(failed[0].against) or comparison) if failed[0].kind == "tax" else ""
        text = f"Tuned {' and '.join([*clauses, _failed(failed[0])])}{worst}{more}."
    elif undecided:
        start = f"Tuned {gained}, but " if gained else ""
        share = f"{len(undecided)} of {_plural(len(deciding), 'required gate')}"
        verb = "is" if len(undecided) == 1 else "are"
        text = f"{start}{share} {verb} undecided: {_undecided(undecided[0])}."
    elif deciding and decision.complete and decision.outcome != "go":
        text = f"{_every(len(deciding)).capitalize()} passed, but {decision.reasons[0]}."
    elif deciding:
        tax = next((gate for gate in deciding if gate.kind == "tax"), None)
        cost = f"; the pooled tax{over(tax)} is {_tax(tax)}, under the {size(tax.threshold)} allowed" if tax else ""
        start = f"Tuned {gained} and passed" if gained else "Tuned passed"
        text = f"{start} {_every(len(deciding))}{cost}."
    else:
        text = "No required gate applied, so nothing was decided."
    return text if decision.complete else f"{incomplete(comparison)} What was answered says: {text}"


def incomplete(comparison: Comparison) -> str:
    """What is missing and, where it is known, why."""
    sides = "on one side or both"
    if not comparison.missing and comparison.against_incumbent is not None:
        comparison, sides = comparison.against_incumbent, "of tuned or of the incumbent"
    kinds = sorted(comparison.failures.items(), key=lambda item: -item[1])
    why = f", most often {kinds[0][0].replace('_', ' ')} ({count(kinds[0][1])})" if kinds else ""
    if not comparison.missing:
        return f"The run is incomplete{why}."
    return f"The run is incomplete: {_plural(comparison.missing, 'item')} lack a score {sides}{why}."


def remedies(decision: Decision, *, imported: bool = False) -> list[str]:
    """What would decide an open outcome: the missing answers, then each required gate that is still open.

    imported: the answers are another tool's, which alone can ask again.
    """
    ways: list[str] = []
    if not decision.complete:
        how = (
            "run them in the tool that wrote the logs, and import again"
            if imported
            else "the same command again asks only for those"
        )
        ways.append(f"the missing answers: {how}")
    if decision.outcome == "inconclusive":
        ways += [remedy(gate) for gate in decision.gates if gate.required and gate.verdict == "inconclusive"]
    return ways


def remedy(gate: Gate) -> str:
    """What would decide one open gate: further items, or the limit it would already pass."""
    ways: list[str] = []
    items = f"{gate.subject} items" if gate.kind != "tax" else "retain items"
    if gate.more_items_needed:
        ways.append(f"about {count(gate.more_items_needed)} more {items}")
    limit = _limit_that_passes(gate)
    if limit:
        ways.append(limit)
    name = gate_name(gate)
    if not ways:
        return f"{name}: at the observed difference no number of further items would decide it"
    if gate.more_items_needed is None:
        ways.append("further items alone would not decide it")
    return f"{name}: {', or '.join(ways[:2])}" if gate.more_items_needed else f"{name}: {'; '.join(ways)}"


def gate_name(gate: Gate) -> str:
    """A short name that tells two gates on one suite apart."""
    suffix = {"guard_rate": " (rate)", "guard_increase": " (increase)", "pool": " (pool)", "judge": " (judge)"}
    return ("pooled tax" if gate.kind == "tax" else gate.subject + suffix.get(gate.kind, "")) + over(gate)


def over(gate: Gate) -> str:
    """Whom a gate is held against, where that is not base: to be put behind what is measured."""
    return " over the incumbent" if gate.against == INCUMBENT else ""


def gate_numbers(gate: Gate) -> str:
    """The number a gate read, with its interval, in the gate's own unit."""
    if gate.kind == "tax":
        return _tax(gate)
    return rate(gate.estimate) if gate.kind in ("guard_rate", "judge") else difference(gate.estimate, gate.unit)


def gate_limit(gate: Gate) -> str:
    """The number the interval was held against, in the gate's own unit."""
    if gate.kind == "retain_relative":
        return gate.rule.removeprefix("keeps more than ")
    return percent(gate.threshold) if gate.kind in ("guard_rate", "judge") else pp(gate.threshold, gate.unit)


def worst_first(suites: tuple[SuiteResult, ...]) -> list[SuiteResult]:
    """Suites by role (target, retain, guard), within a role sorted by harm, those with a unit of their own last."""
    roles = list(ROLES)
    return sorted(suites, key=lambda suite: (roles.index(suite.role), suite.unit or "", -harm(suite)))


def harm(suite: SuiteResult) -> float:
    """How much worse tuned is, in score units: for a guard a rise, elsewhere a fall."""
    value = suite.delta.value if math.isfinite(suite.delta.value) else 0.0
    return value if suite.role == "guard" else -value


# --- clauses ----------------------------------------------------------------------------------------------------


def _gained(comparison: Comparison, decision: Decision) -> str:
    """The gain clause, over whom the targets are held against, or nothing where no target suite clearly gained."""
    held = next((gate for gate in decision.gates if gate.kind == "target" and gate.against == INCUMBENT), None)
    whom = over(held) if held else ""
    comparison = (comparison.against_incumbent if held else None) or comparison
    clear = [s for s in comparison.suites if s.role == "target" and s.delta.low is not None and s.delta.low > 0]
    targets = sum(suite.role == "target" for suite in comparison.suites)
    gain = comparison.gain
    if targets > 1 and gain and gain.low is not None and gain.low > 0:
        return f"gained {size(gain.value)} over {count(targets)} target suites{whom} {interval(gain.low, gain.high)}"
    if not clear:
        return ""
    best = max(clear, key=lambda suite: suite.delta.value)
    return f"gained {size(best.delta.value)} on {best.name}{whom} {interval(best.delta.low, best.delta.high)}"


def _worst(comparison: Comparison) -> str:
    """Where most of a pooled tax was paid, if it was paid in several places."""
    lost = sorted((suite for suite in comparison.suites if suite.role == "retain"), key=harm, reverse=True)
    if len(lost) < 2 or harm(lost[0]) <= 0:
        return ""
    return f", most of all on {lost[0].name} ({pp(lost[0].delta.value)})"


def _failed(gate: Gate) -> str:
    estimate, limit, unit = gate.estimate, gate.threshold, gate.unit
    between = f"{over(gate)} {interval(estimate.low, estimate.high, unit)}".lstrip()
    match gate.kind:
        case "retain" | "pool":
            lost = f"lost {size(estimate.value, unit)} on {gate.subject} {between}"
            return f"{lost}, more than the {size(limit, unit)} allowed"
        case "retain_relative":
            return f"scored {size(estimate.value)} too little on {gate.subject} {between}, which {gate.rule} if it is to pass"
        case "tax":
            return f"paid a pooled tax{over(gate)} of {_tax(gate)}, more than the {size(limit)} allowed"
        case "target":
            did = "gained only" if estimate.value >= 0 else "lost"
            least = f"at least {size(limit)} was required" if limit > 0 else "where it must gain"
            return f"{did} {size(estimate.value)} on {gate.subject} {between}, {least}"
        case "guard_rate":
            return f"has a rate of {rate(estimate)} on {gate.subject}, above the {percent(limit)} allowed"
        case "guard_increase":
            rose = f"rose by {size(estimate.value, unit)} on {gate.subject} {between}"
            return f"{rose}, more than the {size(limit, unit)} allowed"
        case "judge":
            return f"won only {rate(estimate)} of the comparisons of {gate.subject}{over(gate)}, below the {percent(limit)} required"
    return f"failed {gate_name(gate)}: {gate.reason.rstrip('.')}"


def _undecided(gate: Gate) -> str:
    estimate, limit, unit = gate.estimate, gate.threshold, gate.unit
    changed = f"{gate.subject} changed by {difference(estimate, unit)}{over(gate)}"
    match gate.kind:
        case "retain" | "pool":
            return f"{changed}, and a loss of up to {size(limit, unit)} is allowed"
        case "retain_relative":
            return f"{gate.subject} lies {difference(estimate)} above what must be kept, and the whole interval has to"
        case "tax":
            return f"the pooled tax{over(gate)} is {_tax(gate)}, and up to {size(limit)} is allowed"
        case "target":
            needed = f"a gain above {size(limit)}" if limit else "a gain"
            return f"{changed}, and {needed} is required"
        case "guard_rate":
            return f"{gate.subject} has a rate of {rate(estimate)}, and up to {percent(limit)} is allowed"
        case "guard_increase":
            return f"{changed}, and a rise of up to {size(limit, unit)} is allowed"
        case "judge":
            return f"{gate.subject} prefers tuned{over(gate)} in {rate(estimate)}, and at least {percent(limit)} is required"
    return gate.reason.rstrip(".")


def _tax(gate: Gate) -> str:
    return f"{points(gate.estimate.value).lstrip('+')} pp {interval(gate.estimate.low, gate.estimate.high)}"


def _limit_that_passes(gate: Gate) -> str:
    """The nearest policy value, rounded away from luck to a tenth of a point, at which this interval would pass."""
    low, high = gate.estimate.low, gate.estimate.high
    if low is None or high is None or rests_on_too_few(gate.estimate):
        return ""  # no limit would let these pass

    def above(number: float) -> float:
        return math.floor(number * 1000 + 1) / 1000

    match gate.kind:
        case "retain" | "pool":
            return f"a margin of {size(above(-low))}"
        case "tax":
            return f"a tax limit of {size(above(high))}"
        case "guard_increase":
            return f"an allowed rise of {size(above(high), gate.unit)}"
        case "guard_rate":
            return f"an allowed rate of {percent(above(high))}"
        case "target":
            return f"a required gain of {pp(-above(-low))}"
        case "judge":
            return f"a required win rate of {percent(-above(-low))}"
    return ""


def _excess(gate: Gate) -> float:
    """How far the point lies on the wrong side of the limit."""
    beyond = gate.estimate.value - gate.threshold
    over = beyond if gate.kind in ("tax", "guard_rate", "guard_increase") else -beyond
    return over if math.isfinite(over) else -math.inf


def _every(gates: int) -> str:
    return "the one required gate" if gates == 1 else f"all {count(gates)} required gates"


def _plural(number: int, noun: str) -> str:
    return f"{count(number)} {noun}" if number == 1 else f"{count(number)} {noun}s"
