"""What a run remembers of what it asked: its suites, models, judges and phases, as records of the manifest."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from evalkit.catalog import builtin_folder
from evalkit.config import JudgeSpec, ModelSpec, SuiteSpec
from evalkit.inputs import Graders, Inputs
from evalkit.judging import exam_folders, find_exam, judge_hash, jury_hash, rubric_hash
from evalkit.running.requests import Item, complete_sampling
from evalkit.scorers import marking
from evalkit.stored.cache import cache_folder
from evalkit.tasks import Suite
from evalkit.terms import standing
from evalkit.types import ARMS, JudgeCost, JudgeRecord, ModelRecord, Phase, SuiteRecord, TaskRecord


def suite_records(
    inputs: Inputs, items: Sequence[Item], specs: Mapping[str, ModelSpec], models: Mapping[str, ModelRecord]
) -> tuple[SuiteRecord, ...]:
    """What a run of these items must remember of its suites, advisory where no exam lets a grader decide."""
    counted = Counter(id(item.task) for item in items)
    records = tuple(_suite_record(suite, counted, specs, inputs.graders) for suite in inputs.suites)
    graders = {one.name: one for one in inputs.graders.values()}.values()
    return standing(records, judge_records(graders, models, {}), inputs.policy)


def with_sampling(record: ModelRecord, spec: ModelSpec) -> ModelRecord:
    """Who answered, with the sampling settings that its model file states."""
    return dataclasses.replace(
        record,
        file=spec.file or "",
        sampling=complete_sampling(spec.sampling, type(spec.sampling)()),
        reasoning=spec.reasoning is not None,
        thinking_budget=spec.reasoning.budget if spec.reasoning else None,
    )


def _suite_record(
    suite: Suite, counted: Mapping[int, int], specs: Mapping[str, ModelSpec], graders: Graders
) -> SuiteRecord:
    spec = suite.spec
    marked_by = {judge.name for (asked, _), judge in graders.items() if asked == spec.name}
    tasks: list[TaskRecord] = []
    for task in suite.tasks:
        how = marking(task)
        sampling = {arm: complete_sampling(model.sampling, task.sampling) for arm, model in specs.items()}
        tasks.append(
            TaskRecord(
                name=task.name,
                kind=task.kind,
                metric=how.metric,
                items=counted[id(task)],
                available=len(task.examples),
                samples=task.samples(max(sampling[arm].n for arm in ARMS)),
                binary=how.binary,
                clustered=task.clustered,
                bounded=how.bounded,
                temperature={arm: one.temperature for arm, one in sampling.items()},
                separate=how.separate and task.turns == 1,
                turns=task.turns,
                votes=how.votes,
            )
        )
    return SuiteRecord(
        name=spec.name,
        role=spec.role,
        hash=suite.hash,
        tasks=tuple(tasks),
        chance=spec.chance,
        margin=spec.margin,
        weight=spec.weight,
        aggregate=spec.aggregate,
        source=spec.source,
        licence=spec.licence,
        guard=spec.guard.stated,
        advisory=bool(marked_by),
        graders=tuple(sorted(marked_by)),
        against=spec.against,
        file=_place(spec),
    )


def _place(spec: SuiteSpec) -> str:
    """How a suite can be named again, from where this one was named."""
    path = Path(spec.file)
    if path.parent == builtin_folder("suites"):
        return path.stem
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else spec.file


def judge_records(
    judges: Iterable[JudgeSpec], models: Mapping[str, ModelRecord], costs: Mapping[str, JudgeCost]
) -> tuple[JudgeRecord, ...]:
    """Each judge with the exam it took, if any."""
    records = [(judge, judge_hash(judge, models[judge.name].fingerprint)) for judge in judges]
    return tuple(
        JudgeRecord(
            name=judge.name,
            kind=judge.kind,
            hash=hash_,
            model=models[judge.name],
            exam=find_exam(hash_, exam_folders(judge, cache_folder())),
            version=judge.version,
            rubric_hash=rubric_hash(judge),
            against=judge.against,
            cost=costs.get(judge.name),
        )
        for judge, hash_ in records
    )


def with_jury(judge: JudgeSpec | None, readers: tuple[JudgeRecord, ...]) -> tuple[JudgeRecord, ...]:
    """A jury before its members; anyone else as they are."""
    if judge is None or judge.kind != "jury":
        return readers
    seated = tuple(dataclasses.replace(reader, jury=judge.name) for reader in readers)
    hash_ = jury_hash(judge, [reader.hash for reader in readers])
    jury = JudgeRecord(
        name=judge.name,
        kind="jury",
        hash=hash_,
        model=None,
        exam=find_exam(hash_, exam_folders(judge, cache_folder())),
        version=judge.version,
        against=judge.against,
        members=tuple(reader.name for reader in readers),
        combine=judge.combine,
    )
    return (jury, *seated)


def merged(phases: Sequence[Phase]) -> list[Phase]:
    """Phases of one name as one row, in the order of their first, with the speed of the whole."""
    rows: dict[str, Phase] = {}
    for phase in phases:
        before = rows.get(phase.name)
        if before is None:
            rows[phase.name] = phase
            continue
        added = ("seconds", "requests", "cached", "prompt_tokens", "completion_tokens")
        numbers = {slot: getattr(phase, slot) + getattr(before, slot) for slot in added}
        rows[phase.name] = dataclasses.replace(before, **numbers, beside=before.beside and phase.beside)
    return [dataclasses.replace(one, tokens_per_second=_speed(one)) for one in rows.values()]


def _speed(phase: Phase) -> float | None:
    tokens = phase.completion_tokens or phase.prompt_tokens
    return tokens / phase.seconds if tokens and phase.seconds > 0 else None
