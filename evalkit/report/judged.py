"""What the page says of each judge: how it saw the pairs, what is known of it, and the exam it took."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from evalkit.report.numbers import NOTHING, count, difference, percent, plain, rate, rounded
from evalkit.report.view import samples_link
from evalkit.types import Anchors, Comparison, ExamRecord, JudgeCost, JudgeResult, LengthControl, Manifest


@dataclass(frozen=True, slots=True)
class Fact:
    """A term, what is known, and where the samples behind it are. more: what a hover says."""

    term: str
    value: str
    link: str = ""
    more: str = ""


@dataclass(frozen=True, slots=True)
class JudgeView:
    """One judge as the page shows it. second: it decides nothing, and looks like it. other: what tuned was held against."""

    result: JudgeResult
    tag: str
    second: bool
    note: str
    other: str
    facts: tuple[Fact, ...]
    exam: tuple[Fact, ...]
    exam_note: str


def judge_views(comparison: Comparison, manifest: Manifest) -> list[JudgeView]:
    """Every judge of the run in the manifest's order; a jury before its members."""
    ordered = sorted(comparison.judges, key=lambda one: one.jury is not None)
    return [_view(judge, manifest) for judge in ordered]


def standing(judge: JudgeResult) -> str:
    """Whether a judge decides anything, in a few words."""
    if judge.jury is not None:
        return f"member of jury {judge.jury}"
    return {"passed": "exam passed", "failed": "advisory: exam failed", "none": "advisory: not examined"}[judge.exam]


def min_agreement(manifest: Manifest) -> float | None:
    """What the policy asks of an exam; None in a manifest that does not say."""
    judge = manifest.policy.get("judge")
    exam = judge.get("exam") if isinstance(judge, dict) else None
    mark = exam.get("min_agreement") if isinstance(exam, dict) else None
    return float(mark) if isinstance(mark, int | float) else None


def _view(judge: JudgeResult, manifest: Manifest) -> JudgeView:
    mark = min_agreement(manifest)
    note = ""
    if judge.jury is not None:
        note = "One vote of the jury above; it decides nothing by itself."
    elif judge.exam == "none":
        note = "Whether this judge agrees with people is not known here, so nothing it says is part of the decision."
    elif judge.exam == "failed":
        note = (
            "It does not agree with people as far as the policy asks, or left too much unread of what they labelled, so "
            "nothing it says is part of the decision."
        )
    other = manifest.incumbent.name if judge.against == "incumbent" and manifest.incumbent else "base"
    second = judge.exam != "passed" or judge.jury is not None
    exam = tuple(_exam(judge.examined)) if judge.examined else ()
    exam_note = _exam_note(judge.examined, judge.exam, mark) if judge.examined else ""
    return JudgeView(judge, standing(judge), second, note, other, tuple(_facts(judge)), exam, exam_note)


def _facts(judge: JudgeResult) -> Iterator[Fact]:
    apart = judge.mean_difference is not None
    yield Fact("Prompts graded" if apart else "Prompts read in every order asked", count(judge.n))
    if judge.corrected is not None:
        told = "PPI++: the judge on all prompts, corrected by what people said of some"
        yield Fact(f"Win rate corrected with {count(judge.labels)} labels", rate(judge.corrected), more=told)
    if judge.length_controlled is not None:
        yield from _length(judge.length_controlled)
    for name, value in judge.alpaca_eval.items():
        told = f"{name}, computed as AlpacaEval does; its standard error takes the coefficients as known"
        yield Fact(f"AlpacaEval's {name.removeprefix('length_controlled_')}", percent(value), more=told)
    if judge.mean_difference is not None:
        yield Fact("Mark, tuned - base", difference(judge.mean_difference), more=judge.mean_difference.method)
    if judge.order_flip_rate is not None:
        flips = percent(judge.order_flip_rate)
        yield Fact(
            "Verdict flips with the order",
            flips,
            samples_link(by=judge.name, judge="split") if judge.order_flip_rate else "",
        )
    if judge.first_slot_rate is not None:
        yield Fact(
            "Prefers the first slot", percent(judge.first_slot_rate), more="a fair judge: 50 %, whoever is better"
        )
    if judge.repeat_consistency is not None:
        term = f"Same answer when asked again, of {count(judge.repeats_n)}"
        yield Fact(term, rate(judge.repeat_consistency))
    yield Fact("Unscored", _unscored(judge), samples_link(by=judge.name, judge="unreadable") if judge.unscored else "")
    if judge.mass is not None:
        told = "how probable all grades of the scale are together, before the likeliest is taken"
        yield Fact("Probability of all grades", percent(judge.mass), more=told)
    if judge.anchors is not None:
        yield _anchors(judge.anchors)
    if judge.cost is not None:
        yield _cost(judge.cost)


def _length(control: LengthControl) -> Iterator[Fact]:
    told = f"{control.win_rate.method}, n = {count(control.win_rate.n)}"
    if math.isnan(control.win_rate.value):  # as where all tie: there is nothing that length could explain
        why = "; ".join(control.win_rate.cautions)
        yield Fact("Win rate at equal length", NOTHING, more=f"{told}; {why}" if why else told)
        return
    yield Fact("Win rate at equal length", rate(control.win_rate), more=told)
    slope = control.slope
    ends = "" if slope.low is None or slope.high is None else f" [{slope.low:+.2f}, {slope.high:+.2f}]"
    told = "log odds for tuned per unit of tanh(standardised length difference); 0: length does not matter"
    yield Fact("Length slope", f"{slope.value:+.2f}{ends}", more=told)


def _unscored(judge: JudgeResult) -> str:
    if not judge.unscored or not judge.unscored_by:
        return count(judge.unscored)
    shares = ", ".join(f"{percent(share)} with {arm} first" for arm, share in judge.unscored_by.items())
    return f"{count(judge.unscored)} ({shares})"


def _anchors(anchors: Anchors) -> Fact:
    told = (
        f"stored verdicts of {anchors.since}; between two readings then {anchors.noise} of {anchors.noise_n} differed"
    )
    word = "; it may have changed" if anchors.drifted else ""
    return Fact("Stored pairs judged otherwise", f"{anchors.changed} of {anchors.n}{word}", more=told)


def _cost(cost: JudgeCost) -> Fact:
    tokens = cost.prompt_tokens + cost.completion_tokens
    paid = f", {cost.usd:.2f} USD" if cost.usd is not None else ""
    foreseen = ""
    if cost.estimated_questions is not None and cost.estimated_tokens is not None:
        foreseen = f"foreseen: {count(cost.estimated_questions)} questions, {rounded(cost.estimated_tokens)} tokens"
        foreseen += f", {cost.estimated_usd:.2f} USD" if cost.estimated_usd is not None else ""
    cached = f" and {count(cost.cached)} known" if cost.cached else ""
    return Fact("Cost", f"{count(cost.questions)} questions{cached}, {rounded(tokens)} tokens{paid}", more=foreseen)


def _exam(exam: ExamRecord) -> Iterator[Fact]:
    yield Fact("Agreement with people", rate(exam.agreement), more=exam.agreement.method)
    if exam.human_agreement is not None:
        yield Fact("People among themselves", rate(exam.human_agreement), more="the ceiling")
    if exam.kappa is not None:
        yield Fact("Cohen's kappa", plain(exam.kappa), more="0: chance, 1: always")
    for name, estimate in exam.errors.items():
        yield Fact(name[:1].upper() + name[1:], rate(estimate))
    if exam.order_consistency is not None:
        yield Fact("Same verdict in both orders", rate(exam.order_consistency))
    for part in exam.slices:
        yield Fact(f"Agreement, {part.name}", rate(part.agreement), more=f"n = {count(part.n)}")


def _exam_note(exam: ExamRecord, standing: str, mark: float | None) -> str:
    passed = "passed" if standing == "passed" else "not passed"
    unscored = f", {count(exam.unscored)} unscored" if exam.unscored else ""
    asked = f" The lower end of its agreement must reach {percent(mark)}." if mark is not None else ""
    taken = exam.taken[:10] or "unknown date"
    return f"Exam of {taken} on {exam.labels}: {count(exam.n)} labels{unscored}; {passed}.{asked}"
