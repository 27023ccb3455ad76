"""Probes: how far tuned moved from base, whatever the suites ask. Held-out text, and KL(tuned || base) per token.

Bits per byte: both models read the paragraphs of `suites/data/prose`, which are in no training set but their readers'.

KL: tuned answers some of the run's questions at temperature 1, and both models then score those very tokens after that
very prompt. The mean over tokens of log p_tuned - log p_base estimates KL(tuned || base) without bias for the states that
tuned visits. Both sides are scored in the same way, as a prompt, from raw log-probabilities: numbers of a decoding pass and of a
prefill differ by rounding. It needs the same token ids on both sides; where tokenizer or rendered prompts differ it is not
given.

Rows go to the samples table under a suite name of their own (`types.PROBES`), which no suite may have.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from evalkit.catalog import builtin_folder
from evalkit.config import ProbesSpec
from evalkit.running.requests import Item
from evalkit.stored.records import Records
from evalkit.types import (
    PROBES,
    Completion,
    Example,
    Message,
    ModelRecord,
    Prepared,
    Question,
    Request,
    Sampling,
    Score,
)

TEXT, KL = "held-out text", "kl"
BITS_PER_BYTE, KL_METRIC = "bits per byte", "KL(tuned || base)"


@dataclass(slots=True)
class _Continuation:
    """What tuned wrote at temperature 1, and what each arm makes of it, by arm."""

    question: Question
    completion: Completion
    prepared: Prepared | None
    logprobs: dict[str, float]
    prompts: dict[str, tuple[int, ...]]
    asked: set[str] = field(default_factory=set)  # the arms that were


class Probes:
    """The probes of one run. What an engine cannot do (an API, recorded outputs) is left out.

    models: who answers as base and tuned, as known before any engine starts. items: in the pre-drawn order.
    """

    def __init__(
        self, spec: ProbesSpec, models: Mapping[str, ModelRecord], items: Sequence[Item], records: Records, *, seed: int
    ) -> None:
        self._records = records
        self._arms = [arm for arm, model in models.items() if model.tokenizer_fingerprint is not None]
        self._texts = _paragraphs() if spec.text and len(self._arms) == 2 else {}
        self._seed, self._max_tokens = seed, spec.max_tokens
        self._asked: dict[str, Question] = {}
        self._continuations: dict[str, _Continuation] = {}
        self.cautions: tuple[str, ...] = ()
        if not spec.prompts or len(self._arms) < 2:
            return
        if models["base"].tokenizer_fingerprint != models["tuned"].tokenizer_fingerprint:
            self.cautions = ("no KL(tuned || base): the models have different tokenizers",)
            return
        self._asked = dict(itertools.islice(_questions(items, spec.prompts), spec.prompts))

    @property
    def tuned_first(self) -> bool:
        """Whether base has to score what tuned writes, so that tuned's engine is better run first."""
        return bool(self._asked)

    def first(self, arms: Sequence[str]) -> list[Request]:
        """What to ask of an engine that serves `arms`: held-out texts to be scored, and questions tuned answers."""
        mine = [arm for arm in arms if arm in self._arms]
        asked = [self._reading(arm, id) for arm in mine for id in self._texts]
        if "tuned" in mine:
            asked += [self._writing(id, place) for place, id in enumerate(self._asked)]
        return asked

    def further(self, arms: Sequence[str]) -> list[Request]:
        """What tuned has written and an engine that serves `arms` has not been asked to score yet."""
        asked: list[Request] = []
        for id, one in list(self._continuations.items()):
            for arm in arms:
                if arm in self._arms and arm not in one.asked:
                    one.asked.add(arm)
                    question = self._request(arm, KL, id, one.question)
                    asked.append(replace(question, tokens=one.completion.token_ids or ()))
        return asked

    def land(self, request: Request, completion: Completion, prepared: Prepared | None) -> None:
        """Take one answer. A question that failed is left out: probes gate nothing."""
        if completion.failure is not None:
            return
        if request.text is not None:
            self._read(request, completion, prepared)
        elif request.tokens and prepared is not None:
            one = self._continuations[request.example_id]
            one.logprobs[request.model] = sum(completion.logprobs or (math.nan,))
            one.prompts[request.model] = prepared.token_ids or ()
        elif completion.token_ids:
            question = self._asked[request.example_id]
            self._continuations[request.example_id] = _Continuation(question, completion, prepared, {}, {})

    def finish(self) -> None:
        """Record what both arms scored."""
        differing = 0
        for id, one in self._continuations.items():
            if len(one.logprobs) < 2 or any(math.isnan(value) for value in one.logprobs.values()):
                continue
            if one.prompts["base"] != one.prompts["tuned"]:
                differing += 1
                continue
            tokens = len(one.completion.token_ids or ())
            value = (one.logprobs["tuned"] - one.logprobs["base"]) / tokens
            example = Example(id, one.question.messages)
            self._records.add(PROBES, KL, "tuned", 0, example, one.completion, Score(KL_METRIC, value), one.prepared)
        if differing:
            self.cautions += (f"no KL(tuned || base) on {differing} questions: the rendered prompts differ",)

    # --- asking and reading ---

    def _request(self, arm: str, task: str, id: str, question: Question) -> Request:
        return Request(
            arm, PROBES, task, id, question.messages, Sampling(max_tokens=1), plain=question.plain, text=question.text
        )

    def _reading(self, arm: str, id: str) -> Request:
        return self._request(arm, TEXT, id, Question(text=self._texts[id]))

    def _writing(self, id: str, place: int) -> Request:
        sampling = Sampling(temperature=1.0, max_tokens=self._max_tokens, seed=(self._seed * 1_000_003 + place) % 2**31)
        return replace(self._request("tuned", KL, id, self._asked[id]), sampling=sampling, keep_tokens=True)

    def _read(self, request: Request, completion: Completion, prepared: Prepared | None) -> None:
        text = self._texts[request.example_id]
        bits = -sum(completion.logprobs or (math.nan,)) / math.log(2) / len(text.encode("utf-8"))
        example = Example(request.example_id, (Message("user", text),))
        score = Score(BITS_PER_BYTE, None if math.isnan(bits) else bits)
        self._records.add(PROBES, TEXT, request.model, 0, example, completion, score, prepared)


def _paragraphs() -> dict[str, str]:
    path = builtin_folder("suites") / "data" / "prose" / "prose.jsonl"
    rows = [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]
    return {row["id"]: row["text"] for row in rows}


def _questions(items: Sequence[Item], most: int) -> Iterator[tuple[str, Question]]:
    """Questions to be answered freely, one task after the other in turn; those of choice tasks where there are no others.

    most: of one task; no further item is looked at.
    """
    by_task: dict[tuple[bool, str, str], list[tuple[str, Question]]] = {}
    for item in items:
        place = (item.task.kind != "generate", item.task.suite, item.task.name)
        if len(by_task.get(place, ())) >= most:
            continue
        example = item.example
        question = item.task.questions(example)[0]
        if question.messages:
            by_task.setdefault(place, []).append((f"{'/'.join(place[1:])}/{example.id}", question))
    free = [asked for place, asked in by_task.items() if not place[0]] or list(by_task.values())
    for turn in itertools.zip_longest(*free):
        yield from (one for one in turn if one is not None)
