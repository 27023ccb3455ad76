"""The cache is the journal: every completion, keyed by content, committed as it lands.

One SQLite file. A key covers everything that could change the answer (the backends compute it), so a hit is always
valid, whichever run, suite or judge asks. Verdicts are read from journalled judge completions. Failures are not stored.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import platformdirs

from evalkit.types import Completion, InputError, Usage

CACHE_VARIABLE = "EVALKIT_CACHE"
_SCHEMA_VERSION = 1


def cache_folder() -> Path:
    """Where the journal and merged adapters live: `$EVALKIT_CACHE`, else the user's cache folder."""
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named).expanduser() if named else Path(platformdirs.user_cache_dir("evalkit"))


class Journal:
    """Completions by key. Safe against `kill -9` at any moment, and against several runs at once."""

    def __init__(self, path: Path) -> None:
        """Open or create the file. Raises InputError when it cannot be used."""
        self.path = path
        self._lock = threading.Lock()  # models and judges write from threads of their own
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
            # WAL with synchronous=NORMAL: a killed process loses nothing; only a power cut may lose the last moments.
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, _SCHEMA_VERSION):
                raise InputError(
                    f"{path}: a journal of another version of evalkit; set {CACHE_VARIABLE} to a new folder"
                )
            self._db.execute("CREATE TABLE IF NOT EXISTS completions (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID")
            self._db.execute(f"PRAGMA user_version={_SCHEMA_VERSION}")
        except (sqlite3.Error, OSError) as error:
            raise InputError(
                f"{path}: cannot be used as the journal: {error}; set {CACHE_VARIABLE} to a writable folder, "
                "or move the file away to start a new one"
            ) from None

    def find(self, keys: Iterable[str]) -> dict[str, Completion]:
        """The completions stored under any of `keys`."""
        return {key: _decode(value) for key, value in self._rows(keys)}

    def _rows(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        wanted = sorted({key for key in keys if key})
        for start in range(0, len(wanted), 500):  # SQLite bounds the number of parameters
            some = wanted[start : start + 500]
            marks = ",".join("?" * len(some))
            with self._lock:
                rows = self._db.execute(f"SELECT key, value FROM completions WHERE key IN ({marks})", some).fetchall()
            yield from rows

    def put(self, key: str, completion: Completion) -> None:
        """Store one completion, at once. Failures and requests without a key are not worth keeping."""
        if key and completion.failure is None:
            row = (key, _encode(completion))
            with self._lock:
                self._db.execute("INSERT OR REPLACE INTO completions VALUES (?, ?)", row)

    def __len__(self) -> int:
        return int(self._db.execute("SELECT count(*) FROM completions").fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _encode(completion: Completion) -> bytes:
    fields = {
        "text": completion.text,
        "reasoning": completion.reasoning,
        "finish_reason": completion.finish_reason,
        "usage": [completion.usage.prompt_tokens, completion.usage.completion_tokens],
        "logprobs": completion.logprobs,
        "greedy": completion.greedy,
        "token_ids": completion.token_ids,
    }
    return zlib.compress(json.dumps(fields, ensure_ascii=False).encode("utf-8", "surrogatepass"), 3)


def _decode(value: bytes) -> Completion:
    fields = json.loads(zlib.decompress(value).decode("utf-8", "surrogatepass"))
    lists = {name: None if fields.get(name) is None else tuple(fields[name]) for name in _LISTS}
    return Completion(
        text=fields["text"],
        reasoning=fields["reasoning"],
        finish_reason=fields["finish_reason"],
        usage=Usage(*fields["usage"]),
        logprobs=lists["logprobs"],
        greedy=lists["greedy"],
        token_ids=lists["token_ids"],
    )


_LISTS = ("logprobs", "greedy", "token_ids")
