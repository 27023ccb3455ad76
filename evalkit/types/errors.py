"""What evalkit raises on purpose."""

from __future__ import annotations


class EvalkitError(Exception):
    """Root of everything evalkit raises on purpose."""


class InputError(EvalkitError):
    """A user's mistake: the message names the place, the value and the fix."""


class EngineError(EvalkitError):
    """An engine could not start, or died. `kind` is a short word (`out_of_memory`), `hint` says what to try."""

    def __init__(self, message: str, *, kind: str = "engine_died", hint: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.hint = hint


class RunError(EvalkitError):
    """A stored run is missing, unreadable or of another schema."""
