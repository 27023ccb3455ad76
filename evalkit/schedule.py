"""Base, tuned and judge: what is asked of whom, in which order, and what becomes of each answer as it lands."""

from __future__ import annotations

import functools
import itertools
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evalkit.backends import Backend, open_backends
from evalkit.beside import JudgeBeside
from evalkit.cache import Journal
from evalkit.config import LOCAL, ExecutorSpec, JudgeSpec, ModelSpec, ProbesSpec
from evalkit.executors import farmed
from evalkit.flow import Flow
from evalkit.judging import Pair, foreseen, remaining, spent, told
from evalkit.landing import Landing
from evalkit.pairs import JudgedPairs, place_of
from evalkit.probes import Probes
from evalkit.records import Records
from evalkit.requests import Item, complete_sampling, requests_for
from evalkit.serve import serve
from evalkit.side_by_side import side_by_side
from evalkit.tasks import Suite
from evalkit.types import (
    ARMS,
    PROBES,
    Completion,
    JudgeCost,
    ModelRecord,
    Phase,
    Prepared,
    Progress,
    Request,
    Silent,
    Watching,
)

_USUAL_TOKENS = 300


@dataclass(slots=True)
class _Asked:
    """What a backend is asked besides the items. readers: judges on its engine, asked about pairs as they are complete."""

    landing: Landing
    readers: Sequence[JudgedPairs]
    lock: threading.Lock
    beside: Probes | None = None
    again: Sequence[Item] = ()


@dataclass(slots=True)
class Collected:
    """What a run brought in: records and verdicts, who really answered, and where the time went."""

    records: Records
    models: Mapping[str, ModelRecord]
    phases: list[Phase] = field(default_factory=list)
    cautions: tuple[str, ...] = ()
    costs: Mapping[str, JudgeCost] = field(default_factory=dict)


class Schedule:
    """One run over opened models. Opening raises InputError for whatever is wrong before any engine starts.

    models: by arm ("base", "tuned", "incumbent"; a lone model is "base"). judges: who read the pairs, no juries.
    graders: the judge of each (suite, task) that is marked by one. executor: where engines stand.
    """

    def __init__(
        self,
        models: Mapping[str, ModelSpec],
        judges: Sequence[JudgeSpec],
        folder: Path,
        graders: Mapping[tuple[str, str], JudgeSpec] | None = None,
        executor: ExecutorSpec = LOCAL,
    ) -> None:
        self._specs = dict(models)
        self._judges = list(judges)
        self._by_task = graders or {}
        self._graders = {grader.name: grader for grader in self._by_task.values()}
        readers = [*self._graders.values(), *self._judges]
        asked = {**self._specs, **{reader.name: reader.model for reader in readers}}
        self._backends = farmed(open_backends(asked, folder), asked, executor)
        self._records()  # what is wrong with a model's files is said now

    def collect(
        self,
        suites: Sequence[Suite],
        items: Sequence[Item],
        journal: Journal,
        progress: Progress,
        *,
        probes: ProbesSpec | None = None,
        seed: int = 0,
        gated: Collection[str] = (),
        again: Sequence[Item] = (),
        stages: Sequence[Sequence[Item]] = (),
        decided: Callable[[Collected, int], bool] = lambda collected, stage: False,
    ) -> Collected:
        """Ask everything, score it as it lands, and have judges read each pair: at once where the judge is an API, else
        when the models' engines are closed, each judge's engine loaded once. Engines are closed at the end.

        probes: what is measured besides, whatever the suites ask; None for nothing. stages: `items` in parts that are asked
        one after the other; where `decided` says so of what has come in by the end of one, the rest is never asked.
        gated: suites with a gate against the incumbent, which answers every item of them. again: what base is asked a second
        time, to see how much is noise.
        """
        stages = stages or [items]
        collected = Collected(Records(), {})
        judged = [JudgedPairs(judge, items, suites, collected.records) for judge in self._judges]
        foresight = {one.spec.name: self._foreseen(one, progress) for one in judged}
        watching = progress if isinstance(progress, Watching) else None
        if watching is not None:
            watching.scoring(Counter(item.task.suite for item in items))
        landing = Landing(self._specs, items, judged, collected.records, self._by_task, watching)
        models = {arm: self._records()[arm] for arm in ARMS if arm in self._specs}
        beside = Probes(probes or ProbesSpec(prompts=0, text=False), models, items, collected.records, seed=seed)
        at_work: list[JudgeBeside] = []
        try:
            waiting = [one for one in judged if not self._reads_as_asked(one)]
            at_work += [
                JudgeBeside(one, self._reader(one.spec), journal, progress) for one in judged if one not in waiting
            ]
            order = self._in_order(tuned_first=beside.tuned_first)
            lock = threading.Lock()
            for number, stage in enumerate(stages):
                last = number == len(stages) - 1

                def ask(
                    backend: Backend, stage: Sequence[Item] = stage, opening: bool = number == 0, last: bool = last
                ) -> list[Phase]:
                    asked = _Asked(landing, [one for one in waiting if one.spec.name in backend.models], lock)
                    if opening:
                        asked.beside, asked.again = beside, again
                    phases = self._ask(backend, stage, asked, judged, gated, journal, progress)
                    if last and set(backend.models) <= set(self._specs):
                        backend.close()
                    return phases

                asking = [backend for backend in order if set(backend.models) & set(self._specs)]
                for phases in side_by_side([(one, functools.partial(ask, one)) for one in asking]):
                    collected.phases += phases
                collected.phases += landing.settle(" + ".join(self._specs))
                if not last:
                    for one in at_work:
                        one.catch_up()
                    collected.phases += self._judge(landing, waiting, collected.phases, journal, progress)
                    collected.models = self._records()
                    if decided(collected, number):
                        break
                    order.reverse()  # the engine that is loaded goes on
            self._close_models()
            beside.finish()
            collected.cautions = beside.cautions
            for one in waiting:
                one.finish()
            for one in at_work:
                collected.phases += one.finish()
            collected.phases += self._judge(landing, waiting, collected.phases, journal, progress, close=True)
            # Only now: an engine may have settled things at its start (an adapter merged after all, a smaller context).
            collected.models = self._records()
            collected.costs = {
                judge.name: spent(judge, foresight[judge.name], collected.phases) for judge in self._judges
            }
        finally:
            for one in at_work:
                one.close()
            landing.close()
            self.close()
        return collected

    def _ask(
        self,
        backend: Backend,
        stage: Sequence[Item],
        asked: _Asked,
        judged: Sequence[JudgedPairs],
        gated: Collection[str],
        journal: Journal,
        progress: Progress,
    ) -> list[Phase]:
        """Everything that one backend is asked in one stage, as one stream."""
        arms = [name for name in backend.models if name in self._specs]
        name = " + ".join(arms)
        readers = {one.spec.name: one for one in asked.readers}
        first: list[Iterable[Request]] = [
            self._requests(arms, longest_first(stage, self._specs[arms[0]]), judged, gated)
        ]
        if "base" in arms:
            first.append(self._requests_again(asked.again))
        if asked.beside is not None:
            first.append(asked.beside.first([arm for arm in arms if arm in ARMS]))

        def further() -> Iterator[Request]:
            yield from asked.landing.follow_ups(arms)
            if asked.beside is not None:
                yield from asked.beside.further([arm for arm in arms if arm in ARMS])
            for reader in readers.values():
                yield from reader.so_far()

        def part_of(request: Request) -> str:
            if request.model in readers:
                return f"judge {request.model}"
            if request.suite == PROBES:
                return f"{name}: drift probes"
            return "base, asked again" if request.replicate else name

        def land(request: Request, completion: Completion, prepared: Prepared | None) -> None:
            if request.model in readers:
                readers[request.model].land(request, completion, prepared)
            elif request.suite == PROBES:
                assert asked.beside is not None
                asked.beside.land(request, completion, prepared)
            else:
                asked.landing.answer(request, completion, prepared)

        flow = Flow(itertools.chain.from_iterable(first), land, further, lock=asked.lock)
        return serve(
            backend,
            flow.asked(),
            journal,
            flow.land,
            progress,
            name=name,
            part_of=part_of,
            limits={f"judge {one.spec.name}": one.spec.limits for one in asked.readers},
            total=self._number(arms, stage, judged, gated),
        )

    @property
    def reloads(self) -> bool:
        """Whether models of this machine need engines of their own, so that asking in stages loads them in turn."""
        mine = [one for one in self._backends if set(one.models) & set(self._specs)]
        return sum(one.record(one.models[0]).tokenizer_fingerprint is not None for one in mine) > 1

    @property
    def models(self) -> dict[str, ModelRecord]:
        """Who is going to answer, by arm and by judge's name, as far as it is known before an engine starts."""
        return self._records()

    def foreseen(self, suites: Sequence[Suite], items: Sequence[Item]) -> dict[str, JudgeCost]:
        """What each judge would be asked of these items, by its name."""
        judged = [JudgedPairs(judge, items, suites, Records()) for judge in self._judges]
        return {one.spec.name: self._foreseen(one, Silent()) for one in judged}

    def close(self) -> None:
        """Close every engine."""
        for backend in self._backends:
            backend.close()

    def _records(self) -> dict[str, ModelRecord]:
        return {name: backend.record(name) for backend in self._backends for name in backend.models}

    def _reader(self, judge: JudgeSpec) -> Backend:
        return next(one for one in self._backends if judge.name in one.models)

    def _reads_as_asked(self, pairs: JudgedPairs) -> bool:
        """Whether a judge can be asked while models generate: its backend takes questions as they come."""
        return getattr(self._reader(pairs.spec), "streams_as_asked", False)

    def _close_models(self) -> None:
        """Close the engines that no judge needs."""
        for backend in self._backends:
            if set(backend.models) <= set(self._specs):
                backend.close()

    def _judge(
        self,
        landing: Landing,
        waiting: Sequence[JudgedPairs],
        before: Sequence[Phase],
        journal: Journal,
        progress: Progress,
        *,
        close: bool = False,
    ) -> list[Phase]:
        """Have graders mark and judges read all that has landed, one engine after the other.

        before: the phases so far. close: each engine after its part.
        """
        phases: list[Phase] = []
        for backend in self._backends:
            for grader in self._graders.values():
                if grader.name in backend.models:
                    phases += self._grade(backend, grader, landing, journal, progress)
            for one in waiting:
                if one.spec.name in backend.models:
                    phases += self._read(backend, one, [*before, *phases], journal, progress)
            if close:
                backend.close()
        return phases

    def _grade(
        self, backend: Backend, grader: JudgeSpec, landing: Landing, journal: Journal, progress: Progress
    ) -> list[Phase]:
        requests = landing.grading(grader)
        if not requests:
            return []
        name = f"judge {grader.name}"
        return serve(
            backend,
            requests,
            journal,
            landing.grade,
            progress,
            name=name,
            limits={name: grader.limits},
            total=len(requests),
        )

    def _read(
        self, backend: Backend, pairs: JudgedPairs, before: Sequence[Phase], journal: Journal, progress: Progress
    ) -> list[Phase]:
        """Have a judge read the pairs that are complete and what it must be asked further; at the end, some of it again."""
        name = f"judge {pairs.spec.name}"
        earlier = [phase for phase in before if phase.name.startswith(f"{name}: ")]
        left = remaining(pairs.spec.limits, earlier)
        flow = Flow((), pairs.land, pairs.so_far)
        return serve(backend, flow.asked(), journal, flow.land, progress, name=name, limits={name: left})

    def _foreseen(self, pairs: JudgedPairs, progress: Progress) -> JudgeCost:
        """What a judge is about to be asked, said before it is."""
        alike = [self._expected(item) for item in pairs.items[:50]]
        cost = foreseen(pairs.spec, alike, len(pairs))
        progress.note(f"judge {pairs.spec.name}: {len(pairs)} pairs to read, {told(cost, pairs.spec.limits)}")
        return cost

    def _expected(self, item: Item) -> Pair:
        """A pair whose answers are as long as may be expected: half of what the task allows, a few paragraphs at most."""
        room = complete_sampling(self._specs["tuned"].sampling, item.task.sampling).max_tokens
        answer = Completion("word " * min(room // 2, _USUAL_TOKENS))
        return Pair(item.task.suite, item.task.name, item.example, answer, answer)

    def _in_order(self, *, tuned_first: bool) -> list[Backend]:
        """The backends in the order in which they are asked; where base scores what tuned wrote, tuned's goes first."""
        if not tuned_first:
            return list(self._backends)
        return sorted(self._backends, key=lambda one: "tuned" not in one.models)

    def _requests(
        self, arms: Sequence[str], items: Iterable[Item], judged: Sequence[JudgedPairs], gated: Collection[str]
    ) -> Iterator[Request]:
        """Every item of base and tuned; of the incumbent what a judge or a gate holds tuned against."""
        thinking = thinking_budget(self._specs.values())
        for arm, item in self._asked(arms, items, judged, gated):
            yield from requests_for(item, arm, self._specs[arm], thinking=thinking)

    def _asked(
        self, arms: Sequence[str], items: Iterable[Item], judged: Sequence[JudgedPairs], gated: Collection[str]
    ) -> Iterator[tuple[str, Item]]:
        held = {place_of(item) for one in judged if one.spec.against == "incumbent" for item in one.items}
        for item in items:
            for arm in arms:
                if arm in ARMS or item.task.suite in gated or place_of(item) in held:
                    yield arm, item

    def _number(
        self, arms: Sequence[str], items: Iterable[Item], judged: Sequence[JudgedPairs], gated: Collection[str]
    ) -> int:
        """How many requests the items come to, without their later turns."""
        number = 0
        for arm, item in self._asked(arms, items, judged, gated):
            samples = item.task.samples(complete_sampling(self._specs[arm].sampling, item.task.sampling).n)
            number += samples * (1 if item.task.kind == "generate" else len(item.task.questions(item.example)))
        return number

    def _requests_again(self, again: Sequence[Item]) -> list[Request]:
        """Base's questions once more, last first: in another order they share their batches with others, as they would on any other day."""
        thinking = thinking_budget(self._specs.values())
        return [
            one
            for item in reversed(again)
            for one in requests_for(item, "base", self._specs["base"], thinking=thinking, replicate=1)
        ]


def longest_first(items: Iterable[Item], spec: ModelSpec) -> list[Item]:
    """Items that may be answered at length before short ones, so that no long answer is left to the end alone.

    Those of one task stay together, and in their order: what their prompts share is met in the prefix cache.
    """

    def room(item: Item) -> int:
        if item.task.kind != "generate":
            return 0
        return complete_sampling(spec.sampling, item.task.sampling).max_tokens

    return sorted(items, key=room, reverse=True)


def thinking_budget(specs: Iterable[ModelSpec]) -> int:
    """The room for a reasoning trace that every arm gets which has one: the largest that any of them states."""
    return max((spec.reasoning.budget or 0 for spec in specs if spec.reasoning), default=0)
