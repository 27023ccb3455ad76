"""What is known of a model on disk before any engine runs: identity, prompts, keys. Shared by both local engines."""

from __future__ import annotations

import functools
import json
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xxhash

from evalkit.backends import fingerprint
from evalkit.backends.adapters import Adapter
from evalkit.backends.quiet import quiet
from evalkit.backends.rendering import Renderer
from evalkit.config import ModelSpec
from evalkit.types import Completion, Failure, InputError, ModelRecord, Prepared, Progress, Request, Token, Usage

# Threads that wait for work sleep rather than spin. On two cores shared with another process spinning made generation
# many times slower. OpenMP reads this once, when torch is first imported, which nothing does before this module.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

_LIMIT_KEYS = ("max_position_embeddings", "n_positions", "max_seq_len", "max_sequence_length", "seq_length", "n_ctx")
_SCALED_ALREADY = ("su", "longrope", "llama3", "yarn", "deepseek_yarn", "deepseek_llama_scaling")


class LocalModel:
    """One model of a model file: base folder, adapter, tokenizer and settings. Never loads weights.

    spec: the model file. folder: where hashes are remembered. engine, engine_version: who will answer.
    on_cpu: compute in float32 where the file states no `dtype` and the weights are not quantised. In bfloat16 on a CPU
    even a greedy answer depends on what else is in its batch, so that a resumed run would not equal an uninterrupted
    one; in float32 it does (`bench/batch_dependence.py` counts both).
    Raises InputError where folder, config, tokenizer or adapter cannot be used.
    """

    def __init__(
        self, spec: ModelSpec, folder: Path, *, engine: str, engine_version: str, on_cpu: bool = False
    ) -> None:
        assert spec.model is not None, "config.ModelSpec asks for a model"
        self.spec = spec
        self.where = spec.file or spec.name
        self.engine, self.engine_version = engine, engine_version
        self.folder = fingerprint.resolve(spec, spec.model, revision=spec.revision)
        self.config = self._read_config()
        self._settled: list[str] = []
        if on_cpu and "dtype" not in spec.engine and "quantization_config" not in self.config:
            self.spec = spec.model_copy(update={"engine": {**spec.engine, "dtype": "float32"}})
            self._settled.append("computed in float32, the default on a CPU; `engine: {dtype: bfloat16}` is faster")
        self.adapter: Adapter | None = None
        if spec.adapter:
            adapter_folder = fingerprint.resolve(spec, spec.adapter, field="adapter")
            self.adapter = Adapter.read(adapter_folder, where=f"{self.where}: adapter")
            self.adapter.check_fits(self.folder)
        self._hashes = fingerprint.FileHashes(folder)

    def _read_config(self) -> dict[str, Any]:
        path = self.folder / "config.json"
        if not path.is_file():
            hint = (
                "it holds a LoRA adapter: name its base as `model` and this folder as `adapter`"
                if (self.folder / "adapter_config.json").is_file()
                else "a model folder holds config.json, tokenizer files and safetensors weights"
            )
            raise InputError(f"{self.where}: model: {self.folder} has no config.json; {hint}")
        if not fingerprint.weight_files(self.folder):
            raise InputError(f"{self.where}: model: {self.folder} holds no weights (*.safetensors or *.bin)")
        try:
            return json.loads(path.read_text("utf-8"))
        except ValueError as error:
            raise InputError(f"{self.where}: model: {path} is not JSON: {error}") from None

    # --- identity ---

    @functools.cached_property
    def weights_fingerprint(self) -> str:
        """Content hash of weights and config, without tokenizer and adapter: what one engine loads."""
        files = fingerprint.weight_files(self.folder) + fingerprint.matching(self.folder, fingerprint.CONFIG)
        return self._hashes.of_all(files)

    @functools.cached_property
    def tokenizer_fingerprint(self) -> str:
        """Content hash of the tokenizer's files; the chat template has its own."""
        return self._hashes.of_all(fingerprint.matching(self.tokenizer_folder, fingerprint.TOKENIZER))

    @functools.cached_property
    def fingerprint(self) -> str:
        """Content hash of everything that answers: weights, config, tokenizer, adapter and whether it is to be merged."""
        digest = xxhash.xxh3_128(f"{self.weights_fingerprint}\0{self.tokenizer_fingerprint}\0".encode())
        if self.adapter:
            digest.update(self._hashes.of_all(self.adapter.files).encode())
        if self.spec.merge_adapter:
            digest.update(b"\0merged")  # rounded otherwise than one that is applied at run time
        return digest.hexdigest()

    @functools.cached_property
    def adapter_fingerprint(self) -> str:
        """Content hash of base weights and adapter: names the merged copy."""
        assert self.adapter is not None
        adapter = self._hashes.of_all(self.adapter.files)
        return xxhash.xxh3_128_hexdigest(f"{self.weights_fingerprint}\0{adapter}".encode())

    def check_mergeable(self) -> None:
        """Raise InputError where an adapter could not be merged: said before any engine starts."""
        if self.adapter is not None:
            self.adapter.check_mergeable(self.folder)

    def weights(self, folder: Path) -> Path:
        """Where the weights are that answer by themselves: the model's own, or a copy with the adapter merged in.

        The copy is kept in `folder`, named by content; `merged` makes it.
        """
        if self.adapter is None:
            return self.folder
        return folder / "merged" / f"{self.spec.name}-{self.adapter_fingerprint[:16]}"

    def merged(self, folder: Path, progress: Progress, name: str) -> Path:
        """As `weights`, and what has to be merged is merged. name: of the arm or judge, for `progress`."""
        target = self.weights(folder)
        if self.adapter is not None:
            trust = bool(self.spec.engine.get("trust_remote_code", False))
            progress.phase(f"{name}: merging the adapter {self.adapter.folder.name}")
            self.adapter.merge(self.folder, target, progress, trust_remote_code=trust)
        return target

    # --- settings ---

    @property
    def tokenizer_folder(self) -> Path:
        """The adapter's folder where training saved a tokenizer with it, else the base's."""
        if self.adapter and (self.adapter.folder / "tokenizer_config.json").is_file():
            return self.adapter.folder
        return self.folder

    @functools.cached_property
    def tokenizer(self) -> Any:
        """The model's tokenizer, as transformers loads it."""
        try:
            with quiet():
                from transformers import AutoTokenizer

                return AutoTokenizer.from_pretrained(
                    str(self.tokenizer_folder),
                    trust_remote_code=bool(self.spec.engine.get("trust_remote_code", False)),
                )
        except Exception as error:  # anything from a missing file to the tokenizer's own code
            raise InputError(f"{self.where}: model: no usable tokenizer in {self.tokenizer_folder}: {error}") from None

    @functools.cached_property
    def renderer(self) -> Renderer:
        """Turns this model's requests into tokens."""
        spec = self.spec
        return Renderer(
            self.tokenizer,
            format=spec.format,
            system=spec.system,
            chat_template=self._chat_template(),
            chat_template_kwargs=spec.chat_template_kwargs,
            limit=self.context_limit,
            where=self.where,
        )

    def _chat_template(self) -> str | None:
        """`chat_template:` as the template itself, or the file it names."""
        value = self.spec.chat_template
        if value is None or "{" in value or "\n" in value:
            return value
        path = Path(self.spec.path_of(value))
        if not path.is_file():
            raise InputError(f"{self.where}: chat_template: no file {value!r}, and it is not a template itself")
        return path.read_text("utf-8")

    @functools.cached_property
    def context_limit(self) -> int | None:
        """Tokens of prompt and answer together: the model file's `max_model_len`, else the config's own."""
        asked = self.spec.engine.get("max_model_len")
        if isinstance(asked, int) and asked > 0:
            return asked
        text = {**self.config, **self.config.get("text_config", {})}
        found = [text[key] for key in _LIMIT_KEYS if isinstance(text.get(key), int)]
        if not found:
            return None
        limit = min(found)
        scaling = text.get("rope_parameters") or text.get("rope_scaling") or {}
        kind = scaling.get("rope_type", scaling.get("type", "default"))
        if kind == "longrope":
            return text.get("original_max_position_embeddings", limit)
        if kind not in _SCALED_ALREADY and isinstance(scaling.get("factor"), int | float):
            return int(limit * scaling["factor"])
        return limit

    @functools.cached_property
    def stop_token_ids(self) -> tuple[int, ...]:
        """All ids that end an answer: the tokenizer's end of text and what config and generation config name."""
        path = self.folder / "generation_config.json"
        generation = json.loads(path.read_text("utf-8")) if path.is_file() else {}
        found: set[int] = set()
        text_config = self.config.get("text_config", {})
        for value in (
            generation.get("eos_token_id"),
            self.config.get("eos_token_id"),
            text_config.get("eos_token_id"),
            self.tokenizer.eos_token_id,
        ):
            found.update([value] if isinstance(value, int) else value or [])
        return tuple(sorted(found))

    @functools.cached_property
    def precision(self) -> str:
        """Precision of weights, quantisation and KV cache, as asked for: `bfloat16`, `bfloat16, weights fp8`."""
        text = {**self.config, **self.config.get("text_config", {})}
        stored = text.get("dtype") or text.get("torch_dtype") or "unknown"
        asked = self.spec.engine.get("dtype", "auto")
        parts = [str(stored if asked == "auto" else asked).removeprefix("torch.")]
        quantised = self.spec.engine.get("quantization") or self.config.get("quantization_config", {}).get(
            "quant_method"
        )
        if quantised:
            parts.append(f"weights {quantised}")
        cache = self.spec.engine.get("kv_cache_dtype", "auto")
        if cache != "auto":
            parts.append(f"KV cache {cache}")
        return ", ".join(parts)

    # --- what a backend hands out ---

    def record(self, *, adapter_mode: str | None, notes: Iterable[str] = ()) -> ModelRecord:
        """Who answers, for the manifest."""
        own: list[str] = [*self._settled, *self.renderer.notes]
        if self.adapter and self.tokenizer_folder == self.adapter.folder:
            own.append("tokenizer and chat template come from the adapter's folder")
        if self.adapter and self.adapter.changes_nothing:
            own.append("the adapter changes nothing: its weights are those of an untrained one")
        return ModelRecord(
            name=self.spec.name,
            backend=self.spec.backend,
            model=str(self.spec.model),
            fingerprint=self.fingerprint,
            revision=self.spec.revision,
            adapter=self.spec.adapter,
            adapter_mode=adapter_mode,
            tokenizer_fingerprint=self.tokenizer_fingerprint,
            template_hash=self.renderer.template_hash,
            format=self.renderer.format,
            precision=self.precision,
            context_limit=self.context_limit,
            engine=self.engine,
            engine_version=self.engine_version,
            engine_options=dict(self.spec.engine),
            notes=(*own, *notes),
            architecture=self.config.get("model_type"),
        )

    def prepare(self, request: Request, *, engine_options: Mapping[str, object] | None = None) -> Prepared | Failure:
        """Render one request and name the answer it will get. engine_options: where they differ from the file's."""
        rendered = self.renderer.render(request)
        if isinstance(rendered, Failure):
            return rendered
        key = fingerprint.request_key(
            request,
            fingerprint=self.fingerprint,
            token_ids=rendered.ids,
            option_ids=rendered.option_ids,
            spans=rendered.spans,
            engine=self.engine,
            engine_version=self.engine_version,
            engine_options=self.spec.engine if engine_options is None else engine_options,
        )
        return Prepared(request, rendered.text, key, rendered.ids, rendered.option_ids, rendered.spans)

    def tokens(self, ids: Sequence[int]) -> tuple[Token, ...]:
        """What these ids stand for, one by one: half of a character is a replacement mark."""
        added = {id: one for id, one in self.tokenizer.added_tokens_decoder.items() if one.special}
        special = {*added, *self.tokenizer.all_special_ids}
        return tuple(Token(id, self.tokenizer.decode([id]), id in special) for id in ids)


@dataclass(frozen=True, slots=True)
class Part:
    """One forward pass of a scored request: which of its options or spans it answers, and from where.

    ids: what the engine reads. first: the place in `ids` from which tokens are scored. lasts: (place of the option or
    span, the last of its tokens that is answered here), read from the distribution after `ids`. shares: the tokens
    before those that are scored are another pass's as well, and may come from a prefix cache.
    """

    ids: tuple[int, ...]
    first: int
    lasts: tuple[tuple[int, int], ...]
    shares: bool = False

    @property
    def scored(self) -> tuple[int, ...]:
        """The tokens that are scored within `ids`."""
        return self.ids[self.first :]


def parts_of(prepared: Prepared, *, block: int | None = None) -> list[Part]:
    """The forward passes that answer a scored request in the least time.

    Options that differ in their last token only, single tokens above all, need one between them. block: tokens of a
    block of the engine's prefix cache, None where it has none. Where several beginnings follow a prompt that fills a
    block, the prompt is read once, for the first token of every option, and what follows in passes that find its full
    blocks in the cache: with four options 0.3 to 0.5 of the time from 600 tokens of prompt on, the same numbers
    (`bench/choice_scoring.py`). Below a block there is nothing to find, and the pass for the prompt would come on top.
    """
    prompt = prepared.token_ids or ()
    options = [(place, prompt, ids) for place, ids in enumerate(prepared.option_ids) if ids]
    options += [(place, one.ids[: one.start], one.ids[one.start :]) for place, one in enumerate(prepared.spans)]
    by_prompt: dict[tuple[int, ...], list[tuple[int, tuple[int, ...]]]] = {}
    for place, before, ids in options:
        by_prompt.setdefault(before, []).append((place, ids))
    passes: dict[tuple[tuple[int, ...], int, bool], list[tuple[int, int]]] = {}
    for before, some in by_prompt.items():
        beginnings = {ids[:-1] for _, ids in some}
        forks = block is not None and len(before) >= block and len(beginnings) > 1
        for place, ids in some:
            if forks:
                passes.setdefault((before, len(before), False), []).append((place, ids[0]))
            if not forks or len(ids) > 1:
                first = len(before) + forks
                passes.setdefault((before + ids[:-1], first, forks), []).append((place, ids[-1]))
    return [Part(ids, first, tuple(lasts), shares) for (ids, first, shares), lasts in passes.items()]


class Tally:
    """The log-probabilities of one scored request, filled part by part; NaN for what was not answered to its end."""

    def __init__(self, prepared: Prepared) -> None:
        self._prepared = prepared
        sizes = [len(ids) for ids in prepared.option_ids] or [len(one.ids) - one.start for one in prepared.spans]
        self._missing = sizes
        self._logprobs, self._greedy = [0.0] * len(sizes), [True] * len(sizes)

    def add(self, place: int, logprob: float, *, greedy: bool, tokens: int = 1) -> None:
        """Record the sum of log-probabilities of so many of an option's tokens, and whether each was the likeliest."""
        self._logprobs[place] += logprob
        self._greedy[place] = self._greedy[place] and greedy
        self._missing[place] -= tokens

    def completion(self) -> Completion:
        """The answer to the request: the likeliest option, and the log-probability of each."""
        known = [missing == 0 for missing in self._missing]
        values = tuple(value if told else math.nan for value, told in zip(self._logprobs, known, strict=True))
        usable = [place for place, value in enumerate(values) if value == value]
        best = max(usable, key=lambda place: values[place], default=None)
        options = self._prepared.request.options
        spans = self._prepared.spans
        read = sum(len(span.ids) for span in spans) if spans else len(self._prepared.token_ids or ())
        return Completion(
            text=options[best] if options and best is not None else "",
            usage=Usage(prompt_tokens=read),
            logprobs=values,
            greedy=tuple(likeliest and told for likeliest, told in zip(self._greedy, known, strict=True)),
        )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an engine's error is about memory: each of CUDA, torch and vLLM says so in its own words."""
    text = f"{type(error).__name__}: {error}".casefold()
    words = (
        "out of memory",
        "outofmemory",
        "memoryerror",
        "kv cache",
        "free memory",
        "cache blocks",
        "allocate memory",
    )
    return any(word in text for word in words)


def unknown_option(error: BaseException) -> str | None:
    """The option a library was given and does not know, where that is what went wrong."""
    found = re.search(r"unexpected keyword argument '(\w+)'", str(error)) if isinstance(error, TypeError) else None
    return found.group(1) if found else None


def first_lines(error: BaseException) -> str:
    """The start of an engine's error message, on one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:4]) or type(error).__name__
