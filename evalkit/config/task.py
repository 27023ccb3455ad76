"""An entry of a suite's `tasks`: rows and templates, or a task source's own options."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from evalkit.config.model import SamplingSpec
from evalkit.config.spec import Spec


class HubSpec(Spec):
    """A dataset on the hub, or in the `EVALKIT_DATA` mirror: a split of a config, or one file of the repository.

    hub: OWNER/DATASET. config, split: which rows. file: one file of the repository, in place of both.
    revision: a branch, tag or commit.
    """

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
    """One templated chat turn.

    role: who says it. content: what, as a template over the row.
    """

    role: Literal["system", "user", "assistant"]
    content: str


def _extract_step(value: object) -> object:
    if isinstance(value, str):
        return {value: True}
    return value


class ExtractSpec(Spec):
    """One step of the extraction chain; exactly one field is set.

    json: this field of the first JSON object. regex: the first group (or all) of the last match.
    after: what follows the last occurrence of this text. last_line, last_number, whole: what they say.
    """

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
    """What one program of a `score: code` task may take; what is None is the scorer's default.

    timeout_s: seconds. memory_mb: MiB.
    """

    timeout_s: Annotated[float, Field(gt=0, le=600)] | None = None
    memory_mb: Annotated[int, Field(ge=64)] | None = None


class TaskSpec(Spec):
    """One native task of a suite: rows, a prompt template, and how answers are read and marked.

    name: unique in the suite; a lone task takes the suite's. data: a file, or rows on the hub.
    where: an expression; only rows for which it is true are asked. limit: so many items at most, a seeded random sample.
    id: a template; left out, the row's `id`, else a hash of its content. group: a template; items of one value are one cluster.
    slices: templates by name; results are also told by their values. prompt: a template, or turns.
    follow_ups: further user turns, asked after the model's own answers. shots: worked examples before the question.
    shots_data: where they come from; left out, the task's other rows. answer: a template: the gold.
    kind: generate an answer; choose between `choices`; or score the text of the prompt. choices: a column, or templates.
    options: what of a choice is compared: its letter, or its text. normalise: by what an option's log-probability is divided.
    sampling: over the model's. extract: steps, of which the first that yields wins; left out, the scorer's.
    score: a scorer's name; left out, only a judge reads the answers. grader: the judge behind `score: rubric`.
    sandbox: for `score: code`. judge: whether a judge reads its answers.
    """

    name: str = ""
    data: str | HubSpec
    where: str | None = None
    limit: Annotated[int, Field(ge=1)] | None = None
    id: str | None = None
    group: str | None = None
    # By what results are told apart is no part of a task's identity: it changes neither a question nor a mark.
    slices: Mapping[str, str] = Field(default_factory=dict, exclude=True)
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
        if "task" in self.slices or not all(name.strip() for name in self.slices):
            raise ValueError("`slices` names its fields, and none `task`: a suite's tasks are slices by themselves")
        if self.shots and self.answer is None:
            raise ValueError("`shots` needs `answer`, which each worked example shows")
        return self


_ENTRY_FIELDS = ("name", "sampling", "judge", "limit")


class SourceSpec(Spec):
    """Tasks that a task source brings: `lm_eval: {task: mmlu}`. options: what the source reads, checked by it.

    name: of a lone task; before the names of several. source: written together with its options as one key, `lm_eval: {...}`.
    limit: so many items of each task. sampling: over the task's and the model's. judge: whether a judge reads its answers.
    """

    name: str = ""
    source: str
    options: Mapping[str, Any]
    limit: Annotated[int, Field(ge=1)] | None = None
    sampling: SamplingSpec = SamplingSpec()
    judge: bool = False

    @model_validator(mode="before")
    @classmethod
    def _the_odd_key_names_the_source(cls, data: Any) -> Any:
        source = source_of(data)
        if source is None:
            return data
        kept = {key: value for key, value in data.items() if key != source}
        options = data[source]
        named = options.get("task") if isinstance(options, Mapping) else None
        return {"name": str(named or source), **kept, "source": source, "options": options}


def source_of(data: Any) -> str | None:
    """The task source that an entry of `tasks` names: its one key that holds a mapping and is no field of a task."""
    if not isinstance(data, Mapping) or {"data", "prompt", "kind"} & data.keys():
        return None
    odd = [key for key in data if key not in _ENTRY_FIELDS]
    return str(odd[0]) if len(odd) == 1 and isinstance(data[odd[0]], Mapping) else None


def _entry_kind(data: Any) -> str:
    """Which kind of entry of `tasks` this is; the names are those of the classes, which messages leave out."""
    if isinstance(data, SourceSpec) or (isinstance(data, Mapping) and ("source" in data or source_of(data))):
        return "SourceSpec"
    return "TaskSpec"


EntrySpec = Annotated[
    Annotated[TaskSpec, Tag("TaskSpec")] | Annotated[SourceSpec, Tag("SourceSpec")], Discriminator(_entry_kind)
]
