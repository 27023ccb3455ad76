"""Comparison + policy -> Decision (pure). Any required gate failed: no_go; all passed: go; else inconclusive.

All gates must pass (an intersection-union test), so GO needs no penalty for their number: were any one loss truly at
its margin, GO comes at most (1 - level) / 2 of the time. (Simulated, with what falls short: docs/decisions.md.)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

from evalkit.comparing.comparison import with_set_aside
from evalkit.config import PolicySpec
from evalkit.deciding.error_rates import error_rates
from evalkit.statistics import more_items_needed, rests_on_too_few
from evalkit.types import (
    INCUMBENT,
    Against,
    Comparison,
    Decision,
    Estimate,
    Gate,
    GateVerdict,
    InputError,
    JudgeResult,
    Outcome,
    Side,
    SuiteResult,
)


def decide(comparison: Comparison, policy: PolicySpec) -> Decision:
    """Apply a policy. An incomplete run (more missing than the policy allows) is never `go`."""
    gates = tuple(_gates(comparison, policy))
    if policy.required != "all":
        named = set(policy.required) | {"tax"}
        gates = tuple(replace(gate, required=gate.required and gate.subject in named) for gate in gates)
    required = [gate for gate in gates if gate.required]
    total = comparison.n + comparison.missing
    # A run over suites that only judges read or grade scores no item that decides, and is none the less complete.
    graded = any(suite.n for suite in comparison.suites if suite.advisory)
    anything = total > 0 or graded or any(judge.n for judge in comparison.judges)
    deciding = {gate.subject for gate in required if gate.kind == "judge"}
    silent = [one for one in comparison.judges if one.name in deciding and _is_silent(one, policy)]
    lacking: list[Against] = list(_lacking(comparison, policy)) if anything else ["base"]
    complete = not lacking and not silent
    outcome: Outcome = "inconclusive"
    if any(gate.verdict == "fail" for gate in required):
        outcome = "no_go"
    elif required and complete and all(gate.verdict == "pass" for gate in required):
        outcome = "go"
    reasons = (
        *(_incomplete(comparison, side, policy) for side in lacking),
        *map(_unread, silent),
        *_reasons(required),
    )
    cautions = tuple(_turned(gates, comparison, policy))
    sides = (comparison.over(side) for side in ("base", INCUMBENT))
    for alike in (side.unchanged for side in sides if side is not None and side.unchanged is not None):
        cautions = (alike.words, *cautions)
        if not alike.same_weights and outcome == "go":
            # An adapter that was not applied passes every gate: it is base.
            outcome = "inconclusive"
            reasons = (f"{alike.words}; check that tuned's own weights or adapter were in use", *reasons)
    return Decision(outcome, complete, gates, reasons, cautions, error_rates(gates, policy.level))


def _reasons(required: list[Gate]) -> Iterator[str]:
    if not required:
        yield "no gate applies: add a suite"
    rank = {"fail": 0, "inconclusive": 1, "pass": 2}
    for gate in sorted(required, key=lambda gate: rank[gate.verdict]):
        yield gate.reason


def _lacking(comparison: Comparison, policy: PolicySpec) -> Iterator[Against]:
    """Against whom more items are missing than the policy allows."""
    for side in ("base", INCUMBENT):
        read = comparison.over(side)
        if read is not None and read.missing > policy.missing.max * (read.n + read.missing):
            yield side


def _incomplete(comparison: Comparison, side: Against, policy: PolicySpec) -> str:
    read = comparison.over(side) or comparison
    kinds = ", ".join(f"{count} x {kind}" for kind, count in read.failures.items())
    who = "on both sides" if side == "base" else "of both tuned and the incumbent"
    return (
        f"incomplete: {read.missing} of {read.n + read.missing} items were not scored {who}, and the policy allows "
        f"{100 * policy.missing.max:g} %" + (f" ({kinds})" if kinds else "")
    )


_SET_ASIDE: dict[Literal["form", "overlap"], str] = {
    "form": "of which an answer was lost to its form",
    "overlap": "that stand in training data or are too short to tell",
}


def _turned(gates: Sequence[Gate], comparison: Comparison, policy: PolicySpec) -> Iterator[str]:
    """Each gate that would fall out otherwise with items set aside, but on tuned's own rate. The verdicts stay; the reader is told."""
    words = {"pass": "passes", "fail": "fails", "inconclusive": "is undecided"}
    for what, which in _SET_ASIDE.items():
        left = with_set_aside(comparison, what)
        if left is comparison:
            continue
        for gate, then in zip(gates, _gates(left, policy), strict=True):
            if gate.verdict == then.verdict:
                continue
            subject = "the pooled tax" if gate.kind == "tax" else gate.subject
            items = gate.estimate.n - then.estimate.n
            yield (
                f"{subject} {words[gate.verdict]} at {_numbers(gate.estimate, gate.unit)}, but {words[then.verdict]} at "
                f"{_numbers(then.estimate, then.unit)} with the {items} {'item' if items == 1 else 'items'} set aside {which}"
            )


def _gates(comparison: Comparison, policy: PolicySpec) -> Iterator[Gate]:
    pooled = {member for members in policy.pools.values() for member in members}
    if comparison.tax is not None:
        against = policy.tax.against
        tax = _side(comparison, against, "tax", policy).tax
        assert tax is not None, "the incumbent answers every retain suite where the tax is held against it"
        rule = f"pooled loss over retain suites below {_pp(policy.tax.max)}"
        yield _gate("tax", "tax", rule, tax, policy.tax.max, "below", against=against)
    for suite in comparison.suites:
        for gate in _suite_gates(suite, comparison, policy):
            gate = _advisory(gate) if suite.advisory else gate
            yield replace(gate, required=False) if suite.name in pooled else gate
    for pool in comparison.pools:
        for gate in _suite_gates(pool, comparison, policy, is_pool=True):
            yield replace(_advisory(gate) if pool.advisory else gate, kind="pool")
    for judge in comparison.judges:
        if judge.win_rate is None:
            # One that read nothing of what it was shown says nothing; that is not the same as having nothing to say.
            if judge.unscored:
                yield _judge_gate(judge, _nothing(policy.level), policy)
        else:
            # Where people have labelled enough pairs, what they correct the judge to is what counts.
            if judge.corrected is not None and judge.corrected.low is not None:
                gate = _judge_gate(judge, judge.corrected, policy)
                # Its n counts labels, and more of either labels or prompts alone has no number that would do.
                yield replace(gate, more_items_needed=0 if gate.verdict != "inconclusive" else None)
            else:
                yield _judge_gate(judge, judge.win_rate, policy)


def _nothing(level: float) -> Estimate:
    return Estimate(math.nan, None, None, None, level, "none", 0, ("no pair could be read",))


def _is_silent(judge: JudgeResult, policy: PolicySpec) -> bool:
    """Whether engines left more pairs without an answer than a judge may leave unscored."""
    return judge.unanswered > policy.judge.max_unscored * (judge.n + judge.unscored)


def _unread(judge: JudgeResult) -> str:
    total = judge.n + judge.unscored
    return f"incomplete: {judge.unanswered} of {total} pairs never came to a verdict of judge {judge.name}, for want of an answer"


def _advisory(gate: Gate) -> Gate:
    return replace(gate, required=False, reason=f"{gate.reason} (advisory: its judge has passed no exam)")


def _side(comparison: Comparison, against: Against, section: str, policy: PolicySpec) -> Comparison:
    """The comparison that a gate against `against` reads. Raises InputError where nobody asked the incumbent."""
    read = comparison.over(against)
    if read is None:
        where = policy.file or "policy"
        raise InputError(
            f"{where}: {section}.against: incumbent: this comparison holds no incumbent; compare with --incumbent"
        )
    return read


def _over(suite: SuiteResult, comparison: Comparison, policy: PolicySpec, *, is_pool: bool) -> tuple[Against, Estimate]:
    """What a suite or pool is held against, and its difference to that."""
    against = suite.against or policy.against(suite.role)
    read = _side(comparison, against, suite.role, policy)
    found = (one for one in (read.pools if is_pool else read.suites) if one.name == suite.name)
    return against, suite.delta if against == "base" else next(found).delta


def _suite_gates(
    suite: SuiteResult, comparison: Comparison, policy: PolicySpec, *, is_pool: bool = False
) -> Iterator[Gate]:
    match suite.role:
        case "retain":
            kept = _kept(suite, comparison, policy, is_pool=is_pool)
            if kept is not None:
                yield kept
                return
            margin = policy.retain.margin if suite.margin is None else suite.margin
            rule = f"loses less than {_pp(margin)}"
            against, delta = _over(suite, comparison, policy, is_pool=is_pool)
            yield _gate("retain", suite.name, rule, delta, -margin, "above", against=against)
        case "target":
            gain = policy.target.min_gain if suite.margin is None else suite.margin
            rule = f"gains more than {_pp(gain)}"
            against, delta = _over(suite, comparison, policy, is_pool=is_pool)
            yield _gate("target", suite.name, rule, delta, gain, "above", against=against)
        case "guard":
            limits = {"max_rate": policy.guard.max_rate, "max_increase": policy.guard.max_increase}
            if suite.margin is not None:
                limits["max_increase"] = suite.margin
            limits |= suite.guard
            most, increase = limits["max_rate"], limits["max_increase"]
            if most is not None and suite.rate is not None:
                rule = f"tuned's own rate below {100 * most:g} %"
                yield _gate("guard_rate", suite.name, rule, suite.rate, most, "below")
            if increase is not None:
                rule = f"rises by less than {f'{increase:g} {suite.unit}' if suite.unit else _pp(increase)}"
                against, delta = _over(suite, comparison, policy, is_pool=is_pool)
                yield _gate("guard_increase", suite.name, rule, delta, increase, "below", suite.unit, against)


def _kept(suite: SuiteResult, comparison: Comparison, policy: PolicySpec, *, is_pool: bool) -> Gate | None:
    """The gate on the share of base's score that must be kept; None where a margin in points is what counts."""
    share = policy.retain.relative
    if share is None or suite.margin is not None:
        return None
    against = suite.against or policy.against(suite.role)
    read = _side(comparison, against, suite.role, policy)
    mine = next((one for one in (read.pools if is_pool else read.suites) if one.name == suite.name), suite)
    if mine.relative is None:
        return None
    rule = f"keeps more than {100 * (1 - share):g} % of {'the incumbent' if against == INCUMBENT else 'base'}'s score"
    return _gate("retain_relative", suite.name, rule, mine.relative, 0.0, "above", against=against)


def _judge_gate(judge: JudgeResult, win_rate: Estimate, policy: PolicySpec) -> Gate:
    """A judge gates only with a passed exam; too many unreadable verdicts leave it undecided."""
    floor = policy.judge.min_win_rate
    gate = _gate(
        "judge", judge.name, f"win rate above {100 * floor:g} %", win_rate, floor, "above", against=judge.against
    )
    total = judge.n + judge.unscored
    if total and judge.unscored > policy.judge.max_unscored * total:
        allowed = f"{100 * policy.judge.max_unscored:g} %"
        reason = f"judge {judge.name}: {judge.unscored} of {total} pairs unscored, and the policy allows {allowed}"
        gate = replace(gate, verdict="inconclusive", reason=reason, more_items_needed=None)
    if judge.jury is not None:
        gate = replace(gate, required=False, reason=f"{gate.reason} (a member of jury {judge.jury})")
    elif judge.exam != "passed":
        gate = replace(gate, required=False, reason=f"{gate.reason} (advisory: no passed exam)")
    return gate


def _gate(
    kind: str,
    subject: str,
    rule: str,
    estimate: Estimate,
    threshold: float,
    side: Side,
    unit: str | None = None,
    against: Against = "base",
) -> Gate:
    if against == INCUMBENT:
        rule = f"{rule}, over the incumbent"
    verdict = _verdict(estimate, threshold, side)
    more = 0 if verdict != "inconclusive" else more_items_needed(estimate, threshold)
    return Gate(
        kind=kind,
        subject=subject,
        required=True,
        rule=rule,
        threshold=threshold,
        estimate=estimate,
        verdict=verdict,
        reason=_reason(subject, rule, estimate, verdict, unit),
        more_items_needed=more,
        unit=unit,
        side=side,
        against=against,
    )


def _verdict(estimate: Estimate, threshold: float, side: Side) -> GateVerdict:
    """Where the whole interval lies. No interval decides nothing; too few differences cannot pass."""
    if estimate.low is None or estimate.high is None:
        return "inconclusive"
    above, below = estimate.low > threshold, estimate.high < threshold
    passed, failed = (above, below) if side == "above" else (below, above)
    if failed:
        return "fail"
    return "pass" if passed and not rests_on_too_few(estimate) else "inconclusive"


def _reason(subject: str, rule: str, estimate: Estimate, verdict: GateVerdict, unit: str | None) -> str:
    if estimate.low is None or estimate.high is None:
        why = "; ".join(estimate.cautions) or "no interval can be given"
        return f"{subject}: undecided whether it {rule}: {why}" if " " in rule else f"{subject}: undecided: {why}"
    word = {"pass": "holds", "fail": "broken", "inconclusive": "undecided"}[verdict]
    held_back = f"; {estimate.cautions[0]}" if verdict == "inconclusive" and rests_on_too_few(estimate) else ""
    return f"{subject}: {rule}: {word} at {_numbers(estimate, unit)}{held_back}"


def _numbers(estimate: Estimate, unit: str | None) -> str:
    """An estimate with its interval, in points or in the unit of scores without bounds."""
    if estimate.n == 0:
        return "no item"

    def told(end: float) -> str:
        return f"{end:+.3f}" if unit else f"{100 * end:+.1f}"

    if estimate.low is None or estimate.high is None:
        return f"{told(estimate.value)} {unit or 'pp'} without an interval"
    return f"{told(estimate.value)} [{told(estimate.low)}, {told(estimate.high)}] {unit or 'pp'}"


def _pp(value: float) -> str:
    return f"{100 * value:g} pp"
