"""`evalkit plan`: the run as `compare` would do it, foreseen: can it decide, what would help, and what it is going to take."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from evalkit.api import load
from evalkit.config import JudgeSpec, ModelSpec, PolicySpec, SuiteSpec
from evalkit.deciding.looks import last_level
from evalkit.inputs import Inputs, model_spec
from evalkit.planning import Design, design_of, expectations, expected_of_run, looked_at, plan
from evalkit.planning.promising import judges_that_decide
from evalkit.remembering import suite_records
from evalkit.run import Run
from evalkit.running.questions import thinking_budget
from evalkit.running.requests import Item, draw, requests_for
from evalkit.running.schedule import Collected, Schedule
from evalkit.stored.cache import Journal, cache_folder
from evalkit.stored.records import narrow_frame, samples_frame
from evalkit.terms import Terms, check_incumbent, over_incumbent
from evalkit.types import ARMS, Expected, InputError, JudgeCost, Phase, Plan, PlannedCost, Progress, Silent

_LOOKED = 200  # sequential runs that are simulated


def plan_comparison(
    base: str | Path | ModelSpec,
    tuned: str | Path | ModelSpec,
    *,
    suites: Sequence[str | SuiteSpec] | None = None,
    judge: str | JudgeSpec | None = None,
    policy: str | Path | PolicySpec | None = None,
    incumbent: str | Path | ModelSpec | None = None,
    limit: int | None = None,
    seed: int = 0,
    pilot: str | Path | None = None,
    discordance: float | None = None,
    lasting: float | None = None,
    missing: float | None = None,
    gain: float = 0.05,
    runs: int = 1000,
    sequential: bool = False,
    warm_up: int = 4,
    progress: Progress | None = None,
) -> Plan:
    """Foresee `compare` with the same arguments.

    pilot: the folder of an earlier run, whose discordance, repeats and missing items are taken for these suites. discordance,
    lasting, missing: stated instead, of every suite. gain: what tuned is assumed to gain on targets. runs: simulated.
    sequential: as `compare --sequential` would run. warm_up: items of each suite that are really asked, to measure tokens and
    time; `compare` finds their answers in the journal. 0: nothing is asked.
    Raises InputError as `compare` does, and for a pilot that is no run.
    """
    progress = progress or Silent()
    progress.phase("reading suites and models")
    specs = {"base": model_spec(base), "tuned": model_spec(tuned)}
    inputs = Inputs.read(specs["base"], suites, judge, policy)
    gated = over_incumbent(inputs.policy, {suite.name: Terms.of(suite) for suite in inputs.suites})
    check_incumbent(inputs.readers, incumbent, gated)
    if incumbent is not None:
        specs["incumbent"] = model_spec(incumbent)
    observed = _observed(pilot)
    items = draw(inputs.suites, seed=seed, limit=limit)
    schedule = Schedule(specs, inputs.readers, cache_folder(), inputs.graders, inputs.executor)
    records = suite_records(inputs, items, specs, schedule.models)
    design = design_of(records, items, judges_that_decide(inputs, items, schedule.models))
    expected = expectations(
        {one.record.name: one.record for one in design.suites},
        observed,
        discordance=discordance,
        lasting=lasting,
        missing=missing,
    )
    level = last_level(inputs.policy.level, inputs.policy.sequential) if sequential else None
    found = plan(design, inputs.policy, expected, gain=gain, runs=runs, seed=seed, level=level, progress=progress)
    if sequential:
        found = dataclasses.replace(found, asked=_asked(design, inputs.policy, expected, gain, seed, progress))
    if warm_up:
        costs, failed = _costs(schedule, inputs, specs, items, warm_up, progress)
        found = dataclasses.replace(found, costs=costs, cautions=(*found.cautions, *failed))
    else:
        schedule.close()
    return found


def _observed(pilot: str | Path | None) -> dict[str, Expected]:
    if pilot is None:
        return {}
    run: Run = load(pilot, describe=False)
    observed = expected_of_run(narrow_frame(run.held), run.manifest, Path(pilot).name)
    if not observed:
        raise InputError(f"--pilot: {pilot}: no suite of it has 20 items scored on both sides; leave it out")
    return observed


def _asked(
    design: Design,
    policy: PolicySpec,
    expected: Mapping[str, Expected],
    gain: float,
    seed: int,
    progress: Progress,
) -> float:
    """The share of items that a sequential run of equal models asks on average."""
    progress.phase("simulating the looks of a sequential run")
    shares = [
        looked_at(design, policy, expected, np.random.default_rng([seed, run]), gain=gain).asked
        for run in range(_LOOKED)
    ]
    return float(np.mean(shares))


# --- what it takes ---


def _costs(
    schedule: Schedule,
    inputs: Inputs,
    specs: Mapping[str, ModelSpec],
    items: Sequence[Item],
    warm_up: int,
    progress: Progress,
) -> tuple[tuple[PlannedCost, ...], tuple[str, ...]]:
    """Tokens and time of every model and judge, from some items of each suite, really asked; and what could not be asked."""
    warm = _some_of_each_suite(items, warm_up)
    with Journal(cache_folder() / "journal.sqlite") as journal:
        collected = schedule.collect(inputs.suites, warm, journal, progress)
    thinking = thinking_budget(specs.values())

    def answers(some: Sequence[Item], arm: str) -> dict[str, int]:
        counted: dict[str, int] = {}
        for item in some:
            number = sum(1 for _ in requests_for(item, arm, specs[arm], thinking=thinking))
            counted[item.task.suite] = counted.get(item.task.suite, 0) + number
        return counted

    costs = [_cost_of(arm, answers(items, arm), answers(warm, arm), collected) for arm in ARMS]
    some, whole = schedule.foreseen(inputs.suites, warm), schedule.foreseen(inputs.suites, items)
    costs += [_cost_of_judge(one.name, whole[one.name], some[one.name], collected) for one in inputs.readers]
    return tuple(costs), tuple(_failed(collected))


def _failed(collected: Collected) -> Iterator[str]:
    """Of every model whose warm-up lacks answers, why."""
    frame = samples_frame(collected.records.table())
    for arm in ARMS:
        mine = frame.loc[(frame["arm"] == arm) & frame["failure"].notna(), :]
        if len(mine):
            why = f"{mine['failure_message'].iloc[0]}" + (
                f" ({hint})" if (hint := mine["failure_hint"].iloc[0]) else ""
            )
            yield f"{arm}: {len(mine)} answers of the warm-up never came: {why}"


def _cost_of_judge(name: str, whole: JudgeCost, some: JudgeCost, collected: Collected) -> PlannedCost:
    """One judge's share: what it took in the warm-up, as many times as there are questions; else an estimate."""
    questions = whole.estimated_questions or 0
    spent = collected.costs[name]
    if not spent.questions or not some.estimated_questions:
        return PlannedCost(name, questions, tokens=whole.estimated_tokens, usd=whole.estimated_usd)
    scale = questions / some.estimated_questions
    phases = [phase for phase in collected.phases if phase.name == f"judge {name}: generating"]
    return PlannedCost(
        name=name,
        answers=questions,
        prompt_tokens=scale * spent.prompt_tokens,
        completion_tokens=scale * spent.completion_tokens,
        seconds=scale * _seconds(phases),
        usd=None if spent.usd is None else scale * spent.usd,
        measured=spent.questions,
    )


def _cost_of(arm: str, planned: Mapping[str, int], asked: Mapping[str, int], collected: Collected) -> PlannedCost:
    """One model's share. Tokens an answer by suite, journalled answers included; time from what was really generated."""
    frame = samples_frame(collected.records.table())
    frame = frame.loc[(frame["arm"] == arm) & frame["failure"].isna(), :]
    read = written = 0.0
    for suite, number in planned.items():
        mine = frame.loc[frame["suite"] == suite, :]
        times = number / max(1, asked.get(suite, 0))
        read += times * float(mine["prompt_tokens"].fillna(0).sum())
        written += times * float(mine["completion_tokens"].fillna(0).sum())
    phases = [phase for phase in collected.phases if arm in phase.name.split(":")[0].split(" + ")]
    generating = [phase for phase in phases if phase.name.endswith(": generating") and phase.requests]
    loading = sum(phase.seconds for phase in phases if phase.name.endswith(": loading"))
    requests = sum(phase.requests for phase in generating)
    seconds = None
    if requests:
        seconds = loading + _seconds(generating) * sum(planned.values()) / requests
    return PlannedCost(
        name=arm,
        answers=sum(planned.values()),
        prompt_tokens=read if len(frame) else None,
        completion_tokens=written if len(frame) else None,
        seconds=seconds,
        measured=sum(asked.values()),
    )


def _seconds(phases: Iterable[Phase]) -> float:
    return sum(phase.seconds for phase in phases)


def _some_of_each_suite(items: Sequence[Item], most: int) -> list[Item]:
    """So many items of each suite, from all over its tasks."""
    by_suite: dict[str, list[Item]] = {}
    for item in items:
        by_suite.setdefault(item.task.suite, []).append(item)
    found: list[Item] = []
    for mine in by_suite.values():
        places = np.linspace(0, len(mine) - 1, min(most, len(mine))).round().astype(int)
        found += [mine[place] for place in dict.fromkeys(places.tolist())]
    return found
