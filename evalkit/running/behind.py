"""Answers journalled, scored and handed on behind the engine, in a thread of their own, so that it never waits."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from evalkit.stored.cache import Journal
from evalkit.types import Completion, Prepared, Request

Land = Callable[[Request, Completion, Prepared | None], None]
"""Called once per request, as its answer lands; `Prepared` is None where the request could not be asked."""

_MOST = 8192


@dataclass(frozen=True, slots=True)
class Landed:
    """One answer to equal questions. key: under which it is to be journalled; empty where it is not."""

    asked: Sequence[tuple[Request, Prepared | None]]
    completion: Completion
    key: str = ""


class Behind:
    """Takes answers in the order in which they come. What landing raises is raised by the next `put`, or by `finish`.

    failed: told of it at once, in the landing thread, for whoever waits for what would have come of it.
    Every answer is journalled, also those that come after landing has failed: they are paid for.
    """

    def __init__(
        self,
        journal: Journal,
        land: Land,
        failed: Callable[[BaseException], None] = lambda error: None,
        *,
        name: str,
    ) -> None:
        self._journal = journal
        self._land = land
        self._failed = failed
        self._queue: queue.Queue[Landed | None] = queue.Queue(_MOST)
        self._under_way: dict[str, Completion] = {}
        self._error: BaseException | None = None
        self.seconds = 0.0
        """Spent journalling and landing so far."""
        self._thread = threading.Thread(target=self._work, name=f"landing-{name}", daemon=True)
        self._thread.start()

    def put(self, landed: Landed) -> None:
        """Hand over one answer."""
        if self._error is not None:
            raise self._error
        if landed.key:
            self._under_way[landed.key] = landed.completion
        self._queue.put(landed)

    def under_way(self, key: str) -> Completion | None:
        """An answer that was handed over and need not be in the journal yet."""
        return self._under_way.get(key)

    def finish(self) -> None:
        """Wait until everything has landed."""
        self.close()
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """As `finish`, whatever landing raised. Idempotent."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    def _work(self) -> None:
        while (landed := self._queue.get()) is not None:
            began = time.perf_counter()
            try:
                if landed.key:
                    self._journal.put(landed.key, landed.completion)
                    self._under_way.pop(landed.key, None)
                if self._error is None:
                    for request, prepared in landed.asked:
                        self._land(request, landed.completion, prepared)
            except BaseException as error:  # a boundary between threads: raised again by whoever hands over
                if self._error is None:
                    self._error = error
                    self._failed(error)
            self.seconds += time.perf_counter() - began
