"""A judge takes an exam: it reads what people labelled, in both orders, and its record is made of what it said."""

from __future__ import annotations

import datetime
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from evalkit.config import JudgeSpec
from evalkit.examining.answers import read_answers
from evalkit.examining.labels import TIE, LabelFile, Labelled, read_labels
from evalkit.examining.marking import Said, exam_record
from evalkit.inputs import readers_of
from evalkit.judging import Pair, check_judge, jury_hash, jury_verdicts
from evalkit.judging.verdicts import POINTS
from evalkit.running.reading import read_pairs
from evalkit.stored.cache import Journal, cache_folder
from evalkit.stored.records import verdicts_as_frame
from evalkit.types import Completion, Example, ExamRecord, InputError, Message, Progress, Silent, Verdict, Winner


def take_exam(
    judge: JudgeSpec,
    labels: Path,
    *,
    limit: int | None = None,
    seed: int = 0,
    level: float = 0.95,
    progress: Progress | None = None,
) -> ExamRecord:
    """Have `judge` read what people labelled, and hold its verdicts against theirs.

    labels: as `read_labels` takes it. limit: a seeded random sample of so many labelled items. level: of the intervals.
    What was answered is in the journal, so that an interrupted exam goes on where it stopped.
    Raises InputError for whatever is wrong with the files; an engine that dies leaves items unscored.
    """
    progress = progress or Silent()
    progress.phase("reading the labels")
    readers = readers_of(judge)
    for reader in readers:
        check_judge(reader)
    file = read_labels(labels, judge.scale)
    if file.form == "answers" and not judge.is_graded_apart:
        raise InputError(
            f"{labels}: holds answers, and {judge.file or judge.name} is of kind {judge.kind}: it compares two; give pairs "
            "(first, second), or examine a judge that grades one answer"
        )
    items = _drawn(file.items, limit, seed)
    if all(item.people == TIE for item in items):
        raise InputError(f"{labels}: people tie on every item, so that there is nothing to agree with")
    with Journal(cache_folder() / "journal.sqlite") as journal:
        if file.form == "answers":
            judged_by, said = _answers(judge, items, journal, progress)
        else:
            judged_by, said = _pairs(judge, readers, items, journal, progress)
    progress.phase("comparing with people")
    return exam_record(
        judge,
        judged_by,
        file,
        said,
        level=level,
        taken=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        cautions=_cautions(file, items, said),
    )


def _drawn(items: Sequence[Labelled], limit: int | None, seed: int) -> list[Labelled]:
    if limit is None or limit >= len(items):
        return list(items)
    rng = np.random.default_rng(seed)
    return [items[place] for place in sorted(rng.choice(len(items), limit, replace=False))]


def _example(item: Labelled) -> Example:
    return Example(item.id, (Message("user", item.prompt),), answer=item.reference)


def _pairs(
    judge: JudgeSpec, readers: Sequence[JudgeSpec], items: Sequence[Labelled], journal: Journal, progress: Progress
) -> tuple[str, list[Said]]:
    """The judge's hash, and its preference for the first answer of each pair. First stands for base, second for tuned."""
    pairs = [Pair(item.suite, item.task, _example(item), *(Completion(text) for text in item.texts)) for item in items]
    readings = [read_pairs(reader, pairs, journal, cache_folder(), progress) for reader in readers]
    hashes = [reading.judge_hash for reading in readings]
    if judge.kind == "jury":
        every = [verdict for reading in readings for verdict in reading.verdicts]
        return jury_hash(judge, hashes), _jury(judge, readers, items, every)
    verdicts = _by_item(readings[0].verdicts)
    return hashes[0], [_preference(item, verdicts[item.suite, item.task, item.id]) for item in items]


def _by_item(verdicts: Sequence[Verdict]) -> defaultdict[tuple[str, str, str], list[Verdict]]:
    found: defaultdict[tuple[str, str, str], list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        found[verdict.suite, verdict.task, verdict.example_id].append(verdict)
    return found


def _jury(
    judge: JudgeSpec, readers: Sequence[JudgeSpec], items: Sequence[Labelled], verdicts: Sequence[Verdict]
) -> list[Said]:
    """What the members come to as one; why a pair was not read, where it was not, is a member's failure."""
    frame = verdicts_as_frame(verdicts)
    combined = jury_verdicts(frame, judge.name, [reader.name for reader in readers], judge.combine)
    read = combined.dropna(subset=["winner"])
    winners = dict(zip(zip(read["suite"], read["task"], read["id"], strict=True), read["winner"], strict=True))
    members = _by_item(verdicts)
    said: list[Said] = []
    for item in items:
        place = (item.suite, item.task, item.id)
        winner: Winner | None = winners.get(place)
        failures = [one.failure for one in members[place] if one.failure is not None]
        again = next((one for one in failures if one.retryable), failures[0] if failures else None)
        said.append(Said(item, failure=again) if winner is None else Said(item, 1 - POINTS[winner]))
    return said


def _preference(item: Labelled, verdicts: Sequence[Verdict]) -> Said:
    """The mean over the orders; nothing where any of them could not be read."""
    winners: list[Winner] = [verdict.winner for verdict in verdicts if verdict.winner is not None]
    if len(winners) < len(verdicts) or not winners:
        return Said(item, failure=next((one.failure for one in verdicts if one.failure is not None), None))
    preference = 1 - sum(POINTS[winner] for winner in winners) / len(winners)
    return Said(item, preference, alike=len(set(winners)) == 1 if len(winners) > 1 else None)


def _answers(
    judge: JudgeSpec, items: Sequence[Labelled], journal: Journal, progress: Progress
) -> tuple[str, list[Said]]:
    """The judge's hash, and its mark of each answer."""
    asked = [(item.suite, item.task, _example(item), Completion(item.texts[0])) for item in items]
    graded = read_answers(judge, asked, journal, cache_folder(), progress)
    said = [Said(item, mark.value, failure=mark.failure) for item, mark in zip(items, graded.marks, strict=True)]
    return graded.judge_hash, said


def _cautions(file: LabelFile, items: Sequence[Labelled], said: Sequence[Said]) -> tuple[str, ...]:
    cautions: list[str] = []
    if file.unlabelled:
        cautions.append(f"{file.unlabelled} rows of {file.name} have no label and are left out")
    tied = sum(item.people == TIE for item in items)
    if tied:
        cautions.append(f"people tie on {tied} of {len(items)} items, which count for kappa alone")
    kinds = Counter(one.failure.kind if one.failure else "no verdict" for one in said if one.value is None)
    if kinds:
        why = ", ".join(f"{count} x {kind.replace('_', ' ')}" for kind, count in kinds.most_common())
        cautions.append(f"{sum(kinds.values())} of {len(items)} items unscored: {why}")
    return tuple(cautions)
