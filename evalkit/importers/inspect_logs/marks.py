"""What a scorer of Inspect said, as scores of evalkit's: C, P, I and N, truth values, numbers, one of several."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from evalkit.importers.inspect_logs.samples import LoggedSample, ReadLog
from evalkit.importers.logged import Logged, LoggedTask
from evalkit.scorers import UNSCORED
from evalkit.types import Failure, InputError, Score, TaskRecord

_WORDS = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0, "yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}
"""Inspect's own reading of these values (`inspect_ai.scorer.value_to_float`)."""

_CAUSES = {"refusal": "refused", "invalid_response_format": "unparsed", "no_response": "unparsed"}
_NOT_THE_MODELS = ("grader_failed", "scoring_failed")
_SAMPLING = (
    "temperature", "top_p", "top_k", "max_tokens", "stop_seqs", "seed", "frequency_penalty", "presence_penalty", "num_choices",
    "reasoning_effort", "reasoning_tokens", "system_message",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scale:
    """Marks from `low` to `high` become 0 to 1. text: as it was written, empty where nobody wrote it."""

    low: float = 0.0
    high: float = 1.0
    text: str = ""

    @classmethod
    def read(cls, text: str | None) -> Scale:
        """From `LOW:HIGH`. Raises InputError."""
        if text is None:
            return cls()
        low, _, high = text.partition(":")
        try:
            read = cls(float(low), float(high), text)
        except ValueError:
            raise InputError(f"--scale: {text!r}: write LOW:HIGH, the marks that become 0 and 1, as in 1:10") from None
        if not read.low < read.high:
            raise InputError(f"--scale: {text!r}: LOW must be below HIGH; a scorer whose high marks are bad is a guard")
        return read

    def of(self, mark: float) -> float:
        """The mark in [0, 1]; outside of it where the mark is off the scale."""
        return mark if not self.text else (mark - self.low) / (self.high - self.low)


@dataclass(frozen=True, slots=True)
class _Scorer:
    """One number of one scorer. key: which, where the scorer gives several; else None."""

    name: str
    key: str | None

    @property
    def label(self) -> str:
        return self.name if self.key is None else f"{self.name}.{self.key}"

    def value(self, sample: LoggedSample) -> Any:
        """What it said of a sample; None where nothing."""
        score = sample.scores.get(self.name)
        if score is None or self.key is None:
            return None if score is None else score.value
        return score.value.get(self.key) if isinstance(score.value, Mapping) else None


def first_shared(base: ReadLog, tuned: ReadLog, wanted: str | None) -> str:
    """The scorer whose marks count: that asked for, else the log's headline, else its first. Raises InputError."""
    sides = [list(dict.fromkeys(_labels(side))) for side in (base, tuned)]
    where = f"{base.file.name} in {base.file.path.name}"
    if _is_unread(base) or _is_unread(tuned):
        return UNSCORED
    if not all(sides):
        bare = (base if not sides[0] else tuned).file.path
        raise InputError(f"{bare}: no scorer marked any sample; score it first: inspect score {bare}")
    shared = [label for label in sides[0] if label in sides[1]]
    if wanted is not None:
        keyed = [label for label in shared if label == wanted or label.split(".", 1)[-1] == wanted]
        if len(keyed) != 1:
            near = difflib.get_close_matches(wanted, shared, n=1)
            hint = (
                f"did you mean {near[0]!r}?" if near and not keyed else f"both logs have: {', '.join(shared) or 'none'}"
            )
            raise InputError(f"--scorer: no {wanted!r} in both logs of {where}; {hint}")
        return keyed[0]
    if not shared:
        raise InputError(
            f"{where}: base was scored by {', '.join(sides[0])}, tuned by {', '.join(sides[1])}; score both alike"
        )
    headline = base.file.header.eval.headline_metric
    named = None
    if headline is not None and headline.scorer:
        named = headline.scorer if headline.score in (None, headline.scorer) else f"{headline.scorer}.{headline.score}"
    if named in shared:
        return named
    first = shared[0].split(".", 1)[0]
    of_first = [label for label in shared if label == first or label.startswith(f"{first}.")]
    if len(of_first) > 1:
        raise InputError(
            f"{where}: scorer {first!r} gives several numbers; name one with --scorer: {', '.join(of_first)}"
        )
    return shared[0]


def logged_task(log: ReadLog, scorer: str, scale: Scale) -> LoggedTask:
    """One side of the task with that scorer's marks. Raises InputError for a value that is no mark."""
    note = log.file.note
    by = _scorer(log, scorer)
    answers: list[Logged] = []
    for sample in log.samples:
        where = f"{log.file.path}: sample {sample.id}, epoch {sample.epoch}"
        score = Score(UNSCORED, None) if by is None else _score(sample, by, scale, where, bounded=_bounded(log))
        answers.append(_logged(sample, score))
    record = TaskRecord(
        name=log.file.place[1],
        kind="generate",
        metric=scorer,
        items=len(log.ids),
        available=log.file.header.eval.dataset.samples or len(log.ids),
        samples=log.epochs,
        votes="answer" if all(one.score.answer is not None for one in answers if one.score.value is not None) else None,
        temperature=_temperature(log),
    )
    if note is not None:
        record = replace(note.task, metric=scorer, samples=log.epochs)
    return LoggedTask(
        file=str(log.file.path),
        record=record,
        answers=answers,
        ids=log.ids,
        settings={} if note is not None else _settings(log),
        suite=note.suite if note is not None else None,
        worse_is_higher=None,
    )


def _is_unread(log: ReadLog) -> bool:
    return log.file.note is not None and log.file.note.task.metric == UNSCORED


def _bounded(log: ReadLog) -> bool:
    return log.file.note is None or log.file.note.task.bounded


def _labels(log: ReadLog) -> Iterator[str]:
    """Every number that can be a mark, the log's own order of scorers first."""
    results = log.file.header.results
    listed = list(dict.fromkeys(score.scorer for score in results.scores)) if results else []
    found: dict[str, dict[str | None, None]] = {}
    for sample in log.samples:
        for name, score in sample.scores.items():
            keys = score.value if isinstance(score.value, Mapping) else [None]
            if not isinstance(score.value, list | tuple):
                found.setdefault(name, {}).update(dict.fromkeys(keys))
    for name in sorted(found, key=lambda one: listed.index(one) if one in listed else len(listed)):
        # A scorer that failed on some samples gives them one NaN in place of its numbers.
        keys = [key for key in found[name] if key is not None] or [None]
        yield from (_Scorer(name, key).label for key in keys)


def _scorer(log: ReadLog, label: str) -> _Scorer | None:
    if label == UNSCORED:
        return None
    name, _, key = label.partition(".")
    whole = any(label in sample.scores for sample in log.samples)
    return _Scorer(label, None) if whole else _Scorer(name, key)


def _score(sample: LoggedSample, by: _Scorer, scale: Scale, where: str, *, bounded: bool) -> Score:
    metric, said = by.label, sample.scores.get(by.name)
    answer = said.answer if said is not None else None
    failure = _failure(sample, said)
    value = by.value(sample)
    if failure is None and (value is None or _is_nan(value)):
        why = said.reason if said is not None and said.reason else "the scorer gave no value"
        failure = Failure("scorer", "not_marked", f"{metric}: {why}")
    if failure is not None:
        return Score(metric, None, answer, failure=failure)
    mark = scale.of(_number(value, metric, where))
    if bounded and not 0 <= mark <= 1:
        fix = (
            f"not on the scale {scale.text}"
            if scale.text
            else "marks lie in [0, 1]; for a scale of 1 to 10 say --scale 1:10"
        )
        raise InputError(f"{where}: {metric}: {value!r}: {fix}")
    return Score(metric, mark, answer, _cause(sample, said, value, mark))


def _failure(sample: LoggedSample, said: Any) -> Failure | None:
    """Why the model never got to answer, or its answer never to be marked: neither is a zero."""
    if sample.error is not None:
        kind = "sample_error"
        if sample.note is not None and sample.note.failure:
            kind = sample.note.failure
        return Failure("engine", kind, sample.error, (sample.note.failure_hint or "") if sample.note else "")
    if said is not None and said.reason in _NOT_THE_MODELS:
        return Failure("scorer", said.reason, said.explanation or f"the log says {said.reason}")
    return None


def _cause(sample: LoggedSample, said: Any, value: Any, mark: float) -> str | None:
    if sample.note is not None:
        return sample.note.cause
    if mark >= 1:
        return None
    if said.reason in _CAUSES:
        return _CAUSES[said.reason]
    if value == "N" or sample.finish_reason == "content_filter":
        return "refused"
    return "truncated" if sample.finish_reason == "length" or sample.limit is not None else "wrong"


def _number(value: Any, metric: str, where: str) -> float:
    if isinstance(value, bool | int | float):
        return float(value)
    if isinstance(value, str):
        known = _WORDS.get(value, _WORDS.get(value.lower()))
        if known is not None:
            return known
        try:
            return float(value)
        except ValueError:
            pass
    raise InputError(
        f"{where}: {metric}: {value!r}: is no mark; a mark is C, P, I or N, a truth value or a number; another scorer: --scorer"
    )


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _logged(sample: LoggedSample, score: Score) -> Logged:
    note = sample.note
    known = ("prompt", "text") if note is None else note.known
    logprobs = None if note is None or note.logprobs is None else note.logprobs
    return Logged(
        id=sample.id,
        sample=sample.epoch - 1,
        score=score,
        same=sample.same,
        prompt=sample.prompt if "prompt" in known else None,
        text=sample.text if "text" in known else None,
        gold=sample.target or None,
        reasoning=sample.reasoning,
        finish_reason=sample.finish_reason if note is None else note.finish_reason or "recorded",
        usage=sample.usage,
        logprobs=None if logprobs is None else tuple(math.nan if one is None else one for one in logprobs),
        group=sample.group if note is None else note.group,
        slices={} if note is None else note.slices,
    )


def _temperature(log: ReadLog) -> dict[str, float]:
    said = _generation(log).get("temperature")
    return {log.file.arm: float(said)} if isinstance(said, int | float) else {}


def _generation(log: ReadLog) -> dict[str, object]:
    header = log.file.header
    said = {
        **header.eval.model_generate_config.model_dump(exclude_none=True),
        **header.plan.config.model_dump(exclude_none=True),
    }
    return {name: said[name] for name in _SAMPLING if name in said}


def _settings(log: ReadLog) -> dict[str, object]:
    """How the task was set up: what must be equal for a fair comparison."""
    header = log.file.header
    return {
        "solvers": [[step.solver, json.loads(json.dumps(step.params, default=str))] for step in header.plan.steps],
        "task arguments": header.eval.task_args,
        "task version": header.eval.task_version,
        "generation settings": _generation(log),
    }
