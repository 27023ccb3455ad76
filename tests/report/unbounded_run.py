"""A small run whose guard is counted in bits per byte, with a choice suite and probes beside it: compared and decided."""

from __future__ import annotations

import math
import random

from example_run import Run

from evalkit.comparing.comparison import compare_records
from evalkit.config import PolicySpec
from evalkit.deciding.gate import decide
from evalkit.stored.records import Records, samples_frame, verdicts_frame
from evalkit.types import (
    PROBES,
    Completion,
    Example,
    Manifest,
    Message,
    ModelRecord,
    Score,
    SuiteRecord,
    TaskRecord,
    Usage,
)

UNIT = "bits per byte"


def unbounded_run(*, rise: float = 0.019, limit: float = 0.05, items: int = 120, seed: int = 0) -> Run:
    """rise: how much worse tuned predicts the texts of the guard `prose`, whose increase may be up to `limit`."""
    rng = random.Random(seed)
    records = Records()
    for i in range(items):
        before = rng.gauss(0.842, 0.1)
        _text(records, "prose", "prose", f"t{i}", before, before + rng.gauss(rise, 0.02))
        _text(records, PROBES, "held-out text", f"p{i}", before, before + rng.gauss(rise, 0.02))
        _choice(records, f"c{i}", rng)
        tokens = rng.randint(20, 90)
        said = Completion("So it goes.", usage=Usage(9, tokens))
        score = Score("KL(tuned || base)", rng.gauss(0.2, 0.1))
        records.add(PROBES, "kl", "tuned", 0, Example(f"k{i}", (Message("user", "Go on."),)), said, score)
    table = records.table()
    model = ModelRecord("m", "vllm", "m", "f")
    tasks = {
        "facts": TaskRecord("facts", "choice", "accuracy", items, items),
        "prose": TaskRecord("prose", "loglikelihood", UNIT, items, items, binary=False, bounded=False),
    }
    suites = (
        SuiteRecord("facts", "retain", "h", (tasks["facts"],), margin=0.5),
        SuiteRecord("prose", "guard", "h", (tasks["prose"],), guard={"max_increase": limit, "max_rate": None}),
    )
    policy = PolicySpec.model_validate({"tax": {"max": 0.5}})
    manifest = Manifest(1, "r", "2026-09-23T14:15:02+00:00", "", model, model, suites, (), {}, {}, {})
    comparison = compare_records(samples_frame(table), verdicts_frame(table), manifest, level=policy.level)
    return Run(comparison, decide(comparison, policy), manifest, table)


def _text(records: Records, suite: str, task: str, id_: str, base: float, tuned: float) -> None:
    example = Example(id_, (Message("user", f"Once upon a time there was a text called {id_}."),))
    for arm, value in (("base", base), ("tuned", tuned)):
        records.add(suite, task, arm, 0, example, Completion("", logprobs=(-value,)), Score(UNIT, value))


def _choice(records: Records, id_: str, rng: random.Random) -> None:
    """Both models are right three times in four; base knows it, tuned is sure every time."""
    right = rng.random() < 0.75
    example = Example(id_, (Message("user", "A, B or C?"),), answer="A" if right else "B", choices=("x", "y", "z"))
    for arm, sure in (("base", 0.75), ("tuned", 0.98)):
        rest = (1 - sure) / 2
        logprobs = tuple(math.log(p) for p in (sure, rest, rest))
        score = Score("accuracy", float(right), "A", None if right else "wrong")
        records.add("facts", "facts", arm, 0, example, Completion("A", logprobs=logprobs), score)
