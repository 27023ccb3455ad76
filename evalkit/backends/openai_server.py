"""One API server as seen from the event loop: connected to, probed, asked, and asked again.

The client's own retries are off: depending on its version it ignores a Retry-After above one or two minutes or gives
up on it, and one request's pause does not hold back the others.
"""

from __future__ import annotations

import asyncio
import difflib
import json
import random

import openai
import tenacity

from evalkit.backends.openai_errors import Endpoint, explain, is_transient, retry_after_s
from evalkit.backends.openai_reply import read_reply
from evalkit.backends.openai_request import Dialect, arguments
from evalkit.config import ModelSpec
from evalkit.types import Completion, EngineError, Failure, Prepared

_PROBE_TIMEOUT_S = 60.0  # several attempts to connect fit in
_PROBE_ATTEMPTS = 3
_CONNECT_TIMEOUT_S = 10.0
_LATE_RETRIES = 2
TRANSPORT: str | None = None
"""How HTTP is spoken; None: the fastest that is installed. For measuring one beside another."""
_FILLS_IN_DEFAULTS = {"vllm", "sglang"}  # `owned_by` of servers that apply generation_config.json
_backoff = tenacity.wait_random_exponential(multiplier=0.5, max=60)


def transports() -> list[str]:
    """The HTTP transports that are installed, the fastest first (`bench/judge_client.py` measures them)."""
    # The bridge between the two is a package of its own for older clients, and part of newer ones.
    bridge = any(_is_there(name) for name in ("httpx_aiohttp", "openai._vendor.httpx_aiohttp"))
    with_aiohttp = bridge and _is_there("aiohttp")
    return [*(["aiohttp"] if with_aiohttp else []), "httpx"]


def _is_there(module: str) -> bool:
    import importlib.util

    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of the package it would be in
        return False


class Server:
    """Used from one event loop only, but for `dialect`, which anyone may read."""

    def __init__(self, endpoint: Endpoint, spec: ModelSpec, key: str, chat: bool) -> None:
        self.dialect = Dialect()
        self._endpoint = endpoint
        self._spec = spec
        self._key = key
        self._chat = chat
        self._client: openai.AsyncOpenAI | None = None
        self._not_before = 0.0  # loop time before which the server asked not to be called

    async def probe(self) -> str:
        """What GET /models tells. Only a refused key and a dead address end the run; the route is optional."""
        client = await self._connected()
        retrying = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(min(_PROBE_ATTEMPTS, self._spec.max_retries + 1)),
            wait=_backoff,
            retry=tenacity.retry_if_exception_type(openai.APIConnectionError),
            reraise=True,
        )
        try:
            async with asyncio.timeout(_PROBE_TIMEOUT_S):
                reply = await retrying(client.models.with_raw_response.list)
            listed = {row["id"]: row.get("owned_by") for row in json.loads(reply.text)["data"]}
        except openai.AuthenticationError as error:
            refused = explain(error, self._endpoint, timeout_s=_PROBE_TIMEOUT_S)
        except openai.APIConnectionError as error:
            told = explain(error, self._endpoint, timeout_s=_PROBE_TIMEOUT_S)
            assert isinstance(told, Failure)
            refused = EngineError(
                f"{self._endpoint.place}: base_url: {told.message}", kind="unreachable", hint=told.hint
            )
        except (openai.OpenAIError, TimeoutError, ValueError, LookupError, TypeError, AttributeError):
            return ""
        else:
            owner = next((owner for owner in listed.values() if owner in _FILLS_IN_DEFAULTS), None)
            self.dialect = Dialect(all_fields=owner is not None)
            if not listed or self._spec.model in listed:
                return ""
            near = difflib.get_close_matches(self._spec.model or "", listed, n=1) or list(listed)[:1]
            return f"{self._endpoint.place}: model: the server does not list {self._spec.model!r}; it lists {near[0]!r}"
        assert isinstance(refused, EngineError)
        raise refused from None  # the client's error carries the request, headers and all

    async def answer(self, one: Prepared) -> Completion | EngineError:
        """One completion, after as many attempts as it takes. An error is a value here: it must not be lost."""

        def wait_s(state: tenacity.RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            asked = retry_after_s(error)
            if asked is None:
                return _backoff(state)
            # All requests to this server hold, and do not come back in the same instant.
            loop = asyncio.get_running_loop()
            self._not_before = max(self._not_before, loop.time() + asked)
            return asked + random.uniform(0, min(1.0, asked / 4))

        late = 0

        def again(error: BaseException) -> bool:
            """Late replies are asked for anew a few times only: each may have been written, and paid for, all the same."""
            nonlocal late
            if isinstance(error, TimeoutError):
                late += 1
                return late <= _LATE_RETRIES
            return is_transient(error)

        retrying = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(self._spec.max_retries + 1),
            wait=wait_s,
            retry=tenacity.retry_if_exception(again),
            reraise=True,
        )
        try:
            return await retrying(self._attempt, one)
        except Exception as error:
            told = explain(error, self._endpoint, timeout_s=self._spec.timeout_s)
            return told if isinstance(told, EngineError) else Completion("", finish_reason="error", failure=told)

    async def _attempt(self, one: Prepared) -> Completion:
        client = await self._connected()
        loop = asyncio.get_running_loop()
        while (pause := self._not_before - loop.time()) > 0:
            await asyncio.sleep(pause)
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

    async def close(self) -> None:
        """Cancel what is in flight and close the connections."""
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        if self._client is not None:
            await self._client.close()
        self._client = None
        await asyncio.get_running_loop().shutdown_asyncgens()

    async def _connected(self) -> openai.AsyncOpenAI:
        if self._client is None:
            self._client = openai.AsyncOpenAI(
                base_url=self._endpoint.base_url,
                api_key=self._key or "none",  # a server without a key still gets the header the client insists on
                default_headers={name: value.get_secret_value() for name, value in self._spec.headers.items()},
                max_retries=0,
                http_client=openai.DefaultAioHttpClient() if (TRANSPORT or transports()[0]) == "aiohttp" else None,
                timeout=openai.Timeout(None, connect=_CONNECT_TIMEOUT_S),
            )
        return self._client
