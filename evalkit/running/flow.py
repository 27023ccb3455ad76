"""What one engine is asked in one go: what is known from the start, then what its answers make askable."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator

from evalkit.running.behind import Land
from evalkit.types import Completion, Prepared, Request


class Flow:
    """A stream of requests that ends when everything asked has landed and nothing further comes of it.

    first: asked in this order. further: what can be asked since the last call: next turns, a judge's questions about
    pairs that are complete. land: where answers go. lock: held while one lands; several flows may share what they land in.
    `asked` is read by one thread, `land` is called by one other.
    """

    def __init__(
        self,
        first: Iterable[Request],
        land: Land,
        further: Callable[[], Iterable[Request]] = lambda: (),
        *,
        lock: threading.Lock | None = None,
    ) -> None:
        self._first = first
        self._land = land
        self._further = further
        self._lock = lock or threading.Lock()
        self._taken = self._landed = 0
        self._stopped = False

    def stop(self) -> None:
        """Ask nothing further."""
        self._stopped = True

    def asked(self) -> Iterator[Request | None]:
        """The requests; None while what is asked further depends on answers that are still to come."""
        for request in self._first:
            if self._stopped:
                return
            self._taken += 1
            yield request
        while not self._stopped:
            all_landed = self._landed == self._taken  # before looking: what landed until then has been seen
            with self._lock:
                more = list(self._further())
            for request in more:
                self._taken += 1
                yield request
            if not more:
                if all_landed:
                    return
                yield None

    def land(self, request: Request, completion: Completion, prepared: Prepared | None) -> None:
        """Take one answer."""
        with self._lock:
            self._land(request, completion, prepared)
        self._landed += 1
