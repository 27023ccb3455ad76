"""`evalkit init`: the files of a first comparison, with comments."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Literal

import typer

from evalkit.types import InputError

Backend = Literal["vllm", "vllm-server", "transformers", "openai", "replay"]

_PLAIN = re.compile(r"[A-Za-z_./~-][\w./~@-]*")


def init(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where to write; made if it is not there.")] = Path(
        "."
    ),
    base: Annotated[
        str, typer.Option("--base", metavar="MODEL", help="The base: a folder, a hub id, or a name that an API serves.")
    ] = "",
    tuned: Annotated[
        str,
        typer.Option(
            "--tuned", metavar="MODEL", help="The tuned candidate, likewise. Default with --adapter: the base."
        ),
    ] = "",
    adapter: Annotated[
        str, typer.Option("--adapter", metavar="PATH", help="The LoRA adapter that makes the base the candidate.")
    ] = "",
    backend: Annotated[Backend, typer.Option("--backend", help="What runs both models.")] = "vllm",
) -> None:
    """Write base.yaml, tuned.yaml, policy.yaml and evalkit.yaml: what `evalkit compare base.yaml tuned.yaml` needs.

    The policy is the default one, with every field explained. Nothing is overwritten.
    """
    if adapter and backend in ("openai", "replay"):
        raise InputError(f"--adapter: backend {backend} takes none; name the served adapter in --tuned")
    written = files(folder, base, tuned, adapter, backend)
    there = [name for name in written if (folder / name).exists()]
    if there:
        raise InputError(f"{folder / there[0]}: is there already, and nothing is overwritten; name another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in written.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror}") from None
    for name in written:
        typer.echo(folder / name)
    typer.echo(f"\nNext: evalkit compare {folder / 'base.yaml'} {folder / 'tuned.yaml'}")


def files(folder: Path, base: str, tuned: str, adapter: str, backend: Backend) -> dict[str, str]:
    """The text of each file, by name. Paths that are there are written as seen from `folder`."""
    from evalkit.config import default_policy_text

    candidate = tuned or (base if adapter else "")
    base_text = _model("base", base, "", folder, backend, "What the candidate is held against.")
    tuned_text = _model("tuned", candidate, adapter, folder, backend, "The candidate: is it safe to release?")
    return {
        "base.yaml": base_text,
        "tuned.yaml": tuned_text,
        "policy.yaml": default_policy_text(),
        "evalkit.yaml": (
            "# What `evalkit compare` takes where a flag does not say otherwise.\n"
            "suites: [quick] # a look in minutes; to decide a release on: [release]. See them all: evalkit suites\n"
            "policy: policy.yaml\n"
        ),
    }


def _model(arm: str, model: str, adapter: str, folder: Path, backend: Backend, meaning: str) -> str:
    name = Path(adapter or model).name or arm
    lines = [f"# {meaning}", f"name: {_scalar(name)}", f"backend: {backend}"]
    if backend == "replay":
        lines.append(
            f'outputs: {_scalar(_seen_from(folder, model or f"{arm}.jsonl"))} # rows {{"id": ..., "output": "..."}}'
        )
        return "\n".join(lines) + "\n"
    unset = " # write here which" if not model else ""
    place = model if backend == "openai" else _seen_from(folder, model)
    what = "a name that the server knows" if backend == "openai" else "a folder, as seen from here, or a hub id"
    lines.append(f"model: {_scalar(place or f'the-{arm}-model')} # {what}{';' + unset[2:] if unset else ''}")
    if adapter:
        lines.append(f"adapter: {_scalar(_seen_from(folder, adapter))} # a folder saved by PEFT")
    if backend == "openai":
        lines.append("base_url: http://localhost:8000/v1")
        lines.append("# api_key: ${OPENAI_API_KEY}")
    if backend in ("vllm", "vllm-server"):
        lines.append("engine: {max_model_len: 4096} # passed to vLLM as it stands")
    lines.append("sampling: {temperature: 0, max_tokens: 1024, seed: 0} # a task's own settings override these")
    if arm == "tuned":
        lines.append("# train_data: [../data/train.jsonl] # items are looked up in it, and those found are set aside")
    return "\n".join(lines) + "\n"


def _seen_from(folder: Path, value: str) -> str:
    """A path that is there, relative to `folder` as a model file reads it; anything else (a hub id) as it is."""
    there = Path(os.path.expanduser(value))
    if not value or not there.exists() or there.is_absolute():
        return value
    return os.path.relpath(there, folder)


def _scalar(text: str) -> str:
    """A string as YAML reads it back, quoted where it must be."""
    import json

    import yaml

    if _PLAIN.fullmatch(text) and yaml.safe_load(text) == text:
        return text
    return json.dumps(text, ensure_ascii=False)
