"""Is evalkit right as often as it claims? Simulations of its intervals and decisions, peers' rules beside them.

    python bench/decisions.py coverage [--runs 10000] [--seed 0]
    python bench/decisions.py rules
    python bench/decisions.py limits
    python bench/decisions.py plan
    python bench/decisions.py sequential

Each part prints one table; what its columns mean stands in the module beside this file that it is made in (`coverage`, `rules`, `limits`, `promised`, `looks`). Everything goes through
the functions that a run goes through. Seeded: the same command prints the same numbers.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

# `python bench/decisions.py` puts bench/ on the path and not what holds it, which the parts are imported from.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import coverage, limits, looks, promised, rules  # noqa: E402

PARTS: dict[str, Callable[[int, int], Iterator[str]]] = {
    "coverage": coverage.lines,
    "rules": rules.lines,
    "limits": limits.lines,
    "plan": promised.lines,
    "sequential": looks.lines,
}
"""Name of a part -> (runs, seed) -> the lines of its table."""


def main() -> None:
    """Print one part's table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--runs", type=int, default=10_000, help="simulated sets, or runs, a row (default 10,000)")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    for line in PARTS[given.part](given.runs, given.seed):
        print(line, flush=True)


if __name__ == "__main__":
    main()
