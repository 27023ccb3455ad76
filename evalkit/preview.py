"""An item as a model will see it, and what becomes of its answer, before anything is asked."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from evalkit.backends import Backend, Tokenising
from evalkit.config import ExtractSpec, ModelSpec
from evalkit.running.questions import thinking_budget
from evalkit.running.requests import Item, complete_sampling, requests_for
from evalkit.scorers import marking, scorer_of
from evalkit.tasks import Suite
from evalkit.types import Failure, InputError, Message, Prepared, Question, Request, Sampling, Token


@dataclass(frozen=True, slots=True)
class Option:
    """A continuation that is compared with others, and its tokens where the backend knows them."""

    text: str
    tokens: tuple[Token, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """One question of an item. messages: its turns; `prompt` is what a model makes of them, None where none was named.

    tokens: of the prompt. text: the text that is scored by itself. special: what in `prompt` are special tokens.
    failure: why this model cannot be asked.
    """

    messages: tuple[Message, ...]
    text: str | None = None
    prompt: str | None = None
    tokens: int | None = None
    special: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """One item. sampling: complete, for its first sample, of `samples`; None where nothing is generated.

    stated: without a model, the sampling settings that the task itself states. system: the model file's system prompt,
    where the item brings none of its own. extraction: the chain, a step an entry. metric: how the score is called.
    """

    suite: str
    role: str
    task: str
    id: str
    kind: str
    asked: tuple[Asked, ...]
    follow_ups: tuple[str, ...]
    gold: str | None
    group: str | None
    choices: tuple[str, ...]
    extraction: tuple[str, ...]
    score: str
    metric: str
    samples: int
    system: str | None = None
    sampling: Sampling | None = None
    stated: tuple[tuple[str, object], ...] = ()


def pick(
    suites: Sequence[Suite], *, id: str | None = None, task: str | None = None, most: int = 1
) -> list[tuple[Suite, Item]]:
    """Items to look at, in the order of the data: the first `most` of each suite, or all of one id.

    Raises InputError where none is meant.
    """
    found: list[tuple[Suite, Item]] = []
    for suite in suites:
        tasks = [one for one in suite.tasks if task in (None, one.name)]
        items = (Item(one, example) for one in tasks for example in one.examples if id in (None, example.id))
        found += [(suite, item) for item in itertools.islice(items, most if id is None else None)]
    if found:
        return found
    known = [one.name for suite in suites for one in suite.tasks]
    if task is not None and task not in known:
        near = difflib.get_close_matches(task, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
        raise InputError(f"--task: no task {task!r}; {hint}")
    raise InputError(f"--id: no item {id!r} in {task or ', '.join(suite.name for suite in suites)}")


def preview(item: Item, role: str, model: tuple[Backend, ModelSpec] | None = None) -> Preview:
    """What is asked, and how the answer is read and marked. model: whose template, tokens and settings apply."""
    task, example = item.task, item.example
    spec = model[1] if model else None
    has_system = any(message.role == "system" for message in example.messages)
    requests = [one for one in _requests(item, *model) if one.sample == 0] if model else []
    settings = complete_sampling(spec.sampling, task.sampling) if spec else None
    samples = task.samples(settings.n if settings else task.sampling.n or 1)
    generated = next((one for one in requests if not one.is_scored), None)
    how = scorer_of(task.spec) if task.spec is not None else None
    steps = (task.spec.extract or how.extract) if task.spec is not None and how is not None else ()
    return Preview(
        suite=task.suite,
        role=role,
        task=task.name,
        id=example.id,
        kind=task.kind,
        asked=tuple(_prepared(one, *model) for one in requests) if model else tuple(_bare(task.questions(example))),
        follow_ups=example.follow_ups,
        gold=example.answer,
        group=example.group,
        choices=example.choices,
        extraction=() if task.kind != "generate" or (how and how.of_completion) else tuple(map(_step, steps)),
        score=how.name if how else "its source" if task.marker else "a judge only",
        metric=marking(task).metric,
        samples=samples,
        system=spec.system if spec and not has_system else None,
        sampling=replace(generated.sampling, n=samples) if generated else None,
        stated=tuple(task.sampling.model_dump(exclude_none=True).items())
        if not model and task.kind == "generate"
        else (),
    )


def _requests(item: Item, backend: Backend, spec: ModelSpec) -> Iterator[Request]:
    return requests_for(item, backend.models[0], spec, thinking=thinking_budget([spec]))


def _bare(questions: Sequence[Question]) -> Iterator[Asked]:
    for one in questions:
        yield Asked(one.messages, one.text, options=tuple(Option(text) for text in one.options))


def _prepared(request: Request, backend: Backend, spec: ModelSpec) -> Asked:
    prepared = backend.prepare(request)
    plain = Asked(request.messages, request.text, options=tuple(Option(text) for text in request.options))
    if isinstance(prepared, Failure):
        return replace(plain, failure=prepared)
    if not isinstance(backend, Tokenising) or prepared.token_ids is None:
        return replace(plain, prompt=prepared.prompt)
    prompt, options = _tokens(backend, request, prepared)
    special = {token.text for token in prompt if token.special and token.text}
    return replace(
        plain,
        prompt=prepared.prompt,
        tokens=sum(len(span.ids) for span in prepared.spans) if request.text is not None else len(prepared.token_ids),
        special=tuple(sorted(special, key=len, reverse=True)),
        options=options,
    )


def _tokens(backend: Tokenising, request: Request, prepared: Prepared) -> tuple[tuple[Token, ...], tuple[Option, ...]]:
    """The tokens of the prompt and of each option; a verbatim option's are those of its span from where it begins."""
    ids = prepared.option_ids or tuple(span.ids[span.start :] for span in prepared.spans)
    options = tuple(
        Option(text, backend.tokens(request.model, own)) for text, own in zip(request.options, ids, strict=False)
    )
    return backend.tokens(request.model, prepared.token_ids or ()), options


def _step(step: ExtractSpec) -> str:
    """One step of the extraction chain, as a suite file writes it."""
    ((name, value),) = step.model_dump(by_alias=True, exclude_none=True).items()
    return name if value is True else f"{name}: {value}"
