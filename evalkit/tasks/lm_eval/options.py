"""What a suite file may say of a task of the harness."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from evalkit.config import Spec


class Options(Spec):
    """The harness's own names and meanings, as on its command line.

    task: a task, group or tag. num_fewshot: as there, a task that fixes 0 keeps it. limit: the first so many documents.
    metric, filter: which of the task's is the score; the first of each where not said. repeats: samples an item.
    fewshot_as_multiturn: in chat format, worked examples as turns of their own rather than in one user turn.
    system_instruction: text before the task's description. include_path: a folder with task files of one's own.
    """

    task: str = Field(min_length=1)
    num_fewshot: Annotated[int, Field(ge=0)] | None = None
    limit: Annotated[int, Field(ge=1)] | None = None
    metric: str | None = None
    filter: str | None = None
    repeats: Annotated[int, Field(ge=1)] | None = None
    fewshot_as_multiturn: bool = True
    system_instruction: str | None = None
    include_path: str | None = None
