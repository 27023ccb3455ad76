"""Does a run keep what `plan` promised? Equal models, five required retain suites and the tax gate of the default policy.

`promised` is what `evalkit.planning.plan` says of GO, from a simulation of its own (1,000 runs, as the command's default);
`realised` is the share of GO among `--runs` other runs, drawn as counts and decided by `evalkit.deciding.gate.decide`, without any code of
the planner's. `decides`: the planner called it decidable at the policy's power of 80 %; then at least 80 % should come out GO, less what
a simulation of 1,000 cannot tell. `off` is realised - promised in standard errors of the two simulations together.

`n` is chosen around what the textbook asks for: one gate at power .8^(1/5), and a third of that.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from bench.simulated import draw_counts, five_suites, outcomes
from evalkit.config import PolicySpec
from evalkit.planning import Design, PlannedSuite, expectations, plan
from evalkit.statistics import sample_size
from evalkit.types import Plan, SuiteRecord, TaskRecord

PROMISED_RUNS = 1000
POWER = 0.8


def promise(n: int, discordance: float, margin: float, seed: int) -> Plan:
    """What the planner says of five suites like this."""
    names = [f"suite {place}" for place in range(1, 6)]
    task = TaskRecord("t", "generate", "accuracy", n, n)
    design = Design(
        tuple(
            PlannedSuite(SuiteRecord(name, "retain", "", (task,), margin=margin), (n,), (None,), available=n)
            for name in names
        )
    )
    expected = expectations(dict.fromkeys(names), {}, discordance=discordance)  # pyright: ignore[reportArgumentType]
    return plan(design, PolicySpec(), expected, runs=PROMISED_RUNS, seed=seed, remedies=False)


def realise(n: int, discordance: float, margin: float, runs: int, seed: int) -> float:
    """The share of GO among runs drawn independently of the planner."""
    suites = five_suites(n, discordance, margin=margin)
    rng = np.random.default_rng([seed, n, round(1e4 * discordance), round(1e4 * margin)])
    return float(np.mean(outcomes(suites, draw_counts(suites, runs, rng)) == "go"))


def lines(runs: int, seed: int) -> Iterator[str]:
    """The table, a line as soon as it is known."""
    yield f"Equal models, five suites and the tax gate: GO as promised by plan, and in {runs:,} other runs (seed {seed})"
    yield f"{'discord.':>8}{'margin':>9}{'n a suite':>11}{'promised':>10}{'realised':>10}{'off':>7}  decides"
    far, kept, decidable = 0.0, 1.0, 0
    for discordance in (0.10, 0.15, 0.20):
        for margin in (0.015, 0.02, 0.03, 0.05):
            enough = sample_size(margin, discordance, power=POWER ** (1 / 5))
            for n in (math.ceil(enough / 3), enough, math.ceil(1.15 * enough)):
                found = promise(n, discordance, margin, seed)
                got = realise(n, discordance, margin, runs, seed)
                spread = math.sqrt(got * (1 - got) * (1 / PROMISED_RUNS + 1 / runs)) or 1 / runs
                off = (got - found.go) / spread
                far = max(far, abs(off))
                if found.decides:
                    decidable += 1
                    kept = min(kept, got)
                yield (
                    f"{100 * discordance:>6.0f} %{100 * margin:>6.1f} pp{n:>11,}{100 * found.go:>9.1f}{100 * got:>10.1f}"
                    f"{off:>+9.1f}  {'yes' if found.decides else 'no'}"
                )
    yield f"Farthest off {far:.1f} standard errors; of {decidable} called decidable the least GO rate was {100 * kept:.1f} %"
