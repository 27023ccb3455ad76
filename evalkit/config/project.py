"""A project file: what `compare` uses where no flag says otherwise."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from evalkit.config.executor import LOCAL, ExecutorSpec, executor_fields
from evalkit.config.spec import Spec


class ProbesSpec(Spec):
    """How far tuned moved from base, measured beside the suites where the engines allow it.

    prompts, max_tokens: how many of the run's questions tuned answers at temperature 1 for KL(tuned || base), and how long;
    0 prompts: none. text: whether both models read the built-in held-out paragraphs.
    """

    prompts: Annotated[int, Field(ge=0)] = 32
    max_tokens: Annotated[int, Field(ge=1)] = 64
    text: bool = True


class ProjectSpec(Spec):
    """An `evalkit.yaml` beside BASE: what `compare` uses where no flag says otherwise.

    suites: by name or path. judge, policy: a name or path, a path. plugins: Python files or modules that are imported first.
    executor: where engines stand; one word (`local`, `ray`, an address) or a mapping. probes: what is measured beside.
    """

    suites: tuple[str, ...] = ()
    judge: str | None = None
    policy: str | None = None
    plugins: tuple[str, ...] = ()
    executor: Annotated[ExecutorSpec, BeforeValidator(executor_fields)] = LOCAL
    probes: ProbesSpec = ProbesSpec()
    file: str = Field(default="", exclude=True)
    folder: str = Field(default="", exclude=True)
