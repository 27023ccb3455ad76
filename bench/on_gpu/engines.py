"""Engines of evalkit's own backend, loaded once and lent to whoever measures."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.on_gpu.setup import Setup

if TYPE_CHECKING:
    from evalkit.backends.local import LocalModel
    from evalkit.backends.vllm import VllmBackend
    from evalkit.backends.vllm_engine import VllmEngine
    from evalkit.config import ModelSpec
    from evalkit.types import Prepared, Request


def backend_of(setup: Setup, models: Mapping[str, ModelSpec], *, serve_adapters: bool = False) -> VllmBackend:
    """The backend over these models, as a run opens it; adapters served also where a run would merge them."""
    from evalkit.backends.vllm import VllmBackend, is_cpu_build

    locals_ = {name: local_of(setup, model) for name, model in models.items()}
    return VllmBackend(locals_, setup.work / "cache", cpu=is_cpu_build(), serve_adapters=serve_adapters)


def local_of(setup: Setup, model: ModelSpec) -> LocalModel:
    """What evalkit knows of one model's folder."""
    from evalkit.backends.local import LocalModel
    from evalkit.backends.vllm import installed

    engine, version = installed() or ("vllm", "unknown")
    return LocalModel(model, setup.work / "cache" / "hashes", engine=engine, engine_version=version)


def load(
    setup: Setup, local: LocalModel, options: Mapping[str, Any] | None = None, *, weights: Path | None = None
) -> tuple[VllmEngine, float]:
    """A loaded engine, and the seconds it took without the imports. options: over those of the model file."""
    import vllm  # noqa: F401 - its import is not part of loading

    from evalkit.backends.vllm import is_cpu_build
    from evalkit.backends.vllm_engine import VllmEngine

    began = time.monotonic()
    engine = VllmEngine(
        weights or local.folder,
        local.folder,
        {**local.spec.engine, **(options or {})},
        cpu=is_cpu_build(),
        stop_token_ids=local.stop_token_ids,
        where=setup.part,
    )
    return engine, time.monotonic() - began


@contextlib.contextmanager
def loaded(setup: Setup, local: LocalModel, options: Mapping[str, Any] | None = None, **more: Any) -> Iterator[Any]:
    """(engine, seconds) of `load`; the engine is closed at the end, whatever happens."""
    engine, seconds = load(setup, local, options, **more)
    try:
        yield engine, seconds
    finally:
        engine.close()


@contextlib.contextmanager
def lent(engine: VllmEngine) -> Iterator[None]:
    """Every evalkit backend opened meanwhile answers with this engine, and leaves it loaded."""
    from evalkit.backends import vllm as backend

    real, close = backend.VllmEngine, engine.close
    backend.VllmEngine = lambda *_, **__: engine  # type: ignore[assignment]
    engine.close = lambda: None  # type: ignore[method-assign]
    try:
        yield
    finally:
        backend.VllmEngine = real  # type: ignore[misc]
        engine.close = close  # type: ignore[method-assign]


def forget(engine: VllmEngine) -> None:
    """Empty the prefix cache, so that no side profits from the one before it."""
    engine._llm.reset_prefix_cache()


def spread_weights(engine: VllmEngine) -> None:
    """Give dummy weights the spread of trained ones, in place: as they come, every answer is the same token."""
    engine._llm.apply_model(_spread)


def _spread(model: Any) -> None:
    import torch

    torch.manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() == 1:
                weight.fill_(1.0)
            elif weight.is_floating_point():
                weight.normal_(0.0, 0.02)


def prepared_of(backend: VllmBackend, requests: Sequence[Request]) -> list[Prepared]:
    """Rendered requests; a request that cannot be asked is an error of this script."""
    from evalkit.types import Prepared

    found = [backend.prepare(request) for request in requests]
    refused = next((one for one in found if not isinstance(one, Prepared)), None)
    assert refused is None, refused
    return [one for one in found if isinstance(one, Prepared)]


def bare(engine: VllmEngine, prepared: Sequence[Prepared]) -> tuple[float, list[Any]]:
    """`LLM.generate` over the same token ids and sampling settings, as one list: seconds, outputs."""
    params = [next(iter(engine._parts(one)))[1] for one in prepared]
    prompts = [{"prompt_token_ids": list(one.token_ids or ())} for one in prepared]
    began = time.monotonic()
    outputs = engine._llm.generate(prompts, params, use_tqdm=False)
    return time.monotonic() - began, outputs


def new_tokens(outputs: Sequence[Any]) -> int:
    return sum(len(output.outputs[0].token_ids) for output in outputs)


@contextlib.contextmanager
def fresh_journal() -> Iterator[Any]:
    """A journal that nobody has written to, in a folder that is gone afterwards."""
    from evalkit.stored.cache import Journal

    with tempfile.TemporaryDirectory() as folder, Journal(Path(folder) / "journal.sqlite") as journal:
        yield journal


def free_memory() -> float | None:
    """Gigabytes free on the GPU, by nvidia-smi, which sees every process; None without one."""
    import subprocess

    try:
        asked = ["nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits"]
        return float(subprocess.run(asked, capture_output=True, text=True, timeout=20).stdout.split()[0]) / 1024
    except (OSError, IndexError, ValueError, subprocess.TimeoutExpired):
        return None
