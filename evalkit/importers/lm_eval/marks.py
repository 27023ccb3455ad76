"""The harness's marks, item by item, as scores of evalkit's."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from evalkit.importers.lm_eval.choices import read_choice
from evalkit.importers.lm_eval.samples import SampleRow, Samples
from evalkit.importers.logged import Logged, LoggedTask
from evalkit.types import Failure, InputError, Score, TaskRecord

_BITS_PER_BYTE = "bits_per_byte"
_KINDS = {
    "multiple_choice": "choice",
    "loglikelihood": "loglikelihood",
    "loglikelihood_rolling": "loglikelihood",
    "generate_until": "generate",
}
_NOTHING_FOUND = "[invalid]"
"""What the harness's regex filters put where they found nothing."""


def first_shared(base: Samples, tuned: Samples, wanted: str | None) -> str:
    """The metric that gives the score: that asked for, else the first of the task's that marks items by themselves.

    Such a metric's mark is a number in [0, 1] whose mean is the task's result; bits per byte, which has no bounds, is
    one too. Corpus metrics (F1, BLEU, perplexity) have no mark an item. Raises InputError.
    """
    usable = [name for name in _usable(base) if name in _usable(tuned)]
    named = list(dict.fromkeys(name for side in (base, tuned) for name in _names(side)))
    where = f"{base.file.task} in {base.filters_hint}"
    if wanted is not None and wanted not in named:
        near = difflib.get_close_matches(wanted, named, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has: {', '.join(named)}"
        raise InputError(f"--metric: {wanted!r} is none of the metrics of {where}; {hint}")
    if not usable or (wanted is not None and wanted not in usable):
        raise InputError(
            f"--metric: {where}: {wanted or ', '.join(named)}: not the mean of marks of single items in [0, 1], which pairs are made "
            f"of; metrics of this task that are: {', '.join(usable) or 'none'}"
        )
    return wanted or usable[0]


def logged_task(samples: Samples, metric: str) -> LoggedTask:
    """One side of the task with its marks by this metric."""
    file = samples.file
    kind = _KINDS.get(str(file.config.get("output_type")), "generate")
    rows = samples.rows
    repeats = max((len(one) for row in rows for one in row.told), default=1) if kind == "generate" else 1
    unbounded = _is_sum_over_bytes(rows, metric)
    better = (file.results.get("higher_is_better") or {}).get(file.task) or {}
    lower = better.get(metric) is False
    settings = {name: value for name, value in _settings(samples).items() if value is not None}
    heat = _temperature(rows) if kind == "generate" else None
    counted = (file.results.get("n-samples") or {}).get(file.task) or {}
    available = counted.get("original") if isinstance(counted, Mapping) else None
    answers: list[Logged] = []
    options: list[int] = []
    for row in rows:
        mark, failure = _mark(row, metric, unbounded)
        common = {
            "same": {"document": row.doc_hash, "target": row.target_hash or row.target},
            "prompt": _prompt(row, kind),
            "group": row.group,
        }
        common["same"] = {name: value for name, value in common["same"].items() if value is not None}
        if kind == "choice":
            choice = read_choice(row, metric)
            options.append(len(choice.options))
            score = Score(metric, mark, choice.answer, None if mark is None or mark >= 1 or lower else "wrong", failure)
            answers.append(
                Logged(row.id, 0, score, text=choice.text, gold=choice.gold, logprobs=choice.logprobs, **common)
            )
            continue
        shown = str(row.shown[0]) if row.shown and kind == "generate" else None
        cause = None if unbounded or lower or mark is None or mark >= 1 else "wrong"
        if cause and shown == _NOTHING_FOUND:
            cause = "unparsed"
        named = "bits per byte" if unbounded else metric
        score = Score(named, mark, shown, cause, failure)
        gold = None if unbounded else row.target
        if kind == "generate":
            texts = _texts(row, repeats)
            answers += [Logged(row.id, k, score, text=text, gold=gold, **common) for k, text in enumerate(texts)]
        else:
            told = tuple(float(_first(one)) for one in row.told)
            answers.append(Logged(row.id, 0, score, text="", gold=gold, logprobs=told, **common))
    return LoggedTask(
        file=str(file.path),
        record=TaskRecord(
            name=file.task,
            kind=kind,
            metric="bits per byte" if unbounded else metric,
            items=len(rows),
            available=available if isinstance(available, int) else len(rows),
            samples=repeats,
            bounded=not unbounded,
            temperature={} if heat is None else {file.arm: heat},
            separate=False,  # a filter may have voted over an item's samples: they have one mark together
        ),
        answers=answers,
        worse_is_higher=lower,
        settings=settings,
        chance=fmean(1 / n for n in options) if options and all(options) and metric.startswith("acc") else None,
    )


def _names(samples: Samples) -> list[str]:
    """The task's metrics, those of its own list first and in that order."""
    logged = dict.fromkeys(name for row in samples.rows for name in row.marks)
    listed = [str(entry.get("metric")) for entry in samples.file.config.get("metric_list") or []]
    return [*(name for name in listed if name in logged), *(name for name in logged if name not in listed)]


def _usable(samples: Samples) -> list[str]:
    results = (samples.file.results.get("results") or {}).get(samples.file.task) or {}
    # The result of a run of which some samples are gone cannot be the mean of the others.
    whole = results.get("sample_len", len(samples.rows)) == len(samples.rows)
    return [
        name
        for name in _names(samples)
        if _is_sum_over_bytes(samples.rows, name)
        or _is_mean(samples.rows, name, results.get(f"{name},{samples.filter}") if whole else None)
    ]


def _is_mean(rows: Sequence[SampleRow], name: str, result: object) -> bool:
    """Whether the task's result is the mean of its items' marks, all of them in [0, 1]."""
    marks = [row.marks.get(name) for row in rows]
    if not all(isinstance(mark, int | float) or mark is None for mark in marks):
        return False
    told = [float(mark) for mark in marks if mark is not None and not math.isnan(mark)]
    if not told or not all(0 <= mark <= 1 for mark in told):
        return False
    return not isinstance(result, int | float) or math.isclose(fmean(told), result, rel_tol=1e-6, abs_tol=1e-9)


def _is_sum_over_bytes(rows: Sequence[SampleRow], name: str) -> bool:
    marks = [row.marks.get(name) for row in rows]
    return name == _BITS_PER_BYTE and all(isinstance(mark, list) and len(mark) == 2 for mark in marks)


def _mark(row: SampleRow, metric: str, unbounded: bool) -> tuple[float | None, Failure | None]:
    """An item's mark; None where the harness gave it none."""
    mark = row.marks.get(metric)
    if unbounded and isinstance(mark, list):
        loglikelihood, size = (float(one) for one in mark)
        return -loglikelihood / (size * math.log(2)), None
    if not isinstance(mark, int | float) or math.isnan(mark):
        return None, Failure("scorer", "not_marked", f"the harness gave this item no {metric}")
    return float(mark), None


def _prompt(row: SampleRow, kind: str) -> str | None:
    """What was asked; where an item asks with several prompts, all of them."""
    if not row.asked:
        return None
    prompts = [prompt for prompt, _ in row.asked]
    if kind == "choice" and "acc_mutual_info" in row.marks:
        prompts = prompts[: len(prompts) // 2]  # the others ask for the options alone
    return "\n\n".join(dict.fromkeys(prompts))


def _texts(row: SampleRow, repeats: int) -> list[str]:
    """What was written, by repeat: the answers to an item's several questions one after another."""
    return ["\n\n".join(str(one[k]) for one in row.told if k < len(one)) for k in range(repeats)]


def _first(told: Sequence[Any]) -> Any:
    """The number in one response: `["-4.2", "False"]`, or the number alone."""
    first = told[0] if told else math.nan
    return first[0] if isinstance(first, list) else first


def _temperature(rows: Sequence[SampleRow]) -> float | None:
    asked = next((settings for row in rows for _, settings in row.asked if isinstance(settings, Mapping)), None)
    if asked is None:
        return None
    return 0.0 if asked.get("do_sample") is False else float(asked.get("temperature") or 0.0)


def _settings(samples: Samples) -> dict[str, object]:
    """How the task was set up: what must be equal for a fair comparison, beside the prompts themselves."""
    results, task = samples.file.results, samples.file.task
    asked = next((said for row in samples.rows for _, said in row.asked if isinstance(said, Mapping)), None)
    return {
        "few-shot examples": (results.get("n-shot") or {}).get(task),
        "task version": (results.get("versions") or {}).get(task),
        "generation settings": asked,
    }
