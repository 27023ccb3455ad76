"""The table of a run: a row a sample, read by the columns and rows that are wanted, so that texts need not be held.

One row per (suite, task, id, arm, sample). `samples.parquet` holds exactly this table; verdicts ride along as a list
on the tuned arm's first sample, so that one file is the whole evidence of a run.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq
from numpy.typing import NDArray

from evalkit.stored.scratch import Scratch
from evalkit.types import RunError

pc: Any = pyarrow.compute
"""Its functions are made when it is imported, where type checkers do not see them."""

VERDICT = pa.struct(
    [
        ("judge", pa.string()),
        ("order", pa.string()),
        ("winner", pa.string()),
        ("score", pa.float64()),
        ("reason", pa.string()),
        ("failure", pa.string()),
        ("repeat", pa.int32()),
        ("base_grade", pa.float64()),
        ("tuned_grade", pa.float64()),
        ("mass", pa.float64()),
        ("detail", pa.string()),
    ]
)

SCHEMA = pa.schema(
    [
        ("suite", pa.dictionary(pa.int32(), pa.string())),
        ("task", pa.dictionary(pa.int32(), pa.string())),
        ("id", pa.string()),
        ("arm", pa.dictionary(pa.int32(), pa.string())),
        ("sample", pa.int32()),
        ("group", pa.string()),
        ("slices", pa.dictionary(pa.int32(), pa.string())),  # a JSON object of strings; null: none
        ("metric", pa.dictionary(pa.int32(), pa.string())),
        ("value", pa.float64()),  # null: never answered
        ("cause", pa.dictionary(pa.int32(), pa.string())),
        ("answer", pa.string()),  # extracted
        ("gold", pa.string()),
        # Texts of a large run pass the 2 GiB that `string` can address.
        ("prompt", pa.large_string()),
        ("text", pa.large_string()),
        ("reasoning", pa.large_string()),
        ("finish_reason", pa.dictionary(pa.int32(), pa.string())),
        ("prompt_tokens", pa.int32()),
        ("completion_tokens", pa.int32()),
        ("logprobs", pa.list_(pa.float64())),
        ("failure", pa.dictionary(pa.int32(), pa.string())),  # kind
        ("failure_message", pa.string()),
        ("failure_hint", pa.string()),
        ("key", pa.string()),
        ("overlap", pa.float64()),  # share of the item that stands in this arm's training data; null: unknown
        ("verdicts", pa.list_(VERDICT)),
    ]
)

KEYS = ["suite", "task", "id", "sample", "arm"]
"""The columns that the table is sorted by."""

NARROW = [
    name
    for name in SCHEMA.names
    if name not in ("answer", "gold", "prompt", "text", "reasoning", "logprobs", "failure_message", "failure_hint", "key", "verdicts")
]  # fmt: skip
"""The columns that statistics are computed from: numbers and words that repeat, no texts."""

# Columns that tables of earlier versions lack. What was not looked up then is unknown, which is what null says.
_LATER = ("overlap", "slices")

_ROWS = 8192


class Samples:
    """The table, wherever it is: in memory, or in a Parquet file of which only what is asked for is read."""

    def __init__(self, source: pa.Table | Path | Scratch, rows: NDArray[np.integer] | None = None) -> None:
        """Without a look at its schema: see `stored` for a file of a user's. rows: only these, ascending; None: all of them."""
        self._whole: Any = source if isinstance(source, pa.Table) else None
        self._source: Any = source
        self._rows = rows
        self._columns: list[str] = []
        if self._whole is None:
            with self._opened() as file:
                self._columns, self._total = file.schema_arrow.names, file.metadata.num_rows

    @classmethod
    def of(cls, table: pa.Table | Samples) -> Samples:
        """A table in memory as it may also be in a file."""
        return table if isinstance(table, Samples) else cls(table)

    @classmethod
    def stored(cls, path: Path) -> Samples:
        """A `samples.parquet`. Raises RunError when it is missing, unreadable or of another schema."""
        try:
            found = cls(path)
        except FileNotFoundError:
            raise RunError(f"{path}: no such file; is this the folder of a finished run?") from None
        except (pa.ArrowInvalid, OSError) as error:
            raise RunError(f"{path}: not a readable Parquet file: {error}") from None
        lost = [name for name in SCHEMA.names if name not in found._columns and name not in _LATER]
        if lost:
            raise RunError(f"{path}: lacks column {lost[0]!r}; written by another version of evalkit?")
        return found

    def __len__(self) -> int:
        if self._rows is not None:
            return len(self._rows)
        return self._total if self._whole is None else self._whole.num_rows

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """These columns of all rows, in memory. None: all columns, texts too."""
        if self._whole is not None:
            table = self._whole if columns is None else self._whole.select(list(columns))
            return table if self._rows is None else table.take(pa.array(self._rows))
        parts = list(self.blocks(columns))
        return pa.concat_tables(parts) if parts else _empty(columns)

    def blocks(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """These columns in blocks of some thousand rows, in order."""
        if self._whole is not None:
            table = self.table(columns)
            for begin in range(0, table.num_rows, _ROWS):
                yield table.slice(begin, _ROWS)
            return
        wanted = SCHEMA.names if columns is None else list(columns)
        present = [name for name in wanted if name in self._columns]
        row = 0
        try:
            with self._opened() as file:
                # A row has a column at the least, or batches would have no length.
                for batch in file.iter_batches(_ROWS, columns=present or ["sample"], use_threads=False):
                    table = pa.Table.from_batches([batch])
                    begin, row = row, row + table.num_rows
                    if self._rows is not None:
                        edges = np.searchsorted(self._rows, [begin, row])
                        mine = self._rows[edges[0] : edges[1]]
                        if not mine.size:
                            continue
                        table = table if mine.size == table.num_rows else table.take(pa.array(mine - begin))
                    for name in (name for name in wanted if name not in present):
                        table = table.append_column(SCHEMA.field(name), pa.nulls(len(table), SCHEMA.field(name).type))
                    yield table.select(wanted)
        except (pa.ArrowInvalid, OSError) as error:
            raise RunError(f"{self._source}: cannot be read: {error}") from None

    def take(self, rows: NDArray[np.integer], columns: Sequence[str] | None = None) -> pa.Table:
        """These columns of these rows, in the order of `rows`, each of which may stand there once."""
        rows = np.asarray(rows, dtype=np.int64)
        if self._whole is not None:
            return self.table(columns).take(pa.array(rows))
        ascending = np.argsort(rows, kind="stable")
        mine = rows[ascending]
        held = mine if self._rows is None else self._rows[mine]
        found = Samples.__new__(Samples)
        found.__dict__.update(self.__dict__, _rows=held)
        table = found.table(columns)
        back = np.empty_like(ascending)
        back[ascending] = np.arange(ascending.size)
        return table if np.array_equal(back, np.arange(back.size)) else table.take(pa.array(back))

    def only(self, kept: NDArray[np.bool_]) -> Samples:
        """The rows of which that is true."""
        if kept.all():
            return self
        rows = np.flatnonzero(kept)
        found = Samples.__new__(Samples)
        found.__dict__.update(self.__dict__, _rows=rows if self._rows is None else self._rows[rows])
        return found

    def has_nulls(self, column: str) -> bool:
        """Whether any row may lack a value there: False only where that is known without reading the column."""
        if self._whole is not None:
            return self._whole[column].null_count > 0
        if column not in self._columns:
            return True
        with self._opened() as file:
            groups = (file.metadata.row_group(number) for number in range(file.metadata.num_row_groups))
            place = next(
                (at for at in range(len(file.schema)) if file.schema.column(at).path.split(".")[0] == column), None
            )
            seen = [group.column(place).statistics if place is not None else None for group in groups]
        return any(one is None or not one.has_null_count or one.null_count > 0 for one in seen)

    def write(self, path: Path) -> None:
        """Write the table as `samples.parquet`; the caller makes it atomic."""
        if self._whole is not None or self._rows is not None:
            pq.write_table(self.table(), path, compression="zstd")
        elif isinstance(self._source, Path):
            shutil.copyfile(self._source, path)
        else:
            self._source.file.seek(0)
            with path.open("wb") as file:
                shutil.copyfileobj(self._source.file, file, 1 << 20)

    def _opened(self) -> pq.ParquetFile:
        source = self._source.file if isinstance(self._source, Scratch) else self._source
        return pq.ParquetFile(source, pre_buffer=False, buffer_size=1 << 16)


def _empty(columns: Sequence[str] | None) -> pa.Table:
    table = SCHEMA.empty_table()
    return table if columns is None else table.select(list(columns))


def write_table(table: pa.Table | Samples, path: Path) -> None:
    """Write `samples.parquet`; the caller makes it atomic."""
    Samples.of(table).write(path)


def read_table(path: Path) -> pa.Table:
    """All of `samples.parquet`, in memory. Raises RunError when it is missing, unreadable or of another schema."""
    return Samples.stored(path).table()
