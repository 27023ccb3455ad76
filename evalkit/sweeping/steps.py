"""After how many training steps a checkpoint was taken: as its file says, or as its name does."""

from __future__ import annotations

import re
from pathlib import Path

from evalkit.config import ModelSpec

_STEP = re.compile(r"(?:^|[^a-z])(?:checkpoint|ckpt|global[-_]?step|steps?|iter)[-_=]?(\d+)(?![a-z\d])", re.IGNORECASE)


def step_of(spec: ModelSpec) -> int | None:
    """The field `step`, else what stands in the name, the file's name or a path (`checkpoint-1200`, `step_1200`,
    `ckpt-1200`), the last such number of each; None where none of them says.
    """
    if spec.step is not None:
        return spec.step
    places = [spec.name, Path(spec.file).stem, spec.adapter or "", spec.model or "", Path(spec.outputs or "").stem]
    for place in places:
        found = _STEP.findall(place)
        if found:
            return int(found[-1])
    return None
