"""Items of several turns: the answer to one makes the next askable, and all of them are one answer."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace

from evalkit.running.requests import Item, next_turn
from evalkit.types import Completion, Request

_Key = tuple[str, str, str, str, int, int]


class Turns:
    """Keeps what was said so far. `take` and `follow_ups` may be called by two threads."""

    def __init__(self) -> None:
        self._earlier: dict[_Key, list[str]] = {}
        self._next: dict[str, deque[Request]] = {}

    def take(self, item: Item, request: Request, completion: Completion) -> Completion | None:
        """The completion of the last turn with the earlier ones; None where another turn is to be asked first.

        After a failure no further turn is asked.
        """
        if not item.example.follow_ups:
            return completion
        asked = (request.suite, request.task, request.example_id, request.model, request.sample, request.replicate)
        earlier = self._earlier.setdefault(asked, [])
        if completion.failure is None and request.turn < len(item.example.follow_ups):
            earlier.append(completion.text)
            self._next.setdefault(request.model, deque()).append(next_turn(item, request, earlier))
            return None
        del self._earlier[asked]
        return replace(completion, earlier=tuple(earlier))

    def follow_ups(self, models: Iterable[str]) -> Iterator[Request]:
        """The next turns of what these models answered, if they were not asked yet."""
        for model in models:
            waiting = self._next.get(model)
            while waiting:
                yield waiting.popleft()
