"""The command line and environment of vLLM's API server, from a model file's `engine:` options. Pure."""

from __future__ import annotations

import importlib.metadata
import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from evalkit.backends.server_process import HOST

SERVER_KEY = "VLLM_API_KEY"
"""Where vLLM reads the key that clients must show; in the environment no process list tells it."""


def program() -> list[str]:
    """How the installed vLLM's server is run; the model follows."""
    try:
        importlib.metadata.version("vllm")
    except importlib.metadata.PackageNotFoundError:
        # The CPU build goes by another name, which the command line `vllm` does not know.
        return [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model"]
    return [sys.executable, "-m", "vllm.entrypoints.cli.main", "serve"]


def flags(options: Mapping[str, Any]) -> list[str]:
    """`engine:` options as command-line flags: `max_model_len: 4096` is `--max-model-len 4096`.

    true and false are a flag and its `--no-` form, a mapping is JSON, a list several values; null is left out.
    """
    found: list[str] = []
    for name, value in options.items():
        flag = name.replace("_", "-")
        if value is None:
            continue
        if isinstance(value, bool):
            found.append(f"--{flag}" if value else f"--no-{flag}")
        elif isinstance(value, Mapping):
            found += [f"--{flag}", json.dumps(dict(value))]
        elif isinstance(value, list | tuple):
            found += [f"--{flag}", *(json.dumps(one) if isinstance(one, Mapping) else str(one) for one in value)]
        else:
            found += [f"--{flag}", str(value)]
    return found


def command(
    weights: Path, tokenizer: Path, name: str, adapters: Mapping[str, Path], options: Mapping[str, Any]
) -> Callable[[int], list[str]]:
    """The command line for a port: `weights` served as `name`, each of `adapters` under its own name beside it."""
    modules = [f"{one}={folder}" for one, folder in adapters.items()]
    given = {"tokenizer": tokenizer, "served_model_name": name, "host": HOST, **options}
    start = [*program(), str(weights), *flags(given), *(["--lora-modules", *modules] if modules else [])]
    return lambda port: [*start, "--port", str(port)]


def environment(api_key: str) -> dict[str, str]:
    """The environment of this process with the key added. What the server says goes to a file, so it may say more."""
    found = dict(os.environ)
    found[SERVER_KEY] = api_key
    if found.get("VLLM_LOGGING_LEVEL", "ERROR") == "ERROR":
        found["VLLM_LOGGING_LEVEL"] = "INFO"
    return found
