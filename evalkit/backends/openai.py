"""Any OpenAI-compatible endpoint, or several that serve the same model, through the `openai` client.

At most `concurrency` requests are in flight, and no more than the servers are found to take. There is no weights hash
behind an API, so identity is the first base URL, the served name and the declared revision: which of several endpoints
answers, and which are added later, changes nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from evalkit.backends import Backend, backend
from evalkit.backends.endpoints import Endpoints
from evalkit.backends.openai_asking import ApiAsker
from evalkit.backends.openai_errors import Endpoint, public_url, secrets_of
from evalkit.backends.openai_request import STOP_LIMIT, chat_messages
from evalkit.backends.openai_server import Server
from evalkit.backends.remote import Remote
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
        urls = spec.base_urls or (OPENAI_URL,)
        # Only OpenAI's own address may receive the key that its users keep in the environment.
        ambient = "" if spec.base_urls else os.environ.get("OPENAI_API_KEY", "")
        self._key = spec.api_key.get_secret_value() if spec.api_key else ambient
        secrets = [self._key, *(value.get_secret_value() for value in spec.headers.values())]
        masked = secrets_of([*secrets, *(secret for url in urls for secret in _url_secrets(url))])
        place = spec.file or spec.name
        self._endpoints = [Endpoint(place, spec.model or "", url, masked) for url in urls]
        self._endpoint = self._endpoints[0]
        self._fingerprint = _hash(
            {
                "base_url": public_url(urls[0]),
                "model": spec.model,
                "revision": spec.revision,
                "format": _format(spec),
                "chat_template": spec.chat_template,
                "chat_template_kwargs": dict(spec.chat_template_kwargs),
                "engine": dict(spec.engine),
            }
        )
        chat = _format(spec) == "chat"
        servers = [Server(one, spec, self._key, ApiAsker(spec, chat=chat)) for one in self._endpoints]
        endpoints = Endpoints(servers, most=spec.concurrency, max_retries=spec.max_retries, timeout_s=spec.timeout_s)
        self._remote = Remote(f"openai-{name}", endpoints, self._stopped_answering)
        self._cut_stops = False

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
            notes=(*notes, *self._found()),
        )

    def _found(self) -> tuple[str, ...]:
        """What the servers were found to take and not to take, as they were asked."""
        endpoints = self._remote.endpoints
        of_each = dict.fromkeys(note for server in endpoints.servers for note in server.asker.notes())
        return (*of_each, *endpoints.notes)

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
        if self._remote.is_running:
            return
        if not self._key and not self._spec.base_urls and not self._spec.headers:
            raise EngineError(
                f"{self._endpoint.place}: api_key: required for {OPENAI_URL}, and not given",
                kind="bad_key",
                hint="add `api_key: ${OPENAI_API_KEY}`, or `base_url` of your own server",
            )
        self._remote.start()
        progress.phase(f"{self.models[0]}: connecting to {self._addresses}")
        try:
            notes, _ = self._remote.call(self._remote.endpoints.probe())
        except BaseException:
            self.close()
            raise
        for note in notes:
            progress.note(note)

    @property
    def _addresses(self) -> str:
        return ", ".join(public_url(one.base_url) for one in self._endpoints)

    def stream(self, prepared: Iterable[Prepared | None]) -> Iterator[tuple[Prepared, Completion]]:
        """Completions as they land. Raises EngineError for a bad key or model, or when nothing connects any more."""
        self.start(Silent())
        yield from self._remote.stream(prepared)

    def _stopped_answering(self) -> EngineError:
        return EngineError(
            f"{self._endpoint.place}: base_url: {self._addresses} stopped answering",
            kind="unreachable",
            hint="restart the server, then run again: what was answered is kept",
        )

    def close(self) -> None:
        """Close connections and end the loop's thread."""
        self._remote.close()


def _format(spec: ModelSpec) -> str:
    return "chat" if spec.format == "auto" else spec.format


def _url_secrets(url: str) -> list[str]:
    """User, password and query of `url`, for masking."""
    parts = urlsplit(url)
    return [parts.username or "", parts.password or "", *(value for _, value in parse_qsl(parts.query))]


def _hash(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:32]
