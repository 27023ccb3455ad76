"""What a run puts aside on disk so that it need not be held in memory: unnamed files beside the journal.

They have no name, so there is nothing to clean up: they are gone when they are closed, or when the process ends, however it ends.
"""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from evalkit.stored.cache import CACHE_VARIABLE, cache_folder
from evalkit.types import InputError, RunError

_AT_ONCE = 16_000_000  # bytes that are sorted in one go


def scratch_folder() -> Path:
    """Where the files are, without names."""
    return cache_folder() / "scratch"


class Scratch:
    """One file to write and to read, closed with the last that holds it. Raises InputError where none can be made."""

    def __init__(self) -> None:
        folder = scratch_folder()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.file: IO[bytes] = tempfile.TemporaryFile(dir=folder)
        except OSError as error:
            raise InputError(
                f"{folder}: no temporary file can be written there: {error.strerror or error}; set {CACHE_VARIABLE} to a writable "
                "folder"
            ) from None
        weakref.finalize(self, self.file.close)

    def append(self, content: bytes | pa.Buffer) -> None:
        """Write at the end. Raises RunError where the disk is full."""
        with writing():
            self.file.write(content)
            self.file.flush()

    def read(self, begin: int, size: int) -> bytes:
        """So many bytes from there on. Safe from several threads."""
        return os.pread(self.file.fileno(), size, begin)


@contextmanager
def writing() -> Iterator[None]:
    """Around whatever writes to a scratch file. Raises RunError where the disk is full."""
    try:
        yield
    except OSError as error:
        raise RunError(
            f"{scratch_folder()}: a temporary file cannot be written: {error.strerror or error}; free some room, or set "
            f"{CACHE_VARIABLE} to a folder with more, and run again: answers that landed are in the journal"
        ) from None


class Spill:
    """Tables of one schema, put aside one after the other and read back by number."""

    def __init__(self) -> None:
        self._file: Scratch | None = None
        self._places: list[tuple[int, int]] = []
        self._end = 0

    def add(self, table: pa.Table) -> int:
        """Put a table aside; its number. Raises InputError, RunError where that cannot be written."""
        if self._file is None:
            self._file = Scratch()
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as stream:
            stream.write_table(table)
        packed = sink.getvalue()
        self._file.append(packed)
        self._places.append((self._end, packed.size))
        self._end += packed.size
        return len(self._places) - 1

    def read(self, number: int) -> pa.Table:
        """One of them, as it was."""
        assert self._file is not None
        begin, size = self._places[number]
        return pa.ipc.open_stream(pa.py_buffer(self._file.read(begin, size))).read_all()

    def __len__(self) -> int:
        return len(self._places)


def in_order(
    parts: Sequence[Callable[[], pa.Table]],
    sizes: Sequence[int],
    order: NDArray[np.integer],
    bounds: NDArray[np.integer],
    size: int,
) -> Iterator[pa.Table]:
    """The rows of all parts in another order, in blocks, without holding more than a few of either.

    parts: what reads each; sizes: their rows. order: shape (n,), row numbers over all parts in the order wanted; rows that are
    not in it are left out. bounds: shape (blocks + 1,), where in `order` the blocks begin. size: bytes of all, roughly. Rows are first dealt to the
    blocks they belong to, on disk, then each block is sorted by itself.
    """
    if not parts:
        return
    if size <= 2 * _AT_ONCE or len(bounds) == 2:
        whole = pa.concat_tables([part() for part in parts])
        for begin, end in zip(bounds[:-1], bounds[1:], strict=True):
            yield whole.take(pa.array(order[begin:end]))
        return
    place = np.full(sum(sizes), -1, dtype=np.int64)
    place[order] = np.arange(order.size)
    dealt = Spill()
    held: list[list[int]] = [[] for _ in bounds[:-1]]
    at_once = max(1, _AT_ONCE * len(parts) // size)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    for first in range(0, len(parts), at_once):
        last = min(first + at_once, len(parts))
        mine = place[starts[first] : starts[last]]
        block = np.searchsorted(bounds, mine, side="right") - 1
        sorting = np.argsort(block, kind="stable")
        sorting = sorting[mine[sorting] >= 0]
        table = pa.concat_tables([parts[number]() for number in range(first, last)]).take(pa.array(sorting))
        table = table.append_column(_PLACE, pa.array(mine[sorting]))
        edges = np.searchsorted(block[sorting], np.arange(len(held) + 1))
        for number in np.flatnonzero(np.diff(edges)):
            held[number].append(dealt.add(table.slice(edges[number], edges[number + 1] - edges[number])))
    for number, numbers in enumerate(held):
        if not numbers:
            yield parts[0]().slice(0, 0)
            continue
        table = pa.concat_tables([dealt.read(one) for one in numbers])
        places = table[_PLACE].to_numpy()
        yield table.drop_columns([_PLACE]).take(pa.array(np.argsort(places, kind="stable")))
        held[number] = []


_PLACE = "place in order"
