"""How a judge did in its exam, for the terminal and as JSON: against the mark, in words, with what it means."""

from __future__ import annotations

import json as json_
import math
from dataclasses import asdict

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from evalkit.config import PolicySpec
from evalkit.report.console import printable
from evalkit.report.numbers import count, percent, plain, rate
from evalkit.types import Estimate, ExamRecord


def outcome(record: ExamRecord, policy: PolicySpec) -> str:
    """PASSED, FAILED or INCOMPLETE under this policy."""
    if not record.is_complete(policy.judge.max_unscored):
        return "INCOMPLETE"
    return record.standing(policy.judge.exam.min_agreement, policy.judge.max_unscored).upper()


def sentence(record: ExamRecord, policy: PolicySpec) -> str:
    """What the outcome rests on, and what it means for a decision."""
    mark, total = percent(policy.judge.exam.min_agreement), record.n + record.unscored
    low = percent(record.agreement.low)
    match outcome(record, policy):
        case "PASSED":
            return (
                f"The lower end of its agreement with people, {low}, reaches the mark of {mark}. In a run under this "
                "policy it decides: its gate is required."
            )
        case "FAILED" if (record.agreement.low or 0.0) >= policy.judge.exam.min_agreement:
            kappa = "it has no kappa" if record.kappa is None else f"Cohen's kappa is {plain(record.kappa)}"
            return (
                f"Its agreement with people reaches the mark of {mark}, and may be chance all the same: {kappa}, and the lower "
                "end must be above 0. One answer is so common that always giving it agrees as well: label more of the other "
                "kind. It stays advisory: shown, and never part of a decision."
            )
        case "FAILED":
            return (
                f"The lower end of its agreement with people, {low}, does not reach the mark of {mark}. It stays "
                "advisory: shown, and never part of a decision."
            )
    again = " Run the same command again: what was answered is kept." if record.unanswered else ""
    return (
        f"{count(record.unscored)} of {count(total)} labelled items are unscored, and the policy allows "
        f"{percent(policy.judge.max_unscored)}. It has not passed, and stays advisory.{again}"
    )


def print_exam(record: ExamRecord, policy: PolicySpec, *, json: bool = False, console: Console | None = None) -> None:
    """The exam as a table, or as JSON: the record, the outcome and the mark."""
    if json:
        print(json_.dumps(_finite(_data(record, policy)), indent=2, ensure_ascii=False))
        return
    console = console or Console()
    if not console.is_terminal:
        console.width = max(console.width, 120)

    def say(text: str, style: str = "") -> Text:
        return Text(printable(text, console.encoding), style=style)

    what = "pairs" if record.form == "pairs" else "answers"
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in (f"{record.judge} on {record.labels}", f"value [{record.agreement.level * 100:g} %]", "n"):
        table.add_column(say(name), overflow="fold", justify="left" if name.startswith(record.judge) else "right")
    for name, estimate, shown in _lines(record):
        table.add_row(say(name), say(shown), say(count(estimate.n)))
    console.print(table)
    console.print(say(f"Unscored     {count(record.unscored)} of {count(record.n + record.unscored)} {what}"))
    for caution in record.cautions:
        console.print(say(f"! {caution}", "yellow"))
    verdict = outcome(record, policy)
    colour = {"PASSED": "green", "FAILED": "red"}.get(verdict, "yellow")
    console.print(Text.assemble((verdict, f"bold {colour}"), " ", say(sentence(record, policy))))


def _lines(record: ExamRecord) -> list[tuple[str, Estimate, str]]:
    """Name, estimate and how it reads, in the order of the table."""
    shares: list[tuple[str, Estimate | None]] = [("agreement with people", record.agreement)]
    shares += [(f"  {one.name}", one.agreement) for one in record.slices]
    shares += [("people with each other (the ceiling)", record.human_agreement)]
    shares += [(f"error: {name}", estimate) for name, estimate in record.errors.items()]
    shares += [("same verdict in both orders", record.order_consistency)]
    lines = [(name, estimate, rate(estimate)) for name, estimate in shares if estimate is not None]
    if record.kappa is not None:
        lines.insert(1, ("Cohen's kappa, ties included", record.kappa, plain(record.kappa)))
    return lines


def _data(record: ExamRecord, policy: PolicySpec) -> dict[str, object]:
    return {
        "outcome": outcome(record, policy).lower(),
        "min_agreement": policy.judge.exam.min_agreement,
        "max_unscored": policy.judge.max_unscored,
        "meaning": sentence(record, policy),
        **asdict(record),
    }


def _finite(data: object) -> object:
    """JSON has no word for NaN."""
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    return [_finite(value) for value in data] if isinstance(data, list | tuple) else data
