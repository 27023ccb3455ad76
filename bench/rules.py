"""Which models ship? evalkit's decision and three rules of peers' on the same simulated pairs.

Five required retain suites of right-or-wrong items and the tax gate of the default policy (2 pp), each suite with the
same margin. Rates in percent of GO / NO-GO / INCONCLUSIVE under `evalkit.deciding.gate.decide`, and of shipping under

- `McNemar`: ship unless a suite shows a loss significant at .05 (exact McNemar test)
- `point`: ship when no suite's score drops by 1 pp or more
- `2 SE`: ship unless tuned's score + 2 stderr lies below base's - 2 stderr on a suite (unpaired, as two columns of lm-eval)

Truths: `equal` models; `one at margin`: one suite loses exactly its margin, the others nothing; `all at margin`, `2x` and
`3x` it; `tax at limit`: all lose 2 pp. Of a model that truly is at a limit at most 2.5 % may get GO.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bench.simulated import FIXED, KEPT, REGRESSED, draw_counts, five_suites, outcomes
from evalkit.config import PolicySpec
from evalkit.statistics import mcnemar_exact

WORST_POINT = -0.01
ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Setting:
    """Models of one kind, and what they are asked."""

    truth: str
    margin: float
    discordance: float
    n: int

    @property
    def deltas(self) -> tuple[float, ...]:
        """The true tuned - base, suite by suite."""
        match self.truth:
            case "equal":
                return (0.0,) * 5
            case "one at margin":
                return (-self.margin, 0.0, 0.0, 0.0, 0.0)
            case "tax at limit":
                return (-PolicySpec().tax.max,) * 5
            case _:
                return (-_TIMES[self.truth] * self.margin,) * 5

    @property
    def at_limit(self) -> bool:
        """Whether GO is a mistake that may come 2.5 % of the time and no oftener."""
        return self.truth != "equal"


_TIMES = {"all at margin": 1, "all at 2x": 2, "all at 3x": 3}


@dataclass(frozen=True, slots=True)
class Rates:
    """Shares of runs: evalkit's three outcomes, and how often each rule of peers' ships."""

    go: float
    no_go: float
    inconclusive: float
    peers: dict[str, float]


def measure(setting: Setting, runs: int, seed: int) -> Rates:
    """One setting's rates. The same seed gives the same rates."""
    suites = five_suites(setting.n, setting.discordance, margin=setting.margin, deltas=setting.deltas)
    rng = np.random.default_rng([seed, *repr(setting).encode()])
    counts = draw_counts(suites, runs, rng)
    decided = outcomes(suites, counts)
    go, no_go, inconclusive = (float(np.mean(decided == word)) for word in ("go", "no_go", "inconclusive"))
    return Rates(go, no_go, inconclusive, {name: float(np.mean(rule(counts))) for name, rule in PEERS.items()})


def not_significant(counts: np.ndarray) -> np.ndarray:
    """Ship unless a suite's loss is significant. counts: shape (runs, suites, 4); returns (runs,)."""
    pairs, place = np.unique(counts[..., [REGRESSED, FIXED]].reshape(-1, 2), axis=0, return_inverse=True)
    lost = np.array([r > f and mcnemar_exact(int(r), int(f)) < ALPHA for r, f in pairs])
    return ~lost[place.ravel()].reshape(counts.shape[:2]).any(axis=1)


def small_point_difference(counts: np.ndarray) -> np.ndarray:
    """Ship when every suite's point difference is better than WORST_POINT."""
    difference = (counts[..., FIXED] - counts[..., REGRESSED]) / counts.sum(axis=2)
    return (difference > WORST_POINT).all(axis=1)


def overlapping(counts: np.ndarray) -> np.ndarray:
    """Ship unless both models' two-standard-error intervals lie apart on a suite that tuned is worse on."""
    n = counts.sum(axis=2)
    base, tuned = ((counts[..., KEPT] + counts[..., only]) / n for only in (REGRESSED, FIXED))
    reach = [2 * np.sqrt(rate * (1 - rate) / (n - 1)) for rate in (base, tuned)]
    return (tuned + reach[1] >= base - reach[0]).all(axis=1)


PEERS = {"McNemar": not_significant, "point": small_point_difference, "2 SE": overlapping}


def settings() -> list[Setting]:
    """What the table shows, without what cannot be: a loss larger than the discordance."""
    margins = (0.015, 0.03, 0.05)
    grid = [
        *(("equal", m, q, n) for m in margins for q in (0.10, 0.15, 0.20) for n in (200, 1000, 2000, 5000)),
        *(
            ("one at margin", m, q, n)
            for m in margins
            for q in (0.02, 0.05, 0.10, 0.20)
            for n in (50, 200, 1000, 2000, 5000)
        ),
        *(("tax at limit", 0.05, q, n) for q in (0.02, 0.05, 0.10, 0.20) for n in (50, 200, 1000, 5000)),
        *(("all at margin", m, q, n) for m in margins for q in (0.05, 0.10) for n in (50, 200, 1000, 5000)),
        *((f"all at {x}x", m, q, n) for x in (2, 3) for m in margins for q in (0.10, 0.20) for n in (200, 1000)),
    ]
    return [one for one in (Setting(*row) for row in grid) if -min(one.deltas) <= one.discordance + 1e-12]


def lines(runs: int, seed: int) -> Iterator[str]:
    """The table, a line as soon as it is known."""
    yield f"Percent of {runs:,} simulated runs a row, five suites and the tax gate, default policy (seed {seed})"
    yield (
        f"{'truth':<16}{'margin':>8}{'discord.':>10}{'n a suite':>11}{'GO':>9}{'NO-GO':>8}{'INCONCL.':>10}  |"
        + "".join(f"{name:>9}" for name in PEERS)
    )
    worst = dict.fromkeys(("evalkit", *PEERS), 0.0)
    for setting in settings():
        rates = measure(setting, runs, seed)
        if setting.at_limit:
            for name, share in {"evalkit": rates.go, **rates.peers}.items():
                worst[name] = max(worst[name], share)
        yield (
            f"{setting.truth:<16}{100 * setting.margin:>5.1f} pp{100 * setting.discordance:>8.0f} %{setting.n:>11,}"
            f"{100 * rates.go:>9.1f}{100 * rates.no_go:>8.1f}{100 * rates.inconclusive:>10.1f}  |"
            + "".join(f"{100 * share:>9.1f}" for share in rates.peers.values())
        )
    told = ", ".join(f"{name} {100 * share:.1f} %" for name, share in worst.items())
    yield f"Shipped at or beyond a limit, at most: {told}"
