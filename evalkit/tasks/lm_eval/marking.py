"""The harness's own filters and metrics on evalkit's completions, item by item."""

from __future__ import annotations

import copy
import difflib
import math
from collections.abc import Mapping, Sequence
from typing import Any

from evalkit.tasks.lm_eval.surroundings import compiled_once, quiet, seeded
from evalkit.tasks.native import read_option
from evalkit.tasks.task import LETTERS
from evalkit.types import Completion, Example, Failure, InputError, Score

BITS_PER_BYTE = "bits_per_byte"

_OF_THE_LIKELIEST = ("acc", "acc_norm", "acc_bytes")
"""Metrics that a recorded choice decides as well as log-probabilities do."""


def check_metric(leaf: Any, metric: str | None, filter_: str | None, where: str) -> tuple[str, str]:
    """The metric and the filter that give the score: those asked for, else the task's first that mark an item by itself.

    An item's score must be a number of its own whose mean is the task's: the harness's corpus metrics (F1, BLEU,
    perplexity) have none. Raises InputError.
    """
    filters = [ensemble.name for ensemble in leaf._filters]
    if filter_ is not None and filter_ not in filters:
        raise InputError(f"{where}.filter: {filter_!r} is none of this task's filters: {', '.join(filters)}")
    all_metrics = list(leaf.aggregation())
    usable = [name for name, how in leaf.aggregation().items() if _is_mean(how) or name == BITS_PER_BYTE]
    known = f"this task's metrics that are: {', '.join(usable) or 'none'}"
    if metric is not None and metric not in all_metrics:
        near = difflib.get_close_matches(metric, all_metrics, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has: {', '.join(all_metrics)}"
        raise InputError(f"{where}.metric: {metric!r} is none of this task's metrics; {hint}")
    if metric is None and not usable or metric is not None and metric not in usable:
        raise InputError(
            f"{where}.metric: {metric or ', '.join(all_metrics)}: not the mean of marks of single items, which pairs of "
            f"models are compared by; {known}"
        )
    return metric or usable[0], filter_ or filters[0]


def _is_mean(how: Any) -> bool:
    return getattr(how, "__name__", "") in ("mean", "nanmean")


class HarnessMarker:
    """Marks items of one task of the harness. docs: its documents, by item id."""

    def __init__(self, leaf: Any, metric: str, filter_: str, docs: Mapping[str, Any]) -> None:
        self._leaf = leaf
        self._key = metric
        self._filter = next(ensemble for ensemble in leaf._filters if ensemble.name == filter_)
        self._docs = docs
        self._named = frozenset(leaf.aggregation())
        self._is_sum_over_bytes = metric == BITS_PER_BYTE and not _is_mean(leaf.aggregation()[metric])
        self._graded = False
        self.metric = "bits per byte" if self._is_sum_over_bytes else metric
        self.bounded = not self._is_sum_over_bytes
        self.worse_is_higher = leaf.higher_is_better().get(metric) is False
        self.runs_programs = bool(getattr(leaf, "UNSAFE_CODE", False))

    @property
    def binary(self) -> bool:
        """Whether every mark so far was 0 or 1; the harness does not say beforehand."""
        return self.bounded and not self._graded

    def mark(self, example: Example, samples: Sequence[Sequence[Completion]]) -> list[Score]:
        """The item's mark, as often as there are samples: its filters may have voted over them."""
        if all(self._is_recorded_choice(example, parts) for parts in samples):
            places = [_read_place(parts[0].text, example) for parts in samples]
            if places[0] is None:
                return [Score(self.metric, 0.0, cause="unparsed")] * len(samples)
            told = [_as_certain(place or 0, len(example.choices)) for place in places]
        else:
            told = [_answers(parts, self._leaf.OUTPUT_TYPE) for parts in samples]
        if any(one is None for sample in told for one in sample):
            hint = "answer with an engine of your own: backend vllm or transformers"
            return self._failed(samples, "not_told", "this engine gave no log-probabilities of texts", hint)
        try:
            value, shown = self._processed(self._docs[example.id], told)
        except Exception as error:  # a boundary: filters and metrics are anybody's code
            return self._failed(samples, "metric_failed", f"the harness's own: {type(error).__name__}: {error}")
        if self.bounded and not 0.0 <= value <= 1.0:
            hint = "name a metric of this task that has these bounds as `metric`; what was answered is kept"
            return self._failed(samples, "out_of_range", f"the harness gave {value}; marks lie in [0, 1]", hint)
        self._graded = self._graded or value not in (0.0, 1.0)
        return [Score(self.metric, value, shown, self._cause(value, parts[0])) for parts in samples]

    def _failed(self, samples: Sequence[object], kind: str, message: str, hint: str = "") -> list[Score]:
        return [Score(self.metric, None, failure=Failure("scorer", kind, message, hint))] * len(samples)

    def _processed(self, doc: Any, told: Sequence[Sequence[Any]]) -> tuple[float, str | None]:
        """The item's mark and what was compared. told: for each sample, its answers in the order they were asked for."""
        from lm_eval.api.instance import Instance

        doc = copy.deepcopy(doc)  # some tasks change it
        instances = [
            Instance(self._leaf.OUTPUT_TYPE, doc, arguments=(), idx=place, resps=[sample[place] for sample in told])
            for place in range(len(told[0]))
        ]
        with seeded(), quiet("lm_eval"), compiled_once():
            self._filter.apply(instances)
            filtered = [instance.filtered_resps[self._filter.name] for instance in instances]
            found = self._one_of(self._leaf.process_results(doc, list(filtered)))
        shown = str(filtered[0]) if self._leaf.OUTPUT_TYPE == "generate_until" else None
        if self._is_sum_over_bytes:
            loglikelihood, size = found
            return -float(loglikelihood) / (size * math.log(2)), shown
        return float(found), shown

    def _one_of(self, found: Mapping[str, Any]) -> Any:
        """The mark in what the task gives; one metric (`pass_at_k`) may give it under another name (`pass@1`)."""
        if self._key in found:
            return found[self._key]
        others = [name for name in found if name not in self._named]
        if len(others) != 1:
            raise ValueError(f"it gives {', '.join(found) or 'nothing'}, and no {self._key}")
        return found[others[0]]

    def _is_recorded_choice(self, example: Example, parts: Sequence[Completion]) -> bool:
        """Whether a recorded text stands in place of the log-probabilities of a question's options."""
        return (
            self._leaf.OUTPUT_TYPE == "multiple_choice"
            and self._key in _OF_THE_LIKELIEST
            and self._leaf.config.process_results is None
            and 0 < len(example.choices) <= len(LETTERS)
            and len(parts) == 1
            and parts[0].finish_reason == "recorded"
            and parts[0].logprobs is None
        )

    def _cause(self, value: float, completion: Completion) -> str | None:
        """Why an item was lost, as far as the completion tells: the harness marks and does not say."""
        if not self.bounded or self.worse_is_higher or value >= 1.0:
            return None
        return "truncated" if completion.finish_reason == "length" and not completion.logprobs else "wrong"


def _answers(parts: Sequence[Completion], output_type: str) -> list[Any]:
    """A sample's answers as the harness's models give them; None where a log-probability is not known."""
    if output_type == "generate_until":
        return [part.text for part in parts]
    if output_type == "loglikelihood_rolling":
        return [sum(part.logprobs) if part.logprobs else None for part in parts]
    found: list[Any] = []
    for part in parts:
        greedy = part.greedy or (False,) * len(part.logprobs or ())
        found += [
            None if math.isnan(value) else (value, likeliest)
            for value, likeliest in zip(part.logprobs or (math.nan,), greedy or (False,), strict=False)
        ]
    return found


def _read_place(text: str, example: Example) -> int | None:
    """Which option a recorded text names, as a letter or as the option's text; None where it names none."""
    letter = read_option(text.strip(), tuple(choice.strip() for choice in example.choices))
    return None if letter is None else LETTERS.index(letter)


def _as_certain(place: int, options: int) -> list[Any]:
    """Log-probabilities of a model that is sure of one option."""
    return [(0.0 if one == place else -math.inf, one == place) for one in range(options)]
