"""What a new suite's author needs to know, in the terminal or as JSON."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from evalkit.report.console import printable
from evalkit.report.numbers import count, percent
from evalkit.report.single import print_scores, score_rows
from evalkit.vetting import Power, Spread, Vetted


def print_vetted(
    vetted: Sequence[Vetted],
    answers: pd.DataFrame | None = None,
    *,
    as_json: bool = False,
    console: Console | None = None,
) -> None:
    """Tasks in numbers, what can be shown, and what to put right. answers: the samples of recorded answers."""
    if as_json:
        told = {"sound": all(one.is_sound for one in vetted), "suites": [dataclasses.asdict(one) for one in vetted]}
        scores = {} if answers is None else {"answers": score_rows(answers)}
        print(json.dumps(told | scores, indent=2, ensure_ascii=False))
        return
    console = console or Console()
    if not console.is_terminal:
        console.width = max(console.width, 160)
    for one in vetted:
        _print(one, console)
    if answers is not None:
        console.print(Text("The recorded answers", style="bold"))
        print_scores(answers, console=console)


def _print(one: Vetted, console: Console) -> None:
    def say(text: str, style: str = "") -> None:
        console.print(Text(printable(text, console.encoding), style=style), soft_wrap=True)

    console.rule(Text(printable(f"{one.name} ({one.role})", console.encoding)), align="left")
    console.print(_tasks(one, console))
    if one.power is not None:
        say(_shows(one.power, one.role))
    for finding in one.findings:
        where = f"{finding.task}: " if finding.task else ""
        say(
            f"{'problem' if finding.is_problem else 'note'}: {where}{finding.text}",
            "red" if finding.is_problem else "yellow",
        )
    if one.is_sound:
        say("Nothing has to be put right.", "green")


def _tasks(one: Vetted, console: Console) -> Table:
    table = Table(box=None, pad_edge=False)
    counted = any(task.tokens for task in one.tasks)
    for name in ("task", "kind", "metric"):
        table.add_column(name)
    for name in ("items", "asked", "prompt, characters", *(["tokens"] if counted else [])):
        table.add_column(name, justify="right")
    table.add_column("earned without knowing", overflow="fold")
    for task in one.tasks:
        cells = [
            *(task.name, task.kind, task.metric),
            count(task.items),
            count(task.asked) + (f" x {task.samples}" if task.samples > 1 else ""),
            _spread(task.characters),
            *([_spread(task.tokens)] if counted else []),
            "; ".join(f"{reply}: {percent(value)}" for reply, value in task.earns.items()),
        ]
        table.add_row(*(Text(printable(cell, console.encoding)) for cell in cells))
    return table


def _spread(lengths: Spread | None) -> str:
    return "" if lengths is None else f"{count(lengths.least)} to {count(lengths.most)}, median {count(lengths.median)}"


def _shows(power: Power, role: str) -> str:
    """One sentence on what so many items can show; a share that differs is not known beforehand, so several are told."""
    repeated = f", {power.samples} samples each" if power.samples > 1 else ""
    verb = "show a gain beyond its least that is" if role == "target" else "rule out a loss of"
    if role == "guard":
        verb = "rule out a rise of"
    text = f"{count(power.items)} items{repeated} can {verb} {_shares(power.within)}"
    if power.clusters is not None:
        text += (
            f"; if items of one cluster go together, {count(power.clusters)} clusters: {_shares(power.within_clusters)}"
        )
    if power.margin is not None:
        text += f". Its margin: {100 * power.margin:g} pp"
    if power.most_hits is not None and power.max_rate is not None:
        text += f". Its own rate passes with at most {power.most_hits} of {count(power.items)} (below {100 * power.max_rate:g} %)"
    return f"{text}. (Power 0.8, level 0.95, models that are truly equal{' but for that gain' if role == 'target' else ''}.)"


def _shares(within: Mapping[float, float]) -> str:
    return " and ".join(
        f"{math.ceil(1000 * value) / 10:.1f} pp where {100 * share:g} % come out differently"
        for share, value in within.items()
    )
