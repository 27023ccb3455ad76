"""Which replica is asked what: a stream of requests cut into shards, with nothing lost and nothing used twice."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Sequence
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
    for each replica. shard: the most requests handed out at a time. tries: replicas that a request may be lost with; the
    last of them has it alone, so that a prompt which kills engines takes none of those beside it along.
    by_model: ask what is there of one model before the next, for replicas that load weights at every change; the stream is then
    read as far as it goes.
    """

    def __init__(self, prepared: Iterable[Prepared | None], *, shard: int, tries: int, by_model: bool = False) -> None:
        self._source = iter(prepared)
        self._shard = shard
        self._tries = tries
        self._by_model = by_model
        self._more = True
        self._paused = False
        self._read = 0
        self._model = ""
        self._front: deque[int] = deque()
        self._last_tries: deque[int] = deque()  # of what may be lost no more: handed out one at a time
        self._alone: set[str] = set()  # replicas that have such a request, and nothing else
        self._open: dict[int, _Open] = {}
        self._held: dict[str, int] = {}

    @property
    def done(self) -> bool:
        """Whether the stream has ended and every request of it is answered or given up."""
        return not self._more and not self._open

    @property
    def paused(self) -> bool:
        """Whether the stream had nothing more when it was read last, and may bring more at any time."""
        return self._paused

    @property
    def read(self) -> int:
        """How many requests the stream has brought so far."""
        return self._read

    def held_by(self, replica: str) -> int:
        """How many requests a replica has and has not answered."""
        return self._held.get(replica, 0)

    def size(self, replicas: int) -> int:
        """How large the next shard is: smaller and smaller towards the end, so that no replica ends long after the others."""
        if self._flows:
            return self._shard
        return max(1, min(self._shard, -(-len(self._front) // (2 * max(1, replicas)))))

    def take(self, replica: str, replicas: int) -> list[Numbered]:
        """A shard for this one of so many replicas that work; empty where there is nothing, or the rest is the others' share."""
        self._fill(2 * self._shard * max(1, replicas))
        if replica in self._alone:
            return []
        if self._last_tries:
            if not self.held_by(replica):
                return self._hand(replica, [self._last_tries.popleft()], alone=True)
            if not self._front:
                return []
        count = min(self.size(replicas), len(self._front))
        if not self._flows:
            # What an engine has room for can be more than is left: then each gets its share, and none all of it.
            count = min(count, -(-len(self._open) // max(1, replicas)) - self.held_by(replica))
        return self._hand(replica, [self._front.popleft() for _ in range(count)])

    def _hand(self, replica: str, numbers: Sequence[int], *, alone: bool = False) -> list[Numbered]:
        taken: list[Numbered] = []
        for number in numbers:
            self._open[number].by = replica
            taken.append((number, self._open[number].prepared))
            self._model = self._model_of(number)
        self._held[replica] = self.held_by(replica) + len(taken)
        if alone:
            self._alone.add(replica)
        return taken

    def land(self, number: int) -> Prepared | None:
        """Take an answer; None where it is not wanted: answered already (by another replica), given up, or of another stream."""
        one = self._open.pop(number, None)
        if one is None:
            return None
        if one.by is None:  # its replica was thought lost
            (self._last_tries if self._is_last_try(one) else self._front).remove(number)
        else:
            self._held[one.by] -= 1
            if not self._held[one.by]:
                self._alone.discard(one.by)
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
                (self._last_tries if self._is_last_try(one) else self._front).appendleft(number)
        self._held.pop(replica, None)
        self._alone.discard(replica)
        return given_up[::-1]

    def _is_last_try(self, one: _Open) -> bool:
        return one.losses > 0 and one.losses == self._tries - 1

    @property
    def _flows(self) -> bool:
        """Whether more than what is here is known to come. A stream ends only once all is answered, since answers may bring further questions."""
        return self._more and not self._paused

    def _fill(self, ahead: int) -> None:
        self._paused, known = False, len(self._front)
        while self._more and not self._paused and (self._by_model or len(self._front) < ahead):
            one = next(self._source, _END)
            if one is None:
                self._paused = True
            elif isinstance(one, Prepared):
                number = next(_NUMBERS)
                self._open[number] = _Open(one)
                self._front.append(number)
                self._read += 1
            else:
                self._more = False
        if self._by_model and len(self._front) > known:
            self._front = deque(sorted(self._front, key=self._turn))  # stable: in their order within a model

    def _turn(self, number: int) -> tuple[bool, str]:
        """The model that was asked last goes on."""
        model = self._model_of(number)
        return model != self._model, model

    def _model_of(self, number: int) -> str:
        return self._open[number].prepared.request.model
