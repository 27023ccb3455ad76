"""A run as logs of Inspect, one an arm and task, through Inspect's own types and writer.

`inspect view`, `inspect log dump` and `read_eval_log` read them. What Inspect has no field for stands in the metadata
under `evalkit`, and `evalkit import inspect` gives the run's numbers back from it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from evalkit.importers.inspect_logs.own import LogNote, SampleNote, as_metadata
from evalkit.scorers import UNSCORED
from evalkit.types import (
    AGAIN,
    ARMS,
    INCUMBENT,
    PROBES,
    InputError,
    Manifest,
    ModelRecord,
    Progress,
    Silent,
    SuiteRecord,
    TaskRecord,
)

if TYPE_CHECKING:
    from inspect_ai.log import EvalLog, EvalSample

_ENDS = {"stop": "stop", "length": "max_tokens", "content_filter": "content_filter"}


def export_inspect(
    table: pa.Table, manifest: Manifest, folder: Path, *, progress: Progress | None = None
) -> list[Path]:
    """Write `folder/ARM/TIME_SUITE-TASK_ID.eval` for every arm and task; the paths, in order.

    The probes, which belong to no suite, are left out. Raises InputError where Inspect is not installed, or the folder
    holds logs already: of two logs of one task readers take the newest.
    """
    if importlib.util.find_spec("inspect_ai") is None:
        raise InputError(
            "export: --format inspect: inspect_ai, whose types its logs are written with, is not installed; pip install "
            "'evalkit-gate[inspect]'"
        )
    if folder.is_file() or (folder.is_dir() and any(folder.rglob("*.eval"))):
        raise InputError(f"--out: {folder}: holds logs already, or is a file; name a new folder")
    models = {"base": manifest.base, "tuned": manifest.tuned, AGAIN: manifest.base}
    if manifest.incumbent is not None:
        models[INCUMBENT] = manifest.incumbent
    rows: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in table.to_pylist():
        if row["suite"] != PROBES:
            rows.setdefault((row["arm"], row["suite"], row["task"]), []).append(row)
    progress = progress or Silent()
    progress.phase("writing logs", len(rows), unit="logs")
    written: list[Path] = []
    for arm in (*ARMS, INCUMBENT, AGAIN):
        for suite in manifest.suites:
            for task in suite.tasks:
                mine = rows.get((arm, suite.name, task.name))
                if mine:
                    written.append(_write(folder / arm, arm, models[arm], suite, task, mine, manifest))
                    progress.advance()
    return written


def _write(
    folder: Path,
    arm: str,
    model: ModelRecord,
    suite: SuiteRecord,
    task: TaskRecord,
    rows: Sequence[Mapping[str, Any]],
    manifest: Manifest,
) -> Path:
    from inspect_ai.log import write_eval_log

    log = _log(arm, model, suite, task, rows, manifest)
    time = re.sub(r"[:+.]", "-", manifest.created)
    name = re.sub(r"[^\w.-]+", "-", log.eval.task).strip("-") or "task"
    path = folder / f"{time}_{name}_{log.eval.task_id}.eval"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_eval_log(log, path.as_posix())
    except OSError as error:
        raise InputError(f"--out: {path}: cannot be written: {error}") from None
    return path


def _log(
    arm: str,
    model: ModelRecord,
    suite: SuiteRecord,
    task: TaskRecord,
    rows: Sequence[Mapping[str, Any]],
    manifest: Manifest,
) -> EvalLog:
    from inspect_ai.log import EvalConfig, EvalDataset, EvalLog, EvalPlan, EvalResults, EvalSpec, EvalStats

    name = suite.name if suite.name == task.name else f"{suite.name}-{task.name}"
    ids = list(dict.fromkeys(row["id"] for row in rows))
    spec = EvalSpec(
        eval_id=_id(manifest.run_id, arm, suite.name, task.name),
        run_id=_id(manifest.run_id),
        created=manifest.created,
        task=name,
        task_id=_id(suite.hash, suite.name, task.name),
        task_display_name=name,
        dataset=EvalDataset(name=suite.name, samples=len(ids), sample_ids=ids, shuffled=False),
        model=f"{model.backend}/{model.name}",
        model_args={"model": model.model, **({"revision": model.revision} if model.revision else {})},
        config=EvalConfig(epochs=1 + max(row["sample"] for row in rows)),
        packages={name: str(version) for name, version in manifest.versions.items()},
        metadata=as_metadata(LogNote(arm, model, suite, task)),
    )
    marks = [row["value"] for row in rows if row["value"] is not None]
    results = EvalResults(
        total_samples=len(rows),
        completed_samples=sum(row["failure"] is None for row in rows),
        scores=[_result(task.metric, marks, len(rows))] if task.metric != UNSCORED else [],
    )
    return EvalLog(
        status="success",
        eval=spec,
        plan=EvalPlan(),
        results=results,
        stats=EvalStats(started_at=manifest.created, completed_at=manifest.created),
        samples=[_sample(row, model) for row in rows],
    )


def _result(metric: str, marks: Sequence[float], rows: int) -> Any:
    from inspect_ai.log import EvalMetric, EvalScore

    mean = sum(marks) / len(marks) if marks else math.nan
    return EvalScore(
        name=metric,
        scorer=metric,
        scored_samples=len(marks),
        unscored_samples=rows - len(marks),
        metrics={"mean": EvalMetric(name="mean", value=mean)},
    )


def _sample(row: Mapping[str, Any], model: ModelRecord) -> EvalSample:
    from inspect_ai.log import EvalError, EvalSample
    from inspect_ai.model import ChatMessageUser, ModelOutput

    prompt, text = row["prompt"] or "", row["text"]
    output = ModelOutput(model=model.name) if text is None else _output(row, text, model)
    logprobs = row["logprobs"]
    note = SampleNote(
        known=tuple(name for name in ("prompt", "text") if row[name] is not None),
        cause=row["cause"],
        finish_reason=row["finish_reason"],
        logprobs=None if logprobs is None else tuple(one if math.isfinite(one) else None for one in logprobs),
        group=row["group"],
        slices=_slices(row["slices"]),
        failure=row["failure"],
        failure_hint=row["failure_hint"],
        verdicts=tuple(row["verdicts"] or ()),
    )
    error = None
    if row["failure"] is not None:
        message = row["failure_message"] or row["failure"]
        error = EvalError(message=message, traceback=message, traceback_ansi=message)
    turns: list[Any] = [ChatMessageUser(content=prompt, source="input")]
    return EvalSample(
        id=row["id"],
        epoch=row["sample"] + 1,
        input=prompt,
        target=row["gold"] or "",
        messages=turns if text is None else [*turns, output.message],
        output=output,
        scores=_scores(row),
        metadata=as_metadata(note),
        error=error,
    )


def _scores(row: Mapping[str, Any]) -> dict[str, Any]:
    """The mark, where there is one: what was never answered has none, in Inspect as here."""
    from inspect_ai.scorer import Score

    if row["value"] is None:
        return {}
    return {row["metric"]: Score(value=float(row["value"]), answer=row["answer"], explanation=row["cause"])}


def _output(row: Mapping[str, Any], text: str, model: ModelRecord) -> Any:
    from inspect_ai.model import ContentReasoning, ContentText, ModelOutput, ModelUsage

    content: Any = text
    if row["reasoning"]:
        content = [ContentReasoning(reasoning=row["reasoning"]), ContentText(text=text)]
    output = ModelOutput.from_content(model.name, content, stop_reason=_ENDS.get(row["finish_reason"], "unknown"))  # type: ignore[arg-type]
    read, wrote = row["prompt_tokens"], row["completion_tokens"]
    if read or wrote:
        output.usage = ModelUsage(
            input_tokens=read or 0, output_tokens=wrote or 0, total_tokens=(read or 0) + (wrote or 0)
        )
    return output


def _slices(told: str | None) -> dict[str, str]:
    return json.loads(told) if told else {}


def _id(*parts: str) -> str:
    """The same for the same run, so that an export made again has the same names. Inspect's are 22 letters long."""
    return hashlib.sha256("\n".join(parts).encode("utf-8", "replace")).hexdigest()[:22]
