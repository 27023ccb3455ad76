"""Before a model is asked: is a new suite sound, and what can it show? `vet` is the door."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from evalkit.backends import Backend
from evalkit.config import ModelSpec, SamplingSpec
from evalkit.running.requests import Item, complete_sampling, draw
from evalkit.scorers import UNSCORED, marking
from evalkit.tasks import Suite, Task
from evalkit.vetting.findings import Finding, Power, Spread, TaskFacts, Vetted
from evalkit.vetting.power import power_of, shortfalls
from evalkit.vetting.prompts import characters, duplicates, fit, spread
from evalkit.vetting.replies import AT_RANDOM, known_replies

__all__ = ["Finding", "Power", "Spread", "TaskFacts", "Vetted", "vet"]

_CHANCE_OFF = 0.02
"""A stated chance may be rounded, and off by so much, before it is pointed out."""


def vet(suite: Suite, model: tuple[Backend, ModelSpec] | None = None) -> Vetted:
    """All that can be said of a suite without an answer. model: also whether it can be asked these prompts.

    The suite has been read and checked (`inputs.read_suite_by_name`); only what a run would ask is looked at.
    """
    asked = draw([suite], seed=0)
    settings = model[1].sampling if model else SamplingSpec()
    findings: list[Finding] = list(duplicates(suite))
    tasks: list[TaskFacts] = []
    for task in suite.tasks:
        drawn = {item.example.id for item in asked if item.task is task}
        items = [Item(task, example) for example in task.examples if example.id in drawn]  # in the order of the file
        facts, found = _task(task, items, suite.spec.chance, settings, model)
        tasks.append(facts)
        findings += found
    findings += _chance(suite, tasks)
    scored = [item for item in asked if marking(item.task).metric != UNSCORED]
    power = None
    if scored and all(marking(item.task).bounded for item in scored):
        power = power_of(suite.spec, scored, min(task.samples for task in tasks))
        findings += shortfalls(suite.spec, scored, power)
    elif not scored:
        findings.append(Finding(False, "", "nothing is scored: only a judge reads these answers, and no gate applies"))
    return Vetted(suite.name, suite.spec.role, tuple(tasks), power, tuple(findings))


def _chance(suite: Suite, tasks: Sequence[TaskFacts]) -> Iterator[Finding]:
    """Where all tasks are choices, what guessing earns is known."""
    if all(AT_RANDOM in task.earns for task in tasks):
        chance = sum(task.earns[AT_RANDOM] * task.asked for task in tasks) / sum(task.asked for task in tasks)
        if abs(chance - suite.spec.chance) > _CHANCE_OFF:
            yield Finding(False, "", f"guessing earns {chance:.3f}, and `chance` is {suite.spec.chance:g}")


def _task(
    task: Task, items: list[Item], chance: float, settings: SamplingSpec, model: tuple[Backend, ModelSpec] | None
) -> tuple[TaskFacts, list[Finding]]:
    examples = [item.example for item in items]
    earns, findings = known_replies(task, examples, chance)
    tokens, unfit = fit(items, *model) if model else (None, [])
    facts = TaskFacts(
        name=task.name,
        kind=task.kind,
        metric=marking(task).metric,
        items=len(task.examples),
        asked=len(items),
        samples=task.samples(complete_sampling(settings, task.sampling).n),
        characters=spread([characters(example) for example in examples]),
        tokens=tokens,
        earns=earns,
    )
    return facts, [*findings, *unfit]
