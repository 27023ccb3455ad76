"""A model file with comments."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal

from evalkit.starting.wanted import Backend

_PLAIN = re.compile(r"[A-Za-z_./~-][\w./~@-]*")
_MEANING = {"base": "What the candidate is held against.", "tuned": "The candidate: is it safe to release?"}


def model_file(arm: Literal["base", "tuned"], model: str, adapter: str, folder: Path, backend: Backend) -> str:
    """The text of base.yaml or tuned.yaml. Paths that are there are written as seen from `folder`."""
    name = Path(adapter or model).name or arm
    lines = [f"# {_MEANING[arm]}", f"name: {scalar(name)}", f"backend: {backend}"]
    if backend == "replay":
        lines.append(
            f'outputs: {scalar(seen_from(folder, model or f"{arm}.jsonl"))} # rows {{"id": ..., "output": "..."}}'
        )
        return "\n".join(lines) + "\n"
    unset = " # write here which" if not model else ""
    place = model if backend == "openai" else seen_from(folder, model)
    what = "a name that the server knows" if backend == "openai" else "a folder, as seen from here, or a hub id"
    lines.append(f"model: {scalar(place or f'the-{arm}-model')} # {what}{';' + unset[2:] if unset else ''}")
    if adapter:
        lines.append(f"adapter: {scalar(seen_from(folder, adapter))} # a folder saved by PEFT")
    if backend == "openai":
        lines.append("base_url: http://localhost:8000/v1")
        lines.append("# api_key: ${OPENAI_API_KEY}")
    if backend in ("vllm", "vllm-server"):
        lines.append("engine: {max_model_len: 4096} # passed to vLLM as it stands")
    lines.append("sampling: {temperature: 0, max_tokens: 1024, seed: 0} # a task's own settings override these")
    if arm == "tuned":
        lines.append("# train_data: [../data/train.jsonl] # items are looked up in it, and those found are set aside")
    return "\n".join(lines) + "\n"


def seen_from(folder: Path, value: str) -> str:
    """A path that is there, relative to `folder` as a file in it reads it; anything else (a hub id) as it is."""
    there = Path(os.path.expanduser(value))
    if not value or not there.exists() or there.is_absolute():
        return value
    return os.path.relpath(there, folder)


def scalar(text: str) -> str:
    """A string as YAML reads it back, quoted where it must be."""
    import json

    import yaml

    if _PLAIN.fullmatch(text) and yaml.safe_load(text) == text:
        return text
    return json.dumps(text, ensure_ascii=False)
