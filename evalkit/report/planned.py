"""A plan, as tables for a person or JSON for a program."""

from __future__ import annotations

import dataclasses
import json as json_

from rich import box
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from evalkit.report.console import printable
from evalkit.report.numbers import NOTHING, count, duration, percent
from evalkit.types import Plan, PlannedCost, PlannedGate

_NAMES = {"tax": "pooled tax"}


def print_plan(plan: Plan, *, json: bool = False, console: Console | None = None) -> None:
    """Whether the run can decide, gate by gate, what would help, and what it takes; to stdout."""
    if json:
        print(plan_json(plan), end="")
        return
    console = console or Console()
    if not console.is_terminal:
        console.width = max(console.width, 120)

    def say(text: str, style: str = "") -> Text:
        return Text(printable(text, console.encoding), style=style)

    colour = "green" if plan.decides else "yellow"
    title = " This run can decide " if plan.decides else " This run may not decide "
    console.print(
        Panel(
            say(verdict(plan)),
            title=say(title, f"bold {colour}"),
            title_align="left",
            border_style=colour,
            padding=(1, 2),
        )
    )
    table = Table(box=box.SIMPLE, pad_edge=False)
    for name in ("gate", "items", "limit", "passes", f"passes {percent(plan.power)} of the time at"):
        table.add_column(name, justify="left" if name == "gate" else "right")
    for gate in plan.gates:
        told = [
            _name(gate),
            count(gate.items),
            _size(gate.threshold, gate),
            percent(gate.passes),
            _size(gate.detectable, gate),
        ]
        table.add_row(*(say(one, "" if gate.required else "dim") for one in told))
    console.print(table)
    for remedy in plan.remedies:
        sign = "+" if remedy.enough and remedy.available else "-"
        console.print(say(f"  {sign} {remedy.what}: GO in {percent(remedy.go)}"))
    for cost in plan.costs:
        console.print(say(f"{cost.name:<12} {cost_line(cost)}"))
    console.print(say("Assumed: " + "; ".join(assumptions(plan)), "dim"))
    for caution in plan.cautions:
        console.print(say(f"! {caution}", "yellow"))


def verdict(plan: Plan) -> str:
    """The plan's answer in two sentences."""
    gains = any(gate.kind == "target" or (gate.kind == "pool" and gate.rule.startswith("gains")) for gate in plan.gates)
    models = f"Equal models, with {100 * plan.gain:g} pp gained on targets," if gains else "Equal models"
    found = (
        f"{models} would get GO in {percent(plan.go)} of such runs [{percent(plan.low)}, {percent(plan.high)}]; the policy asks for "
        f"{percent(plan.power)}."
    )
    if plan.asked is not None:
        saved = 1 - plan.asked
        found += (
            f" Looking while it runs would spare {percent(saved)} of the items on average."
            if saved >= 0.02
            else " Looking while it runs would spare next to nothing: the gates are decided only at the end."
        )
    if not plan.decides and not plan.remedies:
        return found
    return found + ("" if plan.decides else " What would help:")


def assumptions(plan: Plan) -> list[str]:
    """What the plan rests on, suites that share it together."""
    by_text: dict[str, list[str]] = {}
    for name, one in plan.expected.items():
        told = f"{percent(one.discordance)} of items differ" if one.spread is None else f"a spread of {one.spread:.3g}"
        if one.missing:
            told += f", {percent(one.missing)} missing"
        by_text.setdefault(f"{told} ({one.source})", []).append(name)
    return [f"{', '.join(names)}: {text}" for text, names in by_text.items()]


def cost_line(cost: PlannedCost) -> str:
    """What one model or judge takes, in a line."""
    parts = [f"{count(cost.answers)} answers"]
    if cost.prompt_tokens is not None and cost.completion_tokens is not None:
        parts.append(
            f"about {count(round(cost.prompt_tokens))} tokens read and {count(round(cost.completion_tokens))} written"
        )
    if cost.tokens is not None:
        parts.append(f"an estimated {count(round(cost.tokens))} tokens")
    if cost.seconds is not None:
        parts.append(f"at most about {duration(cost.seconds)} at the speed of the warm-up (a full engine is faster)")
    if cost.usd is not None:
        parts.append(f"about {cost.usd:.2f} USD")
    if cost.seconds is None and cost.answers:
        parts.append("no time measured: nothing had to be generated in the warm-up")
    return ", ".join(parts)


def plan_json(plan: Plan) -> str:
    """The plan as JSON."""
    data = {"decides": plan.decides, **dataclasses.asdict(plan)}
    return json_.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _name(gate: PlannedGate) -> str:
    kind = {"guard_rate": " (own rate)", "guard_increase": " (increase)", "pool": " (pool)", "judge": " (judge)"}
    return _NAMES.get(gate.subject, gate.subject) + kind.get(gate.kind, "") + ("" if gate.required else ", advisory")


def _size(value: float | None, gate: PlannedGate) -> str:
    if value is None:
        return NOTHING
    if gate.unit:
        return f"{value:.3g} {gate.unit}"
    return percent(value) if gate.kind in ("guard_rate", "judge") else f"{100 * value:.1f} pp"
