"""The items of a task: a few in memory, many on disk, read one by one as they are asked and marked."""

from __future__ import annotations

import mmap
import pickle
import weakref
from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, overload

import numpy as np

from evalkit.stored.scratch import Scratch
from evalkit.types import Example, Message

_IN_MEMORY = 4096
_SHARED = 1000  # beginnings (a system turn, worked examples) that are kept once for all items that have them
_BUFFER = 1 << 20
_MAPPED = 500  # reads after which the pages they came from are let go

Head = tuple[Message, ...]


class StoredExamples(Sequence[Example]):
    """Items on disk, by number and by id. Made by `ExampleWriter`.

    clustered: any item belongs to a group. turns: the most that an item has.
    """

    def __init__(
        self, scratch: Scratch, ends: np.ndarray, hashes: np.ndarray, heads: Sequence[Head], clustered: bool, turns: int
    ) -> None:
        self._scratch, self._heads = scratch, tuple(heads)
        self._mapped, self._reads = mmap.mmap(scratch.file.fileno(), 0, access=mmap.ACCESS_READ), 0
        weakref.finalize(self, self._mapped.close)
        self._ends = ends
        order = np.argsort(hashes, kind="stable")
        # Sorted beforehand: a search through `sorter` would copy it each time.
        self._order, self._hashes = order.astype(np.int32), hashes[order]
        self.clustered, self.turns = clustered, turns

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, place: int) -> Example: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Example, ...]: ...
    def __getitem__(self, place: int | slice) -> Example | tuple[Example, ...]:
        if isinstance(place, slice):
            return tuple(self[at] for at in range(*place.indices(len(self))))
        at = range(len(self))[place]  # raises IndexError, and counts from the end
        begin = int(self._ends[at - 1]) if at else 0
        # Mapped, not read: a call to the system gives other threads their turn, and there is one for each item.
        packed = self._mapped[begin : int(self._ends[at])]
        self._reads += 1
        if not self._reads % _MAPPED:
            self._mapped.madvise(mmap.MADV_DONTNEED)  # what was looked at need not stay in memory
        return _unpacked(packed, self._heads)

    def __iter__(self) -> Iterator[Example]:
        return (self[at] for at in range(len(self)))

    def find(self, id: str) -> Example:
        """The item of that id. Raises KeyError."""
        for at in self._of_hash(hash(id)):
            example = self[int(at)]
            if example.id == id:
                return example
        raise KeyError(id)

    def _of_hash(self, wanted: int) -> np.ndarray:
        begin = int(self._hashes.searchsorted(wanted))
        end = begin
        while end < len(self._hashes) and self._hashes[end] == wanted:
            end += 1
        return self._order[begin:end]


class ExampleWriter:
    """Takes a task's items one by one. Raises InputError, RunError where the disk cannot take them."""

    def __init__(self) -> None:
        self._few: list[Example] = []
        self._scratch: Scratch | None = None
        self._buffer = bytearray()
        self._ends, self._hashes = array("q"), array("q")
        self._end = 0
        self._heads: dict[Head, int] = {}
        self._clustered, self._turns = False, 1

    def add(self, example: Example) -> None:
        """Keep one."""
        self._hashes.append(hash(example.id))
        self._clustered = self._clustered or example.group is not None
        self._turns = max(self._turns, 1 + len(example.follow_ups))
        if self._scratch is None:
            self._few.append(example)
            if len(self._few) <= _IN_MEMORY:
                return
            self._scratch = Scratch()
            few, self._few = self._few, []
            for one in few:
                self._store(one)
            return
        self._store(example)

    def repeated(self) -> tuple[int, int] | None:
        """The numbers of two items of the same id, the second as early as any; None where ids are unique."""
        hashes = np.frombuffer(self._hashes, dtype=np.int64)
        order = np.argsort(hashes, kind="stable")
        alike = np.flatnonzero(hashes[order][1:] == hashes[order][:-1])
        if not alike.size:
            return None
        examples = self.finish()
        found: list[tuple[int, int]] = []
        for value in np.unique(hashes[order][alike]):
            first: dict[str, int] = {}
            for at in np.flatnonzero(hashes == value).tolist():
                earlier = first.setdefault(examples[at].id, at)
                if earlier != at:
                    found.append((earlier, at))
        return min(found, key=lambda one: one[1], default=None)

    def finish(self) -> Sequence[Example]:
        """All of them, in the order in which they came."""
        if self._scratch is None:
            return tuple(self._few)
        self._flush()
        ends, hashes = (np.array(one, dtype=np.int64) for one in (self._ends, self._hashes))
        return StoredExamples(self._scratch, ends, hashes, tuple(self._heads), self._clustered, self._turns)

    def _store(self, example: Example) -> None:
        packed = _packed(example, self._heads)
        self._buffer += packed
        self._end += len(packed)
        self._ends.append(self._end)
        if len(self._buffer) >= _BUFFER:
            self._flush()

    def _flush(self) -> None:
        if self._buffer and self._scratch is not None:
            self._scratch.append(bytes(self._buffer))
            self._buffer.clear()


def _packed(example: Example, heads: dict[Head, int]) -> bytes:
    head, last = example.messages[:-1], example.messages[-1:]
    number = heads.get(head)
    if number is None and len(heads) < _SHARED:
        number = heads[head] = len(heads)
    messages = last if number is not None else example.messages
    fields: tuple[Any, ...] = (
        number,
        [(one.role, one.content) for one in messages],
        example.id,
        example.answer,
        example.choices,
        example.group,
        dict(example.meta) or None,
        example.follow_ups,
        example.questions,
        dict(example.slices) or None,
    )
    return pickle.dumps(fields, protocol=pickle.HIGHEST_PROTOCOL)


_NOTHING: Mapping[str, str] = Example("", ()).meta


def _unpacked(packed: bytes, heads: Sequence[Head]) -> Example:
    number, messages, id, answer, choices, group, meta, follow_ups, questions, slices = pickle.loads(packed)
    turns = tuple(Message(role, content) for role, content in messages)
    return Example(
        id,
        turns if number is None else heads[number] + turns,
        answer,
        choices,
        group,
        meta or _NOTHING,
        follow_ups,
        questions,
        slices or _NOTHING,
    )
