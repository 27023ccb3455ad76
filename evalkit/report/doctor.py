"""What a doctor found, a line each, or as JSON."""

from __future__ import annotations

import dataclasses
import json as json_
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from evalkit.doctor import Finding
from evalkit.report.console import printable

_WORDS = {"ok": ("OK", "green"), "warn": ("WARN", "yellow"), "fail": ("FAIL", "bold red")}
_INDENT = 26


def print_finding(finding: Finding, console: Console) -> None:
    """One line, and where something is not well its fix beneath."""
    word, colour = _WORDS[finding.status]
    line = Text.assemble((f"{word:<5}", colour), (f"{finding.name:<20} ", "bold"))
    console.print(line.append(printable(finding.found, console.encoding)), soft_wrap=True)
    if finding.fix:
        console.print(Text(f"{'':<{_INDENT}}fix: {printable(finding.fix, console.encoding)}", "dim"), soft_wrap=True)


def closing(findings: Sequence[Finding]) -> str:
    """What it comes to, in a sentence."""
    failed = sum(one.status == "fail" for one in findings)
    warned = sum(one.status == "warn" for one in findings)
    if failed:
        return f"{failed} of {len(findings)} would keep a comparison from running."
    return f"Nothing would keep a comparison from running{f'; {warned} to know of' if warned else ''}."


def findings_json(findings: Sequence[Finding]) -> str:
    """`ok`: nothing failed; then each finding."""
    checks = [dataclasses.asdict(one) for one in findings]
    told = {"ok": all(one.status != "fail" for one in findings), "checks": checks}
    return json_.dumps(told, indent=2, ensure_ascii=False)
