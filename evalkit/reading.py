"""A judge asked about pairs that are there already: an exam, planted attacks, anchors, a stored run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from evalkit.backends import open_backends
from evalkit.cache import Journal
from evalkit.config import JudgeSpec
from evalkit.judging import Pair, PairReader, judge_hash
from evalkit.serve import serve
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
    further: list[Request] = []

    def land(request: Request, completion: Completion, prepared: Prepared | None) -> None:
        landed = reader.land(request, completion, prepared)
        verdicts.extend(landed.verdicts)
        further.extend(landed.further)

    phases: list[Phase] = []
    try:
        requests: Iterable[Request] = (one for pair in pairs for one in reader.questions(pair, repeat=repeat))
        while requests:
            phases += serve(backend, requests, journal, land, progress, name=f"judge {judge.name}", limits=judge.limits)
            requests, further = list(further), []
        model = backend.record(judge.name)
    finally:
        backend.close()
    return Reading(judge_hash(judge, model.fingerprint), model, verdicts, phases)
