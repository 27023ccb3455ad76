"""LoRA adapters: reading them, checking that they fit, and merging them into a copy of their base."""

from __future__ import annotations

import importlib.util
import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from evalkit.backends import fingerprint
from evalkit.backends.quiet import quiet, without_bars
from evalkit.types import EngineError, InputError, Progress

_PREFIX = "base_model.model."

# Features of PEFT adapters that vLLM refuses to serve; merging them works.
_MERGE_ONLY = ("use_dora", "modules_to_save", "bias", "lora_bias", "layer_replication", "trainable_token_indices")


@dataclass(frozen=True, slots=True)
class Adapter:
    """A PEFT adapter on disk. rank: the largest of its layers.

    unservable: the feature that an engine cannot apply at run time, empty where there is none. base: what it says it was
    trained on. where: the place named in errors.
    """

    folder: Path
    rank: int
    unservable: str
    base: str
    where: str

    @classmethod
    def read(cls, folder: Path, *, where: str) -> Adapter:
        """Read `adapter_config.json`. Raises InputError where this is no LoRA adapter."""
        path = folder / "adapter_config.json"
        if not path.is_file():
            raise InputError(f"{where}: {folder} has no adapter_config.json; name a folder saved by PEFT")
        try:
            config = json.loads(path.read_text("utf-8"))
        except ValueError as error:
            raise InputError(f"{where}: {path} is not JSON: {error}") from None
        kind = str(config.get("peft_type", "")).upper()
        if kind != "LORA":
            raise InputError(f"{where}: {path}: peft_type {config.get('peft_type')!r}; only LORA is known here")
        if not fingerprint.weight_files(folder):
            raise InputError(f"{where}: {folder} has no adapter_model.safetensors")
        ranks = [int(config.get("r", 8)), *(int(rank) for rank in (config.get("rank_pattern") or {}).values())]
        return cls(
            folder=folder,
            rank=max(ranks),
            unservable=next(
                (name for name in _MERGE_ONLY if config.get(name) not in (None, False, [], {}, "none")), ""
            ),
            base=str(config.get("base_model_name_or_path") or ""),
            where=where,
        )

    @property
    def files(self) -> list[Path]:
        """The files that make up the adapter, for hashing."""
        return fingerprint.matching(self.folder, fingerprint.ADAPTER)

    @property
    def changes_nothing(self) -> bool:
        """Whether every second low-rank factor is zero, as it is before training."""
        zeros = [
            _all_zero(file, name)
            for file in _safetensors(self.folder)
            for name in _header(file)[0]
            if ".lora_B." in name or ".lora_embedding_B" in name
        ]
        return bool(zeros) and all(zeros)

    def check_fits(self, base: Path) -> None:
        """Raise InputError where a layer of the adapter has another shape than the base's.

        Reads headers only. Layers that the base stores under other names (fused or converted ones) are left to the
        engine to check.
        """
        shapes = {name: shape for file in _safetensors(base) for name, shape in _shapes(file).items()}
        for file in _safetensors(self.folder):
            for name, (rows, columns) in _low_rank(_shapes(file)):
                expected = shapes.get(f"{name}.weight")
                if expected is not None and tuple(expected) != (rows, columns):
                    trained = f" It was trained on {self.base!r}." if self.base else ""
                    raise InputError(
                        f"{self.where}: {self.folder} does not fit {base}: layer {name} is {rows} x {columns} in the "
                        f"adapter and {' x '.join(map(str, expected))} in the base.{trained}"
                    )

    def merge(self, base: Path, target: Path, progress: Progress, *, trust_remote_code: bool = False) -> Path:
        """A full copy of `base` with this adapter merged in, at `target`; made once, whole or not at all.

        Merged in float32, stored in the base's precision. Raises InputError where peft is missing or the adapter does
        not fit, EngineError where merging fails.
        """
        if (target / "config.json").is_file():
            return target
        self.check_mergeable(base)
        target.parent.mkdir(parents=True, exist_ok=True)
        # Replicas of one machine would each hold the base in float32 at the same time.
        with FileLock(target.with_name(f".{target.name}.lock")):
            if (target / "config.json").is_file():
                return target
            progress.note(f"merging {self.folder.name} into a copy of {base.name}: {target}")
            building = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
            try:
                self._merge_into(building, base, trust_remote_code)
                building.chmod(0o755)
                building.rename(target)
            finally:
                shutil.rmtree(building, ignore_errors=True)
        return target

    def check_mergeable(self, base: Path) -> None:
        """Raise InputError where the adapter could not be merged into `base`, as far as that is known without reading weights."""
        lacking = [name for name in ("peft", "transformers", "torch") if importlib.util.find_spec(name) is None]
        if lacking:
            raise InputError(
                f"{self.where}: merging an adapter needs {' and '.join(lacking)}; pip install 'evalkit-gate[hf]'"
            )
        if json.loads((base / "config.json").read_text("utf-8")).get("quantization_config"):
            raise InputError(
                f"{self.where}: {base} is quantised, and an adapter cannot be merged into it; name the unquantised base, or have "
                "vLLM on CUDA apply the adapter (without `merge_adapter`)"
            )

    def _merge_into(self, building: Path, base: Path, trust_remote_code: bool) -> None:
        with quiet(), without_bars():
            self._merge_loudly(building, base, trust_remote_code)

    def _merge_loudly(self, building: Path, base: Path, trust_remote_code: bool) -> None:
        import torch
        from peft import PeftModel
        from transformers import AutoModelForCausalLM

        config = json.loads((base / "config.json").read_text("utf-8"))
        try:
            loaded = AutoModelForCausalLM.from_pretrained(
                str(base), dtype=torch.float32, trust_remote_code=trust_remote_code
            )
            merged: Any = PeftModel.from_pretrained(loaded, str(self.folder)).merge_and_unload(safe_merge=True)
        except (RuntimeError, ValueError, KeyError) as error:
            raise InputError(f"{self.where}: {self.folder} cannot be merged into {base}: {error}") from None
        except MemoryError:
            raise EngineError(
                f"{self.where}: no memory to merge {base.name} in float32",
                kind="out_of_memory",
                hint="merge it beforehand on a larger machine and name the result as `model`",
            ) from None
        dtype = getattr(torch, str(config.get("dtype") or config.get("torch_dtype") or "float32"))
        merged.to(dtype).save_pretrained(str(building))
        trained_tokenizer = (self.folder / "tokenizer_config.json").is_file()
        for source in (base, self.folder) if trained_tokenizer else (base,):
            for file in fingerprint.matching(
                source, (*fingerprint.TOKENIZER, "*.jinja", "*.py", "generation_config.json")
            ):
                shutil.copyfile(file, building / file.name)


def _safetensors(folder: Path) -> list[Path]:
    return fingerprint.matching(folder, ("*.safetensors",))


def _header(file: Path) -> tuple[dict[str, Any], int]:
    """A safetensors header by tensor name, and where the data begins: eight bytes of length, then JSON."""
    with file.open("rb") as handle:
        length = int.from_bytes(handle.read(8), "little")
        header = json.loads(handle.read(length))
    header.pop("__metadata__", None)
    return header, 8 + length


def _shapes(file: Path) -> dict[str, tuple[int, ...]]:
    return {name: tuple(entry["shape"]) for name, entry in _header(file)[0].items()}


def _all_zero(file: Path, name: str) -> bool:
    header, data = _header(file)
    start, end = header[name]["data_offsets"]
    with file.open("rb") as handle:
        handle.seek(data + start)
        return not any(handle.read(end - start))


def _low_rank(shapes: dict[str, tuple[int, ...]]) -> list[tuple[str, tuple[int, int]]]:
    """(layer, (rows, columns)) for each pair of low-rank factors of a linear layer."""
    found: list[tuple[str, tuple[int, int]]] = []
    for name, shape in shapes.items():
        other = shapes.get(name.replace(".lora_A.", ".lora_B."))
        if ".lora_A." in name and other is not None and len(shape) == len(other) == 2:
            found.append((name.split(".lora_A.")[0].removeprefix(_PREFIX), (other[0], shape[1])))
    return found
