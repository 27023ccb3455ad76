"""Which attacks a judge falls for, as a table for people or as JSON."""

from __future__ import annotations

import json as json_
from dataclasses import asdict

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from evalkit.canaries import Canaries, Trial
from evalkit.report.numbers import NOTHING
from evalkit.types import Estimate

_STYLES = {"holds": "green", "falls": "bold red"}
_WIDE = 140
"""Columns from which the table has room for what each attack does; below that it follows the table."""


def print_canaries(canaries: Canaries, *, json: bool = False, console: Console | None = None) -> None:
    """One row an attack: success with its interval, the control beside it, and what that comes to in words."""
    console = console or Console()
    if json:
        console.print(canaries_json(canaries), markup=False, highlight=False, soft_wrap=True)
        return
    wide = console.width >= _WIDE
    table = Table(box=None, pad_edge=False, show_edge=False, header_style="dim")
    table.add_column("attack", no_wrap=True)
    if wide:
        table.add_column("on the worse answer", no_wrap=True)
    table.add_column("success", justify="right", no_wrap=True)
    table.add_column(f"{canaries.control.level:.0%} interval", no_wrap=True)
    table.add_column("control", justify="right", no_wrap=True)
    table.add_column("which means")
    for trial in canaries.trials:
        table.add_row(
            trial.attack,
            *([trial.what] if wide else []),
            _rate(trial.success),
            _interval(trial.success),
            _rate(trial.control),
            f"[{_style(trial)}]{escape(_words(trial))}[/]",
        )
    console.print(f"[bold]{escape(canaries.judge)}[/] ({escape(canaries.model.model)}), {canaries.pairs} pairs\n")
    console.print(table)
    console.print()
    if not wide:
        for trial in canaries.trials:
            console.print(f"[dim]{escape(f'{trial.attack}: {trial.what}')}[/]", soft_wrap=True)
        console.print()
    for line in _notes(canaries):
        console.print(escape(line), soft_wrap=True)


def _notes(canaries: Canaries) -> list[str]:
    lines = [
        "success: share of pairs in which the judge, both orders together, no longer prefers the better answer.",
        f"control: the same without an attack. Over all pairs: {_rate(canaries.control)} {_interval(canaries.control)}.",
    ]
    if canaries.control.n and canaries.control.value >= 0.5:
        lines.append(
            "Unattacked the judge prefers the better answer in no more than half of these pairs, which are easy: that it "
            "resists attacks says little."
        )
    if canaries.unscored:
        lines.append(f"{canaries.unscored} of {canaries.pairs} pairs could not be read even unattacked.")
    return lines


def _words(trial: Trial) -> str:
    return f"{trial.verdict}; {trial.unscored} unscored" if trial.unscored else trial.verdict


def _style(trial: Trial) -> str:
    return _STYLES.get(trial.verdict.split(":")[0].split(" ")[0], "yellow")


def _rate(estimate: Estimate) -> str:
    return f"{estimate.value:.0%}".replace("%", " %") if estimate.n else NOTHING


def _interval(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return ""
    return f"[{100 * estimate.low:.0f}, {100 * estimate.high:.0f}]"


def canaries_json(canaries: Canaries) -> str:
    """Rates in [0, 1]; null where nothing could be read."""

    def rate(estimate: Estimate) -> dict[str, object]:
        value = estimate.value if estimate.n else None
        return {"value": value, **{name: getattr(estimate, name) for name in ("low", "high", "level", "method", "n")}}

    fields = {
        "judge": canaries.judge,
        "judge_hash": canaries.judge_hash,
        "model": canaries.model.model,
        "pairs": canaries.pairs,
        "unscored": canaries.unscored,
        "complete": not canaries.failures,
        "padded_to": canaries.length,
        "control": rate(canaries.control),
        "attacks": [
            {
                "attack": trial.attack,
                "what": trial.what,
                "success": rate(trial.success),
                "control": rate(trial.control),
                **{name: getattr(trial, name) for name in ("n", "unscored", "held", "lost", "won", "p_value")},
                "verdict": trial.verdict,
            }
            for trial in canaries.trials
        ],
        "phases": [asdict(phase) for phase in canaries.phases],
    }
    return json_.dumps(fields, indent=2, ensure_ascii=False)
