"""YAML -> validated, frozen specs. Every error names file, line, field, value and the fix.

Nothing here starts an engine or reads task data; that a path exists is checked where the path is used first.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalkit.config.default_policy import default_policy_text
from evalkit.config.executor import LOCAL, ExecutorSpec, executor_fields
from evalkit.config.judge import JudgeSpec, LimitsSpec, PriceSpec
from evalkit.config.model import ModelSpec, ReasoningSpec, SamplingSpec
from evalkit.config.policy import (
    ExamPolicy,
    GuardPolicy,
    JudgePolicy,
    MissingPolicy,
    PolicySpec,
    RetainPolicy,
    SequentialPolicy,
    TargetPolicy,
    TaxPolicy,
)
from evalkit.config.project import ProbesSpec, ProjectSpec
from evalkit.config.spec import Fraction, Spec
from evalkit.config.suite import ComposedSpec, GuardSpec, MemberSpec, SuiteSpec
from evalkit.config.task import EntrySpec, ExtractSpec, HubSpec, SandboxSpec, SourceSpec, TaskSpec, TurnSpec
from evalkit.yamlfile import read_one_of, read_spec

__all__ = [
    "ComposedSpec",
    "EntrySpec",
    "ExamPolicy",
    "ExecutorSpec",
    "ExtractSpec",
    "Fraction",
    "GuardPolicy",
    "GuardSpec",
    "HubSpec",
    "JudgePolicy",
    "JudgeSpec",
    "LOCAL",
    "LimitsSpec",
    "MemberSpec",
    "MissingPolicy",
    "ModelSpec",
    "PolicySpec",
    "PriceSpec",
    "ProbesSpec",
    "ProjectSpec",
    "ReasoningSpec",
    "RetainPolicy",
    "SequentialPolicy",
    "SamplingSpec",
    "SandboxSpec",
    "SourceSpec",
    "Spec",
    "SuiteSpec",
    "TargetPolicy",
    "TaskSpec",
    "TaxPolicy",
    "TurnSpec",
    "default_policy_text",
    "executor_fields",
    "read_any_suite",
    "read_judge",
    "read_model",
    "read_policy",
    "read_project",
    "read_suite",
]


def read_model(path: str | Path) -> ModelSpec:
    """Read a model file. Raises InputError."""
    return read_spec(path, ModelSpec, "a model file")


def read_suite(path: str | Path) -> SuiteSpec:
    """Read the file of a suite with tasks. Raises InputError."""
    return read_spec(path, SuiteSpec, "a suite file")


def read_any_suite(path: str | Path) -> SuiteSpec | ComposedSpec:
    """Read a suite file: one with `tasks`, or one with `suites`. Raises InputError."""
    return read_one_of(path, _kind_of_suite, "a suite file")


def _kind_of_suite(data: Mapping[str, object]) -> type[SuiteSpec] | type[ComposedSpec]:
    return ComposedSpec if "suites" in data and "tasks" not in data else SuiteSpec


def read_judge(path: str | Path) -> JudgeSpec:
    """Read a judge file; its model knows the judge's folder. Raises InputError."""
    judge = read_spec(path, JudgeSpec, "a judge file")
    model: dict[str, Any] = {"file": judge.file, "folder": judge.folder}
    if judge.limits.concurrency is not None:
        model["concurrency"] = judge.limits.concurrency
    return judge.model_copy(update={"model": judge.model.model_copy(update=model)})


def read_policy(path: str | Path) -> PolicySpec:
    """Read a policy file. Raises InputError."""
    return read_spec(path, PolicySpec, "a policy file")


def read_project(folder: str | Path) -> ProjectSpec:
    """Read `evalkit.yaml` in `folder`, or the defaults where there is none. Raises InputError."""
    path = Path(folder) / "evalkit.yaml"
    return read_spec(path, ProjectSpec, "a project file") if path.is_file() else ProjectSpec(folder=str(folder))
