"""Whose standard error of a length-controlled win rate is right? python bench/length_control.py ALPACA_EVAL_FOLDER [RUNS]

First on annotations of AlpacaEval: its own estimator's value and standard error beside ours. Then simulated from the fit of each model's
annotations: the spread of the estimate over new sets of prompts, which is what a standard error claims to be, beside what each claims.
The folder holds MODEL.jsonl rows {i, output, preference} and baseline_gpt4_1106_preview.jsonl rows {output}.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from evalkit.statistics import alpaca_eval_length_controlled, length_controlled


def rows_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def main(folder: Path, runs: int) -> None:
    baseline = rows_of(folder / "baseline_gpt4_1106_preview.jsonl")
    table = Table(title=f"Length-controlled win rates, in points; spread over {runs} simulated sets of prompts")
    for name in (
        "model",
        "AlpacaEval's",
        "its error",
        "ours",
        "our error",
        "spread of AlpacaEval's",
        "its mean error",
        "spread of ours",
        "our mean error",
    ):
        table.add_column(name, justify="left" if name == "model" else "right")
    for path in sorted(folder.glob("*.jsonl")):
        if path.name.startswith("baseline"):
            continue
        rows = rows_of(path)
        y = np.array([row["preference"] - 1 for row in rows])
        base = np.array([len(baseline[row["i"]]["output"]) for row in rows])
        tuned = np.array([len(row["output"]) for row in rows])
        theirs, ours = _both(y, base, tuned, np.random.default_rng(0), 1000)
        # New prompts: lengths resampled, preferences drawn from the fitted curve.
        z = np.tanh((tuned - base) / (tuned - base).std(ddof=1))
        a = np.log(ours.win_rate.value / (1 - ours.win_rate.value))
        chance = 1 / (1 + np.exp(-a - ours.slope.value * z))
        rng = np.random.default_rng(1)
        found = []
        for _ in range(runs):
            drawn = rng.integers(0, len(y), len(y))
            sample = (rng.random(len(y)) < chance[drawn]).astype(float)
            if sample.sum() < 3:
                continue
            one, two = _both(sample, base[drawn], tuned[drawn], rng, 100)
            found.append((one.value, one.se, two.win_rate.value, two.win_rate.se))
        spread = 100 * np.array(found)
        cells = (100 * theirs.value, 100 * theirs.se, 100 * ours.win_rate.value, 100 * ours.win_rate.se)
        cells += (spread[:, 0].std(), spread[:, 1].mean(), spread[:, 2].std(), spread[:, 3].mean())
        table.add_row(path.stem, *(f"{cell:.2f}" for cell in cells))
    Console(width=150).print(table)


def _both(y, base, tuned, rng, rounds):
    return alpaca_eval_length_controlled(y, base, tuned), length_controlled(y, tuned - base, rng=rng, rounds=rounds)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 100)
