"""The index of runs in words: a row a run, a line a sweep, and what the page's script needs to sort and compare them."""

from __future__ import annotations

import hashlib
import math
import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from evalkit.report.numbers import amount, count, difference, rate
from evalkit.report.sweep_words import tax
from evalkit.report.view import tally
from evalkit.report.words import gate_limit, gate_name, gate_numbers
from evalkit.types import Decision, Estimate, RunIndex, StoredJudge, StoredRun, StoredSweep

Link = Callable[[str], str]
"""From the folder of a run or sweep to where its report.html lies, relative to the page; "" where there is none."""

OUTCOMES = {"go": "GO", "inconclusive": "INCONCLUSIVE", "no_go": "NO-GO", "incomplete": "INCOMPLETE"}
_VERDICTS = {"go": "pass", "inconclusive": "inconclusive", "no_go": "fail", "incomplete": "incomplete"}

SETUP = {
    "base": "They hold their candidates against different bases: gain, tax and win rate answer different questions.",
    "items": "They asked different items: part of what moved is the draw.",
    "asking": "They asked base in different ways: part of what moved is that.",
    "level": "Their intervals have different levels.",
}
"""What it means for two runs to differ in a field of `StoredRun.setup`."""


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run as the table shows it. key: its anchor; link: its report, "" where there is none; why: what decided, in a line."""

    key: str
    run: StoredRun
    link: str
    word: str
    verdict: str
    gain: str
    tax: str
    judge: str
    win_rate: str
    day: str
    time: str
    why: str
    gates: str
    cautions: str
    best: bool


@dataclass(frozen=True, slots=True)
class SweepRow:
    """A sweep as the page lists it. lost: its candidates that broke off, each with the reason."""

    key: str
    sweep: StoredSweep
    link: str
    outcome: str
    lost: list[str]


def run_rows(index: RunIndex, link: Link) -> list[RunRow]:
    """The runs of an index as rows, in its order."""
    best = {one.folder for sweep in index.sweeps for one in sweep.candidates if one.name == sweep.best}
    return [_run_row(run, link, best) for run in index.runs]


def sweep_rows(index: RunIndex, link: Link) -> list[SweepRow]:
    """The sweeps of an index as lines, in its order."""
    return [_sweep_row(sweep, link) for sweep in index.sweeps]


def anchor(kind: str, folder: str) -> str:
    """A name for a row that no folder's name can break, the same at every reading."""
    return f"{kind}-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:10]}"


def quoted(folder: str, file: str) -> str:
    """The address of a file in a folder, relative to the index's root, whatever the folder is called."""
    address = quote(os.fsencode(file if folder == "." else f"{folder}/{file}"))
    # A colon in the first part would read as a scheme.
    return f"./{address}" if ":" in address.split("/")[0] or address.startswith("/") else address


def tallies(index: RunIndex) -> list[tuple[str, str, str, int]]:
    """How many runs came to each outcome: its name, its word, its verdict and the number, only where there is one."""
    seen = Counter(run.outcome for run in index.runs)
    return [(name, word, _VERDICTS[name], seen[name]) for name, word in OUTCOMES.items() if seen[name]]


def moment(run: StoredRun) -> str:
    """When a run was made: 23 Sep 2026, 14:15 (UTC); as it was written where it is no time."""
    if run.seconds is None:
        return run.created
    try:
        time = datetime.fromtimestamp(run.seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return run.created
    return f"{time.day} {time:%b %Y, %H:%M}"


def page_data(rows: Iterable[RunRow]) -> dict[str, object]:
    """What the page's script sorts, filters and compares by: numbers in score units, texts ready to show."""
    return {"runs": [_packed(row) for row in rows], "setup": SETUP}


def judge_of(run: StoredRun) -> StoredJudge | None:
    """The judge whose win rate stands in the row: one over base that passed its exam, else the first over base."""
    able = [one for one in run.judges if one.win_rate is not None and one.against == "base"]
    return min(able, key=lambda one: (one.exam != "passed", one.name)) if able else None


def judge_name(judge: StoredJudge) -> str:
    """A judge's name, and that it is only advisory where it is."""
    return judge.name if judge.exam == "passed" else f"{judge.name} (advisory)"


def _run_row(run: StoredRun, link: Link, best: set[str | None]) -> RunRow:
    judge = judge_of(run)
    cautions = len(run.cautions)
    return RunRow(
        key=anchor("run", run.folder),
        run=run,
        link=link(run.folder) if run.report else "",
        word=OUTCOMES[run.outcome],
        verdict=_VERDICTS[run.outcome],
        gain=difference(run.gain) if run.gain else "",
        tax=tax(run.tax) if run.tax else "",
        judge=judge_name(judge) if judge else "",
        win_rate=rate(judge.win_rate) if judge else "",
        day=moment(run).partition(", ")[0],
        time=moment(run).partition(", ")[2],
        why=why(run.decision),
        gates=f"{tally(run.decision)}; {count(run.n)} {'item' if run.n == 1 else 'items'}",
        cautions=f"{count(cautions)} {'caution' if cautions == 1 else 'cautions'}" if cautions else "",
        best=run.folder in best,
    )


def why(decision: Decision) -> str:
    """What decided, in a line: the first reason of the decision."""
    return decision.reasons[0] if decision.reasons else ""


def _sweep_row(sweep: StoredSweep, link: Link) -> SweepRow:
    went = sum(one.decision == "go" for one in sweep.candidates)
    lost = [
        f"{one.name} broke off: {one.failure or 'no reason is known'}"
        for one in sweep.candidates
        if one.decision is None
    ]
    return SweepRow(
        key=anchor("sweep", sweep.folder),
        sweep=sweep,
        link=link(sweep.folder) if sweep.report else "",
        outcome=f"{count(went)} of {count(len(sweep.candidates))} GO" + ("" if sweep.complete else ", incomplete"),
        lost=lost,
    )


def _packed(row: RunRow) -> dict[str, object]:
    run = row.run
    judge = judge_of(run)
    return {
        "key": row.key,
        "folder": run.folder,
        "base": run.base.name,
        "tuned": run.tuned.name,
        "same": [run.base.fingerprint, run.tuned.fingerprint],
        "outcome": run.outcome,
        "word": row.word,
        "verdict": row.verdict,
        "why": row.why,
        "when": moment(run),
        "seconds": run.seconds,
        "link": row.link,
        "sweep": run.sweep or "",
        "n": run.n,
        "missing": run.missing,
        "gain": _triple(run.gain),
        "gainText": row.gain,
        "tax": _triple(run.tax),
        "taxText": row.tax,
        "win": _triple(judge.win_rate) if judge else None,
        "measure": hashlib.sha256(repr(run.measure).encode("utf-8", "replace")).hexdigest()[:12],
        "judges": [
            {"name": judge_name(one), "hash": one.hash, "over": one.against, "text": rate(one.win_rate), "value": _triple(one.win_rate)}
            for one in run.judges
            if one.win_rate is not None
        ],
        "suites": [
            {
                "name": one.name,
                "role": one.role,
                "hash": one.hash,
                "unit": one.unit,
                "values": f"{amount(one.base, one.unit).removesuffix(' %')} \u2192 {amount(one.tuned, one.unit)}",
                "text": difference(one.delta, one.unit),
                "value": _triple(one.delta),
                "verdict": one.verdict,
                "n": one.n,
            }
            for one in run.suites
        ],
        "gates": [
            {
                "name": gate_name(one),
                "limit": gate_limit(one),
                "text": gate_numbers(one),
                "verdict": one.verdict,
                "required": one.required,
            }
            for one in run.decision.gates
        ],
        "setup": dict(run.setup),
        "policy": dict(run.policy),
    }  # fmt: skip


def _triple(estimate: Estimate | None) -> list[float | None] | None:
    """Value, low and high; None where there is no finite value."""
    if estimate is None or not math.isfinite(estimate.value):
        return None
    ends = [estimate.low, estimate.high]
    if any(end is None or not math.isfinite(end) for end in ends):
        ends = [None, None]
    return [None if number is None else round(number, 7) for number in (estimate.value, *ends)]
