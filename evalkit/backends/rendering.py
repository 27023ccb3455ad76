"""Messages -> the exact tokens a local model sees. Shared by both local engines, so that they tokenise alike.

Rules, in one place because every one of them has cost somebody a benchmark:

- Special tokens are added exactly once. In chat format the template writes all of them, as in training, and nothing is
  added around it. In completion format the tokenizer's own prefix (begin-of-text) is added, unless the text starts
  with it. Suffixes (end-of-text) are never added to a prompt.
- A template that asks for today's date gets a fixed one, or tomorrow's run would be another prompt.
- In completion format a system prompt and the turns are joined by blank lines, with the assistant's answer after the
  question and a single space.
- An option of a choice item continues the prompt: directly in chat; after a space in completion format, where the
  prompt does not end in white space. It is tokenised together with the prompt where that leaves the prompt's own
  tokens as they are.
- A verbatim option (of a task source that writes its own delimiters) is tokenised together with its prompt, white space
  at the prompt's end counted to the option; where the two melt into one token, that token is scored with the option.
- A text scored by itself follows one beginning token (begin-of-text, else end-of-text), and is cut into windows that
  fill the context, each token scored once after as many as fit.
- A last turn of the assistant is the beginning of the answer: the template leaves it open.
- A prompt must leave room for one token. `max_tokens` beyond the context is not an error: the engine stops there, with
  finish_reason "length".
"""

from __future__ import annotations

import datetime
import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from evalkit.stored.records import whole_characters
from evalkit.types import Failure, InputError, Message, Request, Span

FROZEN_DATE = datetime.datetime(2025, 1, 1)
"""What a template reads when it asks for the date."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A prompt as text with special tokens written out, as ids, and the ids of each option."""

    text: str
    ids: tuple[int, ...]
    option_ids: tuple[tuple[int, ...], ...] = ()
    spans: tuple[Span, ...] = ()


class Renderer:
    """Renders requests for one model.

    tokenizer: a fast or slow `transformers` tokenizer. format: "auto" is chat where there is a template. where: the
    place named in errors, such as `tuned.yaml`. limit: tokens of prompt and answer together, None where unknown.
    Raises InputError where chat is asked for and there is no template.
    """

    def __init__(
        self,
        tokenizer: Any,
        *,
        format: Literal["auto", "chat", "completion"] = "auto",
        system: str | None = None,
        chat_template: str | None = None,
        chat_template_kwargs: Mapping[str, Any] | None = None,
        limit: int | None = None,
        where: str = "",
    ) -> None:
        self._tokenizer = tokenizer
        self._system = system
        self._kwargs = dict(chat_template_kwargs or {})
        self.limit = limit
        self._where = where
        self.template = chat_template or _template_of(tokenizer)
        if format == "chat" and self.template is None:
            raise InputError(
                f"{where}: format: chat, but the tokenizer has no chat template; give `chat_template`, "
                "or say `format: completion`"
            )
        self.format: Literal["chat", "completion"] = (
            "chat" if format == "chat" or (format == "auto" and self.template is not None) else "completion"
        )
        self._prefix = _prefix_of(tokenizer)
        self._prefix_text = tokenizer.decode(list(self._prefix)) if self._prefix else ""
        self._special = sorted({str(token) for token in tokenizer.all_special_tokens}, key=len, reverse=True)
        self._folds_system = self.format == "chat" and not self._takes_system()
        # Samples of one item follow each other and share their ids; so do the options of one prompt.
        self._encode = functools.lru_cache(maxsize=256)(self._tokens_of)
        self._continue = functools.lru_cache(maxsize=4096)(self._continuation)

    @property
    def template_hash(self) -> str | None:
        """Identity of the chat template and its settings; None in completion format."""
        if self.format == "completion" or self.template is None:
            return None
        settings = repr(sorted(self._kwargs.items()))
        return hashlib.blake2b(f"{self.template}\0{settings}".encode(), digest_size=16).hexdigest()

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the manifest should know about how prompts are made."""
        notes: list[str] = []
        if self.format == "completion" or self.template is None:
            return ()
        if "strftime_now" in self.template:
            notes.append(f"the chat template inserts a date, frozen at {FROZEN_DATE:%Y-%m-%d}")
        if self._folds_system:
            notes.append("the chat template takes no system role: system text opens the first user turn")
        if self._prefix and self._encode(self._chat((Message("user", "a"),)))[: len(self._prefix)] != self._prefix:
            notes.append(f"the chat template leaves out {self._prefix_text!r}, which the tokenizer adds elsewhere")
        return tuple(notes)

    def render(self, request: Request) -> Rendered | Failure:
        """The prompt and its options as tokens, or why this model cannot be asked."""
        if request.text is not None:
            return self._windows(request.text)
        try:
            text = self._prompt(request)
        except Exception as error:  # a template is a user's program, and raises what it likes
            return self._failure("template", f"the chat template failed: {error}", "check `chat_template` and roles")
        ids = self._encode(text)
        if self.format == "completion" and ids[: len(self._prefix)] != self._prefix:
            text, ids = self._prefix_text + text, self._prefix + ids
        if not ids and not (request.verbatim and request.options):
            return self._failure("empty_prompt", "the prompt has no tokens", "check the task's `prompt` template")
        options = request.options
        if self.format == "completion" and request.plain is not None:
            options = request.plain.options
        if request.verbatim and options:
            rendered = Rendered(text, ids, spans=tuple(self._verbatim(text, option) for option in options))
        elif request.tokens:
            rendered = Rendered(text, ids, spans=(Span(ids + request.tokens, len(ids)),))
        else:
            rendered = Rendered(text, ids, tuple(self._option(text, option) for option in options))
        needed = max(
            [len(ids) + max((len(option) for option in rendered.option_ids), default=1)]
            + [len(span.ids) for span in rendered.spans]
        )
        if self.limit is not None and needed > self.limit:
            return self._failure(
                "prompt_too_long",
                f"the prompt has {len(ids)} tokens; with its answer it needs {needed}, the context holds {self.limit}",
                "raise engine.max_model_len where the model allows it, or shorten the prompt (fewer shots)",
            )
        return rendered

    def _prompt(self, request: Request) -> str:
        """The prompt's text: by the template in chat format, else as the task wrote it or as joined turns."""
        messages = request.messages
        if self.format == "completion" and request.plain is not None:
            asked = request.plain.prompt
            return f"{self._system}\n\n{asked}" if self._system and asked else asked
        if self._system is not None and not any(message.role == "system" for message in messages):
            messages = (Message("system", self._system), *messages)
        if self.format == "completion":
            return completion_text(messages)
        return self._chat(messages) if messages else ""

    def _verbatim(self, text: str, option: str) -> Span:
        """Prompt and option as one text, as the harness tokenises them, and where the option begins.

        Source: lm-evaluation-harness, `TemplateLM._encode_pair`, and `loglikelihood` for an empty prompt.
        """
        kept = text.rstrip()
        before = self._encode(kept)
        if not before:
            first = self._first_token()
            return Span(first + self._encode(text + option), len(first))
        whole = self._encode(text + option)
        # An empty option has no token to score; the last of the prompt stands in, as a span must hold one.
        return Span(whole, min(len(before), len(whole) - 1))

    def _windows(self, text: str) -> Rendered | Failure:
        """A text cut into windows, each token scored once.

        Source: lm-evaluation-harness, `get_rolling_token_windows` with a context of one token.
        """
        first, ids = self._first_token(), self._encode(text)
        if not ids:
            return self._failure("empty_prompt", "the text has no tokens", "check the task's `prompt` template")
        ids = first + ids
        room = (self.limit - 1 if self.limit is not None else len(ids)) or 1
        spans: list[Span] = []
        scored = len(first)
        while scored < len(ids):
            end = min(scored + room - 1, len(ids)) if scored > len(first) else min(room, len(ids))
            start = max(0, end - room)
            spans.append(Span(ids[start:end], scored - start))
            scored = end
        return Rendered(text, ids[: len(first)], spans=tuple(spans))

    def _first_token(self) -> tuple[int, ...]:
        """What a text that nothing precedes is scored after."""
        for name in ("bos_token_id", "eos_token_id"):
            found = getattr(self._tokenizer, name, None)
            if found is not None:
                return (int(found),)
        raise InputError(f"{self._where}: the tokenizer has neither a begin-of-text nor an end-of-text token")

    def continuation(self, text: str, words: str) -> tuple[int, ...]:
        """The tokens of `words` after the rendered prompt `text`."""
        # Tokenisation does not reach across a special token: what follows the last one decides, and in chat that is
        # the same few characters for every prompt.
        start = max((text.rfind(token) for token in self._special if token), default=-1)
        tail = text[max(start, 0) :]
        return self._continue(self._last_line(text, tail), words)

    def _last_line(self, text: str, tail: str) -> str:
        """The last line of `tail`, where its tokens alone are those it has within `text`; else all of `tail`.

        What follows then reaches no further back: a merge across the line's start would have to pass through all its
        tokens. Without this every option of a long prompt costs the prompt's tokenisation again.
        """
        line = tail[tail.rstrip().rfind("\n") + 1 :]
        if line == tail or line[:1].isspace():
            return tail
        ids = self._encode(line)
        return line if ids and self._encode(text)[-len(ids) :] == ids else tail

    def _option(self, text: str, option: str) -> tuple[int, ...]:
        spaced = self.format == "completion" and not (text[-1:].isspace() or option[:1].isspace())
        return self.continuation(text, f" {option}" if spaced else option)

    def _continuation(self, tail: str, words: str) -> tuple[int, ...]:
        alone, joined = self._encode(tail), self._encode(tail + words)
        if joined[: len(alone)] == alone:
            return joined[len(alone) :]
        return self._encode(words)

    def _tokens_of(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer.encode(whole_characters(text), add_special_tokens=False))

    def _failure(self, kind: str, message: str, hint: str) -> Failure:
        return Failure(where=self._where, kind=kind, message=message, hint=hint)

    # --- chat ---

    def _chat(self, messages: Sequence[Message]) -> str:
        if self._folds_system:
            messages = _fold_system(messages)
        open_ended = messages[-1].role == "assistant"
        return self._tokenizer.apply_chat_template(
            [{"role": message.role, "content": message.content} for message in messages],
            chat_template=self.template,
            tokenize=False,
            add_generation_prompt=not open_ended,
            continue_final_message=open_ended,
            **{"strftime_now": _frozen_strftime, **self._kwargs},
        )

    def _takes_system(self) -> bool:
        """Whether the template accepts a system message and shows it."""
        marker = "system-marker"
        try:
            return marker in self._tokenizer.apply_chat_template(
                [{"role": "system", "content": marker}, {"role": "user", "content": "a"}],
                chat_template=self.template,
                tokenize=False,
                add_generation_prompt=True,
                **{"strftime_now": _frozen_strftime, **self._kwargs},
            )
        except Exception:  # templates refuse a role by raising whatever they like
            return False


def completion_text(messages: Sequence[Message]) -> str:
    """The turns as one text, as the rules above say."""
    text = ""
    for message in messages:
        joint = "" if not text else " " if message.role == "assistant" else "\n\n"
        text += joint + message.content
    return text


def _frozen_strftime(format: str) -> str:
    return FROZEN_DATE.strftime(format)


def _template_of(tokenizer: Any) -> str | None:
    """The tokenizer's default chat template; one of several named ones is `default`."""
    template = getattr(tokenizer, "chat_template", None)
    if isinstance(template, Mapping):
        return template.get("default")
    return template


def _prefix_of(tokenizer: Any) -> tuple[int, ...]:
    """The special tokens the tokenizer itself puts before a text."""
    bare = tokenizer.encode("a", add_special_tokens=False)
    full = tokenizer.encode("a", add_special_tokens=True)
    for start in range(len(full) - len(bare) + 1):
        if full[start : start + len(bare)] == bare:
            return tuple(full[:start])
    return ()


def _fold_system(messages: Sequence[Message]) -> tuple[Message, ...]:
    """System text moved to the head of the first user turn."""
    system = "\n\n".join(message.content for message in messages if message.role == "system")
    rest = [message for message in messages if message.role != "system"]
    if not system:
        return tuple(rest)
    for place, message in enumerate(rest):
        if message.role == "user":
            rest[place] = Message("user", f"{system}\n\n{message.content}")
            return tuple(rest)
    return (Message("user", system), *rest)
