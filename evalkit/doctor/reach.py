"""Where models and data sets come from: a mirror on disk, or the hub."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

from evalkit.doctor.finding import Finding

MIRROR_VARIABLE = "EVALKIT_DATA"
_TIMEOUT_S = 5.0


def hub() -> Iterator[Finding]:
    """The mirror of data sets where one is set; else whether the hub can be reached, and with whose name."""
    mirror = os.environ.get(MIRROR_VARIABLE)
    if mirror:
        yield _mirror(Path(mirror).expanduser())
    if importlib.util.find_spec("huggingface_hub") is None:
        fix = "for suites and models from the hub: pip install 'evalkit-gate[hub]'"
        status = "ok" if mirror else "warn"
        yield Finding("hub", status, "its client is not installed: local files only", "" if mirror else fix)
        return
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        fix = "" if mirror else f"unset it, or set {MIRROR_VARIABLE} to a mirror of the data sets that suites read"
        yield Finding("hub", "ok" if mirror else "warn", "HF_HUB_OFFLINE is set: only what is in its cache", fix)
        return
    yield _reached(mirrored=bool(mirror))


def _mirror(folder: Path) -> Finding:
    if not folder.is_dir():
        fix = f"{MIRROR_VARIABLE} must name the folder that holds OWNER/DATASET/CONFIG/SPLIT.parquet (or .jsonl)"
        return Finding("mirror", "fail", f"{folder}: no such folder", fix)
    sets = {path.parent for pattern in ("*/*/*/*.parquet", "*/*/*/*.jsonl") for path in folder.glob(pattern)}
    if not sets:
        fix = "put data sets there as OWNER/DATASET/CONFIG/SPLIT.parquet (or .jsonl)"
        return Finding("mirror", "warn", f"{folder}: holds no data set", fix)
    return Finding("mirror", "ok", f"{folder}: {len(sets)} data sets; suites read them there and not from the hub")


def _reached(*, mirrored: bool) -> Finding:
    import urllib.error
    import urllib.request

    from huggingface_hub import constants, get_token

    place = os.environ.get("HF_ENDPOINT") or constants.ENDPOINT
    known = "with a token" if get_token() else "without a token: gated models and data sets will be refused"
    request = urllib.request.Request(place, method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S):
            pass
    except urllib.error.HTTPError:
        pass  # somebody is there
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        fix = f"check the network and the proxy (HTTPS_PROXY), set HF_ENDPOINT to a mirror, or {MIRROR_VARIABLE} to a folder"
        return Finding(
            "hub", "ok" if mirrored else "warn", f"{place} cannot be reached: {reason}", "" if mirrored else fix
        )
    return Finding("hub", "ok", f"{place} reached, {known}")
