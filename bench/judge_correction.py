"""Does the corrected win rate cover at its level where the judge's own does not? Simulated, seeded.

    python bench/judge_correction.py [--runs 2000] [--llmbar FOLDER]

Coverage and mean width of nominal 95 % intervals for the mean of what people would say of all such prompts: the judge's own,
labels alone, PPI++ on labels drawn evenly, and as `evalkit judge label-next` draws them.

People prefer tuned, nobody or base with .45, .15 and .40. The judge says the same, except as often as the table says: it is half a
point too kind to tuned ("kind"), takes tuned for the winner whoever it was ("blind"), or tosses a coin of three ("noisy").
--llmbar: real judges besides, one a row: prompts are drawn with replacement from LLMBar's pairs, with the label of people and the
verdicts of that judge in both orders; tuned is the answer that people prefer in 60 % of pairs. FOLDER: `items.jsonl` (`i`, `label`) and
a file a judge (`i`, `orig` and `swapped`, each with `winner`). Source: Zeng et al. 2024, arXiv:2310.07641.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from evalkit.statistics import drawing_order, drawing_shares, inclusion_probabilities, ppi_mean_drawn, win_rate
from evalkit.types import Estimate

WAYS = ("judge alone", "labels alone", "PPI++, drawn evenly", "PPI++, label-next")
JUDGES = (("kind", 0.1), ("kind", 0.3), ("kind", 0.5), ("noisy", 0.3), ("blind", 0.02), ("blind", 0.1))
PREFERRED = 0.6

Draw = Callable[[int, np.random.Generator], tuple[np.ndarray, np.ndarray]]
"""So many prompts: what people say of each, and what the judge says; tuned's, in [0, 1]."""


def invented(judge: str, errs: float) -> Draw:
    """A judge that is people's echo except for a share `errs` of prompts."""

    def draw(prompts: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        people = rng.choice([0.0, 0.5, 1.0], prompts, p=[0.4, 0.15, 0.45])
        other = {
            "kind": np.minimum(1, people + 0.5),
            "blind": np.ones(prompts),
            "noisy": rng.choice([0.0, 0.5, 1.0], prompts),
        }[judge]
        return people, np.where(rng.random(prompts) < errs, other, people)

    return draw


def recorded(file: Path) -> Draw:
    """A judge of LLMBar. Pairs that it did not read in both orders are left out."""
    right = {row["i"]: str(row["label"]) for row in _rows(file.parent / "items.jsonl")}
    scores = []
    for row in _rows(file):
        winners = [str(row[order]["winner"]) for order in ("orig", "swapped")]
        if set(winners) <= {"1", "2"}:
            scores.append(np.mean([winner == right[row["i"]] for winner in winners]))
    found = np.array(scores, dtype=float)

    def draw(prompts: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        agreement = rng.choice(found, prompts)
        people = (rng.random(prompts) < PREFERRED).astype(float)
        return people, np.where(people == 1, agreement, 1 - agreement)

    return draw


def intervals(draw: Draw, prompts: int, labels: int, rng: np.random.Generator) -> tuple[Estimate, ...]:
    """One run: an interval for each of WAYS."""
    people, judged = draw(prompts, rng)
    even = rng.permutation(prompts)[:labels]
    shares = drawing_shares(judged)
    drawn, probabilities = drawing_order(shares, rng)[:labels], inclusion_probabilities(shares, labels)
    return (
        win_rate(judged),
        win_rate(people[even]),
        ppi_mean_drawn(judged, even, people[even], np.full(labels, labels / prompts)),
        ppi_mean_drawn(judged, drawn, people[drawn], probabilities[drawn]),
    )


def rows(draw: Draw, truth: float, sizes: tuple[int, ...], runs: int, rng: np.random.Generator) -> Iterator[list[str]]:
    """Prompts, labels, and coverage with width for each of WAYS."""
    for prompts in sizes:
        for labels in (100, 200, 400):
            held, width = np.zeros(len(WAYS)), np.zeros(len(WAYS))
            for _ in range(runs):
                ends = np.array([(got.low, got.high) for got in intervals(draw, prompts, labels, rng)], dtype=float)
                held += (ends[:, 0] <= truth) & (ends[:, 1] >= truth)
                width += ends[:, 1] - ends[:, 0]
            cells = [f"{100 * a / runs:.1f} % ({100 * b / runs:.1f})" for a, b in zip(held, width, strict=True)]
            yield [str(prompts), str(labels), *cells]


def _rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def main(runs: int, llmbar: Path | None) -> None:
    """Print the table."""
    rng = np.random.default_rng(0)
    error = 100 * (0.95 * 0.05 / runs) ** 0.5
    table = Table(title=f"Coverage (width in pp) over {runs} replications a row; standard error of 95 %: {error:.1f} %")
    for name in ("judge", "prompts", "labels", *WAYS):
        table.add_column(name, justify="right", no_wrap=True)
    for judge, errs in JUDGES:
        sizes = (1000, 10_000) if judge == "blind" else (1000,)
        for row in rows(invented(judge, errs), 0.525, sizes, runs, rng):
            table.add_row(f"{judge} {100 * errs:.0f} %", *row)
    for file in sorted(llmbar.glob("*.jsonl")) if llmbar else ():
        if file.name != "items.jsonl":
            for row in rows(recorded(file), PREFERRED, (1000,), runs, rng):
                table.add_row(file.stem, *row)
    Console(width=140).print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Coverage of a judge's win rate, corrected with labels.")
    parser.add_argument("--runs", type=int, default=2000, help="replications a row")
    parser.add_argument("--llmbar", type=Path, help="a folder of LLMBar: items.jsonl and a file a judge")
    given = parser.parse_args()
    main(given.runs, given.llmbar)
