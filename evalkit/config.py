"""YAML -> validated, frozen specs. Every error names file, line, field, value and the fix.

Nothing here starts an engine or reads task data; that a path exists is checked where the path is used first.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, SecretStr, Tag, model_validator

from evalkit.types import Role
from evalkit.yamlfile import read_one_of, read_spec


class Spec(BaseModel):
    """Base of all that is read from YAML: unknown fields are errors, values do not change afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, hide_input_in_errors=True)


Fraction = Annotated[float, Field(ge=0.0, le=1.0)]


# --- a model file -----------------------------------------------------------------------------------------------


class SamplingSpec(Spec):
    """The sampling settings a file chose to state; what is None falls to the next place that states it."""

    temperature: Annotated[float, Field(ge=0)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=0)] | None = None
    min_p: Fraction | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    stop: tuple[str, ...] | None = None
    seed: Annotated[int, Field(ge=0)] | None = None
    n: Annotated[int, Field(ge=1, le=1024)] | None = None
    repetition_penalty: Annotated[float, Field(gt=0)] | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None


class ReasoningSpec(Spec):
    """Markers of a reasoning trace, split off before anything is extracted from the answer.

    budget: tokens for the trace, on top of the `max_tokens` of the answer.
    """

    start: str = "<think>"
    end: str = "</think>"
    budget: Annotated[int, Field(ge=1)] | None = None


class ModelSpec(Spec):
    """One model under test, or the model behind a judge. `file` and `folder` say where it was read from."""

    name: str = Field(min_length=1)
    backend: str = "vllm"
    model: str | None = None
    revision: str | None = None
    adapter: str | None = None
    format: Literal["auto", "chat", "completion"] = "auto"
    system: str | None = None
    chat_template: str | None = None
    chat_template_kwargs: Mapping[str, Any] = Field(default_factory=dict)
    engine: Mapping[str, Any] = Field(default_factory=dict)
    sampling: SamplingSpec = SamplingSpec()
    reasoning: ReasoningSpec | None = None
    # openai
    base_url: str | None = None
    api_key: SecretStr | None = None
    headers: Mapping[str, SecretStr] = Field(default_factory=dict)
    concurrency: Annotated[int, Field(ge=1)] = 32
    timeout_s: Annotated[float, Field(gt=0)] = 600.0
    max_retries: Annotated[int, Field(ge=0)] = 8
    # replay
    outputs: str | None = None
    output_field: str = "output"
    # what it was trained on: items are looked up in it
    train_data: tuple[str, ...] = ()
    # where it was read
    file: str = Field(default="", exclude=True)
    folder: str = Field(default="", exclude=True)

    @model_validator(mode="after")
    def _fields_fit_the_backend(self) -> ModelSpec:
        if self.backend == "replay" and not self.outputs:
            raise ValueError("backend replay needs `outputs: FILE.jsonl`")
        if self.backend in ("vllm", "transformers", "openai") and not self.model:
            raise ValueError(f"backend {self.backend} needs `model:` (a path or a hub id; for openai the served name)")
        if self.backend != "replay" and self.outputs:
            raise ValueError("`outputs` belongs to `backend: replay`")
        if self.backend in ("vllm", "transformers", "replay") and (self.base_url or self.api_key or self.headers):
            raise ValueError("`base_url`, `api_key` and `headers` belong to `backend: openai`")
        if self.adapter and self.backend not in ("vllm", "transformers"):
            raise ValueError(f"backend {self.backend} takes no `adapter`; name the served adapter in `model`")
        return self

    def path_of(self, value: str) -> str:
        """`value` as a path relative to the model file where that exists, else unchanged (a hub id)."""
        candidate = Path(self.folder or ".") / os.path.expanduser(value)
        return str(candidate.resolve()) if candidate.exists() else value


# --- a suite file -----------------------------------------------------------------------------------------------


class HubSpec(Spec):
    """A dataset on the hub, or in the `EVALKIT_DATA` mirror: a split of a config, or one file of the repository."""

    hub: str
    config: str = "default"
    split: str = "test"
    file: str | None = None
    revision: str | None = None

    @model_validator(mode="after")
    def _a_file_stands_for_config_and_split(self) -> HubSpec:
        if self.file is not None and {"config", "split"} & self.model_fields_set:
            raise ValueError("`file` names the rows already; remove `config` and `split`")
        return self


class TurnSpec(Spec):
    """One templated chat turn."""

    role: Literal["system", "user", "assistant"]
    content: str


def _extract_step(value: object) -> object:
    if isinstance(value, str):
        return {value: True}
    return value


class ExtractSpec(Spec):
    """One step of the extraction chain; exactly one field is set."""

    json_: str | None = Field(default=None, alias="json")
    regex: str | None = None
    after: str | None = None
    last_line: Literal[True] | None = None
    last_number: Literal[True] | None = None
    whole: Literal[True] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> ExtractSpec:
        if len(self.model_fields_set) != 1:
            raise ValueError("an extract step has exactly one of json, regex, after, last_line, last_number, whole")
        if self.regex is not None:
            try:
                re.compile(self.regex)
            except re.error as error:
                raise ValueError(f"not a regular expression: {error}") from None
        return self


class SandboxSpec(Spec):
    """What one program of a `score: code` task may take; what is None is the scorer's default."""

    timeout_s: Annotated[float, Field(gt=0, le=600)] | None = None
    memory_mb: Annotated[int, Field(ge=64)] | None = None


class TaskSpec(Spec):
    """One native task of a suite: rows, a prompt template, and how answers are read and marked."""

    name: str = ""
    data: str | HubSpec
    where: str | None = None
    limit: Annotated[int, Field(ge=1)] | None = None
    id: str | None = None
    group: str | None = None
    prompt: str | tuple[TurnSpec, ...]
    follow_ups: str | tuple[str, ...] = ()
    shots: Annotated[int, Field(ge=0)] = 0
    shots_data: str | HubSpec | None = None
    answer: str | None = None
    kind: Literal["generate", "choice", "loglikelihood"] = "generate"
    choices: str | tuple[str, ...] | None = None
    options: Literal["letters", "text"] = "letters"
    normalise: Literal["none", "characters", "bytes"] = "none"
    sampling: SamplingSpec = SamplingSpec()
    extract: tuple[Annotated[ExtractSpec, BeforeValidator(_extract_step)], ...] = ()
    score: str | None = None
    grader: str | None = None
    sandbox: SandboxSpec = SandboxSpec()
    judge: bool = True

    @model_validator(mode="after")
    def _fields_fit_the_kind(self) -> TaskSpec:
        if self.kind == "choice":
            if self.choices is None:
                raise ValueError("kind choice needs `choices` (a column name, or a list of templates)")
            if self.answer is None:
                raise ValueError("kind choice needs `answer` (an index, a letter or the option's text)")
        elif self.choices is not None:
            raise ValueError("`choices` belongs to kind: choice")
        if self.normalise != "none" and not (self.kind == "choice" and self.options == "text"):
            raise ValueError("`normalise` belongs to kind: choice with options: text")
        if self.kind == "loglikelihood":
            unused = [name for name in ("answer", "shots", "follow_ups", "extract") if getattr(self, name)]
            if unused or not isinstance(self.prompt, str):
                raise ValueError(
                    f"kind loglikelihood scores the text of `prompt`, one template; remove {unused[0]}"
                    if unused
                    else "kind loglikelihood scores the text of `prompt`: one template, not turns"
                )
        if (self.score == "rubric") != (self.grader is not None):
            raise ValueError("`score: rubric` and `grader:` (a judge of kind: pointwise) go together")
        if self.follow_ups and self.kind != "generate":
            raise ValueError("`follow_ups` belongs to kind: generate")
        if self.kind == "generate" and self.score is None and not self.judge:
            raise ValueError("a generate task needs `score`, or a judge to read it (judge: true)")
        if self.shots and self.answer is None:
            raise ValueError("`shots` needs `answer`, which each worked example shows")
        return self


_ENTRY_FIELDS = ("name", "sampling", "judge", "limit")


class SourceSpec(Spec):
    """Tasks that a task source brings: `lm_eval: {task: mmlu}`. options: what the source reads, checked by it."""

    name: str = ""
    source: str
    options: Mapping[str, Any]
    limit: Annotated[int, Field(ge=1)] | None = None
    sampling: SamplingSpec = SamplingSpec()
    judge: bool = False

    @model_validator(mode="before")
    @classmethod
    def _the_odd_key_names_the_source(cls, data: Any) -> Any:
        source = _source_of(data)
        if source is None:
            return data
        kept = {key: value for key, value in data.items() if key != source}
        options = data[source]
        named = options.get("task") if isinstance(options, Mapping) else None
        return {"name": str(named or source), **kept, "source": source, "options": options}


def _source_of(data: Any) -> str | None:
    """The task source that an entry of `tasks` names: its one key that holds a mapping and is no field of a task."""
    if not isinstance(data, Mapping) or {"data", "prompt", "kind"} & data.keys():
        return None
    odd = [key for key in data if key not in _ENTRY_FIELDS]
    return str(odd[0]) if len(odd) == 1 and isinstance(data[odd[0]], Mapping) else None


def _entry_kind(data: Any) -> str:
    """Which kind of entry of `tasks` this is; the names are those of the classes, which messages leave out."""
    if isinstance(data, SourceSpec) or (isinstance(data, Mapping) and ("source" in data or _source_of(data))):
        return "SourceSpec"
    return "TaskSpec"


EntrySpec = Annotated[
    Annotated[TaskSpec, Tag("TaskSpec")] | Annotated[SourceSpec, Tag("SourceSpec")], Discriminator(_entry_kind)
]


class GuardSpec(Spec):
    """A suite's own limits as a guard; what it states replaces the policy's, and null switches that limit off."""

    max_rate: Fraction | None = None
    max_increase: Annotated[float, Field(ge=0)] | None = None

    @property
    def stated(self) -> dict[str, float | None]:
        """The limits that the file states, by name."""
        return {name: getattr(self, name) for name in ("max_rate", "max_increase") if name in self.model_fields_set}


_SUITE_NAME = r"^[^/\s][^/]*$"


class SuiteSpec(Spec):
    """What to ask, in which role, and how much loss is acceptable."""

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
    tasks: tuple[EntrySpec, ...] = Field(min_length=1)
    file: str = Field(default="", exclude=True)
    folder: str = Field(default="", exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _name_the_tasks(cls, data: Any) -> Any:
        """A lone task may leave out its name: it is the suite's."""
        if isinstance(data, dict) and isinstance(data.get("tasks"), list) and len(data["tasks"]) == 1:
            only = data["tasks"][0]
            if isinstance(only, dict) and "name" not in only and _source_of(only) is None:
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


# --- a composed suite file ------------------------------------------------------------------------------------


class MemberSpec(Spec):
    """One suite of a composed one, and what is said of it here: what is left out stays as its own file says.

    limit: items of each task. sampling: over that of the member's generate tasks.
    """

    suite: str
    name: Annotated[str, Field(pattern=_SUITE_NAME)] | None = None
    limit: Annotated[int, Field(ge=1)] | None = None
    role: Role | None = None
    margin: Annotated[float, Field(ge=0, le=1)] | None = None
    weight: Annotated[float, Field(gt=0)] | None = None
    guard: GuardSpec = GuardSpec()
    sampling: SamplingSpec = SamplingSpec()


class ComposedSpec(Spec):
    """Suites under one name, and which of them are gated as one."""

    name: str = Field(min_length=1, pattern=_SUITE_NAME)
    description: str = ""
    version: str | None = None
    suites: tuple[MemberSpec, ...] = Field(min_length=1)
    pools: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    file: str = Field(default="", exclude=True)
    folder: str = Field(default="", exclude=True)

    @model_validator(mode="after")
    def _pools_hold_something(self) -> ComposedSpec:
        _check_pools(self.pools)
        return self


# --- a judge file -----------------------------------------------------------------------------------------------


class PriceSpec(Spec):
    """What an API takes, in USD per million tokens."""

    input: Annotated[float, Field(ge=0)]
    output: Annotated[float, Field(ge=0)]


class LimitsSpec(Spec):
    """How much a judge may cost in one run; what is in the journal already costs nothing."""

    concurrency: Annotated[int, Field(ge=1)] | None = None
    pairs_per_task: Annotated[int, Field(ge=1)] | None = None  # the first so many of the pre-drawn random order
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_usd: Annotated[float, Field(ge=0)] | None = None
    price: PriceSpec | None = None

    @model_validator(mode="after")
    def _a_bound_on_money_needs_a_price(self) -> LimitsSpec:
        if self.max_usd is not None and self.price is None:
            raise ValueError("max_usd needs `price: {input: ..., output: ...}`, in USD per million tokens")
        return self


class JudgeSpec(Spec):
    """Who compares what the models wrote (pairwise) or grades it (pointwise, on `scale`), and by which rubric."""

    name: str = Field(min_length=1)
    description: str = ""
    kind: Literal["pairwise", "pointwise"] = "pairwise"
    model: ModelSpec
    orders: Literal["both"] = "both"
    verdict: tuple[str, str, str] = ("first", "second", "tie")
    explain: bool = False
    scale: tuple[int, int] = (1, 5)
    rubric: str = Field(min_length=1)
    limits: LimitsSpec = LimitsSpec()
    file: str = Field(default="", exclude=True)
    folder: str = Field(default="", exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _name_the_model(cls, data: Any) -> Any:
        """A judge's model may leave out its name: it is the judge's."""
        if isinstance(data, dict) and isinstance(data.get("model"), dict) and "name" not in data["model"]:
            data = {**data, "model": {"name": data.get("name", "judge"), **data["model"]}}
        return data

    @model_validator(mode="after")
    def _judges_are_not_looked_up(self) -> JudgeSpec:
        if self.model.train_data:
            raise ValueError("`train_data` belongs to a model under test: items are not looked up for a judge")
        return self

    @model_validator(mode="after")
    def _words_differ(self) -> JudgeSpec:
        if len({word.casefold() for word in self.verdict}) != 3:
            raise ValueError("verdict: three different words, for the first answer, the second, and a tie")
        low, high = self.scale
        if not 0 <= low < high <= low + 20:
            raise ValueError(f"scale: [{low}, {high}]: from the worst grade to the best, such as [1, 5]")
        stated = self.model_fields_set & ({"verdict", "explain", "orders"} if self.kind == "pointwise" else {"scale"})
        if stated:
            raise ValueError(f"`{min(stated)}` does not belong to kind: {self.kind}")
        return self


# --- a policy file ----------------------------------------------------------------------------------------------


class TaxPolicy(Spec):
    """Pooled loss over retain suites: pass if high < max, fail if low > max."""

    max: Fraction = 0.02


class RetainPolicy(Spec):
    """Each retain suite: pass if low > -margin, fail if high < -margin."""

    margin: Fraction = 0.05


class TargetPolicy(Spec):
    """Each target suite: pass if low > min_gain, fail if high < min_gain."""

    min_gain: float = Field(default=0.0, ge=-1, le=1)


class GuardPolicy(Spec):
    """Each guard: tuned's own rate and its increase over base; None switches one off."""

    max_rate: Fraction | None = 0.05
    max_increase: Fraction | None = 0.02


class ExamPolicy(Spec):
    """What a judge must reach before it may gate."""

    min_agreement: Fraction = 0.65


class JudgePolicy(Spec):
    """A judge that passed its exam gates: pass if the win rate's low > min_win_rate."""

    min_win_rate: Fraction = 0.45
    exam: ExamPolicy = ExamPolicy()
    max_unscored: Fraction = 0.02


class MissingPolicy(Spec):
    """The share of items that may be missing before the run is incomplete (exit 4)."""

    max: Fraction = 0.002


class PolicySpec(Spec):
    """The written rule for GO / NO-GO / INCONCLUSIVE. An empty file is the default policy."""

    level: float = Field(default=0.95, ge=0.5, lt=1)
    power: float = Field(default=0.8, gt=0, lt=1)
    tax: TaxPolicy = TaxPolicy()
    retain: RetainPolicy = RetainPolicy()
    pools: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    target: TargetPolicy = TargetPolicy()
    guard: GuardPolicy = GuardPolicy()
    judge: JudgePolicy = JudgePolicy()
    missing: MissingPolicy = MissingPolicy()
    inconclusive: Literal["fail", "pass"] = "fail"
    plan: Literal["warn", "refuse"] = "warn"
    required: Literal["all"] | tuple[str, ...] = "all"
    file: str = Field(default="", exclude=True)
    folder: str = Field(default="", exclude=True)

    @model_validator(mode="after")
    def _pools_hold_something(self) -> PolicySpec:
        _check_pools(self.pools)
        return self


class ProbesSpec(Spec):
    """How far tuned moved from base, measured beside the suites where the engines allow it.

    prompts, max_tokens: how many of the run's questions tuned answers at temperature 1 for KL(tuned || base), and how long;
    0 prompts: none. text: whether both models read the built-in held-out paragraphs.
    """

    prompts: Annotated[int, Field(ge=0)] = 32
    max_tokens: Annotated[int, Field(ge=1)] = 64
    text: bool = True


def _check_pools(pools: Mapping[str, tuple[str, ...]]) -> None:
    for name, members in pools.items():
        if len(members) < 2:
            raise ValueError(f"pools.{name}: a pool names at least two suites")


class ProjectSpec(Spec):
    """An `evalkit.yaml` beside BASE: what `compare` uses where no flag says otherwise."""

    suites: tuple[str, ...] = ()
    judge: str | None = None
    policy: str | None = None
    plugins: tuple[str, ...] = ()
    executor: Literal["local"] = "local"
    probes: ProbesSpec = ProbesSpec()
    file: str = Field(default="", exclude=True)
    folder: str = Field(default="", exclude=True)


# --- reading ---


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
