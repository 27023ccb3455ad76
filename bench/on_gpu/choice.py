"""Four options from one next-token distribution, as evalkit reads them, against `prompt_logprobs` over each option.

The second is how lm-evaluation-harness asks vLLM: one request an option, the option's tokens scored as prompt.
Both on one engine, Llama-8B-shaped; prefill decides, so the engine runs eagerly and loads fast.
"""

from __future__ import annotations

import time
from typing import Any

from bench.on_gpu import engines, workload
from bench.on_gpu.setup import Setup, each


def measure(setup: Setup) -> None:
    model = workload.spec(setup, "base", "big")
    backend = engines.backend_of(setup, {"base": model})
    requests = workload.requests(workload.choice_suite(setup, setup.sizes.questions), {"base": model})
    count = setup.sizes.slow_questions
    engines.prepared_of(backend, requests[:1])  # reads the tokenizer
    began = time.monotonic()
    prepared = engines.prepared_of(backend, requests[: 8 * count])
    render_s = (time.monotonic() - began) / len(prepared)
    read = sum(len(one.token_ids or ()) for one in prepared) / len(prepared)
    single = sum(all(len(ids) == 1 for ids in one.option_ids) for one in prepared)
    setup.emit("questions", len(requests), "", f"{read:.0f} prompt tokens each; options of one token: {single}")
    setup.emit("rendering", 1000 * render_s, "ms a question", "in completion format, by one thread")
    with engines.loaded(setup, engines.local_of(setup, model), {"enforce_eager": True}) as (engine, seconds):
        setup.emit("engine loaded in", seconds, "s", "eager")
        setup.attempt("weights spread", lambda: engines.spread_weights(engine))
        few = prepared[:count]
        _ours(engine, few[: max(2, len(few) // 8)])  # warm-up
        _theirs(engine, few[: max(2, len(few) // 8)])
        engines.forget(engine)
        ours_s, ours = _ours(engine, few)
        engines.forget(engine)
        theirs_s, theirs = _theirs(engine, few)
        setup.emit("one distribution", count / ours_s, "questions/s", f"{count} in {ours_s:.2f} s")
        setup.emit("prompt_logprobs an option", count / theirs_s, "questions/s", f"{count} in {theirs_s:.2f} s")
        setup.emit("times faster", theirs_s / ours_s, "x", "the same questions on the same engine")
        _agree(setup, ours, theirs)
        if setup.has(3 * len(prepared) / count * ours_s, "against the bare engine"):
            each_s = render_s + _against_bare(setup, engine, prepared)
            if setup.has(1.2 * len(requests) * each_s, f"all {len(requests)} questions"):
                prepared += engines.prepared_of(backend, requests[len(prepared) :])
                _against_bare(setup, engine, prepared)


def _ours(engine: Any, prepared: Any) -> tuple[float, list[tuple[float, ...]]]:
    began = time.monotonic()
    found = {id(one): completion for one, completion in engine.stream(prepared)}
    seconds = time.monotonic() - began
    return seconds, [found[id(one)].logprobs for one in prepared]


def _theirs(engine: Any, prepared: Any) -> tuple[float, list[tuple[float, ...]]]:
    from vllm import SamplingParams

    params = SamplingParams(temperature=0.0, max_tokens=1, prompt_logprobs=1, detokenize=False)
    whole = [(one.token_ids + ids, len(one.token_ids)) for one in prepared for ids in one.option_ids]
    prompts = [{"prompt_token_ids": list(ids)} for ids, _ in whole]
    began = time.monotonic()
    outputs = engine._llm.generate(prompts, params, use_tqdm=False)
    sums = [
        sum(output.prompt_logprobs[place][ids[place]].logprob for place in range(start, len(ids)))
        for (ids, start), output in zip(whole, outputs, strict=True)
    ]
    seconds = time.monotonic() - began
    rows: list[tuple[float, ...]] = []
    for one in prepared:
        rows.append(tuple(sums[: len(one.option_ids)]))
        sums = sums[len(one.option_ids) :]
    return seconds, rows


def _agree(setup: Setup, ours: list[tuple[float, ...]], theirs: list[tuple[float, ...]]) -> None:
    same = sum(_best(a) == _best(b) for a, b in zip(ours, theirs, strict=True))
    gaps = sorted(abs(x - y) for a, b in zip(ours, theirs, strict=True) for x, y in zip(a, b, strict=True))
    close = sum(gap <= 1e-3 for gap in gaps) / len(gaps)
    note = (
        f"log-probabilities within 1e-3: {close:.1%}; median difference {gaps[len(gaps) // 2]:.2g}, most {gaps[-1]:.2g}"
    )
    setup.emit("same choice", same / len(ours), "of questions", note)


def _best(row: tuple[float, ...]) -> int:
    return max(range(len(row)), key=lambda place: row[place])


def _against_bare(setup: Setup, engine: Any, prepared: Any) -> float:
    """The same token ids through evalkit's loop and through `LLM.generate`, as one list each; seconds a question."""
    engines.forget(engine)
    ours_s, _ = _ours(engine, prepared)
    setup.emit(
        f"all {len(prepared)} questions", len(prepared) / ours_s, "questions/s", f"{ours_s:.1f} s, evalkit's loop"
    )
    engines.forget(engine)
    bare_s, _ = engines.bare(engine, prepared)
    setup.emit(f"bare, {len(prepared)} questions", len(prepared) / bare_s, "questions/s", f"{bare_s:.1f} s, one list")
    setup.emit("evalkit's loop over LLM.generate", ours_s / bare_s, "x", f"{len(prepared)}: {each([ours_s, bare_s])} s")
    return (ours_s + bare_s) / len(prepared)
