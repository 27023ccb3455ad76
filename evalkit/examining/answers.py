"""A judge that grades one answer at a time, asked about answers that are there already."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from evalkit.backends import open_backends
from evalkit.cache import Journal
from evalkit.config import JudgeSpec
from evalkit.judging import AnswerReader, judge_hash
from evalkit.scorers.reasoning import split_reasoning
from evalkit.serve import serve
from evalkit.types import Completion, Example, Prepared, Progress, Request, Score


@dataclass(frozen=True, slots=True)
class Graded:
    """The mark of each answer, in the order asked, and whose it is."""

    judge_hash: str
    scores: tuple[Score, ...]


def read_answers(
    judge: JudgeSpec,
    answers: Sequence[tuple[str, str, Example, Completion]],
    journal: Journal,
    folder: Path,
    progress: Progress,
) -> Graded:
    """Have `judge` grade each answer. The engine is closed at the end.

    answers: suite, task, item and answer. Raises InputError for whatever is wrong with the judge's files; a dead engine
    leaves answers unscored.
    """
    (backend,) = open_backends({judge.name: judge.model}, folder)
    reader = AnswerReader(judge)
    places: dict[Request, int] = {}
    scores: dict[int, Score] = {}

    def questions() -> Iterator[Request]:
        for place, (suite, task, example, completion) in enumerate(answers):
            for request in reader.questions(suite, task, example, completion, sample=0, arm="base"):
                places[request] = place
                yield request

    def land(request: Request, completion: Completion, prepared: Prepared | None) -> None:
        completion = split_reasoning(completion, judge.model.reasoning, prepared)
        mark = reader.land(request, completion)
        if mark is not None:
            scores[places[request]] = mark.score

    try:
        serve(backend, questions(), journal, land, progress, name=f"judge {judge.name}", limits=judge.limits)
        fingerprint = backend.record(judge.name).fingerprint
    finally:
        backend.close()
    return Graded(judge_hash(judge, fingerprint), tuple(scores[place] for place in range(len(answers))))
