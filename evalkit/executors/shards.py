"""Which replica is asked what: a stream of requests cut into shards, with nothing lost and nothing used twice."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from evalkit.types import Prepared

# Numbers are never used again in a process: an answer to an earlier stream that comes late is known as such.
_NUMBERS = itertools.count()
_END = object()

Numbered = tuple[int, Prepared]
"""A request under the number by which its answer comes back."""


@dataclass(slots=True)
class _Open:
    """A request that is not answered yet; by: the replica that has it, None where none has. losses: replicas lost with it."""

    prepared: Prepared
    losses: int = 0
    by: str | None = None


class Shards:
    """Hands out shards to whichever replica asks, and takes answers and losses.

    prepared: the stream; None in it says that nothing is there at the moment. It is read no further ahead than two shards
    for each replica. shard: the most requests handed out at a time. tries: replicas that a request may be lost with.
    by_model: ask all of one model before the next, for replicas that would load weights at every change.
    """

    def __init__(self, prepared: Iterable[Prepared | None], *, shard: int, tries: int, by_model: bool = False) -> None:
        self._source = iter(prepared)
        self._shard = shard
        self._tries = tries
        self._by_model = by_model
        self._more = True
        self._waits = False
        self._front: deque[int] = deque()
        self._open: dict[int, _Open] = {}
        self._held: dict[str, int] = {}

    @property
    def done(self) -> bool:
        """Whether the stream has ended and every request of it is answered or given up."""
        return not self._more and not self._open

    @property
    def waits(self) -> bool:
        """Whether nothing is to be done until the stream brings more."""
        return self._waits and not self._open

    def held_by(self, replica: str) -> int:
        """How many requests a replica has and has not answered."""
        return self._held.get(replica, 0)

    def size(self, replicas: int) -> int:
        """How large the next shard is: smaller and smaller towards the end, so that no replica ends long after the others."""
        if self._more:
            return self._shard
        return max(1, min(self._shard, -(-len(self._front) // (2 * max(1, replicas)))))

    def take(self, replica: str, replicas: int) -> list[Numbered]:
        """A shard for this one of so many replicas that work; empty where there is nothing, or the rest is the others' share."""
        self._fill(2 * self._shard * max(1, replicas))
        count = min(self.size(replicas), len(self._front))
        if not self._more:
            # What an engine has room for can be more than is left: then each gets its share, and none all of it.
            count = min(count, -(-len(self._open) // max(1, replicas)) - self.held_by(replica))
        taken: list[Numbered] = []
        for _ in range(count):
            number = self._front.popleft()
            self._open[number].by = replica
            taken.append((number, self._open[number].prepared))
        self._held[replica] = self.held_by(replica) + len(taken)
        return taken

    def land(self, number: int) -> Prepared | None:
        """Take an answer; None where it is not wanted: answered already (by another replica), given up, or of another stream."""
        one = self._open.pop(number, None)
        if one is None:
            return None
        if one.by is None:
            self._front.remove(number)  # its replica was thought lost
        else:
            self._held[one.by] -= 1
        return one.prepared

    def lost(self, replica: str) -> list[Prepared]:
        """Put what a lost replica had to the front again. Returns what is given up, having been lost too often."""
        given_up: list[Prepared] = []
        for number in sorted((number for number, one in self._open.items() if one.by == replica), reverse=True):
            one = self._open[number]
            one.by, one.losses = None, one.losses + 1
            if one.losses >= self._tries:
                given_up.append(self._open.pop(number).prepared)
            else:
                self._front.appendleft(number)
        self._held.pop(replica, None)
        return given_up[::-1]

    def _fill(self, ahead: int) -> None:
        self._waits = False
        while self._more and (self._by_model or len(self._front) < ahead):
            one = next(self._source, _END)
            if one is None:
                self._waits = True
                return
            if not isinstance(one, Prepared):
                self._more = False
                break
            number = next(_NUMBERS)
            self._open[number] = _Open(one)
            self._front.append(number)
        if self._by_model and not self._more:
            models = {model: place for place, model in enumerate(self._models())}
            self._front = deque(sorted(self._front, key=lambda number: models[self._model(number)]))
            self._by_model = False

    def _models(self) -> list[str]:
        return list(dict.fromkeys(self._model(number) for number in self._front))

    def _model(self, number: int) -> str:
        return self._open[number].prepared.request.model
