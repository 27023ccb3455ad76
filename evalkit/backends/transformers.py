"""transformers `generate`, batched, on CUDA or the CPU: the fallback where vLLM is absent.

Prompts, stop tokens and option log-probabilities are those of the vLLM backend. Adapters are merged into a copy of
their base. Sampled requests run one at a time after seeding, because `generate` has no generator per row and an answer
must not depend on what else was in its batch; greedy ones are batched. A JSON schema is not enforced.

Of `engine`, `device`, `batch_size` and `max_model_len` are read here; the rest goes to `from_pretrained` untouched.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from evalkit.backends import Backend, backend
from evalkit.backends.local import LocalModel, is_out_of_memory
from evalkit.backends.quiet import quiet
from evalkit.backends.transformers_engine import TransformersEngine
from evalkit.config import ModelSpec
from evalkit.types import Completion, Failure, InputError, ModelRecord, Prepared, Progress, Request, Silent, Token

_BATCH_SIZE = 16
# Prompts are pulled this many batches ahead and sorted by length, so that little is padding.
_WINDOW = 4

_NOTES = ("this engine does not enforce a JSON schema: a reply that does not fit is unscored",)


@backend("transformers")
def open_transformers(models: Mapping[str, ModelSpec], folder: Path) -> list[Backend]:
    """One backend for each set of weights and engine options. Raises InputError where transformers is missing."""
    first = next(iter(models.values()))
    for needed in ("transformers", "torch"):
        if importlib.util.find_spec(needed) is None:
            raise InputError(
                f"{first.file or first.name}: backend: transformers needs {needed}, which is not installed; "
                "pip install 'evalkit-gate[hf]'"
            )
    version = f"{importlib.metadata.version('transformers')} (torch {importlib.metadata.version('torch')})"
    groups: dict[str, dict[str, LocalModel]] = {}
    for name, spec in models.items():
        local = LocalModel(spec, folder / "hashes", engine="transformers", engine_version=version, on_cpu=_on_cpu(spec))
        local.check_mergeable()
        weights = local.adapter_fingerprint if local.adapter else local.weights_fingerprint
        options = json.dumps(dict(local.spec.engine), sort_keys=True, default=str)
        groups.setdefault(f"{weights} {options}", {})[name] = local
    return [TransformersBackend(group, folder) for group in groups.values()]


def _on_cpu(spec: ModelSpec) -> bool:
    device = str(spec.engine.get("device", "auto"))
    if "device_map" in spec.engine or device not in ("auto", "cpu"):
        return False
    with quiet():
        import torch

        return device == "cpu" or not torch.cuda.is_available()


class TransformersBackend:
    """Serves models that share weights and engine options; they may differ in prompts and sampling."""

    def __init__(self, models: Mapping[str, LocalModel], folder: Path) -> None:
        self.models = tuple(models)
        self._models = dict(models)
        self._local = next(iter(models.values()))
        self._folder = folder
        self._engine: TransformersEngine | None = None

    def record(self, model: str) -> ModelRecord:
        """Who answers as `model`."""
        local = self._models[model]
        return local.record(adapter_mode="merged" if local.adapter else None, notes=_NOTES)

    def prepare(self, request: Request) -> Prepared | Failure:
        """Render one request."""
        asked = request.sampling
        if asked.presence_penalty or asked.frequency_penalty:
            return Failure(
                where=self._models[request.model].where,
                kind="unsupported",
                message="transformers knows no presence_penalty and no frequency_penalty",
                hint="use repetition_penalty, or `backend: vllm`",
            )
        return self._models[request.model].prepare(request)

    def tokens(self, model: str, ids: Sequence[int]) -> tuple[Token, ...]:
        """What these ids stand for, one by one."""
        return self._models[model].tokens(ids)

    def start(self, progress: Progress) -> None:
        """Load the weights, merging the adapter first where there is one."""
        if self._engine is not None:
            return
        local, name = self._local, self.models[0]
        weights = local.merged(self._folder, progress, name)
        progress.phase(f"{name}: loading {local.folder.name} (transformers {local.engine_version})")
        options = {k: v for k, v in local.spec.engine.items() if k not in ("batch_size", "max_model_len")}
        self._engine = TransformersEngine(
            weights,
            local.tokenizer,
            options,
            stop_token_ids=local.stop_token_ids,
            limit=local.context_limit,
            where=local.where,
        )

    def stream(self, prepared: Iterable[Prepared | None]) -> Iterator[tuple[Prepared, Completion]]:
        """Answer requests batch by batch."""
        self.start(Silent())
        assert self._engine is not None
        size = int(self._local.spec.engine.get("batch_size", _BATCH_SIZE))
        for window in _windows(prepared, _WINDOW * size):
            for batch in _batches(window, size, self._engine):
                yield from self._answer(batch)

    def close(self) -> None:
        """Give back memory and devices."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def _answer(self, batch: list[Prepared]) -> Iterator[tuple[Prepared, Completion]]:
        """One batch; where memory does not suffice, its halves; where one request alone is too much, a failure."""
        assert self._engine is not None
        try:
            if batch[0].request.is_scored:
                completions = self._engine.choose(batch)
            else:
                completions = self._engine.generate(batch, [self._words(one) for one in batch])
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise self._engine.died(error) from error
            self._engine.collect()
            if len(batch) > 1:
                middle = len(batch) // 2
                yield from self._answer(batch[:middle])
                yield from self._answer(batch[middle:])
                return
            failure = Failure(
                where=batch[0].request.model,
                kind="out_of_memory",
                message=f"no memory for one prompt of {len(batch[0].token_ids or ())} tokens",
                hint="lower sampling.max_tokens, or use a larger device",
            )
            completions = [Completion("", finish_reason="error", failure=failure)]
        yield from zip(batch, completions, strict=True)

    def _words(self, one: Prepared) -> tuple[tuple[int, ...], ...]:
        """The token sequences a choice constraint allows; empty where anything is."""
        constraint = one.request.constraint
        if constraint is None:
            return ()
        renderer = self._models[one.request.model].renderer
        return tuple(renderer.continuation(one.prompt, word) for word in constraint.choice)


def _windows(prepared: Iterable[Prepared | None], most: int) -> Iterator[list[Prepared]]:
    """So many requests at a time, fewer where nothing more is to be asked at the moment."""
    window: list[Prepared] = []
    for one in prepared:
        if one is not None:
            window.append(one)
        if window and (one is None or len(window) == most):
            yield window
            window = []
    if window:
        yield window


def _batches(window: list[Prepared], size: int, engine: TransformersEngine) -> Iterator[list[Prepared]]:
    """Requests that can run together, longest prompts first; a sampled request runs alone."""
    kinds: dict[object, list[Prepared]] = {}
    for place, one in enumerate(window):
        asked = one.request.sampling
        if one.request.is_scored:
            kind: object = "options"
        elif asked.temperature > 0:
            kind = place
        else:
            kind = replace(asked, seed=0, max_tokens=engine.room(one))
        kinds.setdefault(kind, []).append(one)
    for alike in kinds.values():
        alike.sort(key=lambda one: len(one.token_ids or ()), reverse=True)
        for start in range(0, len(alike), size):
            yield alike[start : start + size]
