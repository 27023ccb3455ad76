"""Does the corrected win rate cover at its level where the judge's own does not? Simulated, seeded: python bench/judge_correction.py

People prefer tuned, nobody or base with .45, .15 and .40; the judge is right, or errs in tuned's favour, as often as the table says.
Coverage and mean width of nominal 95 % intervals: the judge's own, labels alone, PPI++ on labels drawn evenly, and as
`evalkit judge label-next` draws them.
"""

from __future__ import annotations

import sys

import numpy as np
from rich.console import Console
from rich.table import Table

from evalkit.statistics import drawing_order, drawing_shares, inclusion_probabilities, ppi_mean_drawn, win_rate

TRUTH = 0.525
PROMPTS = 1000


def main(runs: int) -> None:
    rng = np.random.default_rng(0)
    table = Table(
        title=f"Coverage (width in pp) over {runs} runs of {PROMPTS} prompts; standard error of a coverage {100 * (0.95 * 0.05 / runs) ** 0.5:.1f} %"
    )
    ways = ("judge alone", "labels alone", "PPI++, drawn evenly", "PPI++, label-next")
    for name in ("judge errs", "labels", *ways):
        table.add_column(name, justify="right")
    for errs in (0.1, 0.3, 0.5):
        for n in (100, 200, 400):
            held, width = dict.fromkeys(ways, 0), dict.fromkeys(ways, 0.0)
            for _ in range(runs):
                people = rng.choice([0.0, 0.5, 1.0], PROMPTS, p=[0.4, 0.15, 0.45])
                judged = np.where(rng.random(PROMPTS) < errs, np.minimum(1, people + 0.5), people)
                even = rng.permutation(PROMPTS)[:n]
                shares = drawing_shares(judged)
                drawn, pi = drawing_order(shares, rng)[:n], inclusion_probabilities(shares, n)
                found = (
                    win_rate(judged),
                    win_rate(people[even]),
                    ppi_mean_drawn(judged, even, people[even], np.full(n, n / PROMPTS)),
                    ppi_mean_drawn(judged, drawn, people[drawn], pi[drawn]),
                )
                for way, got in zip(ways, found, strict=True):
                    assert got.low is not None and got.high is not None
                    held[way] += got.low <= TRUTH <= got.high
                    width[way] += got.high - got.low
            cells = [f"{100 * held[way] / runs:.1f} % ({100 * width[way] / runs:.1f})" for way in ways]
            table.add_row(f"{100 * errs:.0f} %", str(n), *cells)
    Console(width=130).print(table)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
