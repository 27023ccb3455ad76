"""The harness's own prompts, with the few-shot draws of its own runs, as Examples."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

from evalkit.tasks.lm_eval.options import Options
from evalkit.types import Example, Message, Plain, Question

# The seed with which the harness's command line draws few-shot examples.
_FEWSHOT_SEED = 1234

_REQUEST_TYPES = {"multiple_choice": "loglikelihood"}


class Prompts:
    """Builds what one task of the harness asks about its documents, as plain text and as turns.

    docs: the documents asked, with their ids. asked: in completion format, the arguments of each document's requests.
    Raises whatever the task's templates and functions do, and ValueError for what cannot be asked.
    """

    def __init__(self, leaf: Any, options: Options) -> None:
        self._leaf = leaf
        self._options = options
        self._shared: dict[tuple[str, str], Message] = {}
        self.docs: list[tuple[int, Any]] = list(leaf.doc_iterator(rank=0, limit=options.limit, world_size=1))
        plain, chat = self._built(chat=False), self._built(chat=True)
        self.asked = [[ask.args for ask in asks] for asks in plain]
        self.examples = tuple(
            self._example(doc_id, doc, list(zip(ours, turns, strict=True)))
            for (doc_id, doc), ours, turns in zip(self.docs, plain, chat, strict=True)
        )

    def _built(self, *, chat: bool) -> list[list[Any]]:
        """The harness's instances of every document; worked examples are the same in both formats."""
        self._leaf.set_fewshot_seed(seed=_FEWSHOT_SEED)
        # Some tasks change the documents they are given.
        return [self._instances(doc_id, copy.deepcopy(doc), chat=chat) for doc_id, doc in self.docs]

    def _instances(self, doc_id: int, doc: Any, *, chat: bool) -> list[Any]:
        leaf, options = self._leaf, self._options
        template = self._turns if chat else None
        context = leaf.fewshot_context(
            doc,
            num_fewshot=leaf.config.num_fewshot or 0,
            system_instruction=options.system_instruction,
            apply_chat_template=chat,
            fewshot_as_multiturn=options.fewshot_as_multiturn,
            chat_template=template,
            gen_prefix=leaf.doc_to_prefix(doc),
        )
        asks = leaf.construct_requests(
            doc=doc,
            ctx=context,
            metadata=(leaf.config.task, doc_id, leaf.config.repeats),
            apply_chat_template=chat,
            chat_template=template,
        )
        asks = asks if isinstance(asks, list) else [asks]
        expected = _REQUEST_TYPES.get(leaf.OUTPUT_TYPE, leaf.OUTPUT_TYPE)
        if any(ask.request_type != expected for ask in asks):
            raise ValueError(f"it asks in other ways than its output_type {leaf.OUTPUT_TYPE}")
        return asks

    def _turns(self, turns: Sequence[dict[str, str]], add_generation_prompt: bool = True) -> tuple[Message, ...]:
        """In place of a chat template: the turns themselves, which each model's own template renders later.

        Worked examples recur in every prompt of a task, and are kept once.
        """
        places = [(turn["role"], turn["content"]) for turn in turns]
        return tuple(self._shared.setdefault(place, Message(*place)) for place in places)

    def _example(self, doc_id: int, doc: Any, asks: Sequence[tuple[Any, Any]]) -> Example:
        doc = copy.deepcopy(doc)
        questions = tuple(_questions(self._leaf.OUTPUT_TYPE, asks))
        choices = self._leaf.doc_to_choice(doc) if self._leaf.config.doc_to_choice is not None else ()
        return Example(
            id=str(doc_id),
            messages=questions[0].messages or (Message("user", questions[0].text or ""),),
            answer=_gold(self._leaf, doc, choices),
            choices=tuple(str(choice) for choice in choices),
            questions=questions,
        )


def _questions(output_type: str, asks: Sequence[tuple[Any, Any]]) -> Iterator[Question]:
    """One question a prompt: continuations of the same prompt are asked together. asks: as text, and as turns."""
    if output_type == "loglikelihood_rolling":
        yield from (Question(text=plain.args[0]) for plain, _ in asks)
        return
    if output_type == "generate_until":
        yield from (Question(chat.args[0] or (), Plain(plain.args[0])) for plain, chat in asks)
        return
    together: list[tuple[Any, Any]] = []
    for plain, chat in asks:
        if together and (plain.args[0], chat.args[0]) != (together[0][0].args[0], together[0][1].args[0]):
            yield _scored(together)
            together = []
        together.append((plain, chat))
    yield _scored(together)


def _scored(together: Sequence[tuple[Any, Any]]) -> Question:
    first_plain, first_chat = together[0]
    return Question(
        messages=first_chat.args[0] or (),
        plain=Plain(first_plain.args[0], tuple(plain.args[1] for plain, _ in together)),
        options=tuple(chat.args[1] for _, chat in together),
        verbatim=True,
    )


def _gold(leaf: Any, doc: Any, choices: Sequence[str]) -> str | None:
    """The target as a text to be shown; marks come from the harness alone."""
    if leaf.OUTPUT_TYPE == "loglikelihood_rolling":
        return None
    gold = leaf.doc_to_text(doc) if leaf.multiple_input else leaf.doc_to_target(doc)
    golds = [
        str(choices[one]) if isinstance(one, int) and 0 <= one < len(choices) else str(one)
        for one in (gold if isinstance(gold, list) else [gold])
    ]
    return " | ".join(golds)
