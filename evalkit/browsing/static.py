"""The index as files: for an artefact of CI or a bucket, and to be opened from a folder."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from evalkit.browsing.scan import REPORT, Scanner
from evalkit.browsing.trend import trends
from evalkit.report.files import replace_text
from evalkit.report.index_page import GENERATOR, render_index
from evalkit.report.index_rows import quoted
from evalkit.types import InputError, RunIndex

PAGE = "index.html"
REPORTS = "reports"
"""The folder of the copies, beside the page."""


def write_static(root: Path, out: Path) -> tuple[Path, RunIndex]:
    """Write index.html into `out` and copy to out/reports what it links to; return the page's path and what it lists.

    A report that lies below `out` already is linked where it lies, so `out` may be `root` itself. A copy that is up to date is
    left alone. Raises InputError where `out` holds an index.html of somebody else, or cannot be written.
    """
    page = out / PAGE
    if page.is_symlink() or page.exists() and not _ours(page):
        raise InputError(
            f"--static: {page}: is not a page that evalkit wrote; name another folder, or take it away first"
        )
    index = Scanner(root).index()
    try:
        out.mkdir(parents=True, exist_ok=True)
        below = os.path.relpath(root.resolve(), out.resolve())
        inside = root.resolve().is_relative_to(out.resolve())

        def link(folder: str) -> str:
            """Link to the report where it lies below the page, else copy it there first."""
            source = root / folder / REPORT
            if not inside:
                _copy(source, out / REPORTS / folder / REPORT)
            return quoted(os.path.normpath(os.path.join(below if inside else REPORTS, folder)), REPORT)

        replace_text(page, render_index(index, trends(index), link))
    except OSError as error:
        raise InputError(f"--static: {out}: cannot be written: {error.strerror or error}") from None
    return page, index


def _ours(page: Path) -> bool:
    with page.open("rb") as file:
        return f'<meta name="generator" content="{GENERATOR}">'.encode() in file.read(4096)


def _copy(source: Path, target: Path) -> None:
    known, now = target.stat() if target.is_file() else None, source.stat()
    if known and (known.st_mtime_ns, known.st_size) == (now.st_mtime_ns, now.st_size):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        shutil.copy2(source, part, follow_symlinks=False)
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)
