"""Base and adapter in one engine: are they kept apart, and what is it worth?

The proof, with one slot and with two: evalkit's own canaries, then greedy texts and next-token log-probabilities of the
base alone, in another batch of base requests (the noise floor of bfloat16), and among adapter requests.
Then the time of one engine with both interleaved against two engines one after the other, base and a merged copy.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from typing import Any

from bench.on_gpu import engines, workload
from bench.on_gpu.models import sentences
from bench.on_gpu.setup import Setup

_NEW = 32


def measure(setup: Setup) -> None:
    for slots in (2, 1):
        if slots == 2 or setup.has(40, f"{slots} slot(s)"):
            setup.attempt(f"{slots} slot(s)", lambda slots=slots: _proof(setup, slots))
    if setup.has(45, "two engines one after the other"):
        setup.attempt("two engines one after the other", lambda: _two_engines(setup))


def exact(setup: Setup) -> None:
    """The proof alone, to be run with VLLM_BATCH_INVARIANT=1: is what is left more than batch noise?"""
    for slots in (2, 1):
        setup.attempt(f"{slots} slot(s)", lambda slots=slots: _proof(setup, slots, timed=False))


def _models(setup: Setup, slots: int) -> dict[str, Any]:
    options = {**workload.engine_options(setup, "small"), "max_loras": slots, "max_lora_rank": 16}
    return {
        "base": workload.spec(setup, "base", "small", engine=options),
        "tuned": workload.spec(setup, "tuned", "small", engine=options, adapter=str(setup.work / "adapter")),
    }


def _proof(setup: Setup, slots: int, *, timed: bool = True) -> None:
    models = _models(setup, slots)
    backend = engines.backend_of(setup, models, serve_adapters=True)
    local = engines.local_of(setup, models["base"])
    options = dict(backend._options(local))
    graphs = timed and slots == 2  # only these are timed
    with engines.loaded(setup, local, {**options, "enforce_eager": not graphs}) as (engine, seconds):
        how = "compiled, with graphs" if graphs and not backend._cpu else "eager"
        setup.emit(f"slots {slots}: engine loaded in", seconds, "s", f"enable_lora, rank 16, {how}")
        fault = backend._fault(engine)
        setup.emit(
            f"slots {slots}: evalkit's canaries", fault or "kept apart", "", "" if fault is None else "merged then"
        )
        lora = backend._lora("tuned")
        _logprobs(setup, engine, slots, lora, local.tokenizer)
        _texts(setup, engine, slots, lora, local.tokenizer)
        if graphs:
            setup.attempt("one engine", lambda: _one_engine(setup, engine, backend, models, seconds))


def _logprobs(setup: Setup, engine: Any, slots: int, lora: Any, tokenizer: Any) -> None:
    texts = sentences(setup.sizes.canaries, 60, seed=11)
    prompts = [tuple(tokenizer.encode(text)) for text in texts]
    others = [tuple(tokenizer.encode(text)) for text in sentences(setup.sizes.canaries, 60, seed=12)]
    step = max(1, tokenizer.vocab_size // 64)
    named = list(range(0, tokenizer.vocab_size, step))[:64]

    def ask(mixture: Sequence[tuple[Any, Any]]) -> list[list[float]]:
        return engine.next_token_logprobs(mixture, [named] * len(mixture))

    alone = ask([(one, None) for one in prompts])
    again = ask([(one, None) for one in prompts])
    floor = ask([(one, None) for pair in zip(prompts, others, strict=True) for one in pair])[::2]
    among = ask([(one, who) for one in prompts for who in (None, lora)])
    tuned = ask([(one, lora) for one in prompts])
    for name, rows, against in (
        ("base asked again", again, alone),
        ("base among other base requests (floor)", floor, alone),
        ("base among adapter requests", among[::2], alone),
        ("adapter among base requests", among[1::2], tuned),
        ("adapter against base", tuned, alone),
    ):
        gaps = sorted(
            abs(a - b) for one, other in zip(rows, against, strict=True) for a, b in zip(one, other, strict=True)
        )
        close = sum(gap <= 1e-3 for gap in gaps) / len(gaps)
        note = f"median {gaps[len(gaps) // 2]:.2g}, most {gaps[-1]:.2g}; {len(gaps)} log-probabilities"
        setup.emit(f"slots {slots}, log-probabilities: {name}", close, "within 1e-3", note)


def _texts(setup: Setup, engine: Any, slots: int, lora: Any, tokenizer: Any) -> None:
    from vllm import SamplingParams

    count, new = setup.sizes.canaries, 4 if setup.tiny else _NEW
    prompts = [list(tokenizer.encode(text)) for text in sentences(count, 60, seed=13)]
    others = [list(tokenizer.encode(text)) for text in sentences(count, 60, seed=14)]
    params = SamplingParams(temperature=0.0, max_tokens=new, ignore_eos=True)

    def ask(mixture: Sequence[tuple[list[int], Any]]) -> list[tuple[int, ...]]:
        engines.forget(engine)
        outputs = engine._llm.generate(
            [{"prompt_token_ids": ids} for ids, _ in mixture],
            params,
            use_tqdm=False,
            lora_request=[who for _, who in mixture],
        )
        return [tuple(output.outputs[0].token_ids) for output in outputs]

    alone = ask([(one, None) for one in prompts])
    floor = ask([(one, None) for pair in zip(prompts, others, strict=True) for one in pair])[::2]
    among = ask([(one, who) for one in prompts for who in (None, lora)])
    tuned = ask([(one, lora) for one in prompts])
    for name, rows, against in (
        ("base among other base requests (floor)", floor, alone),
        ("base among adapter requests", among[::2], alone),
        ("adapter among base requests", among[1::2], tuned),
        ("adapter against base", tuned, alone),
    ):
        same = sum(a == b for a, b in zip(rows, against, strict=True)) / count
        first = sum(a[0] == b[0] for a, b in zip(rows, against, strict=True)) / count
        setup.emit(f"slots {slots}, texts: {name}", same, "equal", f"{count} of {new} tokens; first token {first:.1%}")


def _workload(setup: Setup, models: Any) -> Any:
    new = 4 if setup.tiny else setup.sizes.new_tokens
    return workload.requests(workload.generate_suite(setup, setup.sizes.lora_prompts, new), models)


def _answered(engine: Any, prepared: Any, lora_of: Any = lambda _: None) -> tuple[float, int]:
    engines.forget(engine)
    began = time.monotonic()
    tokens = sum(completion.usage.completion_tokens for _, completion in engine.stream(prepared, lora_of))
    return time.monotonic() - began, tokens


def _one_engine(setup: Setup, engine: Any, backend: Any, models: Any, load_s: float) -> None:
    prepared = engines.prepared_of(backend, _workload(setup, models))
    _answered(engine, prepared[: max(2, len(prepared) // 8)], backend._lora_of)  # warm-up
    seconds, tokens = _answered(engine, prepared, backend._lora_of)
    setup.emit("one engine, interleaved", tokens / seconds, "tokens/s", f"{tokens} in {seconds:.2f} s, both models")
    only = [one for one in prepared if one.request.model == "base"]
    base_s, base_tokens = _answered(engine, only)
    setup.emit("the same engine, base alone", base_tokens / base_s, "tokens/s", f"{base_tokens} in {base_s:.2f} s")
    setup.emit("one engine, loading included", load_s + seconds, "s")


def _two_engines(setup: Setup) -> None:
    models = _models(setup, 2)
    plain = {
        "base": workload.spec(setup, "base", "small"),
        "tuned": workload.spec(setup, "tuned", "small", adapter=models["tuned"].adapter),
    }
    backend = engines.backend_of(setup, plain)
    prepared = engines.prepared_of(backend, _workload(setup, plain))
    shutil.rmtree(setup.work / "cache" / "merged", ignore_errors=True)  # of a sitting before this one
    began = time.monotonic()
    merged = setup.attempt("merging the adapter", lambda: backend._weights_of("tuned", make=True))
    merge_s = time.monotonic() - began
    if merged:
        setup.emit("merging the adapter", merge_s, "s", "by peft, on the CPU in float32; once")
    total, rates = 0.0, []
    for name, weights in (("base", None), ("tuned", merged or setup.work / "other")):
        asked = [one for one in prepared if one.request.model == name]
        free = engines.free_memory()
        with engines.loaded(setup, engines.local_of(setup, plain["base"]), weights=weights) as (engine, load_s):
            _answered(engine, asked[: max(2, len(asked) // 8)])  # warm-up
            seconds, tokens = _answered(engine, asked)
        total += load_s + seconds
        rates.append((tokens, seconds))
        note = f"loaded in {load_s:.1f} s" + ("" if free is None else f" with {free:.1f} GiB free")
        setup.emit(f"two engines: {name}", tokens / seconds, "tokens/s", note)
    tokens, seconds = sum(one for one, _ in rates), sum(one for _, one in rates)
    setup.emit("two engines, both models", tokens / seconds, "tokens/s", f"{tokens} in {seconds:.2f} s")
    setup.emit("two engines, loading included", total, "s", "without merging")
    if merged:
        shutil.rmtree(merged, ignore_errors=True)
