"""One API server as seen from the event loop: connected to, probed, asked once.

Who is asked, and what is asked again, is for `endpoints.Endpoints`. The client's own retries are off: depending on its
version it ignores a Retry-After above one or two minutes or gives up on it, and one request's pause does not hold back
the others.
"""

from __future__ import annotations

import asyncio
import difflib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

import openai
import tenacity

from evalkit.backends.openai_errors import Endpoint, explain, public_url
from evalkit.config import ModelSpec
from evalkit.types import Completion, EngineError, Failure, Prepared

_PROBE_TIMEOUT_S = 60.0  # several attempts to connect fit in
_PROBE_ATTEMPTS = 3
_CONNECT_TIMEOUT_S = 10.0
TRANSPORT: str | None = None
"""How HTTP is spoken; None: the fastest that is installed. For measuring one beside another."""
_backoff = tenacity.wait_random_exponential(multiplier=0.5, max=60)


def backoff() -> Callable[[tenacity.RetryCallState], float]:
    """How long to wait before an attempt that the server did not ask to be later."""
    return _backoff


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


class Asker(Protocol):
    """How a question is put to a server, and its reply read."""

    def met(self, owner: str | None) -> None:
        """What kind of server this is: the `owned_by` of what it lists, where it says so."""
        ...

    async def ask(self, client: openai.AsyncOpenAI, one: Prepared) -> Completion:
        """Ask once. Raises what the client raises, TimeoutError, or BadReply."""
        ...

    def notes(self) -> tuple[str, ...]:
        """What a reader of the manifest must know of how this server answers."""
        ...


@dataclass(frozen=True, slots=True)
class Listed:
    """What GET /models tells: the rows by id, empty where the server has no such route.

    model: what is going to be asked for. place: the model file.
    """

    place: str
    url: str
    model: str
    models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def has_model(self) -> bool:
        """Whether the model is listed, or nothing is."""
        return not self.models or self.model in self.models

    @property
    def told(self) -> str:
        """The model, and what is listed instead, the most alike."""
        near = difflib.get_close_matches(self.model, self.models, n=1) or list(self.models)[:1]
        return f"{self.model!r}; it lists {near[0]!r}" if near else repr(self.model)

    @property
    def context_limit(self) -> int | None:
        """Tokens of prompt and answer together, where the server tells (vLLM does)."""
        said = self.models.get(self.model, {}).get("max_model_len")
        return said if isinstance(said, int) else None


class Server:
    """Used from one event loop only."""

    def __init__(self, endpoint: Endpoint, spec: ModelSpec, key: str, asker: Asker) -> None:
        self.endpoint = endpoint
        self.asker = asker
        self._spec = spec
        self._key = key
        self._client: openai.AsyncOpenAI | None = None

    async def probe(self) -> Listed:
        """What GET /models tells. Raises EngineError for a refused key and a dead address only; the route is optional."""
        client = await self.connected()
        nothing = Listed(self.endpoint.place, public_url(self.endpoint.base_url), self.endpoint.model)
        retrying = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(min(_PROBE_ATTEMPTS, self._spec.max_retries + 1)),
            wait=_backoff,
            retry=tenacity.retry_if_exception_type(openai.APIConnectionError),
            reraise=True,
        )
        try:
            async with asyncio.timeout(_PROBE_TIMEOUT_S):
                reply = await retrying(client.models.with_raw_response.list)
            rows = {row["id"]: dict(row) for row in json.loads(reply.text)["data"]}
        except openai.AuthenticationError as error:
            refused = explain(error, self.endpoint, timeout_s=_PROBE_TIMEOUT_S)
        except openai.APIConnectionError as error:
            told = explain(error, self.endpoint, timeout_s=_PROBE_TIMEOUT_S)
            assert isinstance(told, Failure)
            refused = EngineError(
                f"{self.endpoint.place}: base_url: {told.message}", kind="unreachable", hint=told.hint
            )
        except (openai.OpenAIError, TimeoutError, ValueError, LookupError, TypeError, AttributeError):
            return nothing
        else:
            self.asker.met(next((row["owned_by"] for row in rows.values() if row.get("owned_by")), None))
            return Listed(nothing.place, nothing.url, nothing.model, rows)
        assert isinstance(refused, EngineError)
        raise refused from None  # the client's error carries the request, headers and all

    async def attempt(self, one: Prepared) -> Completion:
        """Ask once. Raises what the client raises, TimeoutError, or BadReply."""
        return await self.asker.ask(await self.connected(), one)

    async def connected(self) -> openai.AsyncOpenAI:
        """The client, with its connections."""
        if self._client is None:
            self._client = openai.AsyncOpenAI(
                base_url=self.endpoint.base_url,
                api_key=self._key or "none",  # a server without a key still gets the header the client insists on
                default_headers={name: value.get_secret_value() for name, value in self._spec.headers.items()},
                max_retries=0,
                http_client=self._http_client(),
                timeout=openai.Timeout(None, connect=_CONNECT_TIMEOUT_S),
            )
        return self._client

    def _http_client(self) -> Any:
        """Connections through aiohttp where it is there. No proxy of the environment stands before this very machine."""
        here = urlsplit(self.endpoint.base_url).hostname in ("127.0.0.1", "localhost", "::1")
        options: dict[str, Any] = {"trust_env": False} if here else {}
        if (TRANSPORT or transports()[0]) == "aiohttp":
            return openai.DefaultAioHttpClient(**options)
        return openai.DefaultAsyncHttpxClient(**options)

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()
        self._client = None
