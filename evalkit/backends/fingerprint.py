"""Which weights really answer: content hashes of model files, and the key a completion is stored under.

A path or a hub id says nothing about content; a retrained checkpoint at the same path is another model.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import xxhash

from evalkit.config import ModelSpec
from evalkit.types import InputError, Request, Span

WEIGHTS = ("*.safetensors", "*.bin", "*.pt", "*.pth")
TOKENIZER = ("tokenizer*", "vocab*", "merges.txt", "*.model", "special_tokens_map.json", "added_tokens.json")
CONFIG = ("config.json", "generation_config.json", "quantize_config.json", "*.safetensors.index.json")
ADAPTER = ("adapter_config.json", "adapter_model*", "*.safetensors", "*.bin")

# What decides where and how fast an answer is computed, not what it is. Everything else may change the answer.
PLACEMENT_OPTIONS = frozenset(
    "gpu_memory_utilization kv_cache_memory_bytes cpu_kvcache_space swap_space cpu_offload_gb max_num_seqs "
    "max_num_batched_tokens max_parallel_loading_workers download_dir disable_log_stats "
    "disable_log_requests distributed_executor_backend batch_size device_map low_cpu_mem_usage".split()
)


def resolve(spec: ModelSpec, value: str, *, field: str = "model", revision: str | None = None) -> Path:
    """The folder that holds model or adapter `value`, fetched from the hub where it is an id.

    Raises InputError naming file, field, value and the ways out.
    """
    where = f"{spec.file or spec.name}: {field}"
    path = Path(spec.path_of(value))
    if path.is_dir():
        return path
    if path.is_file():
        raise InputError(f"{where}: {value!r} is a file; name the folder with config.json and the weights")
    if value.startswith((".", "/", "~")) or value.count("/") > 1:
        raise InputError(f"{where}: no folder {value!r} (looked at {path}); paths are relative to the model file")
    return _from_hub(value, revision, where)


def _from_hub(repo: str, revision: str | None, where: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    what = f"{where}: {repo!r}" + (f" (revision {revision!r})" if revision else "")
    small = [*TOKENIZER, *CONFIG, "*.json", "*.jinja", "*.py"]
    try:
        folder = Path("")
        for weights in (WEIGHTS[:1], WEIGHTS[1:]):  # many repositories hold the same weights twice
            patterns = [*small, *weights]
            folder = Path(snapshot_download(repo, revision=revision, allow_patterns=patterns, ignore_patterns=["*/*"]))
            if weight_files(folder):
                break
        return folder
    except GatedRepoError:
        raise InputError(f"{what}: this hub model wants its terms accepted; do so and run `hf auth login`") from None
    except RevisionNotFoundError:
        raise InputError(f"{what}: the hub has no such revision; see the model page's branches and tags") from None
    except RepositoryNotFoundError:
        raise InputError(
            f"{what}: neither a folder nor a model on the hub; check the spelling, and `hf auth login` if it is private"
        ) from None
    except HFValidationError as error:
        raise InputError(f"{what}: neither a folder nor a valid hub id: {error}") from None
    except (LocalEntryNotFoundError, OSError) as error:
        offline = os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0")
        why = "HF_HUB_OFFLINE is set and it is not in the local hub cache" if offline else f"no hub reached ({error})"
        raise InputError(
            f"{what}: not a folder, and {why}; give a path to a downloaded folder, or fetch it once where there is a "
            f"network (`hf download {repo}`). EVALKIT_DATA mirrors data sets only."
        ) from None


class FileHashes:
    """Content hashes of files, remembered by (path, size, mtime) so that large weights are read once.

    folder: where the memory is kept. Safe for several processes at a time.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "file-hashes.sqlite"
        with closing(self._open()) as connection, connection:
            connection.execute(
                "create table if not exists hashes (path text primary key, size integer, mtime_ns integer, hash text)"
            )

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=60)

    def of(self, path: Path) -> str:
        """The content hash of one file."""
        real = path.resolve()
        stat = real.stat()
        with closing(self._open()) as connection:
            row = connection.execute("select size, mtime_ns, hash from hashes where path = ?", (str(real),)).fetchone()
        if row and (row[0], row[1]) == (stat.st_size, stat.st_mtime_ns):
            return row[2]
        hash = _hash_file(real)
        with closing(self._open()) as connection, connection:
            connection.execute(
                "insert or replace into hashes values (?, ?, ?, ?)", (str(real), stat.st_size, stat.st_mtime_ns, hash)
            )
        return hash

    def of_all(self, paths: Iterable[Path]) -> str:
        """One hash over the names and contents of several files."""
        digest = xxhash.xxh3_128()
        for path in sorted(set(paths)):
            digest.update(f"{path.name}\0{self.of(path)}\0".encode())
        return digest.hexdigest()


def _hash_file(path: Path) -> str:
    digest = xxhash.xxh3_128()
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
    return digest.hexdigest()


def matching(folder: Path, patterns: Iterable[str]) -> list[Path]:
    """The files directly in `folder` that match any of `patterns`, in name order."""
    return sorted({path for pattern in patterns for path in folder.glob(pattern) if path.is_file()})


def weight_files(folder: Path) -> list[Path]:
    """The files an engine would load weights from: safetensors where there are any."""
    return matching(folder, WEIGHTS[:1]) or matching(folder, WEIGHTS[1:])


def request_key(
    request: Request,
    *,
    fingerprint: str,
    token_ids: tuple[int, ...],
    option_ids: tuple[tuple[int, ...], ...] = (),
    spans: tuple[Span, ...] = (),
    engine: str,
    engine_version: str,
    engine_options: Mapping[str, object],
) -> str:
    """The content hash a completion is stored under.

    Over what decides the answer and nothing else: not the suite or the item, so that the same question asked twice is
    one generation; not what only places the work (`PLACEMENT_OPTIONS`); for options and spans, none of the sampling
    settings, which their log-probabilities do not depend on; when greedy, neither the seed nor the sample index.
    """
    sampling = asdict(request.sampling)
    sampling.pop("n")
    sample = request.sample
    if request.sampling.temperature == 0:
        sample = 0
        for name in ("seed", "top_p", "top_k", "min_p"):
            sampling.pop(name)
    scored = bool(option_ids or spans)
    content = {
        "key": 2,
        "model": fingerprint,
        "prompt": token_ids,
        "options": option_ids,
        "spans": [(span.ids, span.start) for span in spans],
        "keep_tokens": request.keep_tokens,
        "sampling": None if scored else sampling,
        "sample": 0 if scored else sample,
        "replicate": request.replicate,
        "constraint": asdict(request.constraint) if request.constraint else None,
        "engine": [engine, engine_version],
        "engine_options": {name: value for name, value in engine_options.items() if name not in PLACEMENT_OPTIONS},
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.blake2b(text.encode(), digest_size=20).hexdigest()
