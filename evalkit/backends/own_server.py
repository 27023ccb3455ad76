"""A vLLM server of this machine's own: one that an earlier run kept, else started and watched for as long as it is needed."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.backends import kept_servers
from evalkit.backends.local import LocalModel, is_out_of_memory
from evalkit.backends.served_adapters import adapter_options
from evalkit.backends.server_command import command, environment
from evalkit.backends.server_process import ServerProcess, new_log
from evalkit.types import EngineError, InputError, Progress

_BAD_OPTION = re.compile(r"error: (unrecognized arguments: (?P<unknown>--\S+)|argument (?P<bad>--[^:\s]+)[^:]*: .*)")
_MEMORY_HINT = (
    "lower engine.max_model_len or engine.max_num_seqs, change engine.gpu_memory_utilization, spread the model with "
    "engine.tensor_parallel_size, or end a server that was kept; its whole log: "
)
_CPU_MEMORY_HINT = "lower engine.max_model_len, or set VLLM_CPU_KVCACHE_SPACE (GiB); its whole log: "


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a server is to serve: `weights` of `local` under the name `base`, and adapters beside them by name.

    model: the arm or judge that it is started for.
    """

    model: str
    local: LocalModel
    weights: Path
    base: str
    adapters: Mapping[str, LocalModel]
    cpu: bool

    @property
    def command(self) -> Callable[[int], list[str]]:
        """The command line for a port."""
        read = {name: one.adapter for name, one in self.adapters.items() if one.adapter}
        options: dict[str, Any] = {
            "generation_config": "vllm",  # the checkpoint's own sampling defaults stay out
            "logprobs_mode": "raw_logprobs",  # of the model itself, before any penalty or temperature
            "disable_uvicorn_access_log": True,
            **({"enforce_eager": True} if self.cpu else {}),  # compiling costs more than it saves in minutes
            **adapter_options([one.rank for one in read.values()]),
            **self.local.spec.engine,
        }
        return command(
            self.weights, self.local.folder, self.base, {name: one.folder for name, one in read.items()}, options
        )

    @property
    def identity(self) -> str:
        """Command, content of what is loaded, and version: what a kept server is found by."""
        content = [*self.command(0), self.local.fingerprint, *(one.fingerprint for one in self.adapters.values())]
        content += [self.local.engine, self.local.engine_version]
        return hashlib.sha256("\0".join(content).encode()).hexdigest()[:24]


@dataclass(frozen=True, slots=True)
class OwnServer:
    """Where it answers, and with which key. process: None where it outlives the run. note: what a reader should know."""

    url: str
    api_key: str
    process: ServerProcess | None
    note: str
    cpu: bool

    def __repr__(self) -> str:
        return f"OwnServer({self.url!r})"

    def dead(self) -> EngineError | None:
        """Why it is gone; None while it runs, and where nobody watches it."""
        if self.process is None or self.process.is_alive():
            return None
        said = self.process.last_words()
        if is_out_of_memory(RuntimeError(said)):
            return EngineError(
                f"vLLM's server died: {said}", kind="out_of_memory", hint=_memory_hint(self.process.log, cpu=self.cpu)
            )
        return EngineError(f"vLLM's server died: {said}", hint=f"its log: {self.process.log}")

    def stop(self) -> None:
        """End it, unless it is to outlive the run."""
        if self.process is not None:
            self.process.stop()


def obtain(wanted: Wanted, folder: Path, progress: Progress, make_room: Callable[[], None]) -> OwnServer:
    """A server of what is wanted. folder: for logs and what is kept. make_room: called before one is started.

    Raises InputError for an option that this vLLM does not know, EngineError where it does not come up.
    """
    if (kept := kept_servers.find(folder, wanted.identity)) is not None:
        note = f"answered by the server that an earlier run kept at {kept.url} (to end it: kill {kept.pid})"
        return OwnServer(kept.url, kept.api_key, None, note, wanted.cpu)
    make_room()
    local, key = wanted.local, secrets.token_urlsafe(32)
    process = ServerProcess(wanted.command, environment(key), new_log(folder, local.spec.name), place=local.where)
    progress.phase(f"{wanted.model}: loading {local.folder.name} in a server (vLLM {local.engine_version})")
    try:
        process.start(progress, wanted.model, timeout_s=local.spec.server.start_timeout_s)
    except EngineError as error:
        raise _start_error(error, process, wanted) from None
    if not local.spec.server.keep:
        return OwnServer(process.url, key, process, "", wanted.cpu)
    try:
        kept = kept_servers.KeptServer(process.url, key, process.pid, str(process.log))
        kept_servers.remember(folder, wanted.identity, kept)
    except BaseException:
        process.stop()
        raise
    process.keep()
    note = f"its server is kept at {process.url} (to end it: kill {process.pid})"
    return OwnServer(process.url, key, None, note, wanted.cpu)


def _start_error(error: EngineError, process: ServerProcess, wanted: Wanted) -> EngineError | InputError:
    """The error in the user's terms: an option that this vLLM does not know is a mistake in the file."""
    said = process.log.read_text("utf-8", "replace") if process.log.is_file() else ""
    if found := _BAD_OPTION.search(said):
        option = (found["unknown"] or found["bad"]).split("=")[0].split("/")[-1].lstrip("-").replace("-", "_")
        what = "this vLLM's server has no such option" if found["unknown"] else found[1].strip()
        return InputError(f"{wanted.local.where}: engine: {option}: {what}; they are those of `vllm serve --help=all`")
    if is_out_of_memory(RuntimeError(said)):
        return EngineError(str(error), kind="out_of_memory", hint=_memory_hint(process.log, cpu=wanted.cpu))
    return error


def _memory_hint(log: Path, *, cpu: bool) -> str:
    return f"{_CPU_MEMORY_HINT if cpu else _MEMORY_HINT}{log}"
