"""After how many training steps a checkpoint was taken: as its file says, or as its name does."""

from __future__ import annotations

from pathlib import Path

from evalkit.config import ModelSpec
from evalkit.steps import step_in


def step_of(spec: ModelSpec) -> int | None:
    """The field `step`, else what stands in the name, the file's name or a path (`checkpoint-1200`, `step_1200`,
    `ckpt-1200`), the last such number of each; None where none of them says.
    """
    if spec.step is not None:
        return spec.step
    return step_in([spec.name, Path(spec.file).stem, spec.adapter, spec.model, Path(spec.outputs or "").stem])
