"""A judge that grades one answer at a time, asked about answers that are there already."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from evalkit.backends import open_backends
from evalkit.config import JudgeSpec
from evalkit.judging import AnswerReader, Mark, judge_hash
from evalkit.running.serve import serve
from evalkit.scorers.reasoning import split_reasoning
from evalkit.stored.cache import Journal
from evalkit.types import Completion, Example, Failure, Prepared, Progress, Request

_UNASKED = Failure("judge", "no_reference", "the item has no reference answer", "give the label file an `answer`")


@dataclass(frozen=True, slots=True)
class Graded:
    """The mark of each answer, in the order asked, and whose it is."""

    judge_hash: str
    marks: tuple[Mark, ...]


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
    marks: dict[int, Mark] = {}

    def questions() -> Iterator[Request]:
        for place, (suite, task, example, completion) in enumerate(answers):
            if not reader.asks(example):
                marks[place] = Mark(None, failure=_UNASKED)
                continue
            for request in reader.questions(suite, task, example, completion, sample=0, arm="base"):
                places[request] = place
                yield request

    def land(request: Request, completion: Completion, prepared: Prepared | None) -> None:
        mark = reader.land(request, split_reasoning(completion, judge.model.reasoning, prepared))
        if mark is not None:
            marks[places[request]] = mark

    name = f"judge {judge.name}"
    try:
        serve(backend, questions(), journal, land, progress, name=name, limits={name: judge.limits})
        fingerprint = backend.record(judge.name).fingerprint
    finally:
        backend.close()
    return Graded(judge_hash(judge, fingerprint), tuple(marks[place] for place in range(len(answers))))
