"""The pair: a base, and a copy of it with an adapter merged in, as folders and as model files of evalkit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

CONTEXT = 2048


@dataclass(frozen=True, slots=True)
class Pair:
    """Both models. folders, files: by arm. dtype: of the computation, the same on every side."""

    folders: dict[str, Path]
    files: dict[str, Path]
    dtype: str


def write(work: Path, model: Path, adapter: Path, *, dtype: str) -> Pair:
    """Merge the adapter once, and write the model files."""
    from evalkit.backends.adapters import Adapter
    from evalkit.types import Silent

    merged = work / "merged"
    Adapter.read(adapter, where=str(adapter)).merge(model.resolve(), merged, Silent())
    folders = {"base": model.resolve(), "tuned": merged.resolve()}
    files: dict[str, Path] = {}
    for arm, folder in folders.items():
        content = {
            "name": arm,
            "backend": "vllm",
            "model": str(folder),
            "format": "completion",
            "engine": {"dtype": dtype, "max_model_len": CONTEXT},
        }
        files[arm] = work / f"{arm}.yaml"
        files[arm].write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
    return Pair(folders, files, dtype)
