"""Requests for models of one base whose weights differ (a base, merged copies): one set of weights loaded at a time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator

from evalkit.types import Completion, Prepared

Answers = Iterator[tuple[Prepared, Completion]]


def in_turn(
    prepared: Iterable[Prepared | None],
    is_loaded: Callable[[str], bool],
    answer: Callable[[Iterator[Prepared | None]], Answers],
    load: Callable[[str], None],
) -> Answers:
    """Answer what the loaded weights answer as it comes, and put the rest aside until `load` has exchanged them.

    is_loaded: whether a model is answered by what is loaded now. answer: as a backend's `stream`. load: by model.
    """
    source, later = iter(prepared), dict[str, list[Prepared]]()
    inside, ended = 0, False

    def here() -> Iterator[Prepared | None]:
        nonlocal inside, ended
        for one in source:
            if one is None:
                if later and not inside:
                    return
                yield None
            elif is_loaded(one.request.model):
                inside += 1
                yield one
            else:
                later.setdefault(one.request.model, []).append(one)
        ended = True

    while not ended or later:
        for one in answer(here()):
            inside -= 1
            yield one
        if later:
            model, ended = next(iter(later)), False
            source = itertools.chain(later.pop(model), source)
            load(model)
