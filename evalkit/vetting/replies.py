"""What replies earn whose worth is known beforehand: the gold itself, nothing, the same answer every time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from evalkit.config import TaskSpec
from evalkit.scorers import Scorer, score, scorer_of
from evalkit.tasks import Task
from evalkit.types import Completion, Example
from evalkit.vetting.findings import Finding

_NAMED = 3
"""So many items are named of those that a finding is about."""

_A_COIN_AND_SOME = 0.6
"""A reply that knows nothing and earns more than this, and more than chance, is pointed out."""


AT_RANDOM = "an option at random"


def known_replies(task: Task, examples: Sequence[Example], chance: float) -> tuple[dict[str, float], list[Finding]]:
    """What such replies earn on `examples`, and what is wrong or odd about it.

    Nothing is tried on tasks without a gold, on those that a source marks, and where marking runs programs.
    chance: what guessing earns, as the suite says.
    """
    spec = task.spec
    how = scorer_of(spec) if spec is not None else None
    if spec is None or how is None or how.of_completion or how.slow or not how.needs_answer or not examples:
        return {}, []
    earns, findings = _blind_replies(task, spec, how, examples, chance)
    findings = [*_golds(task, spec, how, examples), *_empty_replies(task, spec, examples), *findings]
    return earns, findings


def _golds(task: Task, spec: TaskSpec, how: Scorer, examples: Sequence[Example]) -> Iterator[Finding]:
    """A gold that its own scorer does not accept is one that no answer can meet."""
    if not how.gold_is_an_answer:
        return
    refused = [one for one in examples if how.mark(_golds_of(one)[0], one) < 1]
    if refused:
        text = f"the gold itself earns less than 1: {_named(refused)}; score: {how.name} cannot mark by it"
        yield Finding(True, task.name, text)
    if spec.kind != "generate":
        return
    ids = {one.id for one in refused}
    bare = [(one, score(spec, one, Completion(_golds_of(one)[0]))) for one in examples if one.id not in ids]
    unread = [one for one, mark in bare if mark.answer is None]
    misread = [one for one, mark in bare if mark.answer is not None and (mark.value or 0) < 1]
    if misread:
        text = f"`extract` takes something else out of a reply that is the bare gold: {_named(misread)}"
        yield Finding(False, task.name, text)
    if unread:
        text = f"`extract` finds nothing in a reply that is the bare gold ({len(unread)} of {len(examples)} items)"
        yield Finding(False, task.name, f"{text}: say in the prompt which form is asked for")


def _golds_of(example: Example) -> list[str]:
    """The gold, or the letters of all right options."""
    gold = example.answer or ""
    return gold.split(",") if example.choices else [gold]


def _empty_replies(task: Task, spec: TaskSpec, examples: Sequence[Example]) -> Iterator[Finding]:
    paid = [one for one in examples if (score(spec, one, Completion("")).value or 0) > 0]
    if paid:
        yield Finding(True, task.name, f"an empty reply earns marks: {_named(paid)}; look at `extract` and the gold")


def _blind_replies(
    task: Task, spec: TaskSpec, how: Scorer, examples: Sequence[Example], chance: float
) -> tuple[dict[str, float], list[Finding]]:
    """What is earned by the commonest gold every time, an option at random, and the last turn of the prompt repeated."""
    earns: dict[str, float] = {}
    is_choice = spec.kind == "choice"
    golds = Counter(gold for one in examples for gold in _golds_of(one))
    ((commonest, count),) = golds.most_common(1)
    if how.gold_is_an_answer and (count > 1 or is_choice):
        earns[f"always {_short(commonest, 20)!r}"] = count / len(examples)
    if is_choice:
        earns[AT_RANDOM] = sum(_right_share(one) for one in examples) / len(examples)
    else:
        marks = [score(spec, one, Completion(one.messages[-1].content)).value or 0.0 for one in examples]
        earns["the question repeated"] = sum(marks) / len(marks)
    findings = [
        Finding(False, task.name, f"{reply} earns {100 * value:.0f} %: a score up to that shows nothing")
        for reply, value in earns.items()
        if value > max(_A_COIN_AND_SOME, chance) and len(examples) > 1
    ]
    return earns, findings


def _right_share(example: Example) -> float:
    return len(_golds_of(example)) / len(example.choices)


def _named(examples: Sequence[Example]) -> str:
    """The first of them by id, and how many more."""
    shown = ", ".join(f"{one.id!r} (gold {_short(one.answer or '')!r})" for one in examples[:_NAMED])
    more = len(examples) - _NAMED
    return f"item {shown}" + (f" and {more} more" if more > 0 else "")


def _short(text: str, most: int = 40) -> str:
    return text if len(text) <= most else f"{text[:most]}…"
