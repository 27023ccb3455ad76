"""The samples of one log: what was asked, what came back, and what every scorer said of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import xxhash

from evalkit.importers.inspect_logs.folder import LogFile
from evalkit.importers.inspect_logs.own import SampleNote, sample_note
from evalkit.types import InputError, Usage

if TYPE_CHECKING:
    from inspect_ai.log import EvalSample
    from inspect_ai.scorer import Score as InspectScore

_LEFT_OUT = {"events", "store", "timelines", "model_usage", "role_usage"}
_ENDS = {"stop": "stop", "max_tokens": "length", "model_length": "length", "content_filter": "content_filter"}


@dataclass(frozen=True, slots=True)
class LoggedSample:
    """One epoch of one sample. epoch: from 1. error: why it was never answered. limit: the one that it ran into.

    scores: by scorer. same: what must be equal for two samples to be one item, hashed, by field.
    """

    id: str
    epoch: int
    same: Mapping[str, str]
    prompt: str | None
    text: str | None
    reasoning: str | None
    target: str
    finish_reason: str
    usage: Usage
    scores: Mapping[str, InspectScore]
    error: str | None
    limit: str | None
    group: str | None
    note: SampleNote | None


@dataclass(frozen=True, slots=True)
class ReadLog:
    """A log with its samples. ids: all that were to be asked. epochs: how often each was."""

    file: LogFile
    samples: Sequence[LoggedSample]
    ids: Sequence[str]
    epochs: int


def read_log(file: LogFile, cluster: str | None) -> ReadLog:
    """All samples of a log, attachments put back in their places. cluster: a field of their metadata. Raises InputError."""
    from inspect_ai.log import read_eval_log

    try:
        log = read_eval_log(file.path.as_posix(), resolve_attachments="core", exclude_fields=_LEFT_OUT)
    except Exception as error:  # a boundary: a damaged log fails in many ways
        first = str(error).splitlines()[0] if str(error) else ""
        raise InputError(f"{file.path}: Inspect cannot read its samples: {type(error).__name__}: {first}") from None
    if not log.samples:
        raise InputError(
            f"{file.path}: holds no samples; pairs are made of them: run inspect eval without --no-log-samples"
        )
    asked = cluster or _cluster_of(log)
    samples = [_read(sample, file, asked, stated=cluster is not None) for sample in log.samples]
    ids = [str(one) for one in log.eval.dataset.sample_ids or ()]
    epochs = max(log.eval.config.epochs or 1, *(one.epoch for one in samples))
    return ReadLog(file, samples, ids or list(dict.fromkeys(one.id for one in samples)), epochs)


def _cluster_of(log: Any) -> str | None:
    """The field that a scorer's own standard error is clustered by."""
    for score in log.results.scores if log.results else ():
        for metric in score.metrics.values():
            if isinstance(metric.params.get("cluster"), str):
                return metric.params["cluster"]
    return None


def _read(sample: EvalSample, file: LogFile, cluster: str | None, *, stated: bool) -> LoggedSample:
    where = f"{file.path}: sample {sample.id}"
    note = sample_note(sample.metadata, where)
    if stated and cluster not in sample.metadata:
        raise InputError(
            f"--cluster: {where}: its metadata has no {cluster!r}; it has: {', '.join(sorted(sample.metadata)) or 'nothing'}"
        )
    target = " | ".join(sample.target) if isinstance(sample.target, list) else sample.target
    same = {"target": target}
    if note is None:  # the input of evalkit's own logs is what each model's template made of it
        same |= {"input": _input(sample), "choices": repr(sample.choices)}
    output = sample.output
    answered = not output.empty
    usage = output.usage
    group = sample.metadata.get(cluster) if cluster else None
    error = sample.error.message if sample.error else None
    if sample.invalidation is not None:
        error = f"invalidated: {sample.invalidation.reason or 'no reason given'}"
    return LoggedSample(
        id=str(sample.id),
        epoch=sample.epoch,
        same={name: xxhash.xxh3_128_hexdigest(value.encode("utf-8", "replace")) for name, value in same.items()},
        prompt=_prompt(sample),
        text=output.completion if answered else None,
        reasoning=_reasoning(output) if answered else None,
        target=target,
        finish_reason=_ENDS.get(output.stop_reason, "recorded") if answered else "recorded",
        usage=Usage(usage.input_tokens + (usage.input_tokens_cache_read or 0), usage.output_tokens)
        if usage
        else Usage(),
        scores=sample.scores or {},
        error=error,
        limit=sample.limit.type if sample.limit else None,
        group=None if group is None else str(group),
        note=note,
    )


def _input(sample: EvalSample) -> str:
    return (
        sample.input if isinstance(sample.input, str) else "\n".join(f"{one.role}: {one.text}" for one in sample.input)
    )


def _prompt(sample: EvalSample) -> str:
    """What the model was asked before it first wrote anything: system turn, templates and worked examples included."""
    turns = []
    for one in sample.messages:
        if one.role == "assistant" and one.source != "input":
            break
        turns.append(one)
    if len(turns) == 1 and turns[0].role == "user":
        return turns[0].text
    return "\n\n".join(f"{one.role}: {one.text}" for one in turns) or _input(sample)


def _reasoning(output: Any) -> str | None:
    return "\n\n".join(_traces(output.message.content)) or None


def _traces(content: Any) -> Iterator[str]:
    for part in content if isinstance(content, list) else ():
        if part.type == "reasoning":
            yield part.summary or "" if part.redacted else part.reasoning
