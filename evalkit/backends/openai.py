"""Any OpenAI-compatible endpoint, through the `openai` client.

Requests wait in the caller's iterable, not here: at most `concurrency` are in flight, on an event loop of their own.
There is no weights hash behind an API, so identity is the base URL, the served name and the declared revision.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import queue
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import asdict
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from evalkit.backends import Backend, backend
from evalkit.backends.openai_errors import Endpoint, public_url, secrets_of
from evalkit.backends.openai_request import STOP_LIMIT, chat_messages
from evalkit.backends.openai_server import Server
from evalkit.backends.rendering import completion_text
from evalkit.config import ModelSpec
from evalkit.types import (
    Completion,
    EngineError,
    Failure,
    Message,
    ModelRecord,
    Prepared,
    Progress,
    Request,
    Sampling,
    Silent,
)

_END = object()
_IDLE_S = 0.02

OPENAI_URL = "https://api.openai.com/v1"


@backend("openai")
def open_openai(models: Mapping[str, ModelSpec], folder: Path) -> list[Backend]:
    """One backend a model: two arms on one endpoint keep their own concurrency limits."""
    return [OpenAIBackend(name, spec) for name, spec in models.items()]


class OpenAIBackend:
    """One served model. Keys and headers stay in the client: records, errors and reprs never hold them."""

    streams_as_asked = is_continuous = True

    def __init__(self, name: str, spec: ModelSpec) -> None:
        self.models = (name,)
        self._spec = spec
        base_url = spec.base_url or OPENAI_URL
        # Only OpenAI's own address may receive the key that its users keep in the environment.
        ambient = "" if spec.base_url else os.environ.get("OPENAI_API_KEY", "")
        self._key = spec.api_key.get_secret_value() if spec.api_key else ambient
        secrets = [self._key, *(value.get_secret_value() for value in spec.headers.values())]
        self._endpoint = Endpoint(
            spec.file or spec.name, spec.model or "", base_url, secrets_of([*secrets, *_url_secrets(base_url)])
        )
        self._fingerprint = _hash(
            {
                "base_url": public_url(base_url),
                "model": spec.model,
                "revision": spec.revision,
                "format": _format(spec),
                "chat_template": spec.chat_template,
                "chat_template_kwargs": dict(spec.chat_template_kwargs),
                "engine": dict(spec.engine),
            }
        )
        self._server = Server(self._endpoint, spec, self._key, _format(spec) == "chat")
        self._cut_stops = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def record(self, model: str) -> ModelRecord:
        """Identity by address, name and settings; `notes` say what the server was found not to take."""
        notes = ["served by an API: no weights hash, identity is base_url, model and revision"]
        if self._cut_stops:
            notes.append(f"stop strings beyond the API's {STOP_LIMIT} are cut off here, not at the server")
        return ModelRecord(
            name=self._spec.name,
            backend="openai",
            model=self._spec.model or "",
            fingerprint=self._fingerprint,
            revision=self._spec.revision,
            format=_format(self._spec),
            template_hash=_hash(self._spec.chat_template) if self._spec.chat_template else None,
            engine=f"openai-compatible API at {public_url(self._endpoint.base_url)}",
            engine_options=dict(self._spec.engine),
            sampling=Sampling(**self._spec.sampling.model_dump(exclude_none=True)),
            notes=(*notes, *self._server.dialect.notes()),
        )

    def prepare(self, request: Request) -> Prepared | Failure:
        """Messages and key. An option of several words is a Failure: an API gives no log-probability of given text."""
        if request.text is not None or request.tokens or request.verbatim:
            return Failure(
                "engine",
                "scoring_unsupported",
                "an API gives no log-probability of a given text",
                hint="use backend vllm or transformers for this task",
            )
        several = next((option for option in request.options if len(option.split()) != 1), None)
        if several is not None:
            return Failure(
                "engine",
                "options_unsupported",
                f"option {several!r}: an API gives log-probabilities of single tokens only, not of a given text",
                hint="set `options: letters` for this task, or use backend vllm or transformers",
            )
        if len(request.sampling.stop) > STOP_LIMIT:
            self._cut_stops = True
        asked = chat_messages(self._spec, request)
        plain = request.plain.prompt if request.plain else completion_text([Message(**m) for m in asked])
        prompt = plain if _format(self._spec) == "completion" else None
        key = _hash(
            {
                "engine": "openai",
                "model": self._fingerprint,
                "asked": asked if prompt is None else prompt,
                "sampling": asdict(request.sampling),
                # The provider's sampling need not follow the seed: each sample and replicate is its own answer.
                "sample": request.sample,
                "replicate": request.replicate,
                "options": request.options,
                "constraint": asdict(request.constraint) if request.constraint else None,
            }
        )
        return Prepared(request, json.dumps(asked, ensure_ascii=False, indent=1) if prompt is None else prompt, key)

    def start(self, progress: Progress) -> None:
        """Open the connection and ask the server what it serves. Raises EngineError for a bad key or a dead address."""
        if self._loop is not None:
            return
        if not self._key and not self._spec.base_url and not self._spec.headers:
            raise EngineError(
                f"{self._endpoint.place}: api_key: required for {OPENAI_URL}, and not given",
                kind="bad_key",
                hint="add `api_key: ${OPENAI_API_KEY}`, or `base_url` of your own server",
            )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"openai-{self.models[0]}", daemon=True)
        self._thread.start()
        progress.phase(f"{self.models[0]}: connecting to {public_url(self._endpoint.base_url)}")
        try:
            note = asyncio.run_coroutine_threadsafe(self._server.probe(), self._loop).result()
        except BaseException:
            self.close()
            raise
        if note:
            progress.note(note)

    def stream(self, prepared: Iterable[Prepared | None]) -> Iterator[tuple[Prepared, Completion]]:
        """Completions as they land. Raises EngineError for a bad key or model, or when nothing connects any more."""
        self.start(Silent())
        assert self._loop is not None
        waiting = iter(prepared)
        landed: queue.SimpleQueue[tuple[Prepared, Future[Completion | EngineError]]] = queue.SimpleQueue()
        in_flight: set[Future[Completion | EngineError]] = set()
        exhausted, idle, unreachable = False, False, 0
        gone: EngineError | None = None
        try:
            while True:
                idle = False
                while not exhausted and gone is None and len(in_flight) < self._spec.concurrency:
                    one = next(waiting, _END)
                    if one is _END:
                        exhausted = True
                        break
                    if not isinstance(one, Prepared):
                        idle = True  # nothing to ask at the moment
                        break
                    future = asyncio.run_coroutine_threadsafe(self._server.answer(one), self._loop)
                    in_flight.add(future)
                    future.add_done_callback(lambda done, one=one: landed.put((one, done)))
                if not in_flight:
                    if not idle:
                        break
                    time.sleep(_IDLE_S)
                    continue
                try:
                    one, future = landed.get(timeout=_IDLE_S if idle else None)
                except queue.Empty:
                    continue
                in_flight.discard(future)
                if future.cancelled():
                    continue
                answer = future.result()
                if isinstance(answer, Completion):
                    yield one, answer
                    lost = answer.failure is not None and answer.failure.kind == "connection"
                    unreachable = unreachable + 1 if lost else 0
                    if unreachable < max(4, self._spec.concurrency):
                        continue
                    # Each of these was retried for a minute: the rest would fail the same way, hours later.
                    answer = EngineError(
                        f"{self._endpoint.place}: base_url: {public_url(self._endpoint.base_url)} stopped answering",
                        kind="unreachable",
                        hint="restart the server, then run again: what was answered is kept",
                    )
                gone = gone or answer
                for other in in_flight:
                    other.cancel()  # what landed meanwhile is paid for, and still handed out
            if gone is not None:
                raise gone
        finally:
            for future in in_flight:
                future.cancel()

    def close(self) -> None:
        """Close connections and end the loop's thread."""
        loop, thread = self._loop, self._thread
        self._loop = self._thread = None
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._server.close(), loop).result(timeout=30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=30)
        loop.close()


def _format(spec: ModelSpec) -> str:
    return "chat" if spec.format == "auto" else spec.format


def _url_secrets(url: str) -> list[str]:
    """User, password and query of `url`, for masking."""
    parts = urlsplit(url)
    return [parts.username or "", parts.password or "", *(value for _, value in parse_qsl(parts.query))]


def _hash(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:32]
