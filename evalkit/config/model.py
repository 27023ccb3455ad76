"""A model file: which model, on which engine, sampled how."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, model_validator

from evalkit.config.spec import Fraction, Spec


class SamplingSpec(Spec):
    """The sampling settings a file chose to state; what is None falls to the next place that states it.

    temperature: 0 is greedy. top_p, min_p: the least likely tokens that are left out, by their sum or beside the likeliest.
    top_k: only so many of the likeliest tokens; 0 for all. max_tokens: of one answer. stop: texts that end an answer.
    seed: of sampling; every sample of every item has its own, drawn from it. n: samples an item.
    repetition_penalty, presence_penalty, frequency_penalty: as the engines define them; 1, 0 and 0 change nothing.
    """

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

    start, end: what opens and closes the trace. budget: tokens for the trace, on top of the `max_tokens` of the answer.
    """

    start: str = "<think>"
    end: str = "</think>"
    budget: Annotated[int, Field(ge=1)] | None = None


class ServerSpec(Spec):
    """How `backend: vllm-server` runs its server.

    keep: leave it running at the end, for the next run to use. start_timeout_s: how long it may take to load.
    """

    keep: bool = False
    start_timeout_s: Annotated[float, Field(gt=0)] = 1800.0


class ModelSpec(Spec):
    """One model under test, or the model behind a judge. `file` and `folder` say where it was read from.

    name: how reports call it. backend: vllm, vllm-server, transformers, openai, replay, or a plugin's.
    model: a folder or a hub id; for openai the name that is served. revision: of the hub's repository.
    adapter: a LoRA adapter's folder or hub id; vllm, vllm-server and transformers. merge_adapter: answer with a copy of the
    weights that it is merged into, also where the engine could apply it beside the base.
    format: chat or completion prompts; auto is chat where the tokenizer has a template. system: a system prompt.
    chat_template: a template in place of the tokenizer's. chat_template_kwargs: its arguments, such as `enable_thinking`.
    engine: options of the engine, passed on untouched. sampling: what a task's own settings do not say.
    reasoning: how a trace is told from the answer; left out, there is none.
    base_url: where an API answers, or several addresses that serve the same model. api_key, headers: sent to it;
    `${NAME}` in them is the environment's. concurrency: the most questions in flight. timeout_s: of one question.
    max_retries: of a question that was refused or not answered. server: how `backend: vllm-server` runs its own.
    outputs: the file of recorded answers, for replay. output_field: its field that holds the answer.
    step: how many steps it was trained for, where it is a checkpoint. train_data: what it was trained on, files or folders.
    """

    name: str = Field(min_length=1)
    backend: str = "vllm"
    model: str | None = None
    revision: str | None = None
    adapter: str | None = None
    merge_adapter: bool = False
    format: Literal["auto", "chat", "completion"] = "auto"
    system: str | None = None
    chat_template: str | None = None
    chat_template_kwargs: Mapping[str, Any] = Field(default_factory=dict)
    engine: Mapping[str, Any] = Field(default_factory=dict)
    sampling: SamplingSpec = SamplingSpec()
    reasoning: ReasoningSpec | None = None
    # openai, and vllm-server where it is to use servers that run already
    base_url: str | tuple[str, ...] | None = None
    api_key: SecretStr | None = None
    headers: Mapping[str, SecretStr] = Field(default_factory=dict)
    concurrency: Annotated[int, Field(ge=1)] = 128
    timeout_s: Annotated[float, Field(gt=0)] = 600.0
    max_retries: Annotated[int, Field(ge=0)] = 8
    # vllm-server
    server: ServerSpec = ServerSpec()
    # replay
    outputs: str | None = None
    output_field: str = "output"
    # how many steps it was trained for, where it is a checkpoint
    step: Annotated[int, Field(ge=0)] | None = None
    # what it was trained on: items are looked up in it
    train_data: tuple[str, ...] = ()
    # where it was read
    file: str = Field(default="", exclude=True)
    folder: str = Field(default="", exclude=True)

    @model_validator(mode="after")
    def _fields_fit_the_backend(self) -> ModelSpec:
        if self.backend == "replay" and not self.outputs:
            raise ValueError("backend replay needs `outputs: FILE.jsonl`")
        if self.backend in ("vllm", "vllm-server", "transformers", "openai") and not self.model:
            raise ValueError(f"backend {self.backend} needs `model:` (a path or a hub id; for openai the served name)")
        if self.backend != "replay" and self.outputs:
            raise ValueError("`outputs` belongs to `backend: replay`")
        if self.backend in ("vllm", "transformers", "replay") and (self.base_url or self.api_key or self.headers):
            raise ValueError("`base_url`, `api_key` and `headers` belong to `backend: openai` or `vllm-server`")
        if self.adapter and self.backend not in ("vllm", "vllm-server", "transformers"):
            raise ValueError(f"backend {self.backend} takes no `adapter`; name the served adapter in `model`")
        if self.merge_adapter and (not self.adapter or self.base_urls):
            raise ValueError(
                "`merge_adapter` is about an `adapter` that evalkit loads itself; name one and no `base_url`, or leave it out"
            )
        if self.server != ServerSpec() and (self.backend != "vllm-server" or self.base_url):
            raise ValueError(
                "`server` belongs to `backend: vllm-server` without `base_url`: a server that evalkit starts"
            )
        if isinstance(self.base_url, tuple) and len(set(self.base_url)) < max(1, len(self.base_url)):
            raise ValueError("base_url: a list names at least one address, each once")
        return self

    @property
    def base_urls(self) -> tuple[str, ...]:
        """The addresses that serve the model; empty where none is stated."""
        return (self.base_url,) if isinstance(self.base_url, str) else self.base_url or ()

    def path_of(self, value: str) -> str:
        """`value` as a path relative to the model file where that exists, else unchanged (a hub id)."""
        candidate = Path(self.folder or ".") / os.path.expanduser(value)
        return str(candidate.resolve()) if candidate.exists() else value
