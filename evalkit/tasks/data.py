"""Rows from jsonl, csv (also gzipped), json, parquet, or the hub (`EVALKIT_DATA` as its mirror), each knowing its line."""

from __future__ import annotations

import csv
import difflib
import gzip
import io
import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.config import HubSpec
from evalkit.types import InputError

MIRROR = "EVALKIT_DATA"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a data file. `place` is file:line (or file:row for Parquet), for messages."""

    values: dict[str, Any]
    place: str


def read_rows(source: str | HubSpec, folder: str | Path, *, asked_by: str) -> list[Row]:
    """All rows of a data source, as `rows_of` gives them, in memory."""
    return list(rows_of(source, folder, asked_by=asked_by))


def rows_of(source: str | HubSpec, folder: str | Path, *, asked_by: str) -> Iterator[Row]:
    """The rows of a data source in a stream, in file order. Paths are relative to `folder`.

    Raises InputError for a missing file, an unreadable row, or no rows at all, naming file and line.
    """
    if isinstance(source, HubSpec):
        rows = _hub_rows(source, asked_by)
        place = source.hub
    else:
        path = Path(folder) / Path(source).expanduser()
        if not path.is_file():
            near = difflib.get_close_matches(path.name, _names(path.parent), n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"looked for {path}"
            raise InputError(f"{asked_by}: no such data file {source!r}; {hint}")
        rows = file_rows(path)
        place = str(path)
    empty = True
    for row in rows:
        empty = False
        yield row
    if empty:
        raise InputError(f"{asked_by}: {place} holds no rows; a suite needs items")


def _names(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir()] if folder.is_dir() else []


def file_rows(path: Path) -> Iterator[Row]:
    """The rows of a file, in a stream. Raises InputError naming file and line."""
    match kind_of(path):
        case ".jsonl" | ".ndjson":
            return jsonl_rows(path)
        case ".json":
            return _json_rows(path)
        case ".csv":
            return _csv_rows(path)
        case ".parquet":
            return _parquet_rows(path)
        case other:
            raise InputError(
                f"{path}: cannot read {other or 'a file without ending'!r}; use .jsonl, .json, .csv or .parquet"
            )


def kind_of(path: Path) -> str:
    """The ending that says what a file holds, in lower case: `.jsonl` of both `a.jsonl` and `a.jsonl.gz`."""
    ending = path.suffix.lower()
    return path.with_suffix("").suffix.lower() if ending == ".gz" else ending


def opened(path: Path) -> gzip.GzipFile | io.BufferedReader:
    """The file's bytes, unpacked where it ends in .gz."""
    return gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb")


def jsonl_rows(path: Path) -> Iterator[Row]:
    """Rows of a JSON-lines file. Lines end at newlines only: U+2028 inside a string is text."""
    try:
        with opened(path) as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                place = f"{path}:{number}"
                try:
                    values = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
                except (UnicodeDecodeError, json.JSONDecodeError) as error:
                    raise InputError(f"{place}: not a JSON row: {error}; one JSON object a line") from None
                if not isinstance(values, dict):
                    raise InputError(f"{place}: expected a JSON object, found a {type(values).__name__}")
                yield Row(values, place)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, EOFError, zlib.error) as error:  # the latter two: a damaged .gz
        raise InputError(f"{path}: cannot be read: {error}") from None


def _json_rows(path: Path) -> Iterator[Row]:
    try:
        values = json.loads(path.read_text(encoding="utf-8-sig"))
    except (UnicodeDecodeError, json.JSONDecodeError, OSError) as error:
        raise InputError(f"{path}: not readable JSON: {error}") from None
    if not isinstance(values, list) or not all(isinstance(row, dict) for row in values):
        raise InputError(f"{path}: expected a list of JSON objects; for one object a line call the file .jsonl")
    for number, row in enumerate(values, start=1):
        yield Row(row, f"{path}: row {number}")


def _csv_rows(path: Path) -> Iterator[Row]:
    csv.field_size_limit(1 << 27)
    line = 0
    try:
        with io.TextIOWrapper(opened(path), encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            for values in reader:
                line = reader.line_num
                place = f"{path}:{line}"
                if None in values or None in values.values():
                    raise InputError(f"{place}: row has not the {len(reader.fieldnames or ())} fields of the header")
                yield Row(dict(values), place)
    except (UnicodeDecodeError, csv.Error, OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}:{line + 1}: not readable CSV from this line on: {error}") from None


def _parquet_rows(path: Path) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            batches = file.iter_batches(batch_size=1024)
            for number, values in enumerate((row for batch in batches for row in batch.to_pylist()), start=1):
                yield Row(values, f"{path}: row {number}")
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path}: not readable Parquet: {error}") from None


def _hub_rows(source: HubSpec, asked_by: str) -> Iterator[Row]:
    mirror = os.environ.get(MIRROR)
    if mirror and source.file is not None:
        path = Path(mirror).expanduser() / source.hub / source.file
        if not path.is_file():
            raise InputError(f"{asked_by}: {MIRROR} is set, and there is no {path}")
        return file_rows(path)
    if mirror:
        stem = Path(mirror).expanduser() / source.hub / source.config / source.split
        for ending in (".parquet", ".jsonl"):
            path = stem.with_name(stem.name + ending)
            if path.is_file():
                return file_rows(path)
        raise InputError(f"{asked_by}: {MIRROR} is set, and holds neither {stem}.parquet nor {stem.name}.jsonl")
    return _downloaded_rows(source, asked_by)


def _downloaded_rows(source: HubSpec, asked_by: str) -> Iterator[Row]:
    mirrored = f"{source.hub}/{source.file or f'{source.config}/{source.split}.parquet'}"
    try:
        import datasets  # pyright: ignore[reportMissingImports]
        import huggingface_hub  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise InputError(
            f"{asked_by}: reading {source.hub!r} from the hub needs `pip install 'evalkit-gate[hub]'`, or a mirror: "
            f"{MIRROR}=DIR with {mirrored} in it"
        ) from None
    config = None if source.config == "default" else source.config
    path, table = None, ()
    try:
        if source.file is not None:
            path = huggingface_hub.hf_hub_download(
                source.hub, source.file, repo_type="dataset", revision=source.revision
            )
        else:
            table = datasets.load_dataset(source.hub, config, split=source.split, revision=source.revision)
    except Exception as error:  # a boundary: the hub client raises a dozen kinds
        part = source.file or f"config {source.config}, split {source.split}"
        raise InputError(
            f"{asked_by}: cannot load {source.hub!r} ({part}) from the hub: "
            f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}; without a network, set "
            f"{MIRROR} to a folder that holds {mirrored}"
        ) from None
    if path is not None:
        return file_rows(Path(path))
    return (Row(dict(values), f"{source.hub}[{source.split}]: row {i}") for i, values in enumerate(table, start=1))
