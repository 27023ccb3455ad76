"""What long work reports as it goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable


class Progress(Protocol):
    """Receives what happens, as it happens. The console implements it; `Silent` ignores it."""

    def phase(self, name: str, total: int | None = None, *, unit: str = "requests") -> None:
        """A new phase begins, e.g. "base: generating", of `total` requests (or another unit) where that is known."""
        ...

    def advance(self, requests: int = 1, tokens: int = 0) -> None:
        """Requests landed, with so many tokens written; or so many of the phase's unit are done."""
        ...

    def note(self, text: str) -> None:
        """Something a person waiting would want to know."""
        ...


@runtime_checkable
class Watching(Progress, Protocol):
    """A Progress that also wants to see the scores as they come, to show how it stands before anything is decided."""

    def scoring(self, suites: Mapping[str, int]) -> None:
        """A run begins, with so many items of each suite; what was scored before belongs to another."""
        ...

    def scored(self, suite: str, place: tuple[str, str, int], arm: str, value: float | None) -> None:
        """An answer was scored. place: its task, its id, and which sample it is."""
        ...


class Silent:
    """A Progress that says nothing."""

    def phase(self, name: str, total: int | None = None, *, unit: str = "requests") -> None:
        """Ignore."""

    def advance(self, requests: int = 1, tokens: int = 0) -> None:
        """Ignore."""

    def note(self, text: str) -> None:
        """Ignore."""
