"""A whole comparison against the bare engine: the same token ids and settings through `LLM.generate`, as one list.

    python bench/against_engine.py [--prompts 500,2000] [--new-tokens 32] [--repeats 2] [--cached 2000] [--out FOLDER]

One warm engine in this process answers all of it. base and tuned are the same weights, tuned with a system text, so
that one engine serves both; `--prompts N` is N engine requests, half of them for each. Both sides go in the order A B B A
(again for each further pair of repeats) with an empty prefix cache and an empty journal each time. evalkit's side is
`run_comparison` from its files to the decision, and then the report. Neither side's time holds imports or loading.

Then a comparison of `--cached` items, which was answered before, is run again: all of it comes from the journal.
`--prompts 40 --cached 60` is a quick look; the full size takes an hour on two cores.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.machine import load_note, machine  # noqa: E402
from bench.on_gpu import engines, workload  # noqa: E402
from bench.on_gpu.setup import FULL, Setup, each, median  # noqa: E402

if TYPE_CHECKING:
    from evalkit.config import ModelSpec
    from evalkit.run import Run
    from evalkit.types import Prepared

MODEL = ROOT / "examples" / "models" / "SmolLM2-135M-Instruct"
TARGET = 1.10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path(os.environ.get("EVALKIT_TEST_MODEL") or MODEL))
    parser.add_argument("--prompts", type=_numbers, default=[500, 2000], help="engine requests, both models together")
    parser.add_argument("--new-tokens", type=int, default=32)
    parser.add_argument("--cached", type=int, default=2000, help="items of the run from the journal; 0: leave it out")
    parser.add_argument("--dtype", default="float32", help="default: float32, evalkit's on a CPU")
    parser.add_argument("--repeats", type=int, default=4, help="of each side; an even number is A B B A")
    parser.add_argument("--out", type=Path, default=Path("against-engine"), help="for what was found, line by line")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))  # the table is printed all the same
    print(machine(), load_note(), sep="\n", flush=True)
    given.out.mkdir(parents=True, exist_ok=True)
    rows = given.out / "against_engine.jsonl"
    rows.write_text("", "utf-8")
    with tempfile.TemporaryDirectory() as work:
        setup = Setup("engine", Path(work), rows, False, FULL, math.inf)
        try:
            _measure(setup, given)
        finally:
            print("\n" + table(rows), flush=True)


def _numbers(text: str) -> list[int]:
    return [int(one) for one in text.split(",")]


def _measure(setup: Setup, given: argparse.Namespace) -> None:
    import evalkit.api  # noqa: F401 - its import is not part of a run
    from evalkit.backends.vllm import is_cpu_build
    from evalkit.backends.vllm_engine import settle_environment

    settle_environment(cpu=is_cpu_build())
    models = _models(given)
    setup.emit("machine", machine(), "", load_note())
    setup.emit("settings", f"{given.dtype}, {given.new_tokens} new tokens at most, {given.repeats} repeats a side")
    with engines.loaded(setup, engines.local_of(setup, models["base"])) as (engine, seconds):
        setup.emit("engine loaded in", seconds, "s", "not part of what follows")
        with engines.lent(engine):
            setup.attempt("warm-up", lambda: _compared(setup, models, _suite(setup, 8, 4)))
            for prompts in given.prompts:
                setup.attempt(
                    f"{prompts} prompts", lambda prompts=prompts: _sides(setup, engine, models, prompts, given)
                )
            if given.cached:
                setup.attempt("from the journal", lambda: _cached(setup, models, given.cached))


def _models(given: argparse.Namespace) -> dict[str, ModelSpec]:
    from evalkit.config import ModelSpec
    from evalkit.yamlfile import validate

    shared = {
        "backend": "vllm",
        "model": str(given.model.resolve()),
        "format": "completion",
        "engine": {"dtype": given.dtype, "max_model_len": 1024, "seed": 0},
    }
    system = {"system": "You are a careful assistant."}
    return {
        "base": validate(ModelSpec, {"name": "base", **shared}),
        "tuned": validate(ModelSpec, {"name": "tuned", **shared, **system}),
    }


def _suite(setup: Setup, items: int, new_tokens: int) -> Path:
    return workload.generate_suite(setup, items, new_tokens)


def _sides(setup: Setup, engine: Any, models: Mapping[str, ModelSpec], prompts: int, given: argparse.Namespace) -> None:
    """`LLM.generate` and a whole comparison, in turn."""
    suite = _suite(setup, max(1, prompts // len(models)), given.new_tokens)
    backend = engines.backend_of(setup, models)
    prepared = engines.prepared_of(backend, workload.requests(suite, models))
    read = sum(len(one.token_ids or ()) for one in prepared)
    name = f"{len(prepared)} prompts"
    setup.emit(f"{name}: what is asked", read / len(prepared), "prompt tokens each")
    seconds: dict[str, list[float]] = {"bare": [], "compare": [], "with report": []}
    for repeat in range(given.repeats):
        for side in ("bare", "compare") if repeat % 2 == 0 else ("compare", "bare"):
            engines.forget(engine)
            found = setup.attempt(
                f"{name}: {side}", lambda side=side: _one(setup, side, engine, models, suite, prepared)
            )
            for key, value in (found or {}).items():
                seconds[key].append(value)
                setup.emit(f"{name}: {key}, repeat {repeat + 1}", value, "s")
    if not seconds["bare"]:
        return
    for key, label in (("bare", "LLM.generate"), ("compare", "evalkit"), ("with report", "evalkit, with report")):
        if seconds[key]:
            ratio = median(seconds[key]) / median(seconds["bare"])
            note = f"{each(seconds[key])}; {ratio:.2f} of LLM.generate" + (
                f" (target {TARGET:.2f})" if key == "compare" else ""
            )
            setup.emit(f"{name}: median, {label}", median(seconds[key]), "s", note)


def _one(
    setup: Setup,
    side: str,
    engine: Any,
    models: Mapping[str, ModelSpec],
    suite: Path,
    prepared: list[Prepared],
) -> dict[str, float]:
    if side == "bare":
        took, outputs = engines.bare(engine, prepared)
        setup.emit("bare wrote", engines.new_tokens(outputs), "tokens")
        return {"bare": took}
    return _compared(setup, models, suite)


def _compared(setup: Setup, models: Mapping[str, ModelSpec], suite: Path) -> dict[str, float]:
    """Seconds of a comparison with an empty journal, and of it with its report."""
    with _journal() as folder:
        began = time.monotonic()
        run = _run(models, suite)
        seconds = time.monotonic() - began
        phases = ", ".join(f"{one.name} {one.seconds:.2f}" for one in run.manifest.phases if one.seconds >= 0.01)
        tokens = sum(one.completion_tokens for one in run.manifest.phases)
        setup.emit("compare wrote", tokens, "tokens", f"{phases} s")
        found = {"compare": seconds}
        written = setup.attempt("report", lambda: run.write(folder / "out"))
        if written:
            found["with report"] = time.monotonic() - began
        return found


def _cached(setup: Setup, models: Mapping[str, ModelSpec], items: int) -> None:
    """A comparison that was answered before, from its files to its report."""
    suite = _suite(setup, items, 2)
    with _journal() as folder:
        began = time.monotonic()
        _run(models, suite)
        setup.emit(f"{items} items: asked", time.monotonic() - began, "s", "2 new tokens each, both models")
        for repeat in range(3):
            began = time.monotonic()
            run = _run(models, suite)
            seconds = time.monotonic() - began
            asked = sum(one.requests - one.cached for one in run.manifest.phases if "preparing" in one.name)
            note = f"repeat {repeat + 1}; {asked} requests reached the engine" if asked else f"repeat {repeat + 1}"
            setup.emit(f"{items} items: from the journal", seconds, "s", note)
            began = time.monotonic()
            setup.attempt("report", lambda run=run: run.write(folder / "out"))
            setup.emit(f"{items} items: report", time.monotonic() - began, "s", f"repeat {repeat + 1}")


def _run(models: Mapping[str, ModelSpec], suite: Path) -> Run:
    from evalkit.api import run_comparison
    from evalkit.config import PolicySpec

    return run_comparison(
        models["base"], models["tuned"], suites=[str(suite)], judge="none", policy=PolicySpec(), probes=False
    )


@contextlib.contextmanager
def _journal() -> Iterator[Path]:
    """A folder for the journal and the rest that a run keeps, gone afterwards."""
    before = os.environ.get("EVALKIT_CACHE")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EVALKIT_CACHE"] = folder
        try:
            yield Path(folder)
        finally:
            os.environ.pop("EVALKIT_CACHE")
            if before is not None:
                os.environ["EVALKIT_CACHE"] = before


def table(rows: Path) -> str:
    """What was found, one a line."""
    from bench.on_gpu.setup import shown

    return "\n".join(shown(json.loads(line)) for line in rows.read_text("utf-8").splitlines() if line)


if __name__ == "__main__":
    try:
        main()
    except Exception:  # the table is printed already; why it is short stands below it
        traceback.print_exc()
        sys.exit(1)
