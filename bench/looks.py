"""What looking at a run while it goes on spares, and what it costs: `--sequential` beside the fixed design, on the same pairs.

Five looks, Lan-DeMets spending of the O'Brien-Fleming type, the default policy's futility. Rates in percent of runs: GO and NO-GO of
the fixed design, GO and NO-GO with looks; `items` is the share of the planned items that were asked on average, and `stops` how often
each look was the last. `one` is one retain suite alone under its margin; `five` is five of them and the tax gate, which stop as
one policy. Truths: `equal`; `at margin` (GO may come 2.5 % of the time); `3x margin`; `gain`: twice the margin gained.

The last block has the true loss at the margin and futility switched off: the bounds must hold by themselves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.simulated import SimulatedSuite, five_suites, outcomes, simulated_comparison
from evalkit.config import PolicySpec, SequentialPolicy
from evalkit.deciding.gate import decide
from evalkit.deciding.looks import first_look, hope, look_level
from evalkit.statistics import sample_size

LOOKS = 5
EFFECTS = {"equal": 0.0, "at margin": -1.0, "3x margin": -3.0, "gain": 2.0}
"""The true difference by name, in margins."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Shares of runs, the fixed design's first; items: asked on average; stops: by look."""

    fixed_go: float
    fixed_no_go: float
    go: float
    no_go: float
    items: float
    stops: tuple[float, ...]


def measure(suites: Sequence[SimulatedSuite], policy: PolicySpec, runs: int, seed: int) -> Rates:
    """Both designs on the same simulated pairs."""
    rng = np.random.default_rng([seed, *repr(tuple(suites)).encode()])
    stages = np.stack([_stages(suite, runs, rng) for suite in suites], axis=2)  # runs, looks, suites, 4
    until = stages.cumsum(axis=1)
    fixed = outcomes(suites, until[:, -1], policy=policy)
    counted: Counter[str] = Counter()
    stops: Counter[int] = Counter()
    asked = 0.0
    for run in until:
        outcome, look = _looked(suites, run, policy)
        counted[outcome] += 1
        stops[look] += 1
        asked += float(run[look - 1].sum() / run[-1].sum())
    return Rates(
        float(np.mean(fixed == "go")),
        float(np.mean(fixed == "no_go")),
        counted["go"] / runs,
        counted["no_go"] / runs,
        asked / runs,
        tuple(stops[look] / runs for look in range(1, LOOKS + 1)),
    )


def _stages(suite: SimulatedSuite, runs: int, rng: np.random.Generator) -> np.ndarray:
    """Shape (runs, looks, 4): what every stage of a run brings."""
    ends = [-(-suite.n * look // LOOKS) for look in range(LOOKS + 1)]
    sizes = np.diff(ends)
    return np.stack([rng.multinomial(int(size), suite.chances, size=runs) for size in sizes], axis=1)


def _looked(suites: Sequence[SimulatedSuite], until: np.ndarray, policy: PolicySpec) -> tuple[str, int]:
    """The outcome and the look at which the run stopped. until: shape (looks, suites, 4), cumulative."""
    looked = first_look(policy.sequential, int(until[-1].sum()))
    while True:
        level = look_level(policy.level, looked)
        decision = decide(simulated_comparison(suites, until[looked.look - 1], level=level), policy)
        if decision.outcome != "inconclusive" or looked.look == LOOKS:
            return decision.outcome, looked.look
        if looked.futility is not None and hope(decision, policy.level, looked) < looked.futility:
            return decision.outcome, looked.look
        looked = replace(looked, look=looked.look + 1)


def one(n: int, discordance: float, margin: float, delta: float) -> tuple[SimulatedSuite, ...]:
    """One suite alone."""
    return (SimulatedSuite("alone", n, max(discordance, abs(delta)), delta, margin),)


def lines(runs: int, seed: int) -> Iterator[str]:
    """The tables, a line as soon as it is known."""
    alone = PolicySpec.model_validate({"tax": {"max": 1.0}})
    whole = PolicySpec()
    yield f"Percent of {runs:,} simulated runs a row, five looks (seed {seed})"
    yield (
        f"{'suites':<7}{'truth':<11}{'margin':>7}{'discord.':>9}{'n':>7} |{'GO':>7}{'NO-GO':>7} |{'GO':>7}{'NO-GO':>7}{'items':>8}  stops by look"
    )
    for discordance, margin in ((0.10, 0.03), (0.15, 0.03), (0.20, 0.05)):
        n = round(1.1 * sample_size(margin, discordance, power=0.9))
        for truth, times in EFFECTS.items():
            suites = one(n, discordance, margin, times * margin)
            yield _line("one", truth, margin, discordance, n, measure(suites, alone, runs, seed))
    for discordance, margin in ((0.10, 0.03), (0.20, 0.03)):
        n = round(1.1 * sample_size(margin, discordance, power=0.8**0.2))
        for truth, times in EFFECTS.items():
            delta = times * margin
            suites = five_suites(n, max(discordance, abs(delta)), margin=margin, deltas=(delta,) * 5)
            yield _line("five", truth, margin, discordance, n, measure(suites, whole, runs, seed))
    patient = alone.model_copy(update={"sequential": SequentialPolicy(futility=None)})
    worst = 0.0
    for margin in (0.015, 0.03, 0.05):
        for discordance in (0.02, 0.05, 0.10):
            if margin > discordance:
                continue
            for n in (50, 200, 1000, 5000):
                rates = measure(one(n, discordance, margin, -margin), patient, runs, seed)
                worst = max(worst, rates.go)
                yield _line("one", "at margin", margin, discordance, n, rates)
    yield f"A true loss at the margin got GO at most {100 * worst:.2f} % of the time with looks"


def _line(suites: str, truth: str, margin: float, discordance: float, n: int, rates: Rates) -> str:
    stops = " ".join(f"{100 * share:.0f}" for share in rates.stops)
    return (
        f"{suites:<7}{truth:<11}{100 * margin:>4.1f} pp{100 * discordance:>7.0f} %{n:>7,} |{100 * rates.fixed_go:>7.1f}{100 * rates.fixed_no_go:>7.1f} |"
        f"{100 * rates.go:>7.1f}{100 * rates.no_go:>7.1f}{100 * rates.items:>7.0f}%  {stops}"
    )
