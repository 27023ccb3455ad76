"""Who holds this machine's devices: one offline engine or one server of this process at a time; the next ends it."""

from __future__ import annotations

from typing import Protocol


class Holder(Protocol):
    """A backend with an engine or a server that takes memory of the devices."""

    def close(self) -> None:
        """Give it back. Idempotent."""
        ...


_holder: Holder | None = None


def hold(holder: Holder) -> None:
    """Whoever holds them (`holder` itself, perhaps) gives them up; `holder` starts its engine next."""
    global _holder
    if _holder is not None:
        _holder.close()
    _holder = holder


def release(holder: Holder) -> None:
    """`holder` holds nothing any more."""
    global _holder
    if _holder is holder:
        _holder = None
