"""summary.json: the contract that scripts and CI read. Rates in [0, 1]; delta = tuned - base; null: does not apply.

`unit`: what the numbers of a suite without bounds are counted in ("bits per byte"); null for rates in [0, 1].
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping

from evalkit.report.words import VERDICTS, cautions
from evalkit.types import (
    INCUMBENT,
    Against,
    Comparison,
    Decision,
    Estimate,
    ExamRecord,
    Gate,
    GateVerdict,
    JudgeResult,
    LengthControl,
    Manifest,
    Measure,
    ModelRecord,
    NoiseFloor,
    Overlap,
    Slice,
    SuiteAtTestTime,
    SuiteDrift,
    SuiteNoise,
    SuiteResult,
    TaskResult,
)

SCHEMA = 1


def summary(comparison: Comparison, decision: Decision, manifest: Manifest) -> dict[str, object]:
    """The whole of summary.json as plain data, every key of the contract always present."""
    return {
        "schema": SCHEMA,
        "complete": decision.complete,
        "decision": decision.outcome,
        "reasons": list(decision.reasons),
        "base": _model(manifest.base),
        "tuned": _model(manifest.tuned),
        **_measured(comparison, decision, "base"),
        "incumbent": _incumbent(comparison, decision, manifest),
        "worst_tax": _worst(comparison),
        "losses_found": dict(comparison.losses_found),
        "judges": [_judge(judge) for judge in comparison.judges],
        "test_time": [_test_time(suite) for suite in comparison.test_time],
        "gates": [_gate(gate) for gate in decision.gates],
        "error_rates": list(decision.error_rates),
        "drift": [_drift(one) for one in comparison.drift],
        "noise_floor": _noise_floor(comparison.noise) if comparison.noise else None,
        "run_id": manifest.run_id,
        "n": comparison.n,
        "missing": comparison.missing,
        "failures": dict(comparison.failures),
        "cautions": cautions(comparison, decision, manifest),
    }


def summary_json(comparison: Comparison, decision: Decision, manifest: Manifest) -> str:
    """summary.json as text. A number that is not finite is written as null, which every JSON reader accepts."""
    data = _finite(summary(comparison, decision, manifest))
    return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def gates_of(suite: str, decision: Decision, against: Against = "base") -> list[Gate]:
    """The gates that one suite answers to by itself, held against one model; a pool and a judge may share its name."""
    own = ("retain", "retain_relative", "target", "guard_rate", "guard_increase")
    return [one for one in decision.gates if one.subject == suite and one.kind in own and one.against == against]


def pool_gates(pool: str, decision: Decision, against: Against = "base") -> list[Gate]:
    """The gates of a pool, held against one model."""
    return [one for one in decision.gates if (one.kind, one.subject, one.against) == ("pool", pool, against)]


def tax_gates(decision: Decision, against: Against = "base") -> list[Gate]:
    """The gate on the pooled tax, where it is held against this model."""
    return [one for one in decision.gates if one.kind == "tax" and one.against == against]


def verdict_word(suite: str, decision: Decision) -> str:
    """What became of a suite beside its difference to base, in a word or two."""
    verdict = combined(gates_of(suite, decision))
    if verdict:
        return VERDICTS[verdict]
    return "see incumbent" if gates_of(suite, decision, INCUMBENT) else "no gate"


def _measured(comparison: Comparison, decision: Decision, against: Against) -> dict[str, object]:
    """Tax, gain, suites and pools of tuned over one model, each with the verdict of the gates that read it."""
    tax = _pooled(comparison.tax)
    if tax is not None:
        tax["verdict"] = combined(tax_gates(decision, against))
    return {
        "tax": tax,
        "gain": _pooled(comparison.gain),
        "suites": [_suite(suite, gates_of(suite.name, decision, against)) for suite in comparison.suites],
        "pools": [_suite(pool, pool_gates(pool.name, decision, against)) for pool in comparison.pools],
    }


def _incumbent(comparison: Comparison, decision: Decision, manifest: Manifest) -> dict[str, object] | None:
    """The model in use now and, where gates are held against it, tuned's differences to it; `base` is its own mean there."""
    if manifest.incumbent is None:
        return None
    over = comparison.against_incumbent
    nothing: dict[str, object] = {
        "n": 0,
        "missing": 0,
        "failures": {},
        "tax": None,
        "gain": None,
        "suites": [],
        "pools": [],
    }
    counted = {} if over is None else {"n": over.n, "missing": over.missing, "failures": dict(over.failures)}
    measured = {} if over is None else _measured(over, decision, INCUMBENT)
    return {**_model(manifest.incumbent), **nothing, **counted, **measured}


def combined(gates: Iterable[Gate]) -> GateVerdict | None:
    """Several gates as one verdict: fail if any failed, pass if all passed, else inconclusive; None without gates."""
    verdicts = [gate.verdict for gate in gates]
    if not verdicts:
        return None
    if "fail" in verdicts:
        return "fail"
    return "pass" if all(verdict == "pass" for verdict in verdicts) else "inconclusive"


def more_items_needed(gates: Iterable[Gate]) -> int | None:
    """The most any of the gates asks for; None as soon as one could not be decided by any number, or there is none."""
    needed = [gate.more_items_needed for gate in gates]
    known = [number for number in needed if number is not None]
    return max(known) if known and len(known) == len(needed) else None


def _model(record: ModelRecord) -> dict[str, object]:
    return {"name": record.name, "fingerprint": record.fingerprint or None}


def _pooled(estimate: Estimate | None) -> dict[str, object] | None:
    if estimate is None:
        return None
    return {
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "level": estimate.level,
        "method": estimate.method,
        "se": estimate.se,
        "n": estimate.n,
        "cautions": list(estimate.cautions),
    }


def _worst(comparison: Comparison) -> dict[str, object] | None:
    worst = comparison.worst_tax
    return {"suite": worst.name, **_interval(worst.loss)} if worst else None


def _task(task: TaskResult) -> dict[str, object]:
    return {
        "name": task.name,
        "metric": task.metric,
        "unit": task.unit,
        "n": task.n,
        "missing": task.missing,
        "base": task.base,
        "tuned": task.tuned,
        "delta": task.delta.value,
        "se": task.delta.se,
        "low": task.delta.low,
        "high": task.delta.high,
        "level": task.delta.level,
        "method": task.delta.method,
        "regressed": task.regressed,
        "fixed": task.fixed,
        "kept": task.kept,
        "both_wrong": task.both_wrong,
        "causes": dict(task.causes),
        "cautions": list(dict.fromkeys([*task.cautions, *task.delta.cautions])),
    }


def _suite(suite: SuiteResult, gates: list[Gate]) -> dict[str, object]:
    told = _task(suite)
    if suite.role == "guard":
        told["causes"] = {}  # less of what a guard counts is better: items on which tuned has less of it are not lost
    return {
        **told,
        "role": suite.role,
        "margin": suite.margin,
        "weight": suite.weight,
        "rate": _pooled(suite.rate),
        "without_format_losses": _without_format(suite),
        "contamination": _contamination(suite.overlap),
        "retention": _interval(suite.retention) if suite.retention else None,
        "slices": [_slice(one) for one in suite.slices],
        "slices_left_out": suite.slices_left_out,
        "verdict": combined(gates),
        "more_items_needed": more_items_needed(gates),
        "tasks": [_task(task) for task in suite.tasks],
    }


def _slice(one: Slice) -> dict[str, object]:
    return {
        "name": one.name,
        "value": one.value,
        "n": one.n,
        "base": one.base,
        "tuned": one.tuned,
        "delta": one.delta.value,
        "low": one.delta.low,
        "high": one.delta.high,
        "method": one.delta.method,
        "regressed": one.regressed,
        "fixed": one.fixed,
        "p": one.p,
        "flagged": one.flagged,
    }


def _test_time(suite: SuiteAtTestTime) -> dict[str, object]:
    return {
        "name": suite.name,
        "metric": suite.metric,
        "n": suite.n,
        "samples": suite.samples,
        "pass_at_k": [{"k": k, **_measure(one)} for k, one in suite.pass_at_k.items()],
        "maj_at_k": [{"k": k, **_measure(one)} for k, one in suite.maj_at_k.items()],
        "truncated": _measure(suite.truncated) if suite.truncated else None,
        "tokens": _measure(suite.tokens) if suite.tokens else None,
        "tokens_per_solved": _measure(suite.tokens_per_solved) if suite.tokens_per_solved else None,
        "curve": {
            "budgets": list(suite.budgets),
            "base": list(suite.base_curve),
            "tuned": list(suite.tuned_curve),
        }
        if suite.budgets
        else None,
    }


def _measure(measure: Measure) -> dict[str, object]:
    delta = measure.delta
    return {
        "base": measure.base,
        "tuned": measure.tuned,
        "delta": delta.value if delta else None,
        "se": delta.se if delta else None,
        "low": delta.low if delta else None,
        "high": delta.high if delta else None,
        "level": delta.level if delta else None,
        "method": delta.method if delta else None,
        "cautions": list(delta.cautions) if delta else [],
    }


def _without_format(suite: SuiteResult) -> dict[str, object] | None:
    left = suite.without_format
    if left is None:
        return None
    return {**_brief(left), "set_aside": dict(suite.lost_to_form)}


def _contamination(overlap: Overlap) -> dict[str, object]:
    """`flagged` and `unknown` of `n`; what was not looked up is null. `without`: on items known to be free of overlap."""
    return {
        "status": overlap.status,
        "checked": overlap.checked,
        "n": overlap.n,
        "flagged": overlap.flagged if overlap.checked else None,
        "unknown": overlap.unknown,
        "without": _brief(overlap.delta_without) if overlap.delta_without else None,
    }


def _brief(estimate: Estimate) -> dict[str, object]:
    return {"delta": estimate.value, "low": estimate.low, "high": estimate.high, "n": estimate.n}


def _judge(judge: JudgeResult) -> dict[str, object]:
    won, controlled, exam = judge.win_rate, judge.length_controlled, judge.examined
    return {
        "name": judge.name,
        "kind": judge.kind,
        "jury": judge.jury,
        "against": judge.against,
        "n": judge.n,
        "unscored": judge.unscored,
        "win_rate": won.value if won else None,
        "se": won.se if won else None,
        "low": won.low if won else None,
        "high": won.high if won else None,
        "length_controlled_win_rate": controlled.win_rate.value if controlled else None,
        "length_control": _length_control(controlled) if controlled else None,
        "corrected": {**_interval(judge.corrected), "labels": judge.labels} if judge.corrected else None,
        "mean_difference": _interval(judge.mean_difference) if judge.mean_difference else None,
        "order_flip_rate": judge.order_flip_rate,
        "first_slot_rate": judge.first_slot_rate,
        "repeat_consistency": judge.repeat_consistency.value if judge.repeat_consistency else None,
        "unscored_by": dict(judge.unscored_by),
        "mass": judge.mass,
        "human_agreement": exam.agreement.value if exam else None,
        "exam": judge.exam,
        "alpaca_eval": dict(judge.alpaca_eval) or None,
        "exam_record": _exam(exam) if exam else None,
        "anchors": dataclasses.asdict(judge.anchors) if judge.anchors else None,
        "cost": dataclasses.asdict(judge.cost) if judge.cost else None,
        "wins": judge.wins,
        "ties": judge.ties,
        "losses": judge.losses,
        "cautions": list(dict.fromkeys([*judge.cautions, *(won.cautions if won else ())])),
    }


def _interval(estimate: Estimate) -> dict[str, object]:
    return {
        "value": estimate.value,
        "se": estimate.se,
        "low": estimate.low,
        "high": estimate.high,
        "level": estimate.level,
        "method": estimate.method,
        "n": estimate.n,
        "cautions": list(estimate.cautions),
    }


def _length_control(control: LengthControl) -> dict[str, object]:
    slope = control.slope
    return {
        **_interval(control.win_rate),
        "slope": slope.value,
        "slope_low": slope.low,
        "slope_high": slope.high,
        "supported": control.supported,
    }


def _exam(exam: ExamRecord) -> dict[str, object]:
    return {
        "labels": exam.labels,
        "taken": exam.taken,
        "n": exam.n,
        "unscored": exam.unscored,
        "agreement": _interval(exam.agreement),
        "human_agreement": _interval(exam.human_agreement) if exam.human_agreement else None,
        "kappa": _interval(exam.kappa) if exam.kappa else None,
        "errors": {name: _interval(one) for name, one in exam.errors.items()},
        "order_consistency": _interval(exam.order_consistency) if exam.order_consistency else None,
        "slices": [{"name": one.name, **_interval(one.agreement)} for one in exam.slices],
    }


def _gate(gate: Gate) -> dict[str, object]:
    return {
        "kind": gate.kind,
        "subject": gate.subject,
        "against": gate.against,
        "required": gate.required,
        "rule": gate.rule,
        "threshold": gate.threshold,
        "unit": gate.unit,
        "value": gate.estimate.value,
        "low": gate.estimate.low,
        "high": gate.estimate.high,
        "verdict": gate.verdict,
        "reason": gate.reason,
        "more_items_needed": gate.more_items_needed,
    }


def _drift(one: SuiteDrift) -> dict[str, object]:
    measures = [
        {
            "name": measure.name,
            "base": measure.base,
            "tuned": measure.tuned,
            "change": measure.change.value,
            "se": measure.change.se,
            "low": measure.change.low,
            "high": measure.change.high,
            "level": measure.change.level,
            "method": measure.change.method,
            "n": measure.change.n,
            "unit": measure.unit,
            "moved": measure.moved,
            "cautions": list(measure.change.cautions),
        }
        for measure in one.measures
    ]
    return {"suite": one.suite, "measures": measures, "cautions": list(one.cautions)}


def _noise_floor(noise: NoiseFloor) -> dict[str, object]:
    """Base asked again; `tuned` numbers are of the same items. `floor`: a half-width, for the whole suite."""
    return {
        "asked": noise.asked,
        "deterministic": noise.deterministic,
        "answers": noise.answers,
        "answers_differ": noise.answers_differ,
        "flip_rate": _pooled(noise.flip_rate),
        "tuned_flip_rate": _pooled(noise.tuned_flip_rate),
        "tax": _pooled(noise.tax),
        "tuned_tax": _pooled(noise.tuned_tax),
        "suites": [_suite_noise(suite) for suite in noise.suites],
        "cautions": list(noise.cautions),
    }


def _suite_noise(suite: SuiteNoise) -> dict[str, object]:
    return {
        "name": suite.name,
        "unit": suite.unit,
        "n": suite.n,
        "missing": suite.missing,
        "deterministic": suite.deterministic,
        "answers": suite.answers,
        "answers_differ": suite.answers_differ,
        "flips": suite.flips,
        "tuned_flips": suite.tuned_flips,
        "flip_rate": _pooled(suite.flip_rate),
        "tuned_flip_rate": _pooled(suite.tuned_flip_rate),
        "delta": _pooled(suite.delta),
        "tuned_delta": _pooled(suite.tuned_delta),
        "floor": suite.floor,
    }


def _finite(data: object) -> object:
    """The same data with NaN and infinities as None: JSON has no word for them."""
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, Mapping):
        return {str(key): _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    return data
