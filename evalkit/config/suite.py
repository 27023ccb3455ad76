"""A suite file: what to ask, in which role; or a suite made of suites."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from evalkit.config.model import SamplingSpec
from evalkit.config.policy import check_pools
from evalkit.config.spec import Fraction, Spec
from evalkit.config.task import EntrySpec, source_of
from evalkit.types import Against, Role


class GuardSpec(Spec):
    """A suite's own limits as a guard; what it states replaces the policy's, and null switches that limit off.

    max_rate: the highest rate. max_increase: the largest increase over base.
    """

    max_rate: Fraction | None = None
    max_increase: Annotated[float, Field(ge=0)] | None = None

    @property
    def stated(self) -> dict[str, float | None]:
        """The limits that the file states, by name."""
        return {name: getattr(self, name) for name in ("max_rate", "max_increase") if name in self.model_fields_set}


_SUITE_NAME = r"^[^/\s][^/]*$"


class SuiteSpec(Spec):
    """What to ask, in which role, and how much loss is acceptable, against whom.

    name: how reports and policies call it. description, source, licence, version: for the reader.
    role: target must gain, retain must not lose, guard is a rate where higher is worse. chance: what guessing earns.
    margin: replaces the policy's limit of this role. weight: in the pooled tax or gain.
    aggregate: pool all items, or macro: the mean over tasks. judge: whether a judge reads its generated answers.
    guard: a guard's own limits. against: replaces the policy's. tasks: one or more.
    """

    name: str = Field(min_length=1, pattern=_SUITE_NAME)
    description: str = ""
    role: Role = "retain"
    chance: Fraction = 0.0
    margin: Annotated[float, Field(ge=0, le=1)] | None = None
    weight: Annotated[float, Field(gt=0)] = 1.0
    aggregate: Literal["pool", "macro"] = "pool"
    source: str | None = None
    licence: str | None = None
    version: str | None = None
    judge: bool = True
    guard: GuardSpec = GuardSpec()
    against: Against | None = None
    tasks: tuple[EntrySpec, ...] = Field(min_length=1)
    file: str = Field(default="", exclude=True)
    folder: str = Field(default="", exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _name_the_tasks(cls, data: Any) -> Any:
        """A lone task may leave out its name: it is the suite's."""
        if isinstance(data, dict) and isinstance(data.get("tasks"), list) and len(data["tasks"]) == 1:
            only = data["tasks"][0]
            if isinstance(only, dict) and "name" not in only and source_of(only) is None:
                data = {**data, "tasks": [{"name": data.get("name", ""), **only}]}
        return data

    @model_validator(mode="after")
    def _task_names_are_unique(self) -> SuiteSpec:
        names = [task.name for task in self.tasks]
        if "" in names:
            raise ValueError(f"tasks[{names.index('')}] needs a `name` (a suite with several tasks names each)")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two tasks are named {twice[0]!r}; names within a suite are unique")
        if self.guard.stated and self.role != "guard":
            raise ValueError(f"`guard` belongs to role: guard; this suite's role is {self.role}")
        return self


class MemberSpec(Spec):
    """One suite of a composed one, and what is said of it here: what is left out stays as its own file says.

    suite: a name, or a path relative to this file. name: another name for it here. limit: items of each task.
    role, margin, weight, guard, against: in place of its own. sampling: over that of the member's generate tasks.
    """

    suite: str
    name: Annotated[str, Field(pattern=_SUITE_NAME)] | None = None
    limit: Annotated[int, Field(ge=1)] | None = None
    role: Role | None = None
    margin: Annotated[float, Field(ge=0, le=1)] | None = None
    weight: Annotated[float, Field(gt=0)] | None = None
    guard: GuardSpec = GuardSpec()
    against: Against | None = None
    sampling: SamplingSpec = SamplingSpec()


class ComposedSpec(Spec):
    """Suites under one name, and which of them are gated as one.

    name: what `--suite` and reports call it. description, source, licence, version: for the reader. suites: the members.
    pools: members that are gated as one, by the pool's name.
    """

    name: str = Field(min_length=1, pattern=_SUITE_NAME)
    description: str = ""
    source: str | None = None
    licence: str | None = None
    version: str | None = None
    suites: tuple[MemberSpec, ...] = Field(min_length=1)
    pools: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    file: str = Field(default="", exclude=True)
    folder: str = Field(default="", exclude=True)

    @model_validator(mode="after")
    def _pools_hold_something(self) -> ComposedSpec:
        check_pools(self.pools)
        return self
