"""Folders of stored runs, made from one example run: the same suites, other models, numbers, times and decisions."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter

from evalkit.report.summary import summary_json
from evalkit.types import Gate, Manifest
from tests.report.example_run import Planned, Run, make_run

SUITES = (
    Planned("arithmetic-json", "target", 0.42, 0.74, 60),
    Planned("gsm8k", "retain", 0.93, 0.866, 80),
    Planned("knowledge", "retain", 0.61, 0.603, 60, tasks=3),
    Planned("refused-harmless-requests", "guard", 0.03, 0.045, 60),
)
FIRST = datetime(2026, 9, 1, 8, 0, tzinfo=UTC)
MANIFESTS = TypeAdapter(Manifest)


@cache
def example() -> Run:
    return make_run(SUITES)


def made(
    tuned: str = "tuned-model",
    base: str = "base-model",
    *,
    hours: float = 0,
    gain: float = 0.10,
    tax: float = 0.005,
    outcome: str = "inconclusive",
    complete: bool = True,
    suites: str = "5f",
    base_mark: str = "a1",
    win: float = 0.5,
    policy: dict | None = None,
    reason: str = "",
    **manifest: object,
) -> Run:
    """The example with other names and numbers; every interval keeps its width. suites: the hash of each."""
    run = example()
    comparison, decision, known, table = run

    def moved(estimate, value):
        by = value - estimate.value
        return replace(estimate, value=value, low=estimate.low + by, high=estimate.high + by)

    def delta(suite):
        value = {"target": gain, "retain": -tax}.get(suite.role, suite.delta.value)
        return replace(suite, delta=moved(suite.delta, value), tuned=suite.base + value)

    comparison = replace(
        comparison,
        gain=moved(comparison.gain, gain),
        tax=moved(comparison.tax, tax),
        suites=tuple(map(delta, comparison.suites)),
        judges=tuple(replace(one, win_rate=moved(one.win_rate, win)) for one in comparison.judges),
    )
    verdict = {"go": "pass", "no_go": "fail"}.get(outcome, "inconclusive")
    first = decision.gates[0]
    gates: tuple[Gate, ...] = (replace(first, verdict=verdict, estimate=comparison.tax), *decision.gates[1:])
    told = reason or f"tax: pooled loss over retain suites below 2 pp: {verdict} at {100 * tax:+.1f} pp"
    decision = replace(decision, outcome=outcome, complete=complete, gates=gates, reasons=(told,))
    known = replace(
        known,
        run_id=f"{tuned}-{hours}",
        created=(FIRST + timedelta(hours=hours)).isoformat(),
        base=replace(known.base, name=base, fingerprint=base_mark * 16),
        tuned=replace(
            known.tuned, name=tuned, fingerprint=hashlib.sha256(tuned.encode("utf-8", "replace")).hexdigest()[:32]
        ),
        suites=tuple(replace(suite, hash=suites * 8) for suite in known.suites),
        policy=policy or known.policy,
        **manifest,
    )
    return Run(comparison, decision, known, table)


def store(folder: Path, run: Run, *, report: bool = True) -> Path:
    """Write what the index reads, and a small page where the report would be."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_bytes(MANIFESTS.dump_json(run.manifest, indent=2))
    (folder / "summary.json").write_text(summary_json(run.comparison, run.decision, run.manifest), encoding="utf-8")
    if report:
        page = f"<!doctype html><title>report</title><h1>Report of {folder.name}</h1>"
        (folder / "report.html").write_text(page, encoding="utf-8", errors="replace")
    return folder


def store_sweep(folder: Path, base: str, candidates: dict[str, str | None], best: str | None) -> None:
    """Write a sweep.json over runs that are stored already. candidates: name -> decision; None: it broke off."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        {"name": name, "folder": name, "decision": decision, "step": None, "failure": None if decision else "CUDA out of memory"}
        for name, decision in candidates.items()
    ]  # fmt: skip
    data = {"schema": 1, "complete": None not in candidates.values(), "base": base, "best": best, "candidates": rows}
    (folder / "sweep.json").write_text(json.dumps(data))
    (folder / "report.html").write_text("<!doctype html><title>sweep</title><h1>Sweep</h1>")


def usual(root: Path) -> Path:
    """A month of work: a training's checkpoints in a sweep, single runs, another base, changed suites, and wrecks."""
    for at, step in enumerate(range(200, 1800, 200)):
        outcome = "go" if step in (800, 1000) else "no_go" if step > 1200 else "inconclusive"
        run = made(f"lr1e4-ckpt-{step}", hours=2 + at, gain=0.05 + 0.03 * at, tax=-0.004 + 0.0007 * at**2, outcome=outcome,
                   win=0.44 + 0.02 * at)  # fmt: skip
        store(root / "sweep-0901" / f"lr1e4-ckpt-{step}", run)
    names: dict[str, str | None] = {
        f"lr1e4-ckpt-{step}": "go" if step in (800, 1000) else "inconclusive" for step in range(200, 1800, 200)
    }
    store_sweep(root / "sweep-0901", "base-model", {**names, "merge": None}, "lr1e4-ckpt-1000")
    for at in range(5):
        run = made(f"dpo-v{at + 1}", hours=100 + 50 * at, gain=0.2 - 0.02 * at, tax=0.03 - 0.006 * at, outcome="no_go" if at < 2 else "go",
                   win=0.5 + 0.03 * at)  # fmt: skip
        store(root / f"dpo-v{at + 1}", run)
    store(
        root / "wider-suites",
        made("dpo-v5-wider", hours=400, gain=0.12, tax=0.004, outcome="go", suites="77", win=0.61),
    )
    store(root / "stricter", made("dpo-v5", hours=420, gain=0.12, tax=0.005, outcome="inconclusive",
                                  policy={**example().manifest.policy, "tax": {"max": 0.001}}))  # fmt: skip
    store(
        root / "other" / "one",
        made("small-sft", "small-base", hours=200, gain=0.02, outcome="no_go", base_mark="b7", tax=0.06),
    )
    store(
        root / "other" / "two",
        made("small-sft-2", "small-base", hours=300, gain=0.04, outcome="inconclusive", base_mark="b7", tax=0.01),
    )
    store(
        root / "lost-engine",
        made("dpo-v6", hours=410, complete=False, reason="412 of 1 300 items are missing: the engine died"),
        report=False,
    )
    (root / "half").mkdir()
    (root / "half" / "samples.parquet").write_bytes(b"PAR1")
    (root / "cut").mkdir()
    (root / "cut" / "manifest.json").write_bytes((root / "dpo-v1" / "manifest.json").read_bytes())
    (root / "cut" / "summary.json").write_text('{"schema": 1, "comp')
    return root
