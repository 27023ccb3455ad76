"""The prompts of a suite: how long they are, which come twice, and which a model cannot be asked."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence

from evalkit.backends import Backend
from evalkit.config import ModelSpec
from evalkit.running.questions import thinking_budget
from evalkit.running.requests import Item, requests_for
from evalkit.tasks import Suite
from evalkit.types import Example, Failure
from evalkit.vetting.findings import Finding, Spread


def spread(lengths: Sequence[int]) -> Spread:
    """Smallest, middle and largest; there is at least one."""
    return Spread(min(lengths), round(statistics.median(lengths)), max(lengths))


def characters(example: Example) -> int:
    """Characters of all turns of a prompt, or of the questions that stand in its place."""
    turns = [*example.messages, *(message for question in example.questions for message in question.messages)]
    return sum(len(message.content) for message in turns) + sum(len(text) for text in example.follow_ups)


def duplicates(suite: Suite) -> Iterator[Finding]:
    """Prompts asked twice within a suite: to the statistics they are two independent items."""
    seen: dict[object, list[tuple[str, Example]]] = defaultdict(list)
    for task in suite.tasks:
        for one in task.examples:
            seen[one.messages, one.choices, one.follow_ups, one.questions].append((task.name, one))
    twice = [places for places in seen.values() if len(places) > 1]
    at_odds = [places for places in twice if len({one.answer for _, one in places}) > 1]
    for kind, found in (("the same prompt", twice), ("the same prompt with different golds", at_odds)):
        if found:
            shown = " and ".join(f"{task}/{one.id}" for task, one in found[0][:2])
            text = f"{kind} comes more than once, {len(found)} times: {shown}" + (", ..." if len(found) > 1 else "")
            yield Finding(False, "", f"{text}; the interval takes each for an item of its own")


def fit(items: Sequence[Item], backend: Backend, model: ModelSpec) -> tuple[Spread | None, list[Finding]]:
    """Prompt lengths in tokens (None where the engine tokenises itself), and items that this model cannot be asked.

    Of each item its first sample is prepared; no engine starts.
    """
    name, limit = backend.models[0], None
    lengths: list[int] = []
    refused: dict[str, list[tuple[Item, Failure]]] = defaultdict(list)
    cramped: list[Item] = []
    for item in items:
        for request in requests_for(item, name, model, thinking=thinking_budget([model])):
            if request.sample:
                break
            prepared = backend.prepare(request)
            if isinstance(prepared, Failure):
                refused[prepared.kind].append((item, prepared))
                continue
            if prepared.token_ids is None:
                continue
            lengths.append(max([len(prepared.token_ids), *(len(span.ids) for span in prepared.spans)]))
            limit = limit or backend.record(name).context_limit
            if limit and not request.is_scored and lengths[-1] + request.sampling.max_tokens > limit:
                cramped.append(item)
    where = items[0].task.name
    findings = [
        Finding(
            kind == "prompt_too_long",
            where,
            f"{len({item.example.id for item, _ in some})} of {len(items)} items cannot be asked of {model.name}, "
            f"{some[0][0].example.id!r} first: {some[0][1].message}; {some[0][1].hint}",
        )
        for kind, some in refused.items()
    ]
    if cramped:
        text = (
            f"{len(cramped)} of {len(items)} prompts leave {model.name} less than max_tokens of its context of {limit}"
        )
        findings.append(Finding(False, where, f"{text}: longer answers will be cut short"))
    return (spread(lengths) if lengths else None), findings
