"""After how many training steps a checkpoint was taken, as names and paths tell it."""

from __future__ import annotations

import re
from collections.abc import Iterable

_STEP = re.compile(
    r"(?:^|[^a-z])(?:checkpoint|ckpt|global[-_]?step|steps?|iter)[-_=]?(\d{1,15})(?![a-z\d])", re.IGNORECASE
)


def step_in(texts: Iterable[str | None]) -> int | None:
    """The step that the first of the texts states (`checkpoint-1200`, `step_1200`, `ckpt-1200`, `iter1200`); None where none does."""
    for text in texts:
        found = _STEP.findall(text or "")
        if found:
            return int(found[-1])
    return None
