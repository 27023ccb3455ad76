"""summary.md: the decision for a CI step summary or a pull request comment, and never longer than a comment may be."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from evalkit.report.drift import headline as drift_headline
from evalkit.report.incumbent import incumbent_table
from evalkit.report.judged import standing
from evalkit.report.noise import noise_view
from evalkit.report.numbers import NOTHING, amount, count, difference, percent, rate
from evalkit.report.setaside import overlap_notes, training_data
from evalkit.report.strips import strips
from evalkit.report.summary import verdict_word
from evalkit.report.tax import flagged_slices, worst_suite
from evalkit.report.text import one_line
from evalkit.report.words import (
    VERDICTS,
    cautions,
    gate_limit,
    gate_name,
    gate_numbers,
    headline,
    remedies,
    sentence,
    worst_first,
)
from evalkit.types import IMPORTED, Comparison, Decision, JudgeResult, Manifest

_SIGNS = {"go": "✅", "no_go": "❌", "inconclusive": "❔"}
_ACTIVE = re.compile(r"([\\`*_{}\[\]<>#!|~@&$])")


MOST = 60_000
"""Characters of the whole file. GitHub refuses a comment of more than 65,536, and a step summary of more than 1 MiB."""

_LONGEST = 600  # characters of one text; a suite's name or a caution may hold anything


@dataclass(slots=True)
class _Block:
    """A part of the page: a head, rows of which the last are left out first, and an end. called: what the rows are."""

    head: list[str]
    rows: list[str]
    end: list[str]
    called: str = "lines"
    is_table: bool = False
    left_out: int = 0

    @property
    def lines(self) -> list[str]:
        """As they stand on the page; in place of what was left out a sentence says how much."""
        if not self.left_out:
            return [*self.head, *self.rows, *self.end]
        told = f"{count(self.left_out)} more {self.called} are left out here to keep within GitHub's limit: see report.html."
        head = self.head if self.rows or not self.is_table else []
        return [*head, *self.rows, *([""] if self.is_table else []), told if self.is_table else f"- {told}", *self.end]

    @property
    def size(self) -> int:
        """Characters of its rows."""
        return sum(len(row) + 1 for row in self.rows)


def summary_markdown(comparison: Comparison, decision: Decision, manifest: Manifest) -> str:
    """GitHub-flavoured Markdown; every name and reason is escaped, so that text cannot become markup.

    At most `MOST` characters: of the longest tables and lists the last rows are left out, and a sentence says how many.
    """
    sign = _SIGNS[decision.outcome] if decision.complete else "⚠️"
    blocks = [
        _text(
            f"## {sign} {headline(decision)}: {plain(manifest.tuned.name)} over {plain(manifest.base.name)}",
            "",
            plain(sentence(comparison, decision)),
            "",
        ),
        _drawing(comparison, decision),
        _bullets("What would decide it", remedies(decision, imported=manifest.base.backend == IMPORTED), "gates"),
        _suites(comparison, decision),
        _bullets("Slices that changed", flagged_slices(comparison), "slices"),
        _text(*incumbent_lines(comparison, decision, manifest)),
        *_gates(decision),
        _judges(comparison.judges),
    ]
    noise = noise_view(comparison)
    if noise:
        blocks.append(_text(f"**Noise** {plain(f'{noise.sentence} {noise.tax}')}".rstrip(), ""))
    blocks.append(_training_data(comparison, manifest))
    if comparison.drift:
        blocks.append(_text(f"**Drift** {plain(drift_headline(comparison.drift))}", ""))
    blocks.append(_bullets("Cautions", cautions(comparison, decision, manifest), "cautions"))
    blocks.append(
        _text(f"Run {plain(manifest.run_id)}, {plain(manifest.created)}. Answers and evidence: `report.html`.")
    )
    return _within(blocks, MOST)


def _within(blocks: Sequence[_Block], most: int) -> str:
    """The page, rows taken from whichever block has the most of them until it is short enough."""

    def page() -> str:
        return "\n".join(line for block in blocks for line in block.lines) + "\n"

    while len(text := page()) > most:
        longest = max(blocks, key=lambda block: block.size)
        if not longest.rows:
            break
        taken = max(1, len(longest.rows) // 10)
        longest.rows, longest.left_out = longest.rows[:-taken], longest.left_out + taken
    return text


def _text(*lines: str) -> _Block:
    return _Block(list(lines), [], [])


def _drawing(comparison: Comparison, decision: Decision) -> _Block:
    drawn = strips(comparison, decision)
    if not drawn:
        return _text()
    legend = "`●` tuned minus base with its interval, `│` no change, `┊` what the policy allows."
    return _text("```text", *drawn, "```", legend, "")


def plain(text: str) -> str:
    """Text that Markdown shows as it is: on one line, nothing active, nothing invisible."""
    text = one_line(text)
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    # An entity cannot be undone by a parser's other rules, where a backslash in a table or a mention can.
    return _ACTIVE.sub(
        lambda match: f"&#{ord(match.group(1))};" if match.group(1) in "|@<>&" else rf"\{match[1]}", text
    )


def _suites(comparison: Comparison, decision: Decision) -> _Block:
    level = f"{comparison.level * 100:g} %"
    head = [
        f"| suite | role | n | base | tuned | difference [{level}] | regressed / fixed | verdict |",
        "|---|---|--:|--:|--:|--:|--:|---|",
    ]
    # The pooled rows come first, since the last are what a long table loses.
    if comparison.tax:
        head.append(f"| **pooled tax** | retain | | | | {difference(comparison.tax)} | | |")
    if comparison.worst_tax:
        head.append(f"| **worst suite** | retain | | | | {plain(worst_suite(comparison.worst_tax))} | | |")
    if comparison.gain:
        head.append(f"| **pooled gain** | target | | | | {difference(comparison.gain)} | | |")
    rows: list[str] = []
    for suite in worst_first(comparison.suites):
        cells = [
            plain(suite.name) + (f" ⚠ {count(suite.missing)} missing" if suite.missing else ""),
            suite.role,
            count(suite.n),
            amount(suite.base, suite.unit),
            amount(suite.tuned, suite.unit),
            difference(suite.delta, suite.unit and plain(suite.unit)),
            NOTHING if suite.unit else f"{count(suite.regressed)} / {count(suite.fixed)}",
            verdict_word(suite.name, decision),
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return _Block(head, rows, [""], "suites", is_table=True)


def incumbent_lines(comparison: Comparison, decision: Decision, manifest: Manifest) -> list[str]:
    """Tuned against the model in use now, where any gate is."""
    table = incumbent_table(comparison, decision, manifest)
    if table is None:
        return []
    rows = [
        f"**Over the incumbent, {plain(table.name)}**",
        "",
        f"| suite | role | n | incumbent | tuned | difference [{comparison.level * 100:g} %] | verdict |",
        "|---|---|--:|--:|--:|--:|---|",
    ]
    for line in table.lines:
        unit = line.unit and plain(line.unit)
        missing = f" ⚠ {count(line.missing)} missing" if line.missing else ""
        cells = [plain(line.name) + missing, line.role, line.n, line.incumbent, line.tuned]
        rows.append(f"| {' | '.join(cells)} | {difference(line.delta, unit)} | {line.word} |")
    return [*rows, ""]


def _gates(decision: Decision) -> list[_Block]:
    if not decision.gates:
        return []
    rows: list[str] = []
    head = [
        "<details><summary>Gates</summary>",
        "",
        "| gate | measured | limit | verdict | why |",
        "|---|--:|--:|---|---|",
    ]
    for gate in decision.gates:
        advisory = "" if gate.required else " (advisory)"
        verdict = VERDICTS[gate.verdict]
        named = replace(gate, unit=gate.unit and plain(gate.unit))
        cells = [plain(gate_name(gate)) + advisory, gate_numbers(named), gate_limit(named), verdict, plain(gate.reason)]
        rows.append(f"| {' | '.join(cells)} |")
    rates = [f"- {plain(one)}" for one in decision.error_rates]
    table = _Block(head, rows, [""], "gates", is_table=True)
    return [table, _text(*rates, *([""] if rates else []), "</details>", "")]


def _judges(judges: tuple[JudgeResult, ...]) -> _Block:
    lines: list[str] = []
    for judge in judges:
        over = f" over {judge.against}" if judge.against != "base" else ""
        flips = f", order flips {percent(judge.order_flip_rate)}" if judge.order_flip_rate is not None else ""
        lines.append(
            f"- Judge {plain(judge.name)} prefers tuned{over} in {rate(judge.win_rate)} of {count(judge.n)} prompts"
            f"{flips}, {count(judge.unscored)} unscored; {plain(standing(judge))}."
        )
    return _Block([], lines, [""], "judges") if lines else _text()


def _training_data(comparison: Comparison, manifest: Manifest) -> _Block:
    notes = [f"- {plain(note)}" for note in overlap_notes(comparison)]
    head = [f"**Training data** {plain(training_data(comparison, manifest))}", ""]
    return _Block(head, notes, [""] if notes else [], "suites")


def _bullets(title: str, texts: list[str], called: str) -> _Block:
    if not texts:
        return _text()
    return _Block([f"**{title}**", ""], [f"- {plain(text)}" for text in texts], [""], called)
