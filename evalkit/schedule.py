"""Base, tuned and judge: what is asked of whom, in which order, and what becomes of each answer as it lands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evalkit.backends import Backend, open_backends
from evalkit.beside import JudgeBeside
from evalkit.cache import Journal
from evalkit.config import JudgeSpec, ModelSpec, ProbesSpec
from evalkit.judging import Pair, foreseen, remaining, spent, told
from evalkit.landing import Landing
from evalkit.pairs import JudgedPairs, place_of
from evalkit.probes import Probes
from evalkit.records import Records
from evalkit.requests import Item, complete_sampling, requests_for
from evalkit.serve import serve
from evalkit.tasks import Suite
from evalkit.types import ARMS, Completion, JudgeCost, ModelRecord, Phase, Progress, Request, Silent, Watching

_USUAL_TOKENS = 300


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
    graders: the judge of each (suite, task) that is marked by one.
    """

    def __init__(
        self,
        models: Mapping[str, ModelSpec],
        judges: Sequence[JudgeSpec],
        folder: Path,
        graders: Mapping[tuple[str, str], JudgeSpec] | None = None,
    ) -> None:
        self._specs = dict(models)
        self._judges = list(judges)
        self._by_task = graders or {}
        self._graders = {grader.name: grader for grader in self._by_task.values()}
        readers = [*self._graders.values(), *self._judges]
        asked = {**self._specs, **{reader.name: reader.model for reader in readers}}
        self._backends = open_backends(asked, folder)
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
            for number, stage in enumerate(stages):
                last = number == len(stages) - 1
                for backend in order:
                    arms = [name for name in backend.models if name in self._specs]
                    name = " + ".join(arms)
                    requests: Iterable[Request] = self._requests(arms, stage, judged, gated) if arms else ()
                    while requests:
                        collected.phases += serve(backend, requests, journal, landing.answer, progress, name=name)
                        requests = landing.follow_ups()
                    for probed in beside.stages([arm for arm in arms if arm in ARMS]) if number == 0 else ():
                        if probed:
                            collected.phases += serve(
                                backend, probed, journal, beside.land, progress, name=f"{name}: drift probes"
                            )
                    requests = self._requests_again(again) if number == 0 and "base" in arms else ()
                    while requests:
                        collected.phases += serve(
                            backend, requests, journal, landing.answer, progress, name="base, asked again"
                        )
                        requests = landing.follow_ups()
                    collected.phases += landing.settle(name)
                    if last and arms and set(backend.models) <= set(self._specs):
                        backend.close()
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
        return serve(
            backend, requests, journal, landing.grade, progress, name=f"judge {grader.name}", limits=grader.limits
        )

    def _read(
        self, backend: Backend, pairs: JudgedPairs, before: Sequence[Phase], journal: Journal, progress: Progress
    ) -> list[Phase]:
        """Have a judge read the pairs that are complete and what it must be asked further; at the end, some of it again."""
        phases: list[Phase] = []
        name = f"judge {pairs.spec.name}"
        while requests := pairs.so_far():
            earlier = [phase for phase in before if phase.name.startswith(f"{name}: ")]
            left = remaining(pairs.spec.limits, [*earlier, *phases])
            phases += serve(backend, requests, journal, pairs.land, progress, name=name, limits=left)
        return phases

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
        self,
        arms: Sequence[str],
        items: Sequence[Item],
        judged: Sequence[JudgedPairs],
        gated: Collection[str],
    ) -> Iterator[Request]:
        """Every item of base and tuned; of the incumbent what a judge or a gate holds tuned against."""
        thinking = thinking_budget(self._specs.values())
        held = {place_of(item) for one in judged if one.spec.against == "incumbent" for item in one.items}
        for item in items:
            for arm in arms:
                if arm in ARMS or item.task.suite in gated or place_of(item) in held:
                    yield from requests_for(item, arm, self._specs[arm], thinking=thinking)

    def _requests_again(self, again: Sequence[Item]) -> list[Request]:
        """Base's questions once more, last first: in another order they share their batches with others, as they would on any other day."""
        thinking = thinking_budget(self._specs.values())
        return [
            one
            for item in reversed(again)
            for one in requests_for(item, "base", self._specs["base"], thinking=thinking, replicate=1)
        ]


def thinking_budget(specs: Iterable[ModelSpec]) -> int:
    """The room for a reasoning trace that every arm gets which has one: the largest that any of them states."""
    return max((spec.reasoning.budget or 0 for spec in specs if spec.reasoning), default=0)
