"""Training files -> their texts, in a stream."""

from __future__ import annotations

import codecs
import json
import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from evalkit.contamination.words import pieces
from evalkit.tasks.data import file_rows, kind_of, opened
from evalkit.types import InputError, Progress

FLAG = "--train-data"
_READ = (".jsonl", ".ndjson", ".json", ".csv", ".parquet", ".txt")
_ENDINGS = "use .jsonl, .json, .csv, .parquet or .txt; all but .parquet also as .gz"
_MEGABYTE = 1_000_000


def training_texts(files: Sequence[str | Path], progress: Progress, *, asked_by: str = FLAG) -> Iterator[str]:
    """Every text of the files, in pieces that end where a word does, with END after each text.

    A text is a string value at any depth of a row (messages, prompt and completion, chosen and rejected; keys are not
    text), or a whole .txt file. A folder stands for all files in it, at any depth, that can be read.

    Raises InputError naming who asked for the file (asked_by), file and line.
    """
    paths = find_files(files, asked_by=asked_by)
    progress.phase(f"reading training data ({len(paths)} {'file' if len(paths) == 1 else 'files'})", unit="MB")
    size = 0
    for path in paths:
        try:
            for piece in _texts(path):
                yield piece
                size += len(piece)
                if size >= _MEGABYTE:
                    progress.advance(size // _MEGABYTE)
                    size %= _MEGABYTE
        except InputError as error:
            raise InputError(f"{asked_by}: {error}") from None
        except (OSError, EOFError, zlib.error) as error:  # the latter two: a damaged .gz
            raise InputError(f"{asked_by}: {path}: cannot be read: {error}") from None


def find_files(files: Sequence[str | Path], *, asked_by: str = FLAG) -> list[Path]:
    """The files in the order given, folders opened, none twice. Raises InputError for one that cannot be read."""
    paths: dict[Path, None] = {}
    for file in files:
        path = Path(file).expanduser()
        if path.is_dir():
            inside = sorted(
                Path(folder, name)
                for folder, _, names in os.walk(path)
                for name in names
                if kind_of(Path(name)) in _READ and not name.startswith(".")
            )
            if not inside:
                raise InputError(f"{asked_by}: {path}: the folder holds no file to read; {_ENDINGS}")
            paths |= dict.fromkeys(one.resolve() for one in inside)
        elif not path.exists():
            raise InputError(f"{asked_by}: no such file or folder {str(file)!r}")
        elif kind_of(path) not in _READ:
            raise InputError(f"{asked_by}: {path}: cannot read {path.suffix or 'a file without ending'!r}; {_ENDINGS}")
        else:
            paths[path.resolve()] = None
    return list(paths)


def _texts(path: Path) -> Iterator[str]:
    match kind_of(path):
        case ".txt":
            yield from pieces(_blocks(path))
        case ".json":
            for text in _json_strings(path):
                yield from pieces([text])
        case _:
            for row in file_rows(path):
                for text in _strings(row.values):
                    yield from pieces([text])


def _strings(value: object) -> Iterator[str]:
    """String values at any depth. One that is itself JSON, as messages in a CSV are, is read as such."""
    if isinstance(value, str):
        if value[:1] in ("{", "["):
            try:
                inner = json.loads(value)
            except ValueError:
                inner = None
            if isinstance(inner, dict | list):
                yield from _strings(inner)
                return
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _strings(inner)


def _json_strings(path: Path) -> Iterator[str]:
    import ijson

    with opened(path) as file:
        try:
            # multiple_values: JSON lines under this ending are read as well.
            for _, event, value in ijson.parse(file, multiple_values=True):
                if event == "string":
                    yield from _strings(value)
        except ijson.JSONError as error:
            raise InputError(f"{path}: not JSON: {' '.join(str(error).split())}") from None


def _blocks(path: Path) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    line = 1
    with opened(path) as file:
        while True:
            block = file.read(1 << 20)
            try:
                yield decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                line += error.object[: error.start].count(b"\n")
                raise InputError(f"{path}:{line}: not UTF-8: {error.reason}; save the file as UTF-8") from None
            line += block.count(b"\n")
            if not block:
                return
