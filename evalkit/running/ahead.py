"""Prompts rendered ahead of the engine, in a thread of their own: while it loads, and while it answers."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Literal

from evalkit.types import Failure, Prepared, Request

Rendered = tuple[Request, Prepared | Failure]
Until = Literal["now", "idle", "some"]
"""How long to wait: not at all, while there is something to render, or until something comes."""

_CHUNK = 64
_MOST_CHUNKS = 64
_POLL_S = 0.005


class Ahead:
    """Renders questions as they are asked, a few thousand ahead of whoever takes them.

    prepare: of a backend. requests: None where there is nothing at the moment and more may come.
    What asking or rendering raises is raised where it is taken, and so is what `fail` was told. `close` ends the thread.
    """

    def __init__(
        self, prepare: Callable[[Request], Prepared | Failure], requests: Iterable[Request | None], *, name: str
    ) -> None:
        self._prepare = prepare
        self._requests = requests
        self._chunks: deque[list[Rendered]] = deque()
        self._changed = threading.Condition()
        self._stopped = threading.Event()
        self._error: BaseException | None = None
        self._idle = self._wanted = False
        self._ended = False
        self._thread = threading.Thread(target=self._work, name=f"rendering-{name}", daemon=True)
        self._thread.start()

    def take(self, until: Until) -> list[Rendered] | None:
        """What has been rendered and not taken yet, oldest first, at most a chunk.

        Empty where there is nothing at the moment, None where nothing further will come.
        """
        with self._changed:
            self._wanted = True
            while not self._chunks and not self._ended:
                if until == "now" or (until == "idle" and self._idle):
                    return []
                self._changed.wait()
            if self._chunks:
                self._changed.notify_all()
                return self._chunks.popleft()
        if self._error is not None:
            raise self._error
        return None

    def fail(self, error: BaseException) -> None:
        """Render nothing further: whoever takes or waits meets `error`. For what no answer can be hoped for any more."""
        with self._changed:
            self._error = self._error or error
            self._ended = True
            self._stopped.set()
            self._chunks.clear()
            self._changed.notify_all()

    def close(self) -> None:
        """Render nothing further. Idempotent."""
        self._stopped.set()
        with self._changed:
            self._chunks.clear()
            self._changed.notify_all()
        self._thread.join()

    def _work(self) -> None:
        chunk: list[Rendered] = []
        try:
            for request in self._requests:
                if self._stopped.is_set():
                    return
                if request is None:
                    self._hand_over(chunk, idle=True)
                    chunk = []
                    self._stopped.wait(_POLL_S)
                    continue
                self._idle = False
                chunk.append((request, self._prepare(request)))
                if len(chunk) >= _CHUNK or (self._wanted and not self._chunks):
                    self._hand_over(chunk)
                    chunk = []
            self._hand_over(chunk)
        except BaseException as error:  # a boundary between threads: raised again where it is taken
            self._hand_over(chunk)
            self._error = self._error or error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _hand_over(self, chunk: list[Rendered], *, idle: bool = False) -> None:
        with self._changed:
            while len(self._chunks) >= _MOST_CHUNKS and not self._stopped.is_set():
                self._changed.wait()
            if chunk and not self._stopped.is_set():
                self._chunks.append(chunk)
                self._wanted = False
            self._idle = idle
            self._changed.notify_all()
