"""What a person, or a CI log, sees in the terminal: the summary of a finished run."""

from __future__ import annotations

import math
from pathlib import Path

from rich import box
from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from evalkit.report.incumbent import IncumbentTable, incumbent_table
from evalkit.report.judged import standing
from evalkit.report.noise import sentence as noise_sentence
from evalkit.report.numbers import NOTHING, THIN_SPACE, amount, bare_difference, count, difference, percent, rate
from evalkit.report.progress import LiveProgress
from evalkit.report.setaside import overlap_notes
from evalkit.report.summary import combined, gates_of, verdict_word
from evalkit.report.tax import worst_suite
from evalkit.report.text import visible
from evalkit.report.words import cautions, headline, remedies, sentence, worst_first
from evalkit.types import IMPORTED, Comparison, Decision, JudgeResult, Manifest

__all__ = ["LiveProgress", "print_summary"]

_COLOURS = {"go": "green", "no_go": "red", "inconclusive": "yellow"}
_VERDICT_COLOURS = {"pass": "green", "fail": "red", "inconclusive": "yellow"}


def print_summary(
    comparison: Comparison,
    decision: Decision,
    manifest: Manifest,
    report: Path | None = None,
    *,
    console: Console | None = None,
) -> None:
    """Print the verdict, why, the suites, tax and gain, judges, cautions and where the report is, to stdout."""
    console = console or Console()
    if not console.is_terminal:
        # A log has no width: a table folded at 80 columns is harder to read than a long line.
        console.width = max(console.width, 120)

    def say(text: str, style: str = "") -> Text:
        return Text(printable(text, console.encoding), style=style)

    colour = _COLOURS[decision.outcome] if decision.complete else "yellow"
    verdict = [say(sentence(comparison, decision))]
    verdict += [
        say(f"To decide {remedy}.") for remedy in remedies(decision, imported=manifest.base.backend == IMPORTED)[:3]
    ]
    title = say(f" {headline(decision)} ", f"bold {colour}")
    console.print(Panel(Group(*verdict), title=title, title_align="left", border_style=colour, padding=(1, 2)))
    console.print(say(f"base {manifest.base.name}   tuned {manifest.tuned.name}", "dim"))
    console.print(_suites(comparison, decision, console))
    if comparison.tax:
        console.print(say(f"Pooled tax   {difference(comparison.tax)}   (over retain suites; a loss is positive)"))
    if comparison.worst_tax:
        console.print(
            say(f"Worst suite  {worst_suite(comparison.worst_tax)}   (limits hold for all retain suites at once)")
        )
    if comparison.gain:
        console.print(say(f"Pooled gain  {difference(comparison.gain)}   (over target suites)"))
    over = incumbent_table(comparison, decision, manifest)
    if over is not None:
        console.print(say(f"Over the incumbent, {over.name}", "bold"))
        console.print(_over_incumbent(over, comparison.level, console))
    for judge in comparison.judges:
        console.print(say(_judge(judge)))
    if comparison.noise:
        console.print(say(f"Noise        {noise_sentence(comparison.noise)}"))
    for note in overlap_notes(comparison):
        console.print(say(f"Overlap      {note}"))
    for caution in cautions(comparison, decision, manifest):
        console.print(say(f"! {caution}", "yellow"))
    for failure, number in sorted(comparison.failures.items(), key=lambda item: -item[1]):
        console.print(say(f"! {count(number)} failed: {failure.replace('_', ' ')}", "yellow"))
    if report:
        console.print(say(f"Report       {report}"), soft_wrap=True)


def _suites(comparison: Comparison, decision: Decision, console: Console) -> Table:
    """A line a suite under its role; on a narrow terminal the item counts give way to the names."""
    counted = console.width >= 96
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("suite", overflow="fold", min_width=12)
    numbers = ["base", "tuned", f"difference [{comparison.level * 100:g} %]", "lost/won"]
    for name in ["n", *numbers] if counted else numbers:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True, min_width=9)
    role = ""
    for suite in worst_first(comparison.suites):
        if suite.role != role:
            role = suite.role
            table.add_row(Text(role, style="dim"))
        verdict = combined(gates_of(suite.name, decision))
        missing = f" ({count(suite.missing)} missing)" if suite.missing else ""
        cells = [
            f"  {suite.name}{f', {suite.unit}' if suite.unit else ''}{missing}",
            *([count(suite.n)] if counted else []),
            amount(suite.base, suite.unit),
            amount(suite.tuned, suite.unit),
            bare_difference(suite.delta, suite.unit),
            NOTHING if suite.unit else f"{count(suite.regressed)}/{count(suite.fixed)}",
        ]
        style = _VERDICT_COLOURS.get(verdict or "", "")
        last = Text(verdict_word(suite.name, decision), style=style)
        table.add_row(*(Text(printable(cell, console.encoding)) for cell in cells), last)
    return table


def _over_incumbent(over: IncumbentTable, level: float, console: Console) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("suite", overflow="fold", min_width=12)
    for name in ("incumbent", "tuned", f"difference [{level * 100:g} %]"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True, min_width=9)
    for line in over.lines:
        missing = f" ({count(line.missing)} missing)" if line.missing else ""
        name = f"{line.name}{f', {line.unit}' if line.unit else ''}{missing}"
        cells = [name, line.incumbent, line.tuned, bare_difference(line.delta, line.unit)]
        last = Text(line.word, style=_VERDICT_COLOURS.get(line.verdict or "", ""))
        table.add_row(*(Text(printable(cell, console.encoding)) for cell in cells), last)
    return table


def _judge(judge: JudgeResult) -> str:
    flips = f", order flips {percent(judge.order_flip_rate)}" if judge.order_flip_rate is not None else ""
    over = f" over {judge.against}" if judge.against != "base" else ""
    control = judge.length_controlled
    known = control is not None and not math.isnan(control.win_rate.value)
    equal = f", {percent(control.win_rate.value)} at equal length" if control and known else ""
    return (
        f"Judge {judge.name} prefers tuned{over} in {rate(judge.win_rate)} of {count(judge.n)} prompts"
        f"{equal}{flips}, {count(judge.unscored)} unscored; {standing(judge)}"
    )


def printable(text: str, encoding: str) -> str:
    """Text without control codes, and with what the terminal's encoding cannot show replaced."""
    text = visible(text)
    if not encoding.lower().startswith("utf"):
        text = text.replace(THIN_SPACE, " ")
        text = text.encode(encoding, "replace").decode(encoding)
    return text
