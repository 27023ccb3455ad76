"""One loaded `vllm.LLM` in this process: load, ask, give everything back.

Knows tokens, not models files: `vllm.py` decides what is loaded and which request goes to which adapter.
Written against vLLM 0.26 to 0.32, whose offline engine is `LLM.llm_engine` with `add_request` and `step`.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import logging
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from evalkit.backends import Timings
from evalkit.backends.local import (
    Part,
    Tally,
    first_lines,
    is_out_of_memory,
    parts_of,
    unknown_option,
)
from evalkit.backends.quiet import quiet
from evalkit.types import Completion, EngineError, Failure, InputError, Prepared, Usage

# The widest set of named tokens vLLM reads from one distribution.
_MAX_NAMED_TOKENS = 128

# How a request ends that was answered, and how often one is put that the engine gives up.
_ANSWERED = ("stop", "length")
_TRIES = 3
_END = object()

_MEMORY_HINT = (
    "lower engine.max_model_len or engine.max_num_seqs, change engine.gpu_memory_utilization, "
    "or spread the model with engine.tensor_parallel_size"
)
_CPU_MEMORY_HINT = "lower engine.max_model_len, or set VLLM_CPU_KVCACHE_SPACE (GiB) to what the cache may take"

Canary = tuple[tuple[int, ...], Any]
"""A prompt and the LoRARequest it is for, None for the base."""


def settle_environment(*, cpu: bool) -> None:
    """Set what vLLM and torch read from the environment, where the user has not. Best before torch is imported."""
    wanted = {
        "VLLM_LOGGING_LEVEL": "ERROR",
        "VLLM_NO_USAGE_STATS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "TORCH_CPP_LOG_LEVEL": "ERROR",
    }
    if cpu:
        wanted |= {
            # With its own processes few cores spin against each other.
            "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
            "VLLM_CPU_KVCACHE_SPACE": "2",
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        }
    for name, value in wanted.items():
        os.environ.setdefault(name, value)
    # Some of vLLM's modules log before vLLM has read its own level.
    logging.getLogger("vllm").setLevel(os.environ["VLLM_LOGGING_LEVEL"])


@dataclass(slots=True)
class _Waiting:
    """A request in the engine, possibly in several parts, by the engine's ids of them."""

    prepared: Prepared
    tally: Tally
    lora: Any = None
    tries: int = 1
    open: set[str] = field(default_factory=set)
    parts: dict[str, Part] = field(default_factory=dict)


class VllmEngine:
    """Loads weights on construction.

    options: keyword arguments of `vllm.LLM`. stop_token_ids: what ends an answer. where: the place named in errors.
    Raises InputError for an option vLLM does not know, EngineError where loading fails.
    """

    def __init__(
        self,
        weights: Path,
        tokenizer: Path,
        options: Mapping[str, Any],
        *,
        cpu: bool,
        stop_token_ids: tuple[int, ...],
        where: str,
    ) -> None:
        settle_environment(cpu=cpu)
        self._cpu = cpu
        self._stop_token_ids = list(stop_token_ids)
        self._ids = itertools.count()
        self._prefill_s = self._decode_s = 0.0
        defaults: dict[str, Any] = {
            "model": str(weights),
            "tokenizer": str(tokenizer),
            "generation_config": "vllm",  # the checkpoint's own sampling defaults stay out
            "logprobs_mode": "raw_logprobs",  # of the model itself, before any penalty or temperature
            "use_tqdm_on_load": False,
            "disable_log_stats": False,  # when each request was scheduled, began and ended
        }
        if cpu:
            defaults["enforce_eager"] = True  # compiling costs more than it saves on a run of minutes
        try:
            with quiet():
                from vllm import LLM

                self._llm: Any = LLM(**{**defaults, **options})
        except Exception as error:  # torch, CUDA, vLLM and its processes each raise their own
            release()
            raise self._start_error(error, weights, where) from error
        self._engine: Any = self._llm.llm_engine

    @property
    def timings(self) -> Timings:
        """Since this engine was loaded."""
        compiling = 0.0 if self._llm is None else self._engine.vllm_config.compilation_config.compilation_time
        return Timings(compiling, self._prefill_s, self._decode_s)

    @property
    def context_limit(self) -> int:
        """Tokens of prompt and answer together, as the engine settled it."""
        return int(self._llm.model_config.max_model_len)

    def close(self) -> None:
        """Free memory, devices and process groups, so that another engine can load in this process."""
        if self._llm is None:
            return
        core, self._llm, self._engine = self._engine.engine_core, None, None
        with quiet():
            core.shutdown()
        del core
        release()

    # --- asking ---

    def stream(
        self, prepared: Iterable[Prepared | None], lora_of: Callable[[Prepared], Any] = lambda _: None
    ) -> Iterator[tuple[Prepared, Completion]]:
        """Answer as answers land, pulling from `prepared` so that as many wait inside as the engine runs at once.

        prepared: None where there is nothing at the moment. lora_of: the LoRARequest of a request, None for the base.
        Raises EngineError when the engine dies.
        """
        room = 2 * int(self._engine.vllm_config.scheduler_config.max_num_seqs)
        waiting: dict[str, _Waiting] = {}
        source = iter(prepared)
        more = True
        try:
            while more or waiting:
                while more and len(waiting) < room:
                    one = next(source, _END)
                    if one is None:
                        break
                    if not isinstance(one, Prepared):
                        more = False
                    elif failure := self._add(_Waiting(one, Tally(one), lora_of(one)), waiting):
                        yield one, Completion("", finish_reason="error", failure=failure)
                if waiting:
                    yield from self._land(self._step(), waiting)
        finally:
            if waiting and self._engine is not None:
                with contextlib.suppress(Exception):  # a dead engine has nothing left to withdraw from
                    self._engine.abort_request(list(waiting))

    def next_token_logprobs(self, canaries: Iterable[Canary], named: list[list[int]]) -> list[list[float]]:
        """Log-probabilities of `named` tokens after each prompt, all prompts in one batch, in order."""
        from vllm import SamplingParams

        ids = [f"canary-{next(self._ids)}" for _ in named]
        for id, (prompt, lora), tokens in zip(ids, canaries, named, strict=True):
            params = SamplingParams(temperature=0.0, max_tokens=1, logprob_token_ids=tokens, detokenize=False)
            self._engine.add_request(id, {"prompt_token_ids": list(prompt)}, params, lora_request=lora)
        landed: dict[str, Any] = {}
        while len(landed) < len(ids):
            landed.update({output.request_id: output for output in self._step() if output.finished})
        self._llm.reset_prefix_cache()
        rows = [landed[id].outputs[0].logprobs[0] for id in ids]
        return [
            [row[token].logprob if token in row else math.nan for token in tokens]
            for row, tokens in zip(rows, named, strict=True)
        ]

    def _step(self) -> list[Any]:
        try:
            with quiet():
                return self._engine.step()
        except Exception as error:  # whatever ends a step ends the engine
            raise self._died(error) from error

    def _add(self, state: _Waiting, waiting: dict[str, _Waiting]) -> Failure | None:
        """Hand one request to the engine; a Failure where it refuses this one."""
        one = state.prepared
        try:
            for part, params in self._parts(one):
                id = f"evalkit-{next(self._ids)}"
                self._engine.add_request(id, {"prompt_token_ids": list(part.ids)}, params, lora_request=state.lora)
                waiting[id] = state
                state.open.add(id)
                state.parts[id] = part
        except Exception as error:
            if _is_dead(error):
                raise self._died(error) from error
            self._forget(state, waiting)
            return Failure(
                where=one.request.model,
                kind="refused",
                message=f"the engine refused the request: {error}",
                hint="check the model file's `engine` and the task's `sampling`",
            )
        return None

    def _forget(self, state: _Waiting, waiting: dict[str, _Waiting]) -> None:
        if state.open:
            self._engine.abort_request(list(state.open))
        for id in state.open:
            waiting.pop(id, None)

    def _parts(self, one: Prepared) -> Iterator[tuple[Part, Any]]:
        """The engine requests that this one needs, with their SamplingParams.

        Last tokens are read from one distribution; earlier tokens of an option or span are scored as part of the prompt.
        """
        assert one.token_ids is not None
        if not one.request.is_scored:
            yield Part(one.token_ids, len(one.token_ids), ()), self._sampling(one)
            return
        for part in parts_of(one, block=self._block):
            for start in range(0, len(part.lasts), _MAX_NAMED_TOKENS):
                some = replace(part, lasts=part.lasts[start : start + _MAX_NAMED_TOKENS])
                yield some, _scoring(some)

    @property
    def _block(self) -> int | None:
        """Tokens of a block of the prefix cache, None where there is none."""
        cache = self._engine.vllm_config.cache_config
        return int(cache.block_size) if cache.enable_prefix_caching and cache.block_size else None

    def _sampling(self, one: Prepared) -> Any:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

        asked, constraint = one.request.sampling, one.request.constraint
        structured = None
        if constraint and constraint.choice:
            structured = StructuredOutputsParams(choice=list(constraint.choice))
        elif constraint and constraint.json_schema:
            structured = StructuredOutputsParams(json=constraint.json_schema)
        return SamplingParams(
            n=1,
            temperature=asked.temperature,
            top_p=asked.top_p,
            top_k=asked.top_k,
            min_p=asked.min_p,
            seed=asked.seed if asked.temperature > 0 else None,
            max_tokens=asked.max_tokens,
            stop=list(asked.stop),
            stop_token_ids=self._stop_token_ids,
            repetition_penalty=asked.repetition_penalty,
            presence_penalty=asked.presence_penalty,
            frequency_penalty=asked.frequency_penalty,
            structured_outputs=structured,
            skip_special_tokens=True,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )

    # --- reading ---

    def _land(self, outputs: list[Any], waiting: dict[str, _Waiting]) -> Iterator[tuple[Prepared, Completion]]:
        for output in outputs:
            state = waiting.get(output.request_id)
            if state is None or not output.finished:
                continue
            self._time(output.metrics)
            del waiting[output.request_id]
            state.open.discard(output.request_id)
            if output.outputs[0].finish_reason not in _ANSWERED and state.tries < _TRIES:
                # The engine lives and gave up this one alone: a grammar that did not compile in its own thread, say.
                self._forget(state, waiting)
                again = _Waiting(state.prepared, Tally(state.prepared), state.lora, state.tries + 1)
                if failure := self._add(again, waiting):
                    yield state.prepared, Completion("", finish_reason="error", failure=failure)
                continue
            if not state.prepared.request.is_scored:
                yield state.prepared, _completion(state.prepared, output)
                continue
            part = state.parts[output.request_id]
            if _is_cut_short(part, output):
                self._put_whole(state, part, waiting)
                continue
            _read_part(state.tally, part, output)
            if not state.open:
                yield state.prepared, state.tally.completion()

    def _time(self, metrics: Any) -> None:
        """Add up one request's time in the engine; an engine without statistics says nothing."""
        if metrics is None or not metrics.first_token_ts:
            return
        self._prefill_s += max(0.0, metrics.first_token_ts - metrics.scheduled_ts)
        self._decode_s += max(0.0, metrics.last_token_ts - metrics.first_token_ts)

    def _put_whole(self, state: _Waiting, part: Part, waiting: dict[str, _Waiting]) -> None:
        """Ask a part again without the prefix cache."""
        id = f"evalkit-{next(self._ids)}"
        whole = replace(part, shares=False)
        try:
            self._engine.add_request(
                id, {"prompt_token_ids": list(whole.ids)}, _scoring(whole), lora_request=state.lora
            )
        except Exception as error:  # it was taken before: the engine is dead
            raise self._died(error) from error
        waiting[id] = state
        state.open.add(id)
        state.parts[id] = whole

    # --- errors ---

    def _start_error(self, error: Exception, weights: Path, where: str) -> EngineError | InputError:
        if unknown := unknown_option(error):
            return InputError(f"{where}: engine: this vLLM has no option {unknown!r}; they are those of `vllm.LLM`")
        if isinstance(error, ValidationError):  # vLLM's own check of its options
            first = error.errors()[0]
            option = ".".join(map(str, first["loc"][:1]))
            return InputError(f"{where}: engine: {option + ': ' if option else ''}{first['msg'][:300]}")
        kind, hint = self._judge(error)
        if kind == "engine_died":
            kind, hint = "start_failed", hint or "check the model file's `engine` options against this vLLM version"
        return EngineError(f"vLLM could not load {weights}: {first_lines(error)}", kind=kind, hint=hint)

    def _died(self, error: Exception) -> EngineError:
        kind, hint = self._judge(error)
        return EngineError(f"vLLM died while generating: {first_lines(error)}", kind=kind, hint=hint)

    def _judge(self, error: BaseException) -> tuple[str, str]:
        """(kind, hint) for an error of the engine."""
        if is_out_of_memory(error):
            return "out_of_memory", _CPU_MEMORY_HINT if self._cpu else _MEMORY_HINT
        if "engine core initialization failed" in str(error).casefold():
            return "engine_died", f"vLLM's own error is printed above; if it is about memory, {_MEMORY_HINT}"
        return "engine_died", ""


def release() -> None:
    """Destroy process groups and return cached memory, after an engine ended or failed to start."""
    with quiet():
        gc.collect()
        try:
            from vllm.distributed.parallel_state import cleanup_dist_env_and_memory
        except ImportError:
            return
        cleanup_dist_env_and_memory()


def _is_dead(error: BaseException) -> bool:
    return type(error).__name__ in ("EngineDeadError", "EngineGenerateError") or isinstance(
        error, OSError | MemoryError
    )


def _completion(prepared: Prepared, output: Any) -> Completion:
    one = output.outputs[0]
    usage = Usage(prompt_tokens=len(prepared.token_ids or ()), completion_tokens=len(one.token_ids))
    if one.finish_reason not in _ANSWERED:
        failure = Failure(prepared.request.model, "aborted", f"the engine gave up: {one.finish_reason}", retryable=True)
        return Completion(one.text, finish_reason="error", usage=usage, failure=failure)
    kept = tuple(one.token_ids) if prepared.request.keep_tokens else None
    return Completion(one.text, finish_reason=one.finish_reason, usage=usage, token_ids=kept)


def _scoring(part: Part) -> Any:
    """SamplingParams that answer one part of a scored request."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    return SamplingParams(
        temperature=0.0,
        max_tokens=1,
        logprob_token_ids=sorted({last for _, last in part.lasts}),
        prompt_logprobs=0 if part.scored else None,
        # vLLM does not read the prefix cache where it is to score a prompt, since rows of what it finds there are missing.
        skip_reading_prefix_cache=False if part.scored and part.shares else None,
        flat_logprobs=True,  # no object for each token of the prompt
        detokenize=False,
        output_kind=RequestOutputKind.FINAL_ONLY,
    )


def _is_cut_short(part: Part, output: Any) -> bool:
    """Whether the prefix cache held tokens that were to be scored, so that their rows are missing.

    It does where options begin alike for longer than a block, or where the same was asked before.
    """
    return bool(part.scored) and (output.num_cached_tokens or 0) >= part.first


def _read_part(tally: Tally, part: Part, output: Any) -> None:
    """Add up the log-probabilities that one part answers; a token of rank 1 was the likeliest where it stands."""
    first = output.outputs[0]
    named = first.logprobs[0]
    before, greedy = 0.0, True
    # The last rows are those of the last tokens, with and without rows for what the prefix cache held.
    rows = output.prompt_logprobs[-len(part.scored) :] if part.scored else ()
    for token, row in zip(part.scored, rows, strict=True):
        before += row[token].logprob
        greedy = greedy and row[token].rank == 1
    for place, last in part.lasts:
        logprob = before + named[last].logprob if last in named else math.nan
        tally.add(place, logprob, greedy=greedy and first.token_ids[0] == last, tokens=len(part.scored) + 1)
