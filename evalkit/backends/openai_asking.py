"""The chat and completions routes of any OpenAI-compatible server, in the dialect that it is found to take."""

from __future__ import annotations

import asyncio

import openai

from evalkit.backends.openai_reply import read_reply
from evalkit.backends.openai_request import Dialect, arguments
from evalkit.config import ModelSpec
from evalkit.types import Completion, Prepared

_FILLS_IN_DEFAULTS = {"vllm", "sglang"}  # `owned_by` of servers that apply generation_config.json


class ApiAsker:
    """Asks by messages, or by prompt where the model file says `format: completion`."""

    def __init__(self, spec: ModelSpec, *, chat: bool) -> None:
        self.dialect = Dialect()
        self._spec = spec
        self._chat = chat

    def met(self, owner: str | None) -> None:
        """Servers that fill in a checkpoint's defaults are sent every field."""
        self.dialect = Dialect(all_fields=owner in _FILLS_IN_DEFAULTS)

    def notes(self) -> tuple[str, ...]:
        """What this server was found not to take."""
        return self.dialect.notes()

    async def ask(self, client: openai.AsyncOpenAI, one: Prepared) -> Completion:
        """Ask, narrowing the dialect as far as the server complains."""
        create = (
            client.chat.completions.with_raw_response.create
            if self._chat
            else client.completions.with_raw_response.create
        )
        while True:
            dialect = self.dialect
            call = arguments(self._spec, one.request, None if self._chat else one.prompt, dialect)
            try:
                async with asyncio.timeout(self._spec.timeout_s):
                    reply = await create(**call)  # pyright: ignore[reportArgumentType, reportCallIssue]
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                narrower = dialect.narrowed(error.message)
                if narrower is None:
                    raise
                self._narrow(dialect, narrower)
                continue
            completion = read_reply(reply.text, one.request)
            silent = one.request.options and completion.logprobs is None and dialect.top_logprobs
            if not silent or completion.reasoning:
                return completion
            # Asked for log-probabilities, the server neither gave nor refused them.
            self._narrow(dialect, Dialect(0, dialect.schemas, dialect.token_field, dialect.all_fields))

    def _narrow(self, seen: Dialect, narrower: Dialect) -> None:
        """Keep `narrower`, unless another request in flight has already moved on from `seen`."""
        if self.dialect == seen:
            self.dialect = narrower
