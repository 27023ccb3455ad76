"""summary.md: the decision for a CI step summary or a pull request comment."""

from __future__ import annotations

import re
from dataclasses import replace

from evalkit.report.drift import headline as drift_headline
from evalkit.report.incumbent import incumbent_table
from evalkit.report.judged import standing
from evalkit.report.noise import noise_view
from evalkit.report.numbers import NOTHING, amount, count, difference, percent, rate
from evalkit.report.setaside import overlap_notes, training_data
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


def summary_markdown(comparison: Comparison, decision: Decision, manifest: Manifest) -> str:
    """GitHub-flavoured Markdown; every name and reason is escaped, so that text cannot become markup."""
    sign = _SIGNS[decision.outcome] if decision.complete else "⚠️"
    lines = [
        f"## {sign} {headline(decision)}: {plain(manifest.tuned.name)} over {plain(manifest.base.name)}",
        "",
        plain(sentence(comparison, decision)),
        "",
    ]
    lines += _bullets("What would decide it", remedies(decision, imported=manifest.base.backend == IMPORTED))
    lines += _suites(comparison, decision)
    lines += _bullets("Slices that changed", flagged_slices(comparison))
    lines += incumbent_lines(comparison, decision, manifest)
    lines += _gates(decision)
    lines += _judges(comparison.judges)
    noise = noise_view(comparison)
    if noise:
        lines += [f"**Noise** {plain(f'{noise.sentence} {noise.tax}')}".rstrip(), ""]
    lines += _training_data(comparison, manifest)
    if comparison.drift:
        lines += [f"**Drift** {plain(drift_headline(comparison.drift))}", ""]
    lines += _bullets("Cautions", cautions(comparison, decision, manifest))
    lines.append(f"Run {plain(manifest.run_id)}, {plain(manifest.created)}. Answers and evidence: `report.html`.")
    return "\n".join(lines) + "\n"


def plain(text: str) -> str:
    """Text that Markdown shows as it is: on one line, nothing active, nothing invisible."""
    text = one_line(text)
    # An entity cannot be undone by a parser's other rules, where a backslash in a table or a mention can.
    return _ACTIVE.sub(
        lambda match: f"&#{ord(match.group(1))};" if match.group(1) in "|@<>&" else rf"\{match[1]}", text
    )


def _suites(comparison: Comparison, decision: Decision) -> list[str]:
    level = f"{comparison.level * 100:g} %"
    rows = [
        f"| suite | role | n | base | tuned | difference [{level}] | regressed / fixed | verdict |",
        "|---|---|--:|--:|--:|--:|--:|---|",
    ]
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
    if comparison.tax:
        rows.append(f"| **pooled tax** | retain | | | | {difference(comparison.tax)} | | |")
    if comparison.worst_tax:
        rows.append(f"| **worst suite** | retain | | | | {plain(worst_suite(comparison.worst_tax))} | | |")
    if comparison.gain:
        rows.append(f"| **pooled gain** | target | | | | {difference(comparison.gain)} | | |")
    return [*rows, ""]


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


def _gates(decision: Decision) -> list[str]:
    if not decision.gates:
        return []
    rows = [
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
    return [*rows, "", *rates, *([""] if rates else []), "</details>", ""]


def _judges(judges: tuple[JudgeResult, ...]) -> list[str]:
    lines: list[str] = []
    for judge in judges:
        over = f" over {judge.against}" if judge.against != "base" else ""
        flips = f", order flips {percent(judge.order_flip_rate)}" if judge.order_flip_rate is not None else ""
        lines.append(
            f"- Judge {plain(judge.name)} prefers tuned{over} in {rate(judge.win_rate)} of {count(judge.n)} prompts"
            f"{flips}, {count(judge.unscored)} unscored; {plain(standing(judge))}."
        )
    return [*lines, ""] if lines else []


def _training_data(comparison: Comparison, manifest: Manifest) -> list[str]:
    notes = [f"- {plain(note)}" for note in overlap_notes(comparison)]
    return [f"**Training data** {plain(training_data(comparison, manifest))}", "", *notes, *([""] if notes else [])]


def _bullets(title: str, texts: list[str]) -> list[str]:
    return [f"**{title}**", "", *(f"- {plain(text)}" for text in texts), ""] if texts else []
