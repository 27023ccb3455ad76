"""A multiple-choice row of the harness: the options, their log-probabilities, the one picked and the right one."""

from __future__ import annotations

import ast
import math
from collections.abc import Sequence
from dataclasses import dataclass

from evalkit.importers.lm_eval.samples import SampleRow
from evalkit.tasks.task import LETTERS


@dataclass(frozen=True, slots=True)
class Choice:
    """options: their texts. answer, gold: letters, or texts where there are more options than letters, or none fits."""

    options: tuple[str, ...]
    logprobs: tuple[float, ...]
    answer: str | None
    text: str
    gold: str


def read_choice(row: SampleRow, metric: str) -> Choice:
    """The options of a row. Which one counts as picked depends on the metric: by text length (`acc_norm`), by bytes
    (`acc_bytes`), over the option's own probability (`acc_mutual_info`), else by log-probability as it stands.
    """
    told = [_number(one) for one in row.told]
    n = len(told) // 2 if "acc_mutual_info" in row.marks else len(told)
    continuations = [str(said) for _, said in row.asked[:n]]
    # A task with one continuation for all asks with another prompt for each option.
    texts = continuations if len(set(continuations)) > 1 else [prompt for prompt, _ in row.asked[:n]]
    options = tuple(text.strip() for text in texts)
    logprobs = tuple(told[:n])
    weighed = [_weighed(logprobs[i], options[i], told[n + i] if n + i < len(told) else 0.0, metric) for i in range(n)]
    place = max(range(n), key=lambda i: (-math.inf if math.isnan(weighed[i]) else weighed[i], -i)) if n else None
    named = [LETTERS[i] if n <= len(LETTERS) else options[i] for i in range(n)]
    right = _right(row.target, options)
    return Choice(
        options,
        logprobs,
        None if place is None else named[place],
        "" if place is None else options[place],
        ",".join(named[i] for i in right) if right else row.target,
    )


def _weighed(logprob: float, option: str, alone: float, metric: str) -> float:
    if metric == "acc_norm":
        return logprob / max(len(option), 1)
    if metric == "acc_bytes":
        return logprob / max(len(option.encode("utf-8", "replace")), 1)
    return logprob - alone if metric == "acc_mutual_info" else logprob


def _right(target: str, options: Sequence[str]) -> list[int]:
    """The right options: digits are an index, as in the harness; several are a list; else the option's text."""
    try:
        read = ast.literal_eval(target) if target.strip().isdigit() or target.startswith("[") else target
    except (ValueError, SyntaxError):
        read = target
    places = []
    for one in read if isinstance(read, list) else [read]:
        if isinstance(one, int) and 0 <= one < len(options):
            places.append(one)
        elif isinstance(one, str) and one.strip() in options:
            places.append(options.index(one.strip()))
        else:
            return []
    return places


def _number(told: Sequence[object]) -> float:
    first = told[0] if told else math.nan
    first = first[0] if isinstance(first, list) and first else first
    try:
        return float(first)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return math.nan
