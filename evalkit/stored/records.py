"""Records: what every model answered and how it was marked, as columns; and the verdicts on it.

Rows are put aside on disk as they land; what stays in memory is what they are sorted by. See `samples` for the table.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from evalkit.stored.samples import KEYS, NARROW, SCHEMA, VERDICT, Samples, pc, read_table, write_table
from evalkit.stored.scratch import Scratch, Spill, in_order, writing
from evalkit.types import ARMS, INCUMBENT, PROBES, Completion, Example, Failure, Prepared, Score, Verdict

__all__ = [
    "SCHEMA",
    "Records",
    "Samples",
    "narrow_frame",
    "of_both_arms",
    "read_table",
    "samples_frame",
    "seen_as",
    "verdicts_as_frame",
    "verdicts_frame",
    "whole_characters",
    "with_incumbent",
    "with_overlaps",
    "without_probes",
    "write_table",
]

Shares = Mapping[str, Mapping[tuple[str, str, str], float | None]]
"""By arm, then by (suite, task, id): the share of the item that stands in the arm's training data."""

Table = TypeVar("Table", pa.Table, Samples)

_CHARACTERS = 1_500_000  # of texts that are held before they are put aside
_CHUNK = 4096
_BLOCK = 12_000_000  # characters of a row group of the sorted table

_ITEM = ["suite", "task", "id"]
_VERDICT_COLUMNS = ["suite", "task", "id", "judge", "order", "winner", "score", "reason", "failure"]
_VERDICT_COLUMNS += ["repeat", "base_grade", "tuned_grade", "mass", "detail"]

# As they land: words are words, numbered when all of them are known.
_LANDING = pa.schema(
    [pa.field(one.name, pa.string()) if pa.types.is_dictionary(one.type) else one for one in SCHEMA]
).remove(SCHEMA.get_field_index("verdicts"))
_SAID = pa.schema([(name, pa.string()) for name in _ITEM] + [(one.name, one.type) for one in VERDICT])


def whole_characters(text: str) -> str:
    """The text with halves of characters replaced: a broken output can hold them, and no tokenizer or table can."""
    return text.encode("utf-8", "replace").decode("utf-8")


class _Columns:
    """Rows as they come, column by column; put aside whenever they hold much text. keys: the columns that stay in memory."""

    def __init__(self, schema: pa.Schema, keys: Sequence[str]) -> None:
        self._schema, self._names = schema, list(keys)
        self._values: list[list[object]] = [[] for _ in schema]
        self._spill = Spill()
        self._keys: list[pa.Table] = []
        self._held = 0
        self.characters = 0

    def add(self, row: Sequence[object], characters: int) -> None:
        """One row, in the order of the schema, and how long its texts are."""
        for values, value in zip(self._values, row, strict=True):
            values.append(value)
        self._held += characters
        self.characters += characters
        if self._held >= _CHARACTERS or len(self._values[0]) >= _CHUNK:
            table = self._buffered()
            self._spill.add(table)
            self._keys.append(self._slim(table))
            self._values = [[] for _ in self._schema]
            self._held = 0

    def __len__(self) -> int:
        return sum(table.num_rows for table in self._keys) + len(self._values[0])

    def _buffered(self) -> pa.Table:
        arrays = [_array(values, one.type) for values, one in zip(self._values, self._schema, strict=True)]
        return pa.Table.from_arrays(arrays, schema=self._schema)

    @property
    def on_disk(self) -> bool:
        """Whether anything was put aside."""
        return len(self._spill) > 0

    def keys(self) -> pa.Table:
        """The columns to sort by, in the order of landing."""
        whole = pa.concat_tables([*self._keys, self._slim(self._buffered())])
        return whole.cast(pa.schema([self._schema.field(name) for name in self._names]))

    def _slim(self, table: pa.Table) -> pa.Table:
        """The columns to sort by, words that repeat as numbers."""
        columns = {name: table[name].combine_chunks() for name in self._names}
        coded = {
            name: column.dictionary_encode() if column.type == pa.string() and name != "id" else column
            for name, column in columns.items()
        }
        return pa.table(coded)

    def sorted(self, order: NDArray[np.integer], bounds: NDArray[np.integer]) -> Iterator[pa.Table]:
        """All rows in that order, in blocks, as of `scratch.in_order`."""
        tail = self._buffered()
        parts = [partial(self._spill.read, number) for number in range(len(self._spill))]
        sizes = [table.num_rows for table in self._keys] + [tail.num_rows]
        size = self.characters + 200 * len(self)
        return in_order([*parts, lambda: tail], sizes, order, bounds, size)


class Records:
    """Append samples and verdicts as they land, from any thread; read them as `Samples`."""

    def __init__(self) -> None:
        self._adding = threading.Lock()  # judges behind an API land in threads of their own, beside the models
        self._rows = _Columns(_LANDING, KEYS)
        self._said = _Columns(_SAID, [*_ITEM, "judge", "order", "repeat"])

    def add(
        self,
        suite: str,
        task: str,
        arm: str,
        sample: int,
        example: Example,
        completion: Completion | None,
        score: Score,
        prepared: Prepared | None = None,
    ) -> None:
        """Record one scored completion. `prepared` is None where no prompt could be rendered.

        completion: None where only what a judge said of it is at hand: the text is unknown then, not empty.
        Raises InputError, RunError where the disk cannot take it.
        """
        failure = score.failure or (completion.failure if completion else None)
        slices = json.dumps(dict(example.slices), sort_keys=True, ensure_ascii=False) if example.slices else None
        prompt = prepared.prompt if prepared else None
        text = completion.text if completion else None
        reasoning = completion.reasoning if completion else None
        texts = (prompt, text, reasoning, score.answer, example.answer)
        row = (
            suite,
            task,
            example.id,
            arm,
            sample,
            example.group,
            slices,
            score.metric,
            score.value,
            score.cause,
            score.answer,
            example.answer,
            prompt,
            text,
            reasoning,
            completion.finish_reason if completion else None,
            completion.usage.prompt_tokens if completion else None,
            completion.usage.completion_tokens if completion else None,
            completion.logprobs if completion else None,
            failure.kind if failure else None,
            failure.message if failure else None,
            failure.hint if failure else None,
            prepared.key if prepared else None,
            None,
        )
        with self._adding:
            self._rows.add(row, sum(len(one) for one in texts if one is not None))

    def add_verdict(self, verdict: Verdict) -> None:
        """Record one verdict."""
        place = (verdict.suite, verdict.task, verdict.example_id)
        with self._adding:
            self._said.add((*place, *_told(verdict)), len(verdict.reason) + len(verdict.detail))

    def __len__(self) -> int:
        return len(self._rows)

    def table(self) -> pa.Table:
        """All samples in a fixed order (suite, task, id, sample, arm), verdicts attached, in memory."""
        return self.samples().table()

    def samples(self, overlaps: Shares | None = None) -> Samples:
        """As `table`, on disk where there is much of it. overlaps: fills the column of that name.

        Sorted, and with words numbered as they come, it does not depend on the order in which answers landed. May be called
        again when more has landed. Raises InputError, RunError where the disk cannot take it.
        """
        blocks = self._blocks()
        if overlaps:
            blocks = (with_overlaps(block, overlaps) for block in blocks)
        if not self._rows.on_disk:
            return Samples(pa.concat_tables([*blocks]))
        scratch = Scratch()
        with writing():
            with pq.ParquetWriter(scratch.file, SCHEMA, compression="zstd") as writer:
                for block in blocks:
                    writer.write_table(block, row_group_size=max(1, block.num_rows))
            scratch.file.flush()
        pa.default_memory_pool().release_unused()
        return Samples(scratch)

    def _blocks(self) -> Iterator[pa.Table]:
        n = len(self._rows)
        if not n:
            yield SCHEMA.empty_table()
            return
        keys, said = self._rows.keys(), self._said.keys()
        items, verdicts = _numbered(keys, said)
        arms, (arm_codes,) = _ranks([keys["arm"]])
        samples = keys["sample"].to_numpy()
        order = np.lexsort((arm_codes, samples, items))
        # By what the table holds, and by nothing that depends on the order of landing.
        rows = min(65_536, max(64, _BLOCK * n // max(1, self._rows.characters)))
        bounds = np.append(np.arange(0, n, rows), n)
        first = np.flatnonzero((arm_codes[order] == arms.index("tuned").as_py()) & (samples[order] == 0))
        tables = self._rows.sorted(order, bounds)
        spoken = self._spoken(verdicts, items[order][first], first, said, bounds)
        for table, (places, reasons) in zip(tables, spoken, strict=True):
            yield _finished(table, places, reasons)

    def _spoken(
        self,
        items: NDArray[np.int64],
        known: NDArray[np.int64],
        rows: NDArray[np.int64],
        said: pa.Table,
        bounds: NDArray[np.integer],
    ) -> Iterator[tuple[NDArray[np.int64], pa.Table | None]]:
        """For each block the rows in it that verdicts belong to, one a verdict, and the verdicts.

        items: of each verdict; known: the items that have a row to ride on, ascending, and rows: which one.
        """
        if not items.size or not known.size:
            for _ in bounds[:-1]:
                yield np.array([], dtype=np.int64), None
            return
        at = np.minimum(np.searchsorted(known, items), known.size - 1)
        target = np.where(known[at] == items, rows[at], -1)
        _, (judges,) = _ranks([said["judge"]])
        _, (orders,) = _ranks([said["order"]])
        order = np.lexsort((said["repeat"].to_numpy(), orders, judges, target))
        order = order[target[order] >= 0]
        edges = np.searchsorted(target[order], bounds)
        tables = self._said.sorted(order, edges)
        for begin, end, first, table in zip(edges[:-1], edges[1:], bounds[:-1], tables, strict=True):
            yield target[order[begin:end]] - first, table.select([one.name for one in VERDICT])


def _told(verdict: Verdict) -> tuple[object, ...]:
    return (
        verdict.judge,
        verdict.order,
        verdict.winner,
        verdict.score,
        verdict.reason,
        _describe(verdict.failure),
        verdict.repeat,
        verdict.base_grade,
        verdict.tuned_grade,
        verdict.mass,
        verdict.detail,
    )


def _array(values: list[object], type_: pa.DataType) -> pa.Array:
    try:
        return pa.array(values, type=type_)
    except UnicodeEncodeError:
        return pa.array([whole_characters(one) if isinstance(one, str) else one for one in values], type=type_)


def _ranks(columns: Sequence[pa.ChunkedArray]) -> tuple[pa.Array, list[NDArray[np.int64]]]:
    """The words of these columns, numbered in their order, and the number of every row of each."""
    words = pa.chunked_array([column.unique() for column in columns], type=pa.string()).unique()
    words = words.take(pc.sort_indices(words))
    codes = [pc.index_in(column, value_set=words).to_numpy().astype(np.int64) for column in columns]
    return words, codes


def _numbered(keys: pa.Table, said: pa.Table) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A number for the item of every row of both tables, in the order of suite, task and id."""
    mine, theirs = np.zeros(keys.num_rows, dtype=np.int64), np.zeros(said.num_rows, dtype=np.int64)
    for name in _ITEM:
        _, (first, second) = _ranks([keys[name], said[name]])
        size = 1 + max(int(first.max(initial=0)), int(second.max(initial=0)))
        mine, theirs = mine * size + first, theirs * size + second
    return mine, theirs


def _finished(table: pa.Table, places: NDArray[np.int64], verdicts: pa.Table | None) -> pa.Table:
    """A block as it is stored: words numbered, verdicts on the rows they belong to. places: ascending, one a verdict."""
    for name in (one.name for one in SCHEMA if pa.types.is_dictionary(one.type)):
        at = table.schema.get_field_index(name)
        table = table.set_column(
            at, SCHEMA.field(name), table[name].combine_chunks().dictionary_encode().cast(SCHEMA.field(name).type)
        )
    field = SCHEMA.field("verdicts")
    if verdicts is None or not places.size:
        return table.append_column(field, pa.nulls(table.num_rows, field.type))
    counts = np.bincount(places, minlength=table.num_rows)
    offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32))
    values = pa.StructArray.from_arrays(
        [verdicts[one.name].combine_chunks() for one in VERDICT],
        fields=[VERDICT.field(i) for i in range(VERDICT.num_fields)],
    )
    lists = pa.ListArray.from_arrays(offsets, values, type=field.type, mask=pa.array(counts == 0))
    return table.append_column(field, lists)


def _describe(failure: Failure | None) -> str | None:
    return f"{failure.kind}: {failure.message}" if failure else None


def with_overlaps(table: pa.Table, shares: Shares) -> pa.Table:
    """The table with the column `overlap` filled."""
    columns = (table[name].to_pylist() for name in ("suite", "task", "id", "arm"))
    none: dict[tuple[str, str, str], float | None] = {}
    values = [shares.get(arm, none).get((suite, task, id_)) for suite, task, id_, arm in zip(*columns, strict=True)]
    field = SCHEMA.field("overlap")
    return table.set_column(table.schema.get_field_index("overlap"), field, pa.array(values, type=field.type))


# --- parts of the table ----------------------------------------------------------------------------------------------


def of_both_arms(table: Table) -> Table:
    """The samples of base and tuned, without those of an incumbent that judges held against tuned."""
    return _where(table, "arm", ARMS)


def with_incumbent(table: Table) -> Table:
    """The samples of base, tuned and the incumbent."""
    return _where(table, "arm", [*ARMS, INCUMBENT])


def without_probes(table: Table) -> Table:
    """The samples that suites asked for, without what was measured beside them."""
    return _where(table, "suite", [PROBES], others=True)


def _where(table: Table, column: str, words: Sequence[str], *, others: bool = False) -> Table:
    mine: Any = table.table([column]) if isinstance(table, Samples) else table
    kept = pc.is_in(mine[column].cast(pa.string()), value_set=pa.array(list(words)))
    kept = pc.invert(kept) if others else kept
    if isinstance(table, Samples):
        return table.only(kept.to_numpy())
    return mine.filter(kept)


def seen_as(samples: pd.DataFrame, base: str, tuned: str) -> pd.DataFrame:
    """The samples of two arms alone, called base and tuned: another pair, for the same functions."""
    mine = samples.loc[samples["arm"].isin([base, tuned]), :]
    return mine.assign(arm=mine["arm"].astype(str).map({base: "base", tuned: "tuned"}))


def samples_frame(table: pa.Table | Samples, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """The samples as a pandas frame, one row per (suite, task, id, arm, sample), without verdicts.

    columns: only these; without them all, texts too.
    """
    wanted = [name for name in SCHEMA.names if name != "verdicts"] if columns is None else list(columns)
    if isinstance(table, Samples):
        return table.table(wanted).unify_dictionaries().to_pandas()
    return table.select([name for name in wanted if name in table.column_names]).to_pandas()


def narrow_frame(samples: Samples) -> pd.DataFrame:
    """The columns that statistics are computed from, in little memory: ids and groups are numbered, as other words are.

    The index is the row's number in `samples`: texts are looked up by it.
    """
    held = samples.table([name for name in NARROW if name not in ("id", "group")]).unify_dictionaries()
    frame = held.to_pandas(split_blocks=True, self_destruct=True)
    del held
    for name in ("id", "group"):
        column = samples.table([name])[name]
        words = column.unique().drop_null()
        words = words.take(pc.sort_indices(words))
        codes = pc.fill_null(pc.index_in(column, value_set=words), -1).to_numpy()
        frame[name] = pd.Categorical.from_codes(codes, pd.Index(words.to_pandas()))
    pa.default_memory_pool().release_unused()
    return frame


def verdicts_as_frame(verdicts: Iterable[Verdict]) -> pd.DataFrame:
    """Verdicts that stand in no table, with the columns of `verdicts_frame`."""
    rows = [{**asdict(one), "id": one.example_id, "failure": _describe(one.failure)} for one in verdicts]
    return pd.DataFrame(rows, columns=pd.Index(_VERDICT_COLUMNS))


def verdicts_frame(table: pa.Table | Samples, *, reasons: bool = True) -> pd.DataFrame:
    """The verdicts as a pandas frame: suite, task, id, and the fields of a verdict; what older tables lack is empty.

    winner is "base", "tuned", "tie", or None where the reply could not be read. reasons: with what the judge wrote; without
    it, and without marks by criterion, those columns are empty.
    """
    parts: list[pd.DataFrame] = []
    for block in Samples.of(table).blocks([*_ITEM, "verdicts"]):
        held = block.filter(block["verdicts"].is_valid())
        if not held.num_rows:
            continue
        lists = held["verdicts"].combine_chunks()
        said, at = pc.list_flatten(lists), pc.list_parent_indices(lists)
        columns = {name: held[name].cast(pa.string()).take(at) for name in _ITEM}
        columns |= dict(zip([one.name for one in said.type], said.flatten(), strict=True))
        left_out = () if reasons else ("reason", "detail")
        columns |= {
            one.name: pa.nulls(len(at), one.type) for one in VERDICT if one.name in left_out or one.name not in columns
        }
        parts.append(pa.table(columns).select(_VERDICT_COLUMNS).to_pandas())
    frame = pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0] if parts else None
    if frame is None:
        frame = pd.DataFrame([], columns=pd.Index(_VERDICT_COLUMNS))
    # Tables of earlier versions hold one reading of each question, and neither grades nor masses.
    frame["repeat"] = frame["repeat"].fillna(0).astype(int)
    for name in ("score", "base_grade", "tuned_grade", "mass"):
        frame[name] = frame[name].astype(float)
    return frame
