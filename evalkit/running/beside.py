"""A judge behind an API at work in a thread of its own, while the models still generate."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

from evalkit.backends import Backend
from evalkit.running.pairs import JudgedPairs
from evalkit.running.serve import serve
from evalkit.stored.cache import Journal
from evalkit.types import Phase, Progress

_IDLE_S = 0.02
_LAST_S = 10.0


class _Behind:
    """Progress of what goes on behind another phase: notes are passed on, and the rest once `to_the_fore` is called."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._shown = False

    def to_the_fore(self, name: str, total: int) -> None:
        self._progress.phase(name, total)
        self._shown = True

    def phase(self, name: str, total: int | None = None, *, unit: str = "requests") -> None:
        pass

    def advance(self, requests: int = 1, tokens: int = 0) -> None:
        if self._shown:
            self._progress.advance(requests, tokens)

    def note(self, text: str) -> None:
        self._progress.note(text)


class JudgeBeside:
    """Reads pairs as they become complete. `finish` waits for the last verdict; `close` gives up."""

    def __init__(self, pairs: JudgedPairs, backend: Backend, journal: Journal, progress: Progress) -> None:
        self._pairs = pairs
        self._backend = backend
        self._progress = _Behind(progress)
        self._phases: list[Phase] = []
        self._error: BaseException | None = None

        def work() -> None:
            name, limits = f"judge {pairs.spec.name}", pairs.spec.limits
            try:
                asked = pairs.as_they_come()
                self._phases = serve(
                    backend, asked, journal, pairs.land, self._progress, name=name, limits={name: limits}
                )
            except BaseException as error:  # a boundary between threads: raised again where it is waited for
                self._error = error

        self._thread = threading.Thread(target=work, name=f"judge-{pairs.spec.name}", daemon=True)
        self._thread.start()

    def catch_up(self) -> None:
        """Wait until every pair that is complete has been read."""
        while self._pairs.waiting and self._thread.is_alive():
            time.sleep(_IDLE_S)

    def finish(self) -> list[Phase]:
        """Wait until everything is judged; where the time went. Raises what judging raised."""
        self._pairs.finish()
        if self._thread.is_alive():
            name = self._pairs.spec.name
            self._progress.to_the_fore(f"judge {name}: the last verdicts", self._pairs.waiting)
        self._thread.join()
        if self._error is not None:
            raise self._error
        return [replace(one, beside=True) for one in self._phases]

    def close(self) -> None:
        """Ask nothing further, cancel what is in flight, and let what has come be journalled."""
        self._pairs.stop()
        if self._thread.is_alive():
            self._backend.close()
            self._thread.join(_LAST_S)
