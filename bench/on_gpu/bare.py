"""evalkit against the bare engine: the same token ids and settings through `LLM.generate`, a whole comparison, `serve`.

All three answer 2 x prompts requests (base and tuned are the same weights, tuned with a system text, so one engine
serves both) on one warm engine whose prefix cache is emptied in between; the first two in turn, A B B A A B.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.on_gpu import engines, workload
from bench.on_gpu.setup import Setup, each, median


def measure(setup: Setup) -> None:
    sizes = setup.sizes
    models = {
        "base": workload.spec(setup, "base", "big"),
        "tuned": workload.spec(setup, "tuned", "big", system="You are a careful assistant."),
    }
    suite = workload.generate_suite(setup, sizes.prompts, sizes.new_tokens)
    requests = workload.requests(suite, models)
    backend = engines.backend_of(setup, models)
    prepared = engines.prepared_of(backend, requests)
    read = sum(len(one.token_ids or ()) for one in prepared)
    setup.emit("requests", len(prepared), "", f"{read / len(prepared):.0f} prompt tokens each, {sizes.new_tokens} new")
    with engines.loaded(setup, engines.local_of(setup, models["base"])) as (engine, seconds):
        setup.emit("engine loaded in", seconds, "s", "Llama-8B-shaped, dummy weights; compiling and graphs included")
        setup.emit("vLLM's settings", _settings(engine))
        setup.attempt("weights spread", lambda: engines.spread_weights(engine))
        with engines.lent(engine):
            warm_s, _ = engines.bare(engine, prepared[: max(2, len(prepared) // 4)])
            setup.emit("warm-up", warm_s, "s", "a quarter of the requests")
            setup.attempt("warm-up, compare", lambda: _compared(setup, models, suite, limit=2))  # its imports
            _alternate(setup, engine, models, suite, prepared)


def _settings(engine: Any) -> str:
    config = engine._engine.vllm_config
    return (
        f"max_num_seqs {config.scheduler_config.max_num_seqs}, "
        f"max_num_batched_tokens {config.scheduler_config.max_num_batched_tokens}, "
        f"async {getattr(config.scheduler_config, 'async_scheduling', None)}, "
        f"V2 runner {getattr(config, 'use_v2_model_runner', None)}, "
        f"own process {os.environ.get('VLLM_ENABLE_V1_MULTIPROCESSING', '1')}"
    )


def _alternate(setup: Setup, engine: Any, models: Any, suite: Path, prepared: Any) -> None:
    """Bare and compare in turn, A B, B A, A B; what `serve` alone takes comes last, where there is time."""
    rates: dict[str, list[float]] = {"bare": [], "compare": [], "serve": []}
    sides: dict[str, Callable[[], tuple[float, int]]] = {
        "bare": lambda: _bare(engine, prepared),
        "compare": lambda: _compared(setup, models, suite, more=not rates["compare"]),
        "serve": lambda: _served(setup, models, [one.request for one in prepared]),
    }
    pair = ["bare", "compare"]
    turns = [name for repeat in range(setup.sizes.repeats) for name in (pair if repeat % 2 == 0 else pair[::-1])]
    slowest = 0.0
    for name in [*turns, "serve"]:
        label = f"{name}, repeat {len(rates[name]) + 1}"
        if not setup.has(slowest + 3, label):
            continue
        engines.forget(engine)
        found = setup.attempt(name, sides[name])
        if found:
            seconds, tokens = found
            slowest = max(slowest, seconds)
            rates[name].append(tokens / seconds)
            setup.emit(label, tokens / seconds, "tokens/s", f"{tokens} in {seconds:.2f} s")
    for name, label in (("bare", "LLM.generate"), ("serve", "evalkit serve"), ("compare", "evalkit compare")):
        if rates[name]:
            setup.emit(f"median, {label}", median(rates[name]), "tokens/s", each(rates[name], 0))
            if rates["bare"]:
                note = "wall time as a multiple of LLM.generate's"
                setup.emit(f"ratio, {label}", median(rates["bare"]) / median(rates[name]), "x", note)


def _bare(engine: Any, prepared: Any) -> tuple[float, int]:
    seconds, outputs = engines.bare(engine, prepared)
    return seconds, engines.new_tokens(outputs)


def _served(setup: Setup, models: Any, requests: Any) -> tuple[float, int]:
    """Rendering, journal and hand-over included; nothing scored."""
    from evalkit.running.serve import serve
    from evalkit.types import Silent

    backend = engines.backend_of(setup, models)
    for name in models:
        backend.record(name)  # reads the tokenizer, as opening a run does
    landed: list[int] = []
    with engines.fresh_journal() as journal:
        began = time.monotonic()
        phases = serve(
            backend,
            requests,
            journal,
            lambda _, completion, __: landed.append(completion.usage.completion_tokens),
            Silent(),
            name="base + tuned",
        )
        seconds = time.monotonic() - began
    assert len(landed) == len(requests)
    setup.emit("serve's phases", ", ".join(f"{one.name.split(': ')[-1]} {one.seconds:.2f} s" for one in phases))
    return seconds, sum(landed)


def _compared(
    setup: Setup, models: Any, suite: Path, *, more: bool = False, limit: int | None = None
) -> tuple[float, int]:
    """A whole comparison from files to decision; more: again from its journal, and the report where it can be written."""
    from evalkit.api import run_comparison
    from evalkit.config import PolicySpec

    with tempfile.TemporaryDirectory() as folder:
        os.environ["EVALKIT_CACHE"] = folder
        asked = {"suites": [str(suite)], "judge": "none", "policy": PolicySpec(), "probes": False, "limit": limit}
        began = time.monotonic()
        run = run_comparison(models["base"], models["tuned"], **asked)
        seconds = time.monotonic() - began
        answered = [phase for phase in run.manifest.phases if phase.name.endswith("generating")]
        tokens = sum(phase.completion_tokens for phase in answered)  # prefill and decode are its parts
        note = ", ".join(f"{one.name.split(': ')[-1]} {one.seconds:.2f} s" for one in run.manifest.phases)
        if limit is None:
            setup.emit("compare's phases", f"{seconds:.2f} s", "", note)
        if not more:
            return seconds, tokens
        began = time.monotonic()
        run_comparison(models["base"], models["tuned"], **asked)
        setup.emit("compare again, all from the journal", time.monotonic() - began, "s")
        began = time.monotonic()
        if setup.attempt("report (needs altair and vl-convert)", lambda: run.write(Path(folder) / "out")):
            setup.emit("report written in", time.monotonic() - began, "s")
    return seconds, tokens
