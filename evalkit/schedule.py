"""Base, tuned and judge: what is asked of whom, in which order, and what becomes of each answer as it lands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evalkit.backends import Backend, open_backends
from evalkit.cache import Journal
from evalkit.config import JudgeSpec, ModelSpec, ProbesSpec
from evalkit.landing import Landing
from evalkit.probes import Probes
from evalkit.records import Records
from evalkit.requests import Item, requests_for
from evalkit.serve import Land, serve
from evalkit.tasks import Suite
from evalkit.types import ModelRecord, Phase, Progress, Request


@dataclass(slots=True)
class Collected:
    """What a run brought in: records and verdicts, who really answered, and where the time went."""

    records: Records
    models: Mapping[str, ModelRecord]
    phases: list[Phase] = field(default_factory=list)
    cautions: tuple[str, ...] = ()


class Schedule:
    """One run over opened models. Opening raises InputError for whatever is wrong before any engine starts.

    models: by arm ("base", "tuned"; a lone model is "base"). graders: the pointwise judge of
    each (suite, task) that is marked by one.
    """

    def __init__(
        self,
        models: Mapping[str, ModelSpec],
        judge: JudgeSpec | None,
        folder: Path,
        graders: Mapping[tuple[str, str], JudgeSpec] | None = None,
    ) -> None:
        self._specs = dict(models)
        self._judge = judge
        self._by_task = graders or {}
        self._graders = {grader.name: grader for grader in self._by_task.values()}
        readers = [*self._graders.values(), *([judge] if judge is not None else [])]
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
        replicate: int = 0,
        probes: ProbesSpec | None = None,
        seed: int = 0,
    ) -> Collected:
        """Ask everything, score it as it lands, then have the judge read the pairs. Engines are closed at the end.

        probes: what is measured besides, whatever the suites ask; None for nothing.
        """
        collected = Collected(Records(), {})
        landing = Landing(self._specs, suites, items, self._judge, collected.records, self._by_task)
        models = {name: record for name, record in self._records().items() if name in self._specs}
        beside = Probes(probes or ProbesSpec(prompts=0, text=False), models, items, collected.records, seed=seed)
        try:
            for backend in self._in_order(tuned_first=beside.tuned_first):
                arms = [name for name in backend.models if name in self._specs]
                name = " + ".join(arms)
                requests: Iterable[Request] = self._requests(arms, items, replicate) if arms else ()
                while requests:
                    collected.phases += serve(backend, requests, journal, landing.answer, progress, name=name)
                    requests = landing.follow_ups()
                for stage in beside.stages(arms):
                    if stage:
                        collected.phases += serve(
                            backend, stage, journal, beside.land, progress, name=f"{name}: drift probes"
                        )
                collected.phases += landing.settle(name)
                if set(backend.models) <= set(self._specs):
                    backend.close()
            beside.finish()
            collected.cautions = beside.cautions
            for grader in self._graders.values():
                collected.phases += self._read(grader, landing.grading(grader), landing.grade, journal, progress)
            if self._judge is not None:
                collected.phases += self._read(self._judge, landing.pairs(), landing.verdict, journal, progress)
            # Only now: an engine may have settled things at its start (an adapter merged after all, a smaller context).
            collected.models = self._records()
        finally:
            landing.close()
            self.close()
        return collected

    def close(self) -> None:
        """Close every engine."""
        for backend in self._backends:
            backend.close()

    def _records(self) -> dict[str, ModelRecord]:
        return {name: backend.record(name) for backend in self._backends for name in backend.models}

    def _read(
        self, judge: JudgeSpec, requests: Iterable[Request], land: Land, journal: Journal, progress: Progress
    ) -> list[Phase]:
        """Put a judge's questions to the engine that serves its model."""
        reader = next(one for one in self._backends if judge.name in one.models)
        return serve(reader, requests, journal, land, progress, name=f"judge {judge.name}", limits=judge.limits)

    def _in_order(self, *, tuned_first: bool) -> list[Backend]:
        """The backends in the order in which they are asked; where base scores what tuned wrote, tuned's goes first."""
        if not tuned_first:
            return list(self._backends)
        return sorted(self._backends, key=lambda one: "tuned" not in one.models)

    def _requests(self, arms: Sequence[str], items: Sequence[Item], replicate: int) -> Iterator[Request]:
        thinking = thinking_budget(self._specs.values())
        for item in items:
            for arm in arms:
                yield from requests_for(item, arm, self._specs[arm], thinking=thinking, replicate=replicate)


def thinking_budget(specs: Iterable[ModelSpec]) -> int:
    """The room for a reasoning trace that every arm gets which has one: the largest that any of them states."""
    return max((spec.reasoning.budget or 0 for spec in specs if spec.reasoning), default=0)
