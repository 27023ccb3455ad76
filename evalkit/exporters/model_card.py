"""The tuned model's results as the hub's `model-index`, through the hub's own types of a model card.

Source: huggingface_hub, `repocard_data.EvalResult`; https://github.com/huggingface/hub-docs, `modelcard.md`.
"""

from __future__ import annotations

import importlib.util
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evalkit.exporters.writing import write_whole
from evalkit.types import Comparison, Decision, Estimate, InputError, Manifest, SuiteResult, TaskResult

_IDS = {"acc": "accuracy"}
"""Metrics by the id that the hub has for them, where it is another."""


def export_model_card(comparison: Comparison, decision: Decision, manifest: Manifest, path: Path) -> Path:
    """Write the results block of tuned's card. Into a card that is there already, keeping its text and other results.

    Each suite, and each task of a suite of several, has its score and its difference to base, with interval and n in the
    metric's name and, as numbers, in its `args`. Raises InputError where huggingface_hub is not installed, or the file that is
    there is no card.
    """
    if importlib.util.find_spec("huggingface_hub") is None:
        raise InputError(
            "export: --format model-card: huggingface_hub, whose types a card is written with, is not installed; pip install "
            "'evalkit-gate[card]'"
        )
    from huggingface_hub import ModelCard, ModelCardData
    from huggingface_hub.repocard_data import eval_results_to_model_index, model_index_to_eval_results

    results = [*_results(comparison, decision, manifest)]
    if not results:
        raise InputError("export: --format model-card: the run holds no suite with a score; there is nothing to write")
    if path.exists():
        try:
            card: Any = ModelCard.load(path, ignore_metadata_errors=False)
        except (ValueError, OSError, UnicodeDecodeError) as error:
            raise InputError(f"--out: {path}: is there, and is no model card: {error}") from None
        mine = {(one.dataset_type, one.metric_type) for one in results}
        others = [one for one in card.data.eval_results or [] if (one.dataset_type, one.metric_type) not in mine]
        results = [*others, *results]
    else:
        card = ModelCard("---\n{}\n---\n")
        card.data = ModelCardData()
    card.data.model_name = card.data.model_name or manifest.tuned.name
    card.data.eval_results = results
    model_index_to_eval_results(eval_results_to_model_index(card.data.model_name, results))
    return write_whole(path, lambda temporary: temporary.write_text(str(card), "utf-8"))


def _results(comparison: Comparison, decision: Decision, manifest: Manifest) -> Iterator[Any]:
    for suite in comparison.suites:
        yield from _of(suite, suite.name, comparison)
        if len(suite.tasks) > 1:
            for task in suite.tasks:
                yield from _of(task, f"{suite.name}/{task.name}", comparison)
    verdict = decision.outcome.replace("_", "-").upper() if decision.complete else "INCOMPLETE"
    for name, estimate, role in (("alignment tax", comparison.tax, "retain"), ("gain", comparison.gain, "target")):
        if estimate is None or math.isnan(estimate.value):
            continue
        suites = ", ".join(suite.name for suite in comparison.suites if suite.role == role)
        yield _result(
            f"{role} suites: {suites}",
            f"evalkit-{role}",
            name.replace(" ", "_"),
            estimate.value,
            f"{name} over {comparison.base} ({_interval(estimate)}); decision of the whole run: {verdict}",
            {**_numbers(estimate), "run_id": manifest.run_id, "decision": verdict},
        )
    for judge in comparison.judges:
        if judge.win_rate is not None and judge.jury is None:
            yield _result(
                f"prompts read by {judge.name}",
                f"evalkit-judge-{_slug(judge.name)}",
                "win_rate",
                judge.win_rate.value,
                f"win rate over {comparison.base if judge.against == 'base' else 'the incumbent'} by {judge.name}, exam: {judge.exam} "
                f"({_interval(judge.win_rate)})",
                _numbers(judge.win_rate),
            )


def _of(result: SuiteResult | TaskResult, name: str, comparison: Comparison) -> Iterator[Any]:
    """The score and the difference to base of a suite or a task; nothing of one without any pair."""
    if not result.n or math.isnan(result.tuned):
        return
    metric = _IDS.get(result.metric, _slug(result.metric))
    dataset = _slug(name)
    counted = {"n": result.n, "missing": result.missing}
    yield _result(
        name,
        dataset,
        metric,
        result.tuned,
        f"{result.metric} (n = {result.n})",
        {"base": _finite(result.base), **counted},
    )
    yield _result(
        name,
        dataset,
        f"{metric}_difference",
        result.delta.value,
        f"{result.metric}, difference to {comparison.base} ({_interval(result.delta, unit=result.unit)})",
        {**_numbers(result.delta), **counted},
    )


def _result(name: str, dataset: str, metric: str, value: float, said: str, numbers: dict[str, Any]) -> Any:
    from huggingface_hub import EvalResult

    return EvalResult(
        task_type="text-generation",
        dataset_type=dataset,
        dataset_name=name,
        metric_type=metric,
        metric_value=round(value, 6),
        metric_name=said,
        metric_args=numbers,
    )


def _interval(estimate: Estimate, *, unit: str | None = None) -> str:
    if estimate.low is None or estimate.high is None:
        return f"no interval, n = {estimate.n}"
    ends = [f"{end:.3f} {unit}" if unit else f"{100 * end:.1f} %" for end in (estimate.low, estimate.high)]
    return f"{100 * estimate.level:g} % interval {ends[0]} to {ends[1]}, n = {estimate.n}"


def _numbers(estimate: Estimate) -> dict[str, Any]:
    ends = {name: _finite(getattr(estimate, name)) for name in ("low", "high", "se")}
    return {**ends, "level": estimate.level, "method": estimate.method, "n": estimate.n}


def _finite(value: float | None) -> float | None:
    return round(value, 6) if value is not None and math.isfinite(value) else None


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9._/-]+", "-", name.lower()).strip("-")
