"""Base, tuned and judges of one run: opened, asked, and closed again."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evalkit.backends import open_backends
from evalkit.config import LOCAL, ExecutorSpec, JudgeSpec, ModelSpec, ProbesSpec
from evalkit.executors import farmed
from evalkit.judging import Pair, foreseen, spent, told
from evalkit.running.collecting import Collecting
from evalkit.running.landing import Landing
from evalkit.running.pairs import JudgedPairs
from evalkit.running.probes import Probes
from evalkit.running.questions import Questions
from evalkit.running.requests import Item, complete_sampling
from evalkit.stored.cache import Journal
from evalkit.stored.records import Records
from evalkit.tasks import Suite
from evalkit.types import ARMS, Completion, JudgeCost, ModelRecord, Phase, Progress, Silent, Watching

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
        records = Records()
        judged = [JudgedPairs(judge, items, suites, records) for judge in self._judges]
        foresight = {one.spec.name: self._foreseen(one, progress) for one in judged}
        collecting = self._collecting(items, judged, records, journal, progress, probes=probes, seed=seed, gated=gated)
        collected = Collected(records, {}, collecting.phases)
        try:
            collecting.start()
            for number, stage in enumerate(stages):
                opening, last = number == 0, number == len(stages) - 1
                collecting.ask(stage, opening=opening, last=last, again=again if opening else ())
                if not last:
                    collecting.catch_up()
                    collected.models = self._records()
                    if decided(collected, number):
                        break
            collecting.finish()
            # Only now: an engine may have settled things at its start (an adapter merged after all, a smaller context).
            collected.models = self._records()
            collected.cautions = collecting.probes.cautions
            collected.costs = {
                judge.name: spent(judge, foresight[judge.name], collected.phases) for judge in self._judges
            }
        finally:
            try:
                collecting.close()
            finally:
                self.close()
        return collected

    def _collecting(
        self,
        items: Sequence[Item],
        judged: Sequence[JudgedPairs],
        records: Records,
        journal: Journal,
        progress: Progress,
        *,
        probes: ProbesSpec | None,
        seed: int,
        gated: Collection[str],
    ) -> Collecting:
        watching = progress if isinstance(progress, Watching) else None
        if watching is not None:
            watching.scoring(Counter(item.task.suite for item in items))
        models = {arm: self._records()[arm] for arm in ARMS if arm in self._specs}
        return Collecting(
            backends=self._backends,
            questions=Questions(self._specs, judged, gated),
            landing=Landing(self._specs, items, judged, records, self._by_task, watching),
            probes=Probes(probes or ProbesSpec(prompts=0, text=False), models, items, records, seed=seed),
            judged=judged,
            graders=self._graders,
            journal=journal,
            progress=progress,
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
        """Close every engine, also where closing one of them fails."""
        with contextlib.ExitStack() as every:
            for backend in self._backends:
                every.callback(backend.close)

    def _records(self) -> dict[str, ModelRecord]:
        return {name: backend.record(name) for backend in self._backends for name in backend.models}

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
