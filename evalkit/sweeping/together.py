"""Candidates that share an engine with their base are answered by it in one go, before each gets a run of its own.

On CUDA a base and its LoRA adapters are one engine. A run for each candidate would load it as often as there are
candidates; asked together, all their answers are in the journal when the runs begin, and no run starts an engine.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from evalkit.backends import Backend, open_backends
from evalkit.config import LOCAL, ExecutorSpec, ModelSpec
from evalkit.executors import farmed
from evalkit.running.flow import Flow
from evalkit.running.questions import longest_first, thinking_budget
from evalkit.running.requests import Item, requests_for
from evalkit.running.serve import serve
from evalkit.running.turns import Turns
from evalkit.scorers.reasoning import split_reasoning
from evalkit.stored.cache import Journal
from evalkit.types import Completion, EvalkitError, Prepared, Progress, Request

_BASE = "base"


def answer_together(
    base: ModelSpec,
    candidates: Sequence[ModelSpec],
    items: Sequence[Item],
    journal: Journal,
    folder: Path,
    progress: Progress,
    executor: ExecutorSpec = LOCAL,
) -> list[str]:
    """Journal what base and those candidates answer that can be asked of one engine; the names of these candidates.

    Nothing is scored, and what fails is asked again by the candidate's own run. Fewer than two candidates on an engine
    gain nothing from it and are left to their runs. folder: as of `open_backends`. executor: where
    that engine stands. Raises InputError for whatever is wrong
    with a model's files.
    """
    specs = {_BASE: base, **{f"candidate {place}": one for place, one in enumerate(candidates, start=1)}}
    backends = farmed(open_backends(specs, folder), specs, executor)
    done: list[str] = []
    try:
        for backend in backends:
            models = [name for name in backend.models if name != _BASE]
            if len(models) < 2:
                continue
            names = [specs[name].name for name in models]
            progress.note(
                f"{', '.join(names)}: answered by one engine{' with base' if _BASE in backend.models else ''}"
            )
            _answer(backend, specs, items, journal, progress)
            done += names
    except EvalkitError as error:
        progress.note(f"asked one by one instead: {error}")
    finally:
        for backend in backends:
            backend.close()
    return done


def _answer(
    backend: Backend, specs: Mapping[str, ModelSpec], items: Sequence[Item], journal: Journal, progress: Progress
) -> None:
    places = {(item.task.suite, item.task.name, item.example.id): item for item in items}
    turns = Turns()

    def land(request: Request, completion: Completion, prepared: Prepared | None) -> None:
        reasoning = specs[request.model].reasoning
        if reasoning is not None:
            completion = split_reasoning(completion, reasoning, prepared)
        turns.take(places[request.suite, request.task, request.example_id], request, completion)

    flow = Flow(_requests(backend.models, specs, items), land, lambda: turns.follow_ups(backend.models))
    names = [specs[name].name for name in backend.models]
    serve(backend, flow.asked(), journal, flow.land, progress, name=" + ".join(names))


def _requests(models: Sequence[str], specs: Mapping[str, ModelSpec], items: Sequence[Item]) -> Iterator[Request]:
    """What each candidate's run will ask, all models of an item in a row: they share its prompt."""
    rooms = {
        name: sorted(
            {thinking_budget([specs[_BASE], one]) for one in (specs.values() if name == _BASE else [specs[name]])}
        )
        for name in models
    }
    for item in longest_first(items, specs[models[0]]):
        for name, thinking in itertools.chain.from_iterable(((n, room) for room in rooms[n]) for n in models):
            yield from requests_for(item, name, specs[name], thinking=thinking)
