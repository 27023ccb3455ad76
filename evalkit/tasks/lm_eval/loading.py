"""From a name of the harness to tasks with every prompt built, in the order and with the few-shot draws of its own runs."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import logging
import os
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evalkit.config import SamplingSpec, SourceSpec
from evalkit.tasks import Place, Task
from evalkit.tasks.data import MIRROR
from evalkit.tasks.lm_eval.marking import HarnessMarker, check_metric
from evalkit.tasks.lm_eval.options import Options
from evalkit.tasks.native import content_hash
from evalkit.types import Example, InputError, Message, Plain, Question

# The seeds that the harness's command line starts with; few-shot examples are drawn with the second.
_SEED, _NUMPY_SEED, _FEWSHOT_SEED = 0, 1234, 1234

_DEFAULT_MAX_TOKENS = 256
_MAX_TOKENS_NAMES = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
_KINDS = {
    "multiple_choice": "choice",
    "loglikelihood": "loglikelihood",
    "loglikelihood_rolling": "loglikelihood",
    "generate_until": "generate",
}


def load(options: Options, entry: SourceSpec, place: Place, where: str) -> Sequence[Task]:
    """Build every leaf task. Raises InputError for an unknown name, data that cannot be read or what is not supported."""
    with _harness_quiet(), _seeded():
        leaves = _load_leaves(options, place, where)
        return [_task(name, leaf, options, entry, place, where) for name, leaf in leaves.items()]


def _load_leaves(options: Options, place: Place, where: str) -> dict[str, Any]:
    from lm_eval.tasks import TaskManager

    include = Path(place.folder) / Path(options.include_path).expanduser() if options.include_path else None
    if include is not None and not include.is_dir():
        raise InputError(f"{where}.include_path: no such folder {options.include_path!r}; looked for {include}")
    manager = TaskManager(include_path=str(include) if include else None)
    if options.task not in manager.all_tasks:
        import difflib

        near = difflib.get_close_matches(options.task, manager.all_tasks, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "`lm_eval ls tasks` lists them; own ones need `include_path`"
        raise InputError(f"{where}.task: unknown task {options.task!r}; {hint}")
    try:
        with _mirrored(where):
            leaves = manager.load([options.task])["tasks"]
    except InputError:
        raise
    except ImportError as error:
        raise InputError(f"{where}.task: {options.task!r} needs a package that is not installed: {error}") from None
    except Exception as error:  # a boundary: the hub client, the data set's own code and the task file's raise at will
        first = str(error).splitlines()[0] if str(error) else ""
        raise InputError(
            f"{where}.task: {options.task!r} cannot be loaded: {type(error).__name__}: {first}; without a network, set "
            f"{MIRROR} to a mirror of the hub"
        ) from None
    return dict(leaves)


def _task(name: str, leaf: Any, options: Options, entry: SourceSpec, place: Place, where: str) -> Task:
    from lm_eval.api.task import ConfigurableTask

    where = f"{where}: {name}"
    if not isinstance(leaf, ConfigurableTask) or leaf.OUTPUT_TYPE not in _KINDS:
        raise InputError(f"{where}: a task of a class of its own is not supported; those of a YAML file are")
    if getattr(leaf, "MULTIMODAL", False):
        raise InputError(f"{where}: asks about images or sound, and evalkit asks in text only")
    _configure(leaf, options)
    metric, filter_ = check_metric(leaf, options.metric, options.filter, where)
    built = _Builder(leaf, options)
    try:
        docs = list(leaf.doc_iterator(rank=0, limit=options.limit, world_size=1))
        plain = [built.instances(doc_id, doc, chat=False) for doc_id, doc in _redrawn(leaf, docs)]
        chat = [built.instances(doc_id, doc, chat=True) for doc_id, doc in _redrawn(leaf, docs)]
    except Exception as error:  # a boundary: a task's templates and functions are anybody's code
        raise InputError(f"{where}: its prompts cannot be built: {type(error).__name__}: {error}") from None
    if not docs:
        raise InputError(f"{where}: holds no documents; a suite needs items")
    kind = _KINDS[leaf.OUTPUT_TYPE]
    examples = tuple(
        _example(leaf, doc_id, doc, ours, turns) for (doc_id, doc), ours, turns in zip(docs, plain, chat, strict=True)
    )
    task = name if entry.name in (options.task, "") or name == entry.name else f"{entry.name}/{name}"
    if name == options.task:
        task = entry.name or name
    how = {
        "lm_eval": importlib.metadata.version("lm_eval"),
        "task": [name, str(leaf.VERSION), metric, filter_],
        "asked": [[(ask.args if isinstance(ask.args[-1], str) else ask.args[:1]) for ask in asks] for asks in plain],
    }
    return Task(
        suite=place.suite,
        name=task,
        kind=kind,
        examples=examples,
        hash=content_hash(how, examples),
        sampling=_sampling(leaf, entry.sampling),
        judge=entry.judge and kind == "generate",
        limit=entry.limit,
        marker=HarnessMarker(
            leaf, metric, filter_, {str(doc_id): asks for (doc_id, _), asks in zip(docs, plain, strict=True)}
        ),
    )


def _configure(leaf: Any, options: Options) -> None:
    """Apply `num_fewshot` and `repeats` as the harness's evaluator does."""
    if options.num_fewshot is not None and leaf.get_config("num_fewshot") != 0:
        leaf.set_config(key="num_fewshot", value=options.num_fewshot)
    elif leaf.get_config("num_fewshot") is None:
        leaf.set_config(key="num_fewshot", value=0)
    if options.repeats is not None:
        leaf.set_config(key="repeats", value=options.repeats)


def _redrawn(leaf: Any, docs: Sequence[Any]) -> Iterator[Any]:
    """The documents, with few-shot examples drawn from the seed's beginning: prompts in both formats show the same."""
    leaf.set_fewshot_seed(seed=_FEWSHOT_SEED)
    yield from docs


class _Builder:
    """Builds the harness's instances of one document, with its prompt as text or as turns."""

    def __init__(self, leaf: Any, options: Options) -> None:
        self._leaf = leaf
        self._options = options

    def instances(self, doc_id: int, doc: Any, *, chat: bool) -> list[Any]:
        leaf, options = self._leaf, self._options
        template = _turns_as_text if chat else None
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
        return asks if isinstance(asks, list) else [asks]


def _turns_as_text(turns: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
    """In place of a chat template: the turns themselves, which each model's own template renders later."""
    return json.dumps([[turn["role"], turn["content"]] for turn in turns])


def _turns(text: str) -> tuple[Message, ...]:
    return tuple(Message(role, content) for role, content in json.loads(text)) if text else ()


def _example(leaf: Any, doc_id: int, doc: Any, plain: Sequence[Any], chat: Sequence[Any]) -> Example:
    questions = tuple(_questions(plain, chat))
    messages = questions[0].messages or (Message("user", questions[0].text or ""),)
    choices = leaf.doc_to_choice(doc) if leaf.config.doc_to_choice is not None else ()
    return Example(
        id=str(doc_id),
        messages=messages,
        answer=_gold(leaf, doc, choices),
        choices=tuple(str(choice) for choice in choices),
        questions=questions,
    )


def _questions(plain: Sequence[Any], chat: Sequence[Any]) -> Iterator[Question]:
    """One question a prompt: continuations of the same prompt are asked together."""
    if plain[0].request_type == "loglikelihood_rolling":
        yield from (Question(text=ask.args[0]) for ask in plain)
        return
    if plain[0].request_type == "generate_until":
        yield from (Question(_turns(c.args[0]), Plain(p.args[0])) for p, c in zip(plain, chat, strict=True))
        return
    together: list[tuple[Any, Any]] = []
    for pair in zip(plain, chat, strict=True):
        if together and pair[0].args[0] != together[0][0].args[0]:
            yield _scored(together)
            together = []
        together.append(pair)
    yield _scored(together)


def _scored(together: Sequence[tuple[Any, Any]]) -> Question:
    first_plain, first_chat = together[0]
    return Question(
        messages=_turns(first_chat.args[0]),
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


def _sampling(leaf: Any, stated: SamplingSpec) -> SamplingSpec:
    """The task's generation settings as the harness reads them, under what the suite file states."""
    if leaf.OUTPUT_TYPE != "generate_until":
        return stated
    asked = dict(leaf.config.generation_kwargs or {})
    until = asked.get("until") or []
    temperature = float(asked.get("temperature", 0.0))
    settings: dict[str, Any] = {
        "temperature": 0.0 if asked.get("do_sample") is False else temperature,
        "max_tokens": int(next((asked[name] for name in _MAX_TOKENS_NAMES if asked.get(name)), _DEFAULT_MAX_TOKENS)),
        "stop": tuple(text for text in ([until] if isinstance(until, str) else until) if text),
        "n": int(leaf.config.repeats or 1),
    }
    settings |= {name: asked[name] for name in ("top_p", "top_k", "min_p", "repetition_penalty") if name in asked}
    return SamplingSpec(**{**settings, **stated.model_dump(exclude_none=True)})


# --- the harness's surroundings -----------------------------------------------------------------------------------


@contextlib.contextmanager
def _harness_quiet() -> Iterator[None]:
    """Its log would run into ours; errors still show."""
    loggers = [logging.getLogger(name) for name in ("lm_eval", "lm-eval", "datasets")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextlib.contextmanager
def _seeded() -> Iterator[None]:
    """Global generators as the harness sets them, for tasks that shuffle while loading; afterwards as they were."""
    state, numpy_state = random.getstate(), np.random.get_state()
    random.seed(_SEED)
    np.random.seed(_NUMPY_SEED)
    try:
        yield
    finally:
        random.setstate(state)
        np.random.set_state(numpy_state)


@contextlib.contextmanager
def _mirrored(where: str) -> Iterator[None]:
    """Data sets from `EVALKIT_DATA` where it is set; files that a task names itself are read as they are."""
    mirror = os.environ.get(MIRROR)
    if not mirror:
        yield
        return
    import datasets

    download = datasets.load_dataset

    def read(path: str, name: str | None = None, *args: Any, **kwargs: Any) -> Any:
        folder = Path(mirror).expanduser() / path / (name or "default")
        files = {file.stem: str(file) for ending in ("jsonl", "parquet") for file in sorted(folder.glob(f"*.{ending}"))}
        if files:
            kind = "parquet" if next(iter(files.values())).endswith(".parquet") else "json"
            return download(kind, data_files=files)
        if "data_files" in kwargs or Path(path).exists():
            return download(path, name, *args, **kwargs)
        raise InputError(f"{where}: {MIRROR} is set, and holds no {folder}/<split>.parquet or .jsonl")

    datasets.load_dataset = read
    try:
        yield
    finally:
        datasets.load_dataset = download
