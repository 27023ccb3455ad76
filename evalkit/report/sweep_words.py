"""A sweep in words: how it came out, which candidate is best and on what grounds, and what to do before believing it."""

from __future__ import annotations

from evalkit.report.numbers import NOTHING, count, difference, interval, points
from evalkit.report.words import headline
from evalkit.types import Candidate, Estimate, Sweep

BROKE_OFF = "BROKE OFF"


def outcome_of(sweep: Sweep) -> str:
    """The whole sweep in one of a banner's words: incomplete, go, no_go or inconclusive."""
    outcomes = {one.decision.outcome for one in sweep.candidates if one.decision is not None}
    if not sweep.complete:
        return "incomplete"
    return "go" if "go" in outcomes else "no_go" if outcomes == {"no_go"} else "inconclusive"


def sweep_headline(sweep: Sweep) -> str:
    """How many of the candidates may be released; an incomplete sweep says so first."""
    went = sum(one.complete and one.decision is not None and one.decision.outcome == "go" for one in sweep.candidates)
    total = len(sweep.candidates)
    lost = sum(not one.complete for one in sweep.candidates)
    text = (
        f"{went} of {count(total)} GO" if went else ("No candidate is GO" if total > 1 else "The candidate is not GO")
    )
    return f"INCOMPLETE ({count(lost)} of {count(total)}), {text}" if lost else text


def decision_word(candidate: Candidate) -> str:
    """GO, NO-GO, INCONCLUSIVE, with INCOMPLETE before it; or that its run broke off."""
    return BROKE_OFF if candidate.decision is None else headline(candidate.decision)


def verdict_of(candidate: Candidate) -> str | None:
    """The decision as a gate's word, for colours and shapes; None where its run is not complete."""
    if candidate.decision is None or not candidate.complete:
        return None
    return {"go": "pass", "no_go": "fail", "inconclusive": "inconclusive"}[candidate.decision.outcome]


def shown(candidate: Candidate, axis: str) -> Estimate | None:
    """Gain or tax with the interval that holds for all at once; of an incomplete run, with its own."""
    own: Estimate | None = getattr(candidate, axis)
    return own if own is not None else getattr(candidate.comparison, axis, None)


def tax(estimate: Estimate | None) -> str:
    """A tax with its interval; a loss is positive and needs no plus sign: 1.3 pp [0.2, 2.4]."""
    if estimate is None:
        return NOTHING
    return f"{points(estimate.value).lstrip('+')} pp {interval(estimate.low, estimate.high)}"


def numbers(candidate: Candidate) -> str:
    """Its gain and its tax, as far as there are."""
    parts = []
    gained, paid = shown(candidate, "gain"), shown(candidate, "tax")
    if gained is not None:
        parts.append(f"gain {difference(gained)}")
    if paid is not None:
        parts.append(f"tax {tax(paid)}")
    return ", ".join(parts) or "neither gain nor tax"


def against_best(candidate: Candidate) -> str:
    """How it stands to the best: what sets it apart, or that nothing does."""
    held = candidate.against_best
    if held is None:
        return ""
    sides: list[str] = []
    for name, one in (("gains", held.gain), ("costs", held.tax)):
        if one is not None and one.low is not None and one.high is not None and (one.low > 0 or one.high < 0):
            more = "more" if one.value > 0 else "less"
            sides.append(f"{name} {more}: {points(one.value)} pp {interval(one.low, one.high)}")
    return "; ".join(sides) or "cannot be told apart"


def sweep_sentences(sweep: Sweep) -> list[str]:
    """The best with its numbers, the front, and who cannot be told apart from the best."""
    if sweep.best is None:
        return ["No candidate's run is complete, so none is put before another."]
    best = sweep.candidate(sweep.best)
    whole = [one for one in sweep.candidates if one.complete]
    at_once = (
        f" ({sweep.level * 100:g} % intervals that hold for all {count(len(whole))} at once)" if len(whole) > 1 else ""
    )
    told = [f"Best: {best.name}, {decision_word(best)}: {numbers(best)}{at_once}."]
    if len(whole) > 1:
        others = [one.name for one in sweep.front]
        told.append(f"On the Pareto front of gain and tax: {_listed(others)}.")
        alike = [one.name for one in whole if one.against_best is not None and not one.against_best.apart]
        if alike:
            told.append(f"Not to be told apart from the best, in gain or in tax: {_listed(alike)}.")
        elif len(whole) > 1:
            told.append("Every other candidate can be told apart from the best in gain or in tax.")
    return told


def lost(sweep: Sweep) -> list[str]:
    """A line for each candidate whose run broke off or is incomplete."""
    told: list[str] = []
    for one in sweep.candidates:
        if one.decision is None:
            told.append(f"{one.name}: its run broke off: {one.failure or 'no reason is known'}")
        elif not one.decision.complete:
            told.append(f"{one.name}: {one.decision.reasons[0] if one.decision.reasons else 'its run is incomplete'}")
    return told


def reminder(sweep: Sweep) -> str:
    """What must be done before the best is believed; empty where there was no choice, or nothing to release."""
    if sweep.best is None or len(sweep.candidates) < 2:
        return ""
    best = sweep.candidate(sweep.best)
    if best.decision is None or best.decision.outcome == "no_go":
        return ""
    flattered = (
        f"{best.name} was chosen among {count(len(sweep.candidates))} by these very items, which flatters it: before it is "
        "released, confirm it on items that had no part in the choice."
    )
    if sweep.confirm is not None:
        left = sum(sweep.fresh.values())
        return f"{flattered} {count(left)} {'item is' if left == 1 else 'items are'} left that no candidate was asked:"
    spent = [name for name, left in sweep.fresh.items() if left <= 0]
    if not spent:
        return f"{flattered} evalkit compare BASE BEST --fresh-from DIR leaves out what was asked here."
    whose = "None are left" if len(spent) == len(sweep.fresh) else f"None are left of {_listed(spent)}"
    return f"{flattered} {whose}: sweep again with --hold-out 0.25, which keeps a share of every task back, or add new items."


def _listed(names: list[str], most: int = 12) -> str:
    shown_ = names[:most]
    return ", ".join(shown_) + (f" and {len(names) - most} more" if len(names) > most else "")
