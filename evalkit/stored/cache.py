"""The cache is the journal: every completion, keyed by content, committed as it lands.

One SQLite file. A key covers everything that could change the answer (the backends compute it), so a hit is always
valid, whichever run, suite or judge asks. Verdicts are read from journalled judge completions. Failures are not stored.
"""

from __future__ import annotations

import atexit
import json
import os
import sqlite3
import threading
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import platformdirs

from evalkit.types import Completion, InputError, RunError, Usage

CACHE_VARIABLE = "EVALKIT_CACHE"
_SCHEMA_VERSION = 1
_BETWEEN_S = 0.03  # between two commits, while answers land faster than that
_MOST_WAITING = 4096
_AT_ONCE = 2000  # keys of one query; SQLite bounds the number of parameters


def cache_folder() -> Path:
    """Where the journal and merged adapters live: `$EVALKIT_CACHE`, else the user's cache folder."""
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named).expanduser() if named else Path(platformdirs.user_cache_dir("evalkit"))


class Journal:
    """Completions by key. Several runs may use one file at once.

    A thread of its own commits what has landed: at once where nothing landed just before, else together with all else of the last 30 ms. So a
    `kill -9` loses the answers of the last moment at most, and an exception, Ctrl-C or an exit loses none.
    """

    def __init__(self, path: Path) -> None:
        """Open or create the file. Raises InputError when it cannot be used."""
        self.path = path
        self._changed = threading.Condition()  # models and judges write from threads of their own
        self._waiting: dict[str, Completion] = {}  # not committed yet
        self._committing: dict[str, Completion] = {}
        self._writer: threading.Thread | None = None
        self._failed: Exception | None = None
        self._closed = False
        self._reading = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = self._connected()
            # WAL with synchronous=NORMAL: what is committed survives a killed process; only a power cut may lose the last moments.
            self._db.execute("PRAGMA journal_mode=WAL")
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

    def _connected(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, timeout=60, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA synchronous=NORMAL")
        return db

    def find(self, keys: Iterable[str]) -> dict[str, Completion]:
        """The completions stored under any of `keys`, all at once."""
        return dict(self.stored(keys))

    def stored(self, keys: Iterable[str]) -> Iterator[tuple[str, Completion]]:
        """The completions stored under any of `keys`, each with its key, read as they are taken: many do not fill the memory."""
        wanted = sorted({key for key in keys if key})
        for start in range(0, len(wanted), _AT_ONCE):
            some = wanted[start : start + _AT_ONCE]
            with self._changed:
                landed = {key: (self._waiting.get(key) or self._committing.get(key)) for key in some}
            left = [key for key in some if landed[key] is None]
            marks = ",".join("?" * len(left))
            with self._reading:
                rows = self._db.execute(f"SELECT key, value FROM completions WHERE key IN ({marks})", left).fetchall()
            yield from ((key, one) for key, one in landed.items() if one is not None)
            yield from ((key, _decode(value)) for key, value in rows)

    def put(self, key: str, completion: Completion) -> None:
        """Store one completion. Failures and requests without a key are not worth keeping.

        Raises RunError where the file cannot be written any more.
        """
        if not key or completion.failure is not None:
            return
        with self._changed:
            self._raise()
            if self._closed:
                raise RunError(
                    f"{self.path}: closed while answers still came; run again, and what is not in it is asked anew"
                )
            self._waiting[key] = completion
            if self._writer is None:
                self._writer = threading.Thread(target=self._write, name="journal", daemon=True)
                self._writer.start()
                atexit.register(self.close)
            if len(self._waiting) == 1:
                self._changed.notify_all()
            while len(self._waiting) >= _MOST_WAITING and self._failed is None:
                self._changed.wait(1)

    def flush(self) -> None:
        """Wait until everything that was put is committed. Raises RunError where it cannot be."""
        with self._changed:
            self._changed.notify_all()
            while (self._waiting or self._committing) and self._failed is None:
                self._changed.wait(1)
            self._raise()

    def __len__(self) -> int:
        self.flush()
        with self._reading:
            return int(self._db.execute("SELECT count(*) FROM completions").fetchone()[0])

    def close(self) -> None:
        """Commit what is left and close the file. Idempotent. Raises RunError where the file could not be written."""
        if self._closed:
            return
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._writer is not None:
            self._writer.join()
            atexit.unregister(self.close)
        self._db.close()
        self._raise()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self) -> None:
        """The thread: commit whatever waits, all of it together."""
        db: sqlite3.Connection | None = None
        try:
            db = self._connected()
            while True:
                with self._changed:
                    while not self._waiting and not self._closed:
                        self._changed.wait()
                    if not self._waiting:
                        return
                    self._committing, self._waiting = self._waiting, {}
                    self._changed.notify_all()
                rows = [(key, _encode(one)) for key, one in sorted(self._committing.items())]
                db.execute("BEGIN IMMEDIATE")
                db.executemany("INSERT OR REPLACE INTO completions VALUES (?, ?)", rows)
                db.execute("COMMIT")
                with self._changed:
                    self._committing = {}
                    self._changed.notify_all()
                    if not self._closed and len(self._waiting) < _MOST_WAITING // 2:
                        self._changed.wait_for(lambda: self._closed, _BETWEEN_S)
        except Exception as error:  # a boundary between threads: raised again where something is put
            with self._changed:
                self._failed = error
                self._changed.notify_all()
        finally:
            if db is not None:
                db.close()

    def _raise(self) -> None:
        if self._failed is not None:
            raise RunError(
                f"{self.path}: cannot be written: {self._failed}; free some room, or set {CACHE_VARIABLE} to a writable folder, and "
                "run again: what was committed before is kept"
            )


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
    return zlib.compress(json.dumps(fields, ensure_ascii=False).encode("utf-8", "surrogatepass"), 1)


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
