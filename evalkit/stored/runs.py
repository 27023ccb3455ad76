"""The folder of a finished run: what its files are called, and its manifest."""

from __future__ import annotations

from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from evalkit.types import Manifest, RunError

SAMPLES = "samples.parquet"
MANIFEST = "manifest.json"

_MANIFESTS = TypeAdapter(Manifest)


def manifest_json(manifest: Manifest) -> bytes:
    """What manifest.json holds."""
    return _MANIFESTS.dump_json(manifest, indent=2) + b"\n"


def read_manifest(folder: Path) -> Manifest:
    """Read manifest.json. Raises RunError when it is missing, unreadable or of another schema."""
    path = folder / MANIFEST
    try:
        return _MANIFESTS.validate_json(path.read_bytes())
    except FileNotFoundError:
        raise RunError(f"{path}: no such file; is this the folder of a finished run?") from None
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        message = f"{path}: {place}: {first['msg']}; written by another version of evalkit?"
        raise RunError(message) from None
