"""Backends that answer elsewhere are asked at the same time; engines of this machine one after the other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from evalkit.backends import Backend
from evalkit.types import Phase

Ask = Callable[[], list[Phase]]
_LAST_S = 10.0


class _Thread:
    """One backend asked in a thread of its own."""

    def __init__(self, backend: Backend, ask: Ask) -> None:
        self._ask = ask
        self._phases: list[Phase] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name=f"asking-{' + '.join(backend.models)}", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            self._phases = self._ask()
        except BaseException as error:  # a boundary between threads: raised again where it is waited for
            self._error = error

    def check(self) -> None:
        """Raise what it raised, if it has."""
        if self._error is not None:
            raise self._error

    def give_up(self, backend: Backend) -> None:
        """Cancel what is in flight, and let what has come be journalled."""
        if self._thread.is_alive():
            backend.close()
            self._thread.join(_LAST_S)

    def result(self) -> list[Phase]:
        while self._thread.is_alive():
            self._thread.join(0.1)  # so that Ctrl-C is heard
        self.check()
        return [replace(one, beside=True) for one in self._phases]


def side_by_side(asked: Sequence[tuple[Backend, Ask]], stop: Callable[[], None] = lambda: None) -> list[list[Phase]]:
    """Call each `Ask`, and return what they return, in order. Raises what the first of them raised, as soon as it is known.

    stop: called then, or when the run is interrupted, so that the others ask nothing further; they are waited for.

    Those whose backend `streams_as_asked` run at the same time, in threads; the others meanwhile, one after the other in
    this thread. Phases of those in threads are marked `beside`.
    """
    elsewhere = [place for place, (backend, _) in enumerate(asked) if getattr(backend, "streams_as_asked", False)]
    if len(elsewhere) == len(asked):
        elsewhere = elsewhere[:-1]  # the last one needs no thread
    threads = {place: _Thread(*asked[place]) for place in elsewhere}
    here: dict[int, list[Phase]] = {}
    try:
        for place, (_, ask) in enumerate(asked):
            if place not in threads:
                for one in threads.values():
                    one.check()
                here[place] = ask()
        return [threads[place].result() if place in threads else here[place] for place in range(len(asked))]
    except BaseException:
        stop()
        for place, one in threads.items():
            one.give_up(asked[place][0])
        raise
