"""What a scorer is, and the decorator that names one."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from evalkit.config import ExtractSpec
from evalkit.scorers.extract import WHOLE
from evalkit.types import Completion, Example, InputError

Mark = Callable[[str, Example], float]
"""From an extracted answer and its example to a mark in [0, 1]."""

CompletionMark = Callable[[Completion, Example], float]
"""From a whole completion to a mark; NaN where it cannot be told from what was recorded."""


@dataclass(frozen=True, slots=True)
class Scorer:
    """A way to mark an answer.

    extract: the chain used where a task states none. binary: marks are 0 or 1 only. needs_answer: marks by a gold.
    check: raises ValueError for an example whose gold cannot be marked by; asked before an engine starts.
    of_completion: `mark` reads the completion (how it ended, its log-probabilities) rather than an extracted answer.
    bounded: marks lie in [0, 1]; without that only a guard can use them. kinds: the kinds of task it can mark.
    slow: marking takes long enough to be done beside the engine, in a thread of its own. worse_is_higher: the mark
    counts what nobody wants more of, so that a suite which must not lose it would be rewarded for it: for guards.
    gold_is_an_answer: the gold, given as the answer, must earn full marks; not so where it is tests or a schema.
    """

    name: str
    mark: Callable[..., float]
    metric: str
    extract: tuple[ExtractSpec, ...]
    binary: bool
    needs_answer: bool = True
    check: Callable[[Example], None] | None = None
    of_completion: bool = False
    bounded: bool = True
    kinds: tuple[str, ...] = ("generate",)
    slow: bool = False
    worse_is_higher: bool = False
    gold_is_an_answer: bool = True


M = TypeVar("M", Mark, CompletionMark)

# From a scorer to its module: one of its own, except where several marks read the answer in one way.
_BUILT_IN = {
    **{name: name for name in ("exact", "contains", "number", "choice", "math", "json_equal", "json_schema", "code")},
    **{name: name for name in ("f1", "rouge", "chrf", "refusal", "compliance")},
    **{name: name for name in ("mc2", "truncated", "repetition", "bits_per_byte", "rubric")},
    **{name: "ifeval" for name in ("ifeval", "ifeval_loose", "ifeval_instructions", "ifeval_instructions_loose")},
}
_SCORERS: dict[str, Scorer] = {}


def scorer(
    name: str,
    *,
    metric: str = "accuracy",
    extract: Sequence[ExtractSpec] = (WHOLE,),
    binary: bool = True,
    needs_answer: bool = True,
    check: Callable[[Example], None] | None = None,
    of_completion: bool = False,
    bounded: bool = True,
    kinds: Sequence[str] = ("generate",),
    slow: bool = False,
    worse_is_higher: bool = False,
    gold_is_an_answer: bool = True,
) -> Callable[[M], M]:
    """Register a mark function as `score: name`; what the rest means is said at `Scorer`.

    @scorer("starts_with")
    def starts_with(answer, example):
        return float(answer.startswith(example.answer))
    """

    def register(mark: M) -> M:
        _SCORERS[name] = Scorer(
            name,
            mark,
            metric,
            tuple(extract),
            binary,
            needs_answer,
            check,
            of_completion,
            bounded,
            tuple(kinds),
            slow,
            worse_is_higher,
            gold_is_an_answer,
        )
        return mark

    return register


def scorer_names() -> list[str]:
    """All names a task may use as `score:`."""
    return sorted({*_BUILT_IN, *_SCORERS})


def unbounded_metrics() -> set[str]:
    """The metrics, of the scorers that are loaded, whose marks have no bounds."""
    return {one.metric for one in _SCORERS.values() if not one.bounded}


def find_scorer(name: str, *, asked_by: str = "score") -> Scorer:
    """The scorer of that name. Raises InputError for an unknown one, or when the library it needs is not installed."""
    if name not in _SCORERS and name in _BUILT_IN:
        try:
            importlib.import_module(f"evalkit.scorers.{_BUILT_IN[name]}")
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("evalkit"):
                raise
            raise InputError(
                f"{asked_by}: scorer {name!r} needs {error.name}, which is not installed; "
                "pip install 'evalkit-gate[scorers]'"
            ) from None
    if name not in _SCORERS:
        near = difflib.get_close_matches(name, scorer_names(), n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(scorer_names())}"
        raise InputError(f"{asked_by}: unknown scorer {name!r}; {hint}")
    return _SCORERS[name]
