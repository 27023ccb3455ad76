"""The six files of a run, each written whole or not at all."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from evalkit.report.junit import junit_xml
from evalkit.report.markdown import summary_markdown
from evalkit.report.summary import summary_json
from evalkit.stored.records import Samples, of_both_arms, write_table
from evalkit.stored.runs import MANIFEST, SAMPLES, manifest_json
from evalkit.types import Comparison, Decision, Manifest, Phase

REPORT = "report.html"
_PHASE = "report"


def write_run(
    folder: Path,
    comparison: Comparison,
    decision: Decision,
    manifest: Manifest,
    table: pa.Table | Samples,
    *,
    keep_samples: bool = False,
) -> Path:
    """Write the six files into `folder` and return the path of report.html, which lands last.

    keep_samples: leave an existing samples.parquet as it is, when stored evidence is decided or drawn again.
    """
    from evalkit.report.html import render_html

    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    page = _utf8(render_html(comparison, decision, manifest, of_both_arms(table)))
    before = [phase for phase in manifest.phases if phase.name != _PHASE]
    manifest = dataclasses.replace(manifest, phases=(*before, Phase(_PHASE, time.monotonic() - began)))
    if not (keep_samples and (folder / SAMPLES).exists()):
        _replace(folder / SAMPLES, lambda path: write_table(table, path))
    _replace_bytes(folder / MANIFEST, manifest_json(manifest))
    _replace_bytes(folder / "summary.json", _utf8(summary_json(comparison, decision, manifest)))
    _replace_bytes(folder / "summary.md", _utf8(summary_markdown(comparison, decision, manifest)))
    _replace_bytes(folder / "junit.xml", junit_xml(comparison, decision, manifest))
    _replace_bytes(folder / REPORT, page)
    return folder / REPORT


def replace_text(path: Path, text: str) -> None:
    """Write a text whole or not at all."""
    _replace_bytes(path, _utf8(text))


def _replace_bytes(path: Path, content: bytes) -> None:
    _replace(path, lambda temporary: temporary.write_bytes(content))


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    """Write beside the target, then rename: a reader sees the old file or the new one, never half of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _utf8(text: str) -> bytes:
    """Lone surrogates, which a model's broken output can hold, become replacement marks."""
    return text.encode("utf-8", "replace")
