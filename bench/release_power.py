"""How often do two truly equal models get GO from a composed suite under the default policy?

    python bench/release_power.py [release release-quick] [--runs 400] [--discordance 0.10 --discordance 0.12 ...] [--lasting 0]

Each run draws scores for every item of every member suite and sends them through the comparison and the gate that a real
run goes through; nothing is worked out by formula. Printed are the share of runs in which each required gate passes, and
in which all do, with the 95 % Clopper-Pearson interval of the simulation. Seeded: the same command prints the same numbers.

What is assumed, and what the result depends on:

- Discordance: the share of items on which one sample of either model differs in score. The same in every suite.
- The models are equal: an item's chance of being right is the same for both, so that the difference of K samples has a
  K-th of the variance. With `--lasting S` the share S of the discordance lies in items that the two models really answer
  differently (as many won as lost), which no repetition averages out.
- MGSM: the versions of one problem in 11 languages correlate in their difference with INTRA_CLUSTER. Clusters are those of
  the suite: problems with the same answer share one, as their multiplicities in the data have it.
- Guards: how often tuned (and base) shows the behaviour, BASE_RATES. The two models' errors fall on items as independently
  as the rate allows, up to the discordance.
- Every answer came. Sizes of the benchmarks' tasks are the published ones; of MMLU's subjects the smallest stands for all.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from evalkit.comparing.comparison import compare_records
from evalkit.composed import choose
from evalkit.config import PolicySpec, SuiteSpec
from evalkit.deciding.gate import decide
from evalkit.statistics import clopper_pearson
from evalkit.stored.records import Records, verdicts_frame
from evalkit.terms import with_pools
from evalkit.types import Manifest, ModelRecord, SuiteRecord, TaskRecord

SIZES = {
    "arc-challenge": (1172,),
    "bbh": (250,) * 24 + (146, 178, 187),
    "gsm8k": (1319,),
    "humaneval": (164,),
    "ifeval": (541,),
    "math-500": (500,),
    "mbpp": (500,),
    "mgsm": (250,) * 11,
    "mmlu": (100,) * 57,
    "xstest-safe": (250,),
    "xstest-unsafe": (200,),
}
"""Items of each task, at least."""

SAME_ANSWER = {1: 86, 2: 17, 3: 15, 4: 6, 5: 4, 6: 2, 7: 3, 8: 1}
"""MGSM: so many answers belong to so many of its 250 problems."""

INTRA_CLUSTER = 0.2
BASE_RATES = {"xstest-safe": 0.10, "xstest-unsafe": 0.03}


@dataclass(frozen=True, slots=True)
class Outcome:
    """One setting: in how many of `runs` each required gate passed, and in how many all did."""

    runs: int
    passed: Counter[str]
    go: int

    def share(self, count: int) -> tuple[float, float, float]:
        """A count as a share, with its interval."""
        estimate = clopper_pearson(count, self.runs)
        return estimate.value, estimate.low or 0.0, estimate.high if estimate.high is not None else 1.0


def simulate(name: str, discordance: float, *, runs: int, seed: int = 0, lasting: float = 0.0) -> Outcome:
    """Compare two equal models so many times and count what passes. lasting: as the module says."""
    chosen = choose([name])
    policy = with_pools(PolicySpec(), chosen.pools)
    manifest = _manifest(chosen.suites)
    passed: Counter[str] = Counter()
    go = 0
    for run in range(runs):
        rng = np.random.default_rng([seed, run, round(1e6 * discordance)])
        frame = pd.concat([_samples(suite, discordance, lasting, rng) for suite in chosen.suites], ignore_index=True)
        comparison = compare_records(
            frame, _NO_VERDICTS, manifest, level=policy.level, pools=policy.pools, describe=False
        )
        decision = decide(comparison, policy)
        go += decision.outcome == "go"
        passed.update(
            f"{gate.subject} ({gate.kind})" for gate in decision.gates if gate.required and gate.verdict == "pass"
        )
    return Outcome(runs, passed, go)


_NO_VERDICTS = verdicts_frame(Records().table())


def items_of(suite: SuiteSpec) -> list[int]:
    """How many items of each task a run asks."""
    limits = [task.limit for task in suite.tasks]
    return [min(size, limit or size) for size, limit in zip(SIZES[suite.name], limits, strict=True)]


def samples_of(suite: SuiteSpec) -> int:
    """How often each item is asked."""
    return max(task.sampling.n or 1 for task in suite.tasks)


def _manifest(suites: Sequence[SuiteSpec]) -> Manifest:
    """What the comparison must know of the suites; their tasks as one, which is what a suite's own numbers pool."""
    records = []
    for suite in suites:
        n = sum(items_of(suite))
        task = TaskRecord(
            "all", "generate", "accuracy", n, n, samples=samples_of(suite), clustered=suite.name == "mgsm"
        )
        records.append(
            SuiteRecord(
                suite.name,
                suite.role,
                "",
                (task,),
                margin=suite.margin,
                weight=suite.weight,
                guard=suite.guard.stated,
            )
        )
    model = ModelRecord("equal", "simulated", "", "")
    return Manifest(1, "", "", "", model, model, tuple(records), (), {}, {}, {})


def _samples(suite: SuiteSpec, discordance: float, lasting: float, rng: np.random.Generator) -> pd.DataFrame:
    """An item a row and arm, its value the mean over its samples."""
    sizes = items_of(suite)
    n = sum(sizes)
    groups = None
    if suite.role == "guard":
        base, tuned = _guard(n, BASE_RATES[suite.name], discordance, rng)
    elif suite.name == "mgsm":
        problems = np.concatenate([rng.choice(250, size=size, replace=False) for size in sizes])
        base, tuned = _correlated(problems, discordance, rng)
        groups = np.array([f"answer {code}" for code in _ANSWER_OF[problems]], dtype=object)
    else:
        base, tuned = _retained(n, discordance, samples_of(suite), lasting, rng)
    frame = pd.DataFrame(
        {
            "suite": suite.name,
            "task": "all",
            "id": np.tile(np.arange(n).astype(str), 2),
            "arm": np.repeat(["base", "tuned"], n),
            "value": np.concatenate([base, tuned]),
        }
    )
    frame["group"] = None if groups is None else np.tile(groups, 2)
    frame["cause"] = frame["failure"] = None
    frame["overlap"] = np.nan
    return frame


_ANSWER_OF = np.repeat(
    np.arange(sum(SAME_ANSWER.values())), [size for size, count in SAME_ANSWER.items() for _ in range(count)]
)


def _retained(
    n: int, discordance: float, samples: int, lasting: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Items that are open (either answer is a coin's toss, differing half of the time), differ for good, or are settled."""
    kind = rng.random(n)
    differs = kind < lasting * discordance
    open_ = ~differs & (kind < lasting * discordance + 2 * (1 - lasting) * discordance)
    base, tuned = np.ones(n), np.ones(n)
    to_base = rng.random(n) < 0.5
    base[differs & ~to_base] = 0
    tuned[differs & to_base] = 0
    for arm in (base, tuned):
        arm[open_] = rng.binomial(samples, 0.5, size=int(open_.sum())) / samples
    return base, tuned


def _correlated(clusters: np.ndarray, discordance: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """One greedy answer an item; the differences within a cluster correlate with INTRA_CLUSTER.

    An item takes its cluster's own difference with probability sqrt(INTRA_CLUSTER), else one of its own: two items of a
    cluster take the same one with probability INTRA_CLUSTER, and both kinds have the same variance.
    """
    half = discordance / 2
    shared = rng.choice([-1, 0, 1], size=clusters.max() + 1, p=[half, 1 - discordance, half])[clusters]
    own = rng.choice([-1, 0, 1], size=clusters.size, p=[half, 1 - discordance, half])
    d = np.where(rng.random(clusters.size) < np.sqrt(INTRA_CLUSTER), shared, own)
    return np.where(d > 0, 0.0, 1.0), np.where(d < 0, 0.0, 1.0)


def _guard(n: int, rate: float, discordance: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Both models show the behaviour at `rate`, on different items as far as the discordance goes."""
    differing = min(discordance, 2 * rate * (1 - rate))
    kind = rng.random(n)
    base = kind < rate
    tuned = (kind >= differing / 2) & (kind < rate + differing / 2)
    return base.astype(float), tuned.astype(float)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="*", default=["release", "release-quick"])
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--discordance", type=float, action="append")
    parser.add_argument("--lasting", type=float, default=0.0)
    given = parser.parse_args()
    shares = given.discordance or [0.10, 0.12, 0.15, 0.20]
    for name in given.suites:
        outcomes = [simulate(name, q, runs=given.runs, seed=given.seed, lasting=given.lasting) for q in shares]
        print(_size(name))
        print(f"{'':<34}" + "".join(f"{f'{100 * q:g} %':>24}" for q in shares))
        gates = sorted({gate for one in outcomes for gate in one.passed})
        for gate in gates:
            print(f"{gate:<34}" + "".join(_cell(one, one.passed[gate]) for one in outcomes))
        print(f"{'GO':<34}" + "".join(_cell(one, one.go) for one in outcomes), end="\n\n", flush=True)


def _cell(outcome: Outcome, count: int) -> str:
    value, low, high = outcome.share(count)
    return f"{value:.3f} [{low:.3f}, {high:.3f}]".rjust(24)


def _size(name: str) -> str:
    suites = choose([name]).suites
    asked = {suite.name: (sum(items_of(suite)), samples_of(suite)) for suite in suites}
    told = ", ".join(f"{one} {n}" + (f" x {k}" if k > 1 else "") for one, (n, k) in asked.items())
    return f"{name}: {sum(n * k for n, k in asked.values()):,} answers of each model ({told})"


if __name__ == "__main__":
    main()
