"""The harness's own filters and metrics on evalkit's completions, item by item."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any

from evalkit.types import Completion, Example, Failure, InputError, Score

BITS_PER_BYTE = "bits_per_byte"


def check_metric(leaf: Any, metric: str | None, filter_: str | None, where: str) -> tuple[str, str]:
    """The metric and the filter that give the score: those asked for, else the task's first that mark an item by itself.

    An item's score must be a number of its own whose mean is the task's: the harness's corpus metrics (F1, BLEU,
    perplexity) have none. Raises InputError.
    """
    filters = [ensemble.name for ensemble in getattr(leaf, "_filters", [])] or ["none"]
    if filter_ is not None and filter_ not in filters:
        raise InputError(f"{where}.filter: {filter_!r} is none of this task's filters: {', '.join(filters)}")
    usable = [name for name, how in leaf.aggregation().items() if _is_mean(how) or name == BITS_PER_BYTE]
    if metric is None and usable:
        metric = usable[0]
    if metric is None or metric not in usable:
        known = ", ".join(usable) or "none"
        has = ", ".join(leaf.aggregation())
        raise InputError(
            f"{where}.metric: {metric or has}: not the mean of marks of single items, which pairs of models are compared by; "
            f"this task's metrics that are: {known}"
        )
    return metric, filter_ or filters[0]


def _is_mean(how: Any) -> bool:
    return getattr(how, "__name__", "") in ("mean", "nanmean")


class HarnessMarker:
    """Marks items of one task of the harness.

    asked: by item id, the instances that the item's answers belong to, in order.
    """

    def __init__(self, leaf: Any, metric: str, filter_: str, asked: Mapping[str, Sequence[Any]]) -> None:
        self._leaf = leaf
        self._key = metric
        self._filter = filter_
        self._asked = asked
        self._graded = False
        self.metric = "bits per byte" if metric == BITS_PER_BYTE else metric
        self.bounded = metric != BITS_PER_BYTE
        self.worse_is_higher = leaf.higher_is_better().get(metric) is False
        self.runs_programs = bool(getattr(leaf, "UNSAFE_CODE", False))

    @property
    def binary(self) -> bool:
        """Whether every mark so far was 0 or 1; the harness does not say beforehand."""
        return self.bounded and not self._graded

    def mark(self, example: Example, samples: Sequence[Sequence[Completion]]) -> list[Score]:
        """The item's mark, as often as there are samples: its filters may have voted over them."""
        told = [_answers(parts, self._leaf.OUTPUT_TYPE) for parts in samples]
        if any(one is None for sample in told for one in sample):
            hint = "answer with an engine of your own: backend vllm or transformers"
            failure = Failure("scorer", "not_told", "this engine gave no log-probabilities of texts", hint)
            return [Score(self.metric, None, failure=failure)] * len(samples)
        instances = [copy.copy(ask) for ask in self._asked[example.id]]
        for place, instance in enumerate(instances):
            instance.resps = [sample[place] for sample in told]
            instance.filtered_resps = {}
        try:
            value, shown = self._processed(instances)
        except Exception as error:  # a boundary: filters and metrics are anybody's code
            message = f"the harness's own metric failed: {type(error).__name__}: {error}"
            return [Score(self.metric, None, failure=Failure("scorer", "metric_failed", message))] * len(samples)
        if self.bounded and not 0.0 <= value <= 1.0:
            message = f"the harness gave {value}, and marks of evalkit lie in [0, 1]"
            return [Score(self.metric, None, failure=Failure("scorer", "out_of_range", message))] * len(samples)
        self._graded = self._graded or value not in (0.0, 1.0)
        return [Score(self.metric, value, shown, _cause(value, parts[0], self.bounded)) for parts in samples]

    def _processed(self, instances: Sequence[Any]) -> tuple[float, str | None]:
        ensembles = getattr(self._leaf, "_filters", [])
        chosen = next((ensemble for ensemble in ensembles if ensemble.name == self._filter), None)
        if chosen is None:
            filtered = [instance.resps[0] for instance in instances]
        else:
            chosen.apply(instances)
            filtered = [instance.filtered_resps[self._filter] for instance in instances]
        # Some tasks change the document or the list they are given.
        found = self._leaf.process_results(copy.deepcopy(instances[0].doc), list(filtered))[self._key]
        shown = str(filtered[0]) if self._leaf.OUTPUT_TYPE == "generate_until" else None
        if self._key == BITS_PER_BYTE:
            loglikelihood, size = found
            return -float(loglikelihood) / (size * math.log(2)), shown
        return float(found), shown


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


def _cause(value: float, completion: Completion, bounded: bool) -> str | None:
    """Why an item was lost, as far as the completion tells: the harness marks and does not say."""
    if not bounded or value >= 1.0:
        return None
    return "truncated" if completion.finish_reason == "length" and not completion.logprobs else "wrong"
