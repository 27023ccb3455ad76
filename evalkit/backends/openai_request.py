"""A Request as the arguments of an API call, and what a server was found not to take.

Pure: nothing here talks to a server.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from evalkit.config import ModelSpec
from evalkit.types import Constraint, Request

STOP_LIMIT = 4
"""More stop strings than this are refused by the API; the rest are cut off here, which gives the same text."""

_TEXT_CHOICE_TOKENS = 16
_WRAPPED_CHOICE_TOKENS = 64


@dataclass(frozen=True, slots=True)
class Dialect:
    """What this server takes. It starts out as the full API and only ever narrows, once and for all.

    top_logprobs: alternatives a token is asked for; 0 means the letter is read from the text.
    schemas: whether `response_format: json_schema` is taken. token_field: how the length limit is called.
    all_fields: whether sampling fields beyond the API are sent even where neutral. Servers that apply a checkpoint's
    generation_config.json (vLLM, SGLang) do so for every field that is left out.
    """

    top_logprobs: int = 20
    schemas: bool = True
    token_field: str = "max_tokens"
    all_fields: bool = False

    def narrowed(self, complaint: str) -> Dialect | None:
        """The dialect to try after a 400 that says `complaint`; None where no narrower one would help."""
        said = complaint.lower()
        if "logprob" in said and self.top_logprobs:
            return replace(self, top_logprobs=5 if self.top_logprobs > 5 else 0)
        if self.schemas and any(word in said for word in ("response_format", "json_schema", "structured output")):
            return replace(self, schemas=False)
        if "max_completion_tokens" in said and self.token_field == "max_tokens":
            return replace(self, token_field="max_completion_tokens")
        return None

    def notes(self) -> tuple[str, ...]:
        """What a reader of the manifest must know about answers given in this dialect."""
        notes = []
        if not self.top_logprobs:
            notes.append("the server gives no log-probabilities: choice items are read from the text")
        if not self.schemas:
            notes.append("the server takes no JSON schema: constrained replies (verdicts) are asked for, not enforced")
        return tuple(notes)


def chat_messages(spec: ModelSpec, request: Request) -> list[dict[str, str]]:
    """The messages as sent: the model file's system prompt first, unless the task brings its own."""
    messages = [{"role": message.role, "content": message.content} for message in request.messages]
    if spec.system and not any(message["role"] == "system" for message in messages):
        messages.insert(0, {"role": "system", "content": spec.system})
    return messages


def arguments(spec: ModelSpec, request: Request, prompt: str | None, dialect: Dialect) -> dict[str, object]:
    """Keyword arguments for `chat.completions.create`, or for `completions.create` when `prompt` is given."""
    sampling = request.sampling
    max_tokens = sampling.max_tokens
    extra: dict[str, object] = dict(spec.engine)
    call: dict[str, object] = {
        "model": spec.model,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": sampling.seed,
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
    }
    if sampling.stop:
        call["stop"] = list(sampling.stop[:STOP_LIMIT])
    asked_in_words = request.constraint.otherwise if request.constraint and not dialect.schemas else ""
    if prompt is None:
        messages = chat_messages(spec, request)
        if asked_in_words:
            messages[-1] = {**messages[-1], "content": f"{messages[-1]['content']}\n\n{asked_in_words}"}
        call["messages"] = messages
        if spec.chat_template:
            extra["chat_template"] = spec.chat_template
        if spec.chat_template_kwargs:
            extra["chat_template_kwargs"] = dict(spec.chat_template_kwargs)
        if (
            request.messages[-1].role == "assistant"
        ):  # the beginning of the answer; servers of open models go on with it
            extra |= {"add_generation_prompt": False, "continue_final_message": True}
    else:
        call["prompt"] = f"{prompt}\n\n{asked_in_words}" if asked_in_words else prompt

    if request.options:
        max_tokens = 1 if dialect.top_logprobs else _TEXT_CHOICE_TOKENS
        if dialect.top_logprobs:
            asked = dialect.top_logprobs
            call |= {"logprobs": True, "top_logprobs": asked} if prompt is None else {"logprobs": asked}
    if request.constraint and dialect.schemas:
        # The completions route has no typed `response_format`; servers that constrain there read it from the body.
        (call if prompt is None else extra)["response_format"] = response_format(request.constraint)
        if request.constraint.choice:
            max_tokens = max(max_tokens, _WRAPPED_CHOICE_TOKENS)  # room for the JSON around the word

    if dialect.all_fields or sampling.top_k:
        extra["top_k"] = sampling.top_k or -1
    if dialect.all_fields or sampling.min_p:
        extra["min_p"] = sampling.min_p
    if dialect.all_fields or sampling.repetition_penalty != 1.0:
        extra["repetition_penalty"] = sampling.repetition_penalty

    call["max_tokens" if prompt is not None else dialect.token_field] = max_tokens
    if extra:
        call["extra_body"] = extra
    return call


def response_format(constraint: Constraint) -> dict[str, object]:
    """A strict JSON schema. A bare choice is wrapped in an object, the one form every server takes."""
    if constraint.json_schema is not None:
        schema = json.loads(constraint.json_schema)
    else:
        schema = {
            "type": "object",
            "properties": {"choice": {"type": "string", "enum": list(constraint.choice)}},
            "required": ["choice"],
            "additionalProperties": False,
        }
    return {"type": "json_schema", "json_schema": {"name": "reply", "strict": True, "schema": schema}}
