"""Servers of vLLM that somebody else runs: under which names they serve the models of a run, and of which version they are."""

from __future__ import annotations

import contextlib
import json
import urllib.error
import urllib.request
from pathlib import Path

from evalkit.backends.local import LocalModel
from evalkit.backends.openai_server import Listed
from evalkit.types import EngineError


def name_of(local: LocalModel, listed: Listed, *, adapter: bool) -> str:
    """The id under which a server lists a model or adapter: its name, or whatever was loaded from the same folder.

    Raises EngineError where none fits, with what is listed.
    """
    if not listed.models:
        raise EngineError(
            f"{local.where}: base_url: {listed.url} does not list what it serves",
            kind="bad_model",
            hint="`backend: vllm-server` is for vLLM's own server; for others there is `backend: openai`",
        )
    folder = local.adapter.folder if adapter and local.adapter else local.folder
    wanted = (local.spec.name, local.spec.adapter if adapter else local.spec.model)
    rows = {name: row for name, row in listed.models.items() if bool(row.get("parent")) == adapter}
    for name, row in rows.items():
        root = row.get("root")
        if name in wanted or (
            isinstance(root, str) and Path(root).exists() and Path(root).resolve() == folder.resolve()
        ):
            return name
    if len(rows) == 1 and not adapter:
        return next(iter(rows))
    what, field = ("adapter", "adapter") if adapter else ("model", "model")
    raise EngineError(
        f"{local.where}: {field}: {listed.url} serves no {what} named {local.spec.name!r} or loaded from {folder}; it lists "
        f"{', '.join(sorted(listed.models))}",
        kind="bad_model",
        hint=f"start it with `--lora-modules {local.spec.name}={folder}`"
        if adapter
        else "check `base_url` and `model`",
    )


def version_at(url: str) -> str:
    """The version that vLLM's server tells, or an empty text."""
    with contextlib.suppress(urllib.error.URLError, OSError, ValueError, AttributeError):
        with urllib.request.urlopen(f"{url.rstrip('/').removesuffix('/v1')}/version", timeout=10) as reply:
            return str(json.loads(reply.read()).get("version") or "")
    return ""
