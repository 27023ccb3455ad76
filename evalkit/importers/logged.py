"""One task as another tool logged it for one model, and two of them as pairs.

Items are paired by id. What is on one side only is missing on the other; what has the same id and is not the same
item is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from evalkit.stored.records import Records
from evalkit.types import (
    ARMS,
    Completion,
    Example,
    Failure,
    InputError,
    Message,
    Prepared,
    Request,
    Sampling,
    Score,
    SuiteRecord,
    TaskRecord,
    Usage,
)


@dataclass(frozen=True, slots=True)
class Logged:
    """One sample of one item. sample: from 0.

    same: what must be the same on both sides for this to be one item, by field name ("target": "42"). prompt, text: None
    where the log does not hold them. finish_reason: as of a `Completion`; "recorded" where it is unknown.
    """

    id: str
    sample: int
    score: Score
    same: Mapping[str, str] = field(default_factory=dict)
    prompt: str | None = None
    text: str | None = None
    gold: str | None = None
    reasoning: str | None = None
    finish_reason: str = "recorded"
    usage: Usage = Usage()
    logprobs: tuple[float, ...] | None = None
    group: str | None = None
    slices: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LoggedTask:
    """One task of one model. file: where it was read, for messages.

    record: name, kind, metric, and whatever the log says of the marks. ids: every item that was to be asked, answered
    or not. worse_is_higher: the metric counts what is bad; None where nobody says. settings: how the task was set up, by
    name; a difference is a caution. chance: what guessing earns, where it is known. suite: as evalkit itself wrote it.
    """

    file: str
    record: TaskRecord
    answers: Sequence[Logged]
    ids: Sequence[str] = ()
    worse_is_higher: bool | None = None
    settings: Mapping[str, object] = field(default_factory=dict)
    chance: float | None = None
    suite: SuiteRecord | None = None


def add_pair(suite: str, base: LoggedTask, tuned: LoggedTask, records: Records) -> tuple[TaskRecord, tuple[str, ...]]:
    """Put both sides of a task into `records`; what a run remembers of it, and what is to be known of it.

    Raises InputError where an id stands for two different items.
    """
    name = base.record.name
    sides = dict(zip(ARMS, (base, tuned), strict=True))
    _check_same_items(name, base, tuned)
    ids = list(dict.fromkeys(id_ for side in (base, tuned) for id_ in (*side.ids, *(one.id for one in side.answers))))
    first = {one.id: one for side in (tuned, base) for one in reversed(side.answers)}  # base's own, where it has one
    for arm, side in sides.items():
        by_place = {(one.id, one.sample): one for one in side.answers}
        if len(by_place) != len(side.answers):
            twice = _first_twice((one.id, one.sample) for one in side.answers)
            raise InputError(
                f"{side.file}: task {name!r}: item {twice[0]!r} stands there twice (sample {twice[1] + 1})"
            )
        for id_ in ids:
            for sample in range(side.record.samples):
                one = by_place.get((id_, sample))
                known = one or first.get(id_)
                one = one or Logged(id_, sample, _absent(arm, side))
                _add(records, suite, name, arm, one, known)
    marks = [one.score.value for side in sides.values() for one in side.answers if one.score.value is not None]
    record = replace(
        base.record,
        items=len(ids),
        available=max(base.record.available, tuned.record.available, len(ids)),
        samples=max(base.record.samples, tuned.record.samples),
        binary=base.record.bounded and all(mark in (0.0, 1.0) for mark in marks),
        clustered=any(one.group is not None for side in sides.values() for one in side.answers),
        temperature={
            arm: side.record.temperature[arm] for arm, side in sides.items() if arm in side.record.temperature
        },
    )
    return record, tuple(_cautions(name, base, tuned))


def _add(records: Records, suite: str, task: str, arm: str, one: Logged, known: Logged | None) -> None:
    message = (Message("user", one.prompt or ""),)
    example = Example(
        one.id,
        message,
        answer=known.gold if known else None,
        group=known.group if known else None,
        slices=known.slices if known else {},
    )
    completion = None
    if one.text is not None or one.logprobs is not None:
        completion = Completion(
            one.text or "", one.reasoning, one.finish_reason, one.usage, one.logprobs, failure=one.score.failure
        )
    prepared = None
    if one.prompt is not None:
        prepared = Prepared(Request(arm, suite, task, one.id, message, Sampling(), sample=one.sample), one.prompt, "")
    records.add(suite, task, arm, one.sample, example, completion, one.score, prepared)


def _absent(arm: str, side: LoggedTask) -> Score:
    hint = "run the task on the same items for both models"
    return Score(side.record.metric, None, failure=Failure(arm, "absent_row", f"{side.file} has no row for it", hint))


def _check_same_items(task: str, base: LoggedTask, tuned: LoggedTask) -> None:
    mine = {one.id: one.same for one in tuned.answers}
    differing: dict[str, list[str]] = {}
    shared = {one.id: one.same for one in base.answers if one.id in mine}
    for id_, same in shared.items():
        for name in same.keys() & mine[id_].keys():
            if same[name] != mine[id_][name]:
                differing.setdefault(name, []).append(id_)
    for name, ids in sorted(differing.items()):
        raise InputError(
            f"{tuned.file}: task {task!r}: {len(ids)} of {len(shared)} items have another {name} than in {base.file} under the same "
            f"id (the first: {ids[0]!r}): they are not the same items; run both models on one version of the data"
        )


def _cautions(task: str, base: LoggedTask, tuned: LoggedTask) -> Iterator[str]:
    held = [{one.id for one in side.answers} for side in (base, tuned)]
    for arm, mine, others in (("base", *held), ("tuned", *reversed(held))):
        if mine - others:
            yield (
                f"{task}: {len(mine - others)} items stand in {arm}'s log alone; they count as missing, not as left out"
            )
    for name in base.settings.keys() | tuned.settings.keys():
        one, other = (side.settings.get(name) for side in (base, tuned))
        if one != other:
            yield f"{task}: the models were asked with different {name}: base {_said(one)}, tuned {_said(other)}"
    if base.record.samples != tuned.record.samples:
        yield (
            f"{task}: base has {base.record.samples} samples an item, tuned {tuned.record.samples}; each item's score is the "
            "mean over its own"
        )


def _said(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else text[:79] + "…"


def _first_twice(places: Iterable[tuple[str, int]]) -> tuple[str, int]:
    seen: set[tuple[str, int]] = set()
    for place in places:
        if place in seen:
            return place
        seen.add(place)
    raise AssertionError("every place is there once")
