"""Servers asked from a thread of their own, for a caller that is no event loop.

Requests wait in the caller's iterable, not here: as many are pulled as the servers take at the moment.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

from evalkit.backends.endpoints import Endpoints
from evalkit.types import Completion, EngineError, Prepared

T = TypeVar("T")
_END = object()
_IDLE_S = 0.02
_LOOK_AGAIN_S = 0.1  # the servers may take more than they did


class Remote:
    """An event loop in a thread, and the servers asked from it.

    name: of the thread. gone: the error that says that nothing connects any more.
    """

    def __init__(self, name: str, endpoints: Endpoints, gone: Callable[[], EngineError]) -> None:
        self.endpoints = endpoints
        self._name = name
        self._gone = gone
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def is_running(self) -> bool:
        """Whether the loop runs."""
        return self._loop is not None

    def start(self) -> None:
        """Start the loop. Idempotent."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._loop.run_forever, name=self._name, daemon=True)
            self._thread.start()

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine run on the loop."""
        assert self._loop is not None, "started first"
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def stream(self, prepared: Iterable[Prepared | None]) -> Iterator[tuple[Prepared, Completion]]:
        """Completions as they land. Raises EngineError for a bad key or model, or when nothing connects any more."""
        loop = self._loop
        assert loop is not None, "started first"
        waiting = iter(prepared)
        landed: queue.SimpleQueue[tuple[Prepared, Future[Completion | EngineError]]] = queue.SimpleQueue()
        in_flight: set[Future[Completion | EngineError]] = set()
        exhausted, idle, unreachable = False, False, 0
        gone: EngineError | None = None
        try:
            while True:
                idle = False
                if self._loop is not loop:
                    return  # closed from elsewhere, as when a run is interrupted
                while not exhausted and gone is None and len(in_flight) < self.endpoints.room:
                    one = next(waiting, _END)
                    if one is _END:
                        exhausted = True
                        break
                    if not isinstance(one, Prepared):
                        idle = True  # nothing to ask at the moment
                        break
                    future = asyncio.run_coroutine_threadsafe(self.endpoints.answer(one), loop)
                    in_flight.add(future)
                    future.add_done_callback(lambda done, one=one: landed.put((one, done)))
                if not in_flight:
                    if not idle:
                        break
                    time.sleep(_IDLE_S)
                    continue
                try:
                    pause = _IDLE_S if idle else None if exhausted or gone else _LOOK_AGAIN_S
                    one, future = landed.get(timeout=pause)
                except queue.Empty:
                    continue
                in_flight.discard(future)
                if future.cancelled():
                    continue
                answer = future.result()
                if isinstance(answer, Completion):
                    yield one, answer
                    lost = answer.failure is not None and answer.failure.kind == "connection"
                    unreachable = unreachable + 1 if lost else 0
                    if unreachable < max(4, self.endpoints.room):
                        continue
                    # Each of these was retried for a minute: the rest would fail the same way, hours later.
                    answer = self._gone()
                gone = gone or answer
                for other in in_flight:
                    other.cancel()  # what landed meanwhile is paid for, and still handed out
            if gone is not None:
                raise gone
        finally:
            for future in in_flight:
                future.cancel()

    def close(self) -> None:
        """Close connections and end the loop's thread. Idempotent."""
        loop, thread = self._loop, self._thread
        self._loop = self._thread = None
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(self.endpoints.close(), loop).result(timeout=30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=30)
        loop.close()
