"""One collection under way: engines asked in turn or side by side, answers landed, judges reading what is complete."""

from __future__ import annotations

import functools
import itertools
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from evalkit.backends import Backend
from evalkit.config import JudgeSpec
from evalkit.judging import remaining
from evalkit.running.beside import JudgeBeside
from evalkit.running.flow import Flow
from evalkit.running.landing import Landing
from evalkit.running.pairs import JudgedPairs
from evalkit.running.probes import Probes
from evalkit.running.questions import Questions
from evalkit.running.requests import Item
from evalkit.running.serve import serve
from evalkit.running.side_by_side import side_by_side
from evalkit.stored.cache import Journal
from evalkit.types import ARMS, PROBES, Completion, Phase, Prepared, Progress, Request


@dataclass(slots=True)
class Collecting:
    """What has been asked of whom so far, and what is left to ask.

    backends: of models, graders and judges. graders: judges that mark answers, by name. A judge behind an API reads pairs
    from the start, beside the models; one whose engine serves a model as well is asked in that engine's stream; any other
    reads in `catch_up` and `finish`, its engine loaded once. phases: where the time went.
    """

    backends: Sequence[Backend]
    questions: Questions
    landing: Landing
    probes: Probes
    judged: Sequence[JudgedPairs]
    graders: Mapping[str, JudgeSpec]
    journal: Journal
    progress: Progress
    phases: list[Phase] = field(default_factory=list)
    _order: list[Backend] = field(init=False)
    _in_turn: list[JudgedPairs] = field(init=False)
    _beside: list[JudgeBeside] = field(init=False, default_factory=list)
    _flows: list[Flow] = field(init=False, default_factory=list)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._order = [one for one in self.backends if self._arms(one)]
        if self.probes.tuned_first:
            self._order.sort(key=lambda one: "tuned" not in one.models)
        self._in_turn = [one for one in self.judged if not self._reads_as_asked(one)]

    def start(self) -> None:
        """Have judges behind an API read from now on."""
        for one in self.judged:
            if one not in self._in_turn:
                self._beside.append(JudgeBeside(one, self._backend_of(one.spec), self.journal, self.progress))

    def ask(self, items: Sequence[Item], *, opening: bool, last: bool, again: Sequence[Item] = ()) -> None:
        """Ask every model these items, one stream for each engine.

        opening: with the probes, and `again`, what base is asked a second time. last: nothing further follows, so that an
        engine is closed once it has answered.
        """
        late = self._scoring_late() if opening else None

        def of(backend: Backend) -> list[Phase]:
            phases = self._stream(backend, items, again, probed=opening)
            if last and backend is not late and self._serves_models_only(backend):
                backend.close()
            return phases

        self._flows.clear()
        for phases in side_by_side([(one, functools.partial(of, one)) for one in self._order], self._stop):
            self.phases += phases
        if late is not None:
            self.phases += self._score(late)
            if last and self._serves_models_only(late):
                late.close()
        self.phases += self.landing.settle(" + ".join(self.questions.specs))
        self._order.reverse()  # of what is asked next, the engine that is loaded goes first

    def catch_up(self) -> None:
        """Have everything that has landed marked and read."""
        for one in self._beside:
            one.catch_up()
        self._mark_and_read()

    def finish(self) -> None:
        """Have the rest marked and read, and close each engine after its part."""
        for backend in self.backends:
            if self._serves_models_only(backend):
                backend.close()
        self.probes.finish()
        for one in self._in_turn:
            one.finish()
        for one in self._beside:
            self.phases += one.finish()
        self._mark_and_read(close=True)

    def close(self) -> None:
        """Give up whatever is under way. Idempotent."""
        for one in self._beside:
            one.close()
        self.landing.close()

    # --- models ---

    def _stream(self, backend: Backend, items: Sequence[Item], again: Sequence[Item], *, probed: bool) -> list[Phase]:
        """Everything that one backend is asked about these items, as one stream; the judges on its engine included."""
        arms = self._arms(backend)
        probed_arms = [arm for arm in arms if arm in ARMS] if probed else []
        readers = {one.spec.name: one for one in self._in_turn if one.spec.name in backend.models}
        name = " + ".join(arms)
        first: list[Iterable[Request]] = [self.questions.of(arms, items)]
        if "base" in arms:
            first.append(self.questions.again(again))
        if probed_arms:
            first.append(self.probes.first(probed_arms))

        def further() -> Iterator[Request]:
            yield from self.landing.follow_ups(arms)
            if probed_arms:
                yield from self.probes.further(probed_arms)
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
                self.probes.land(request, completion, prepared)
            else:
                self.landing.answer(request, completion, prepared)

        flow = Flow(itertools.chain.from_iterable(first), land, further, lock=self._lock)
        self._flows.append(flow)
        return serve(
            backend,
            flow.asked(),
            self.journal,
            flow.land,
            self.progress,
            name=name,
            part_of=part_of,
            limits={f"judge {one.spec.name}": one.spec.limits for one in readers.values()},
            total=self.questions.number(arms, items),
        )

    def _scoring_late(self) -> Backend | None:
        """Base's engine, where it may have ended before tuned wrote what base is to score: they are asked side by side."""
        base, tuned = (next((one for one in self._order if arm in one.models), None) for arm in ARMS)
        if base is None or tuned is None or base is tuned or not self.probes.tuned_first:
            return None
        return base if _is_asked_beside(base) or _is_asked_beside(tuned) else None

    def _score(self, backend: Backend) -> list[Phase]:
        """What the probes still want to know of it."""
        asked = self.probes.further(["base"])
        if not asked:
            return []
        flow = Flow(asked, self.probes.land, lock=self._lock)
        name = "base: drift probes"
        return serve(backend, flow.asked(), self.journal, flow.land, self.progress, name=name, total=len(asked))

    def _stop(self) -> None:
        for flow in self._flows:
            flow.stop()

    def _arms(self, backend: Backend) -> list[str]:
        return [name for name in backend.models if name in self.questions.specs]

    def _serves_models_only(self, backend: Backend) -> bool:
        """Whether no judge and no grader needs its engine."""
        return set(backend.models) <= set(self.questions.specs)

    # --- judges ---

    def _mark_and_read(self, *, close: bool = False) -> None:
        """Have graders mark and judges read all that has landed, one engine after the other."""
        for backend in self.backends:
            for grader in self.graders.values():
                if grader.name in backend.models:
                    self.phases += self._mark(backend, grader)
            for one in self._in_turn:
                if one.spec.name in backend.models:
                    self.phases += self._read(backend, one)
            if close:
                backend.close()

    def _mark(self, backend: Backend, grader: JudgeSpec) -> list[Phase]:
        requests = self.landing.grading(grader)
        if not requests:
            return []
        name = f"judge {grader.name}"
        return serve(
            backend,
            requests,
            self.journal,
            self.landing.grade,
            self.progress,
            name=name,
            limits={name: grader.limits},
            total=len(requests),
        )

    def _read(self, backend: Backend, pairs: JudgedPairs) -> list[Phase]:
        """Have a judge read the pairs that are complete and what it must be asked further; at the end, some of it again."""
        name = f"judge {pairs.spec.name}"
        earlier = [phase for phase in self.phases if phase.name.startswith(f"{name}: ")]
        limits = {name: remaining(pairs.spec.limits, earlier)}
        flow = Flow((), pairs.land, pairs.so_far)
        return serve(backend, flow.asked(), self.journal, flow.land, self.progress, name=name, limits=limits)

    def _backend_of(self, judge: JudgeSpec) -> Backend:
        return next(one for one in self.backends if judge.name in one.models)

    def _reads_as_asked(self, pairs: JudgedPairs) -> bool:
        """Whether a judge can be asked while models generate: its backend takes questions as they come."""
        return _is_asked_beside(self._backend_of(pairs.spec))


def _is_asked_beside(backend: Backend) -> bool:
    return getattr(backend, "streams_as_asked", False)
