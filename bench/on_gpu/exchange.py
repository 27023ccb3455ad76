"""Is exchanging weights in place worth it? A second engine, with graphs and eager, against new weights in a loaded one.

Llama-1B-shaped, two sets of weights on disk. What the exchange left behind is checked against a fresh engine on the
second set, by next-token log-probabilities.
"""

from __future__ import annotations

import time
from typing import Any

from bench.on_gpu import engines, workload
from bench.on_gpu.models import sentences
from bench.on_gpu.setup import Setup


def measure(setup: Setup) -> None:
    local = engines.local_of(setup, workload.spec(setup, "base", "small"))
    other = setup.work / "other"
    exchanged: dict[str, list[list[float]]] = {}
    with engines.loaded(setup, local) as (engine, seconds):
        setup.emit("first engine, as loaded by default", seconds, "s", _free())
        first = _fingerprint(engine, local)
        for name, exchange in (("reload_weights", _reload), ("load_weights on the model", _load_weights)):
            rows = setup.attempt(name, lambda name=name, way=exchange: _exchanged(setup, engine, local, name, way))
            if rows:
                exchanged[name] = rows
    if not setup.has(25, "second engine"):
        return
    with engines.loaded(setup, local, weights=other) as (engine, seconds):
        setup.emit("second engine, as loaded by default", seconds, "s", _free())
        fresh = _fingerprint(engine, local)
    for name, rows in exchanged.items():
        note = f"the first engine differed by {_distance(first, fresh):.2g}"
        setup.emit(f"{name}: off a fresh engine by", _distance(rows, fresh), "nats at most", note)
    if setup.has(20, "second engine, eager"):
        with engines.loaded(setup, local, {"enforce_eager": True}, weights=other) as (engine, seconds):
            setup.emit("second engine, eager", seconds, "s", _free())
    if setup.has(25, "sleep and reload"):
        setup.attempt("sleep and reload", lambda: _asleep(setup, local, fresh))


def _fingerprint(engine: Any, local: Any) -> list[list[float]]:
    tokenizer = local.tokenizer
    prompts = [tuple(tokenizer.encode(text)) for text in sentences(8, 60, seed=21)]
    named = list(range(0, tokenizer.vocab_size, max(1, tokenizer.vocab_size // 64)))[:64]
    engines.forget(engine)
    return engine.next_token_logprobs([(one, None) for one in prompts], [named] * len(prompts))


def _distance(one: list[list[float]], other: list[list[float]]) -> float:
    return max(abs(a - b) for x, y in zip(one, other, strict=True) for a, b in zip(x, y, strict=True))


def _exchanged(setup: Setup, engine: Any, local: Any, name: str, way: Any) -> list[list[float]]:
    """Forth, back and forth again: the first time pays for reading the file; the middle of the three is reported."""
    seconds: list[float] = []
    for folder in (setup.work / "other", local.folder, setup.work / "other"):
        began = time.monotonic()
        way(engine, str(folder))
        seconds.append(time.monotonic() - began)
    setup.emit(f"{name}, in place", sorted(seconds)[1], "s", ", ".join(f"{one:.2f}" for one in seconds))
    return _fingerprint(engine, local)


def _reload(engine: Any, folder: str) -> None:
    engine._llm.collective_rpc("reload_weights", kwargs={"weights_path": folder})


def _load_weights(engine: Any, folder: str) -> None:
    import functools

    engine._llm.apply_model(functools.partial(_into, folder))


def _into(folder: str, model: Any) -> None:
    from safetensors.torch import load_file

    model.load_weights(iter(load_file(f"{folder}/model.safetensors").items()))


def _asleep(setup: Setup, local: Any, fresh: list[list[float]]) -> None:
    """Level 2 gives the weights' and the cache's memory back: what two models too large for one device need."""
    options = {"enforce_eager": True, "enable_sleep_mode": True}
    with engines.loaded(setup, local, options) as (engine, seconds):
        setup.emit("engine that can sleep, eager", seconds, "s", _free())
        began = time.monotonic()
        engine._llm.sleep(level=2)
        slept = time.monotonic() - began
        note = _free()
        began = time.monotonic()
        engine._llm.wake_up(tags=["weights"])
        _reload(engine, str(setup.work / "other"))
        engine._llm.wake_up(tags=["kv_cache"])
        setup.emit("sleep, level 2", slept, "s", note)
        setup.emit("wake up with other weights", time.monotonic() - began, "s", _free())
        off = _distance(_fingerprint(engine, local), fresh)
        setup.emit("after sleep: off a fresh engine by", off, "nats at most")


def _free() -> str:
    free = engines.free_memory()
    return "" if free is None else f"{free:.1f} GiB free"
