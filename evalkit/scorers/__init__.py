"""Scorers: extract, then compare. One scorer a file; `score` is the door."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isnan  # not `import math`: the scorer of that name becomes an attribute of this package

from evalkit.config import TaskSpec
from evalkit.scorers.choice import read_choice
from evalkit.scorers.contains import has_words
from evalkit.scorers.extract import extract
from evalkit.scorers.refusal import declines
from evalkit.scorers.registry import Scorer, find_scorer, scorer, scorer_names, unbounded_metrics
from evalkit.tasks import Task
from evalkit.types import Completion, Example, Failure, InputError, RunError, Score, Votes

__all__ = [
    "UNSCORED",
    "Marking",
    "Scorer",
    "check_golds",
    "find_scorer",
    "is_slow",
    "marking",
    "score",
    "score_samples",
    "scorer",
    "scorer_names",
    "scorer_of",
    "unbounded_metrics",
]

UNSCORED = "judge only"
"""The metric of a generate task without `score`: a judge reads it, no scorer marks it."""

_DEFAULTS = {"choice": "choice", "loglikelihood": "bits_per_byte"}
_ABOUT_REFUSING = ("refusal", "compliance")


@dataclass(frozen=True, slots=True)
class Marking:
    """What a run must know of how a task is marked. binary, bounded, worse_is_higher: as at `Scorer`.

    separate: each sample has a mark of its own. votes: over what several samples can be found to agree: the "answer"
    that is extracted, or the "box" in it; None for a whole reply or a program, written differently each time.
    """

    metric: str
    binary: bool
    bounded: bool
    separate: bool = True
    votes: Votes | None = None
    worse_is_higher: bool = False


def scorer_of(task: TaskSpec, *, asked_by: str = "score") -> Scorer | None:
    """The scorer a task names, or the usual one of its kind, else None. Raises InputError."""
    name = task.score or _DEFAULTS.get(task.kind)
    return find_scorer(name, asked_by=asked_by) if name else None


def marking(task: Task) -> Marking:
    """How a task is marked, whether by a scorer or by the source that brought it."""
    if task.marker is not None:
        own = task.marker
        return Marking(own.metric, own.binary, own.bounded, separate=False, worse_is_higher=own.worse_is_higher)
    how = scorer_of(task.spec) if task.spec else None
    if task.spec is None or how is None:
        return Marking(UNSCORED, False, True)
    votes = _votes(task.spec, how)
    return Marking(how.metric, how.binary, how.bounded, votes=votes, worse_is_higher=how.worse_is_higher)


def _votes(task: TaskSpec, how: Scorer) -> Votes | None:
    if how.of_completion or how.name == "code":
        return None
    if any(step.whole is None for step in task.extract or how.extract):
        return "answer"
    return "box" if how.name == "math" else None  # it reads whole replies, and in them the last box


def is_slow(task: Task) -> bool:
    """Whether marking an answer of this task takes long enough to be done beside the engine."""
    how = scorer_of(task.spec) if task.spec else None
    return how is not None and how.slow


def check_golds(task: TaskSpec, examples: Iterable[Example], *, asked_by: str) -> None:
    """What must hold before an engine starts: the task's scorer is there, fits, and every gold can be marked by.

    asked_by: the file and the task within it. Raises InputError.
    """
    how = scorer_of(task, asked_by=f"{asked_by}.score")
    if how is None:
        return
    if task.kind not in how.kinds:
        raise InputError(
            f"{asked_by}: score: {how.name} marks tasks of kind {' and '.join(how.kinds)}, and this one is {task.kind}"
        )
    if how.needs_answer and task.answer is None:
        raise InputError(f"{asked_by}: score: {how.name} needs `answer`")
    if how.check is None:
        return
    for example in examples:
        try:
            how.check(example)
        except ValueError as error:
            raise InputError(f"{asked_by}.answer: item {example.id!r}: {error}") from None


def score_samples(task: Task, example: Example, samples: Sequence[Sequence[Completion]]) -> list[Score]:
    """One score a sample of an item. samples: for each of them the answers to the item's questions, in order.

    An item that a task source marks is marked over all its samples together (a majority vote has no mark of one), and
    not at all where any answer is missing.
    """
    if task.marker is None:
        assert task.spec is not None
        return [score(task.spec, example, parts[0]) for parts in samples]
    failure = next((one.failure for parts in samples for one in parts if one.failure), None)
    if failure is not None:
        return [Score(task.marker.metric, None, failure=failure)] * len(samples)
    return task.marker.mark(example, samples)


def score(task: TaskSpec, example: Example, completion: Completion) -> Score:
    """Mark one completion. A model that never answered gets None; one that answered badly gets 0 and a cause."""
    how = scorer_of(task)
    metric = how.metric if how else UNSCORED
    if completion.failure is not None:
        return Score(metric, None, failure=completion.failure)
    if how is None:
        return Score(metric, None)
    if how.of_completion:
        return _score_completion(how, example, completion)
    if task.kind == "choice":
        answer = read_choice(completion, example, task.normalise)
    else:
        answer = extract(completion.text, task.extract or how.extract)
    if answer is None:
        return Score(metric, 0.0, None, _cause(how, example, completion, extracted=False))
    try:
        value = float(how.mark(answer, example))
    except (
        RunError,
        OSError,
    ) as error:  # a sandbox that did not come up: no fault of the answer, and no end of the run
        hint = "run again: the answer is kept, and is marked anew"
        return Score(metric, None, answer, failure=Failure("scorer", "not_marked", str(error), hint, retryable=True))
    cause = None if value >= 1.0 else _cause(how, example, completion, extracted=True, answer=answer)
    return Score(metric, value, answer, cause)


def _score_completion(how: Scorer, example: Example, completion: Completion) -> Score:
    value = float(how.mark(completion, example))
    if isnan(value):
        hint = "answer with an engine of your own: backend vllm or transformers"
        message = f"{how.name} cannot be told from what this engine gave back"
        return Score(how.metric, None, failure=Failure("scorer", "not_told", message, hint))
    return Score(how.metric, value)


def _cause(how: Scorer, example: Example, completion: Completion, *, extracted: bool, answer: str = "") -> str:
    """Why an answer earned less than full marks: truncated, unextracted (it is there), refused, unparsed, or wrong."""
    if completion.finish_reason == "length" and not completion.logprobs:
        return "truncated"
    gold_is_there = bool(example.answer) and not example.choices and has_words(completion.text, example.answer or "")
    # A whole reply held against the gold: the answer is in it, the form is not what was asked for.
    if gold_is_there and (not extracted or answer == completion.text.strip()):
        return "unextracted"
    if how.name not in _ABOUT_REFUSING and not completion.logprobs and declines(completion.text):
        return "refused"
    return "wrong" if extracted else "unparsed"
