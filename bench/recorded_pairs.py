"""Two real releases, decided from their recorded answers under the default policy.

    python bench/recorded_pairs.py [--data FOLDER] [--out FOLDER]

- Meta-Llama-3-70B-Instruct to Athene-70B (an RLHF of it) on GSM8K, MATH level 5 and CRUXEval, as recorded by ZeroEval
- Llama-2-7b to a checkpoint of its own SFT on 55 subjects of MMLU

Printed are the decision, every gate, the pooled and the worst tax, retention, losses found and the slices that stand out. No model
runs: answers are scored, paired and decided as those of a run are. --data: where the recordings are, else EVALKIT_TEST_DATA, else
`../shared/data`. --out: also write both reports there.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import evalkit
from evalkit import api
from evalkit.config import ModelSpec, SuiteSpec
from evalkit.report.numbers import difference, percent
from evalkit.run import Run
from evalkit.types import Example
from evalkit.yamlfile import validate

ROOT = Path(__file__).resolve().parents[1]
NUMBER = [{"json": "answer"}, {"regex": r'"?answer"?\s*:\s*"?([^"\n}]*\d[^"\n}]*)'}]
TEXT = [{"json": "answer"}, {"regex": r'"answer"\s*:\s*"([^"]*)"'}, {"regex": r'"answer"\s*:\s*([^,\s]+)'}]
PADDED = [{"regex": r'"answer"\s*:\s*("\s[^"]*"|"[^"]*\s")'}]  # white space at either end is part of an answer
ATHENE = ("Meta-Llama-3-70B-Instruct", "Athene-70B")
LLAMA = ("llama-2-7b-base", "llama-2-7b-sft-step200")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = os.environ.get("EVALKIT_TEST_DATA") or ROOT.parent / "shared" / "data"
    parser.add_argument("--data", type=Path, default=Path(default))
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    if not (given.data / "zeroeval").is_dir():
        raise SystemExit(f"{given.data}: no recordings here; name their folder with --data")
    with tempfile.TemporaryDirectory() as folder:
        for name, run in (("athene", athene), ("llama-2-sft", llama)):
            for line in told(run(given.data, Path(folder), given.out / name if given.out else None)):
                print(line)
            print(flush=True)


@evalkit.scorer("bare")
def bare(answer: str, example: Example) -> float:
    """As ZeroEval compares CRUXEval's answers: without quotation marks."""

    def stripped(text: str) -> str:
        return text.strip("'\"").replace("\n", "\\n")

    return float(stripped(answer) == stripped(example.answer or ""))


def athene(data: Path, folder: Path, out: Path | None = None) -> Run:
    """Three suites of generated answers."""
    suites, files = [], {name: folder / f"{name}.jsonl" for name in ATHENE}
    rows: dict[str, list[str]] = {name: [] for name in ATHENE}
    for task, extract, score in (
        ("gsm", NUMBER, "number"),
        ("math-l5", NUMBER, "number"),
        ("crux", PADDED + TEXT, "bare"),
    ):
        asked = {"name": task, "data": str(data / "zeroeval" / task / "items.jsonl"), "prompt": "{{ prompt }}"}
        asked |= {"answer": "{{ answer }}", "score": score, "extract": extract}
        suites.append(validate(SuiteSpec, {"name": task, "tasks": [asked]}))
        for name in ATHENE:
            for line in (data / "zeroeval" / task / f"{name}.jsonl").read_text("utf-8").split("\n"):
                rows[name] += [json.dumps({**json.loads(line), "task": task})] if line else []
    for name, path in files.items():
        path.write_text("\n".join(rows[name]) + "\n", encoding="utf-8")
    models = [ModelSpec(name=name, backend="replay", outputs=str(path)) for name, path in files.items()]
    return api.run_comparison(*models, suites=suites, out=out, probes=False)


def llama(data: Path, folder: Path, out: Path | None = None) -> Run:
    """55 subjects of one suite, a slice each."""
    recorded = data / "mmlu_llama2_7b_sft"
    lines = (recorded / f"{LLAMA[0]}.jsonl").read_text("utf-8").split("\n")
    answered = {json.loads(line)["id"] for line in lines if line}
    items = folder / "mmlu.jsonl"
    with (data / "tasks" / "mmlu_test.jsonl").open(encoding="utf-8") as rows, items.open("w", encoding="utf-8") as kept:
        kept.writelines(line for line in rows if json.loads(line)["id"] in answered)
    asked = {"name": "mmlu", "data": str(items), "prompt": "{{ question }}", "kind": "choice", "choices": "choices"}
    asked |= {"answer": "{{ answer }}", "slices": {"subject": "{{ subject }}"}}
    suite = validate(SuiteSpec, {"name": "mmlu", "chance": 0.25, "tasks": [asked]})
    models = [
        ModelSpec(name=name, backend="replay", outputs=str(recorded / f"{name}.jsonl"), output_field="prediction")
        for name in LLAMA
    ]
    return api.run_comparison(*models, suites=[suite], out=out, probes=False)


def told(run: Run) -> Iterator[str]:
    """A run in lines."""
    comparison, decision = run.comparison, run.decision
    yield f"{comparison.base} -> {comparison.tuned}: {decision.outcome.upper().replace('_', '-')}"
    for suite in comparison.suites:
        kept = f", keeps {percent(suite.retention.value)} of what base knows" if suite.retention else ""
        yield (
            f"  {suite.name:<8} {suite.n:>6,} items  {percent(suite.base)} -> {percent(suite.tuned)}  {difference(suite.delta)}  "
            f"lost {suite.regressed:,}, won {suite.fixed:,}  ({suite.delta.method}){kept}"
        )
    if comparison.tax:
        yield f"  pooled tax {difference(comparison.tax)}  ({comparison.tax.method})"
    if comparison.worst_tax:
        yield f"  worst suite {comparison.worst_tax.name}: {difference(comparison.worst_tax.loss)}, limits that hold for all suites at once"
    for name, p in comparison.losses_found.items():
        yield f"  a loss was found in {name} (Holm-adjusted p = {p:.2g})"
    for gate in decision.gates:
        yield f"  {gate.verdict:<13} {gate.reason}"
    flagged = [(suite.name, one) for suite in comparison.suites for one in suite.slices if one.flagged]
    total = sum(len(suite.slices) for suite in comparison.suites)
    if total:
        yield f"  {len(flagged)} of {total} slices stand out (Benjamini-Hochberg at 5 %):"
    for name, one in sorted(flagged, key=lambda pair: pair[1].delta.value):
        yield f"    {name} / {one.value}: {difference(one.delta)}, n {one.n}, p {one.p:.2g}"


if __name__ == "__main__":
    main()
