"""evalkit: is this post-trained model safe to release over its base?

>>> comparison = evalkit.compare("base.yaml", "tuned.yaml", suites=["quick"])
>>> run = evalkit.load("runs/latest")
>>> run.decision.outcome, run.samples, run.verdicts
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evalkit.api import compare, load, run_comparison, run_one
    from evalkit.backends import backend
    from evalkit.run import Run as Run
    from evalkit.scorers.registry import scorer
    from evalkit.types import Comparison, Decision, EngineError, Estimate, EvalkitError, InputError, RunError

__version__ = "0.1.0"

# Imported on first use, so that `evalkit --help` does not wait for pandas and scipy.
_HOMES = {
    "Comparison": "evalkit.types",
    "Decision": "evalkit.types",
    "EngineError": "evalkit.types",
    "Estimate": "evalkit.types",
    "EvalkitError": "evalkit.types",
    "InputError": "evalkit.types",
    "Run": "evalkit.run",
    "RunError": "evalkit.types",
    "backend": "evalkit.backends",
    "compare": "evalkit.api",
    "load": "evalkit.api",
    "run_comparison": "evalkit.api",
    "run_one": "evalkit.api",
    "scorer": "evalkit.scorers.registry",
}

__all__ = [
    "Comparison",
    "Decision",
    "EngineError",
    "Estimate",
    "EvalkitError",
    "InputError",
    "Run",
    "RunError",
    "backend",
    "compare",
    "load",
    "run_comparison",
    "run_one",
    "scorer",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'evalkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
