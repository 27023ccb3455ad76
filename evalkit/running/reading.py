"""A judge asked about pairs that are there already: an exam, planted attacks, anchors, a stored run."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from evalkit.backends import open_backends
from evalkit.config import JudgeSpec
from evalkit.judging import Pair, PairReader, judge_hash
from evalkit.running.flow import Flow
from evalkit.running.serve import serve
from evalkit.stored.cache import Journal
from evalkit.types import Completion, ModelRecord, Phase, Prepared, Progress, Request, Verdict


@dataclass(slots=True)
class Reading:
    """What one judge said of the pairs: every verdict, unscored ones too; who answered; where the time went."""

    judge_hash: str
    model: ModelRecord
    verdicts: list[Verdict] = field(default_factory=list)
    phases: list[Phase] = field(default_factory=list)


def read_pairs(
    judge: JudgeSpec, pairs: Iterable[Pair], journal: Journal, folder: Path, progress: Progress, *, repeat: int = 0
) -> Reading:
    """Ask `judge` (no jury) about each pair in both orders. The engine is closed at the end.

    repeat: another number asks anew what the journal holds already. Raises InputError for whatever is wrong with the
    judge's files; a dead engine leaves verdicts unscored.
    """
    (backend,) = open_backends({judge.name: judge.model}, folder)
    reader = PairReader(judge)
    verdicts: list[Verdict] = []
    further: deque[Request] = deque()

    def land(request: Request, completion: Completion, prepared: Prepared | None) -> None:
        landed = reader.land(request, completion, prepared)
        verdicts.extend(landed.verdicts)
        further.extend(landed.further)

    def taken() -> Iterator[Request]:
        while further:
            yield further.popleft()

    name = f"judge {judge.name}"
    flow = Flow((one for pair in pairs for one in reader.questions(pair, repeat=repeat)), land, taken)
    try:
        phases = serve(backend, flow.asked(), journal, flow.land, progress, name=name, limits={name: judge.limits})
        model = backend.record(judge.name)
    finally:
        backend.close()
    return Reading(judge_hash(judge, model.fingerprint), model, verdicts, phases)
