"""Comparisons of made-up estimates, for what reads nothing else."""

from evalkit.types import Comparison, Estimate, SuiteResult


def estimate(value, low, high, cautions=()):
    return Estimate(value, 0.01, low, high, 0.95, "test", 500, tuple(cautions))


def suite(role="retain", value=0.0, low=-0.01, high=0.01, name="s", **fields):
    defaults = dict(
        metric="accuracy", n=500, missing=0, base=0.5, tuned=0.5 + value, regressed=10, fixed=10, kept=240,
        both_wrong=240, causes={},
    )  # fmt: skip
    delta = fields.pop("delta", estimate(value, low, high))
    return SuiteResult(name=name, delta=delta, role=role, **(defaults | fields))


def comparison(*suites, tax=None, judges=(), pools=()):
    return Comparison(
        "b", "t", 0.95, suites, tax, None, judges, pools, sum(s.n for s in suites), sum(s.missing for s in suites)
    )
