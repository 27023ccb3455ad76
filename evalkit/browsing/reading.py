"""summary.json, manifest.json and sweep.json as nouns. A file that cannot be read raises RunError with the reason in a line."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from evalkit.report.text import one_line, shortened
from evalkit.steps import step_in
from evalkit.types import (
    Against,
    Decision,
    Estimate,
    Exam,
    Gate,
    GateVerdict,
    Outcome,
    Role,
    RunError,
    StoredCandidate,
    StoredJudge,
    StoredModel,
    StoredRun,
    StoredSuite,
    StoredSweep,
)

SCHEMA = 1
LARGEST = 64 * 2**20
"""Bytes of a file beyond which it is not read: no summary of a run is near that."""


# What is read of the three files, field by field as they hold it. Other fields are not looked at.


@dataclass(frozen=True, slots=True)
class _Model:
    name: str
    fingerprint: str
    model: str = ""
    adapter: str | None = None
    engine: str = ""
    engine_version: str = ""
    precision: str | None = None
    format: str | None = None
    template_hash: str | None = None
    tokenizer_fingerprint: str | None = None
    sampling: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class _SuiteRecord:
    name: str
    hash: str
    weight: float = 1.0
    aggregate: str = "pool"


@dataclass(frozen=True, slots=True)
class _JudgeRecord:
    name: str
    hash: str


@dataclass(frozen=True, slots=True)
class _Looked:
    looks: int
    asked: int


@dataclass(frozen=True, slots=True)
class _FreshFrom:
    runs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Manifest:
    schema: int
    run_id: str
    created: str
    base: _Model
    tuned: _Model
    suites: tuple[_SuiteRecord, ...]
    judges: tuple[_JudgeRecord, ...]
    policy: Mapping[str, Any]
    seed: int = 0
    limit: int | None = None
    hold_out: float = 0.0
    sequential: _Looked | None = None
    fresh_from: _FreshFrom | None = None


@dataclass(frozen=True, slots=True)
class _Pooled:
    value: float | None
    low: float | None
    high: float | None
    level: float
    n: int
    se: float | None = None
    method: str = ""
    cautions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Suite:
    name: str
    role: Role
    n: int
    missing: int
    base: float | None
    tuned: float | None
    delta: float | None
    low: float | None
    high: float | None
    level: float
    unit: str | None = None
    se: float | None = None
    method: str = ""
    verdict: GateVerdict | None = None


@dataclass(frozen=True, slots=True)
class _Judge:
    name: str
    n: int
    win_rate: float | None
    low: float | None
    high: float | None
    se: float | None = None
    against: Against = "base"
    exam: Exam = "none"


@dataclass(frozen=True, slots=True)
class _Gate:
    kind: str
    subject: str
    required: bool
    rule: str
    threshold: float | None
    value: float | None
    low: float | None
    high: float | None
    verdict: GateVerdict
    reason: str
    unit: str | None = None
    against: Against = "base"
    more_items_needed: int | None = 0


@dataclass(frozen=True, slots=True)
class _Summary:
    schema: int
    complete: bool
    decision: Outcome
    reasons: tuple[str, ...]
    tax: _Pooled | None
    gain: _Pooled | None
    suites: tuple[_Suite, ...]
    judges: tuple[_Judge, ...]
    gates: tuple[_Gate, ...]
    n: int
    missing: int
    cautions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Candidate:
    name: str
    folder: str | None
    decision: str | None
    step: int | None = None
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class _Sweep:
    schema: int
    complete: bool
    base: str
    best: str | None
    candidates: tuple[_Candidate, ...] = field(default=())


def read_run(summary: Path, manifest: Path, folder: str, *, report: bool) -> StoredRun:
    """One run. folder: what it is called in the index; report: whether it has a report.html.

    Raises RunError where a file is missing, no JSON, of another schema or lacks something.
    """
    told: _Summary = _read(_Summary, summary)
    known: _Manifest = _read(_Manifest, manifest)
    level = told.tax.level if told.tax else told.gain.level if told.gain else _level(known.policy)
    hashes = {suite.name: suite for suite in known.suites}
    judges = {judge.name: judge.hash for judge in known.judges}
    return StoredRun(
        folder=folder,
        run_id=known.run_id,
        created=known.created,
        seconds=_seconds(known.created),
        base=_model(known.base),
        tuned=_model(known.tuned),
        decision=Decision(
            told.decision, told.complete, tuple(_gate(one, level) for one in told.gates), told.reasons, told.cautions
        ),
        gain=_pooled(told.gain),
        tax=_pooled(told.tax),
        suites=tuple(_suite(suite, hashes.get(suite.name)) for suite in told.suites),
        judges=tuple(
            StoredJudge(one.name, judges.get(one.name, ""), one.against, _win_rate(one, level), one.exam)
            for one in told.judges
        ),
        n=told.n,
        missing=told.missing,
        level=level,
        setup=_setup(known),
        policy={name: json.dumps(value, sort_keys=True) for name, value in known.policy.items()},
        cautions=told.cautions,
        report=report,
    )


def read_sweep(path: Path, folder: str, *, report: bool) -> StoredSweep:
    """One sweep, from its sweep.json. Raises RunError as `read_run` does."""
    told: _Sweep = _read(_Sweep, path)

    def below(own: str | None) -> str | None:
        return None if own is None else own if folder == "." else f"{folder}/{own}"

    candidates = tuple(
        StoredCandidate(one.name, below(one.folder), one.decision, one.step, one.failure) for one in told.candidates
    )
    return StoredSweep(folder, told.base, told.complete, told.best, candidates, report)


@cache
def _adapter(kind: type) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def _read(kind: type, path: Path) -> Any:
    """One file, checked. The reason of a RunError names file and place in a line, whatever the file holds."""
    from pydantic import ValidationError

    try:
        if path.stat().st_size > LARGEST:
            raise RunError(f"{path.name}: larger than {LARGEST // 2**20} MiB; this is not what evalkit writes")
        read = _adapter(kind).validate_json(path.read_bytes())
    except FileNotFoundError:
        raise RunError(f"{path.name}: not there (yet): the run is being written, or broke off") from None
    except OSError as error:
        raise RunError(f"{path.name}: cannot be read: {error.strerror or error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = shortened(".".join(str(part) for part in first["loc"]), 60)
        raise RunError(
            f"{path.name}: {f'{place}: ' if place else ''}{shortened(one_line(first['msg']), 200)}"
        ) from None
    if read.schema != SCHEMA:
        raise RunError(f"{path.name}: schema {read.schema}, and this evalkit reads {SCHEMA}; another version wrote it")
    return read


def _level(policy: Mapping[str, Any]) -> float:
    level = policy.get("level")
    return float(level) if isinstance(level, int | float) and 0 < level < 1 else 0.95


def _seconds(created: str) -> float | None:
    try:
        moment = datetime.fromisoformat(created)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _model(model: _Model) -> StoredModel:
    return StoredModel(model.name, model.fingerprint, step_in([model.name, model.adapter, model.model]))


def _pooled(one: _Pooled | None) -> Estimate | None:
    if one is None or one.value is None:
        return None
    return Estimate(one.value, one.se, one.low, one.high, one.level, one.method, one.n, one.cautions)


def _suite(one: _Suite, record: _SuiteRecord | None) -> StoredSuite:
    delta = None
    if one.delta is not None:
        delta = Estimate(one.delta, one.se, one.low, one.high, one.level, one.method, one.n)
    return StoredSuite(
        one.name,
        one.role,
        record.hash if record else "",
        one.n,
        one.missing,
        one.base,
        one.tuned,
        delta,
        one.unit,
        one.verdict,
        f"{record.aggregate} {record.weight:g}" if record else "",
    )


def _win_rate(one: _Judge, level: float) -> Estimate | None:
    if one.win_rate is None:
        return None
    return Estimate(one.win_rate, one.se, one.low, one.high, level, "", one.n)


def _gate(one: _Gate, level: float) -> Gate:
    """A gate as it was written; a number that was not finite then is none now."""
    value = math.nan if one.value is None else one.value
    threshold = math.nan if one.threshold is None else one.threshold
    return Gate(
        one.kind,
        one.subject,
        one.required,
        one.rule,
        threshold,
        Estimate(value, None, one.low, one.high, level, "", 0),
        one.verdict,
        one.reason,
        one.more_items_needed,
        one.unit,
        against=one.against,
    )


def _setup(known: _Manifest) -> dict[str, str]:
    """How the models were asked. Two runs that differ here are held against each other with a caution."""
    drawn = "all items" if known.limit is None else f"{known.limit} items of each task"
    kept_back = f", {known.hold_out:.0%} held out" if known.hold_out else ""
    fresh = f", without those of {', '.join(known.fresh_from.runs)}" if known.fresh_from else ""
    looks = f", {known.sequential.asked} asked in looks" if known.sequential else ""
    seed = f", seed {known.seed}" if known.limit is not None or known.hold_out or known.sequential else ""
    return {
        "base": f"{known.base.name} ({known.base.fingerprint[:8]})",
        "items": f"{drawn}{kept_back}{fresh}{looks}{seed}",
        "asking": _asking(known.base),
        "level": f"{100 * _level(known.policy):g} %",
    }


def _asking(model: _Model) -> str:
    """Engine, precision, format and sampling of an arm, in a line."""
    sampling = ", ".join(
        f"{name} {value}" for name, value in (model.sampling or {}).items() if value not in (None, [], ())
    )
    template = f"template {model.template_hash[:8]}" if model.template_hash else ""
    parts = [f"{model.engine} {model.engine_version}".strip(), model.precision, model.format, template, sampling]
    return ", ".join(part for part in parts if part)
