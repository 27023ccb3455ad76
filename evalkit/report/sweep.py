"""What a sweep leaves behind: report.html, sweep.json and summary.md in its folder, and a table in the terminal."""

from __future__ import annotations

from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from evalkit.report.console import printable
from evalkit.report.files import REPORT, replace_text
from evalkit.report.markdown import plain
from evalkit.report.numbers import NOTHING, count, difference
from evalkit.report.sweep_json import sweep_json
from evalkit.report.sweep_words import (
    against_best,
    decision_word,
    lost,
    outcome_of,
    reminder,
    shown,
    sweep_headline,
    sweep_sentences,
    tax,
    verdict_of,
)
from evalkit.report.text import one_line
from evalkit.types import Candidate, Sweep

__all__ = ["print_sweep", "sweep_json", "sweep_markdown", "write_sweep"]

_STYLES = {"pass": "green", "fail": "red", "inconclusive": "yellow", None: "yellow"}
_SIGNS = {"go": "✅", "no_go": "❌", "inconclusive": "❔", "incomplete": "⚠️"}


def write_sweep(folder: Path, sweep: Sweep) -> Path:
    """Write the three files beside the candidates' folders, each whole or not at all; report.html lands last."""
    from evalkit.report.sweep_page import render_sweep

    replace_text(folder / "sweep.json", sweep_json(sweep))
    replace_text(folder / "summary.md", sweep_markdown(sweep))
    replace_text(folder / REPORT, render_sweep(sweep))
    return folder / REPORT


def sweep_markdown(sweep: Sweep) -> str:
    """GitHub-flavoured Markdown; every name and reason is escaped."""
    lines = [f"## {_SIGNS[outcome_of(sweep)]} {plain(sweep_headline(sweep))}: candidates over {plain(sweep.base)}", ""]
    lines += [plain(text) for text in sweep_sentences(sweep)] + [""]
    lines += [
        "| candidate | step | decision | gain | tax | on the front | against the best |",
        "|---|--:|---|--:|--:|---|---|",
    ]
    for one in sweep.candidates:
        cells = [plain(one.name), _step(one), decision_word(one), *_numbers(one), "yes" if one.on_front else ""]
        lines.append(f"| {' | '.join([*cells, plain(_standing(one, sweep))])} |")
    lines.append("")
    lines += [f"- {plain(text)}" for text in (*lost(sweep), *sweep.cautions)] + [""]
    if reminder(sweep):
        lines += [f"**Before it is released** {plain(reminder(sweep))}", ""]
    if sweep.confirm is not None and reminder(sweep):
        lines += ["```bash", one_line(sweep.confirm), "```", ""]
    return "\n".join(lines)


def print_sweep(sweep: Sweep, report: Path | None = None, *, console: Console | None = None) -> None:
    """Print how it came out, a line a candidate, cautions, and what to do before the best is believed."""
    console = console or Console()
    if not console.is_terminal:
        console.width = max(console.width, 120)

    def say(text: str, style: str = "") -> Text:
        return Text(printable(text, console.encoding), style=style)

    style = {"go": "green", "no_go": "red"}.get(outcome_of(sweep), "yellow")
    console.print(say(sweep_headline(sweep), f"bold {style}"))
    for text in sweep_sentences(sweep):
        console.print(say(text))
    console.print(say(f"base {sweep.base}", "dim"))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("candidate", overflow="fold", min_width=12)
    stepped = any(one.step is not None for one in sweep.candidates)
    for name in [*(["step"] if stepped else []), f"gain [{sweep.level * 100:g} %, all at once]", "tax"]:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("decision", no_wrap=True)
    table.add_column("front", no_wrap=True)
    table.add_column("against the best")
    for one in sweep.candidates:
        cells = [one.name, *([_step(one)] if stepped else []), *_numbers(one)]
        verdict = say(decision_word(one), _STYLES[verdict_of(one)])
        table.add_row(*map(say, cells), verdict, say("front" if one.on_front else ""), say(_standing(one, sweep)))
    console.print(table)
    for text in (*lost(sweep), *sweep.cautions):
        console.print(say(f"! {text}", "yellow"))
    told = reminder(sweep)
    if told:
        console.print(say(told))
        if sweep.confirm is not None:
            console.print(say(f"  {sweep.confirm}", "bold"), soft_wrap=True)
    if report:
        console.print(say(f"Report       {report}"), soft_wrap=True)


def _standing(one: Candidate, sweep: Sweep) -> str:
    return "the best" if one.name == sweep.best else against_best(one)


def _step(one: Candidate) -> str:
    return count(one.step) if one.step is not None else ""


def _numbers(one: Candidate) -> list[str]:
    gained = shown(one, "gain")
    return [difference(gained) if gained is not None else NOTHING, tax(shown(one, "tax"))]
