"""The index page of a folder, drawn again only where something under the folder changed."""

from __future__ import annotations

import threading
from pathlib import Path

from evalkit.browsing.scan import RUN_FILES, SWEEP_FILES, Scanner
from evalkit.browsing.trend import trends
from evalkit.report.index_page import render_index
from evalkit.types import RunIndex


class IndexPage:
    """The page, and the files that it may lead to. Safe to use from several threads."""

    def __init__(self, root: Path) -> None:
        self._scanner = Scanner(root)
        self._lock = threading.Lock()
        self._drawn: tuple[RunIndex, bytes] | None = None

    def index(self) -> RunIndex:
        """What lies under the folder now."""
        with self._lock:
            return self._scanner.index()

    def page(self) -> bytes:
        """The page as it is now, in UTF-8."""
        with self._lock:
            index = self._scanner.index()
            if self._drawn is None or self._drawn[0] != index:
                self._drawn = (index, render_index(index, trends(index)).encode("utf-8", "replace"))
            return self._drawn[1]

    def file(self, folder: str, name: str) -> Path | None:
        """A file of a run or a sweep that the page lists, or would now; None for anything else.

        Only names that evalkit writes, only in folders of the index, and only plain files that lie under its root: a run
        that somebody else made may hold links to anywhere.
        """
        with self._lock:
            known = self._drawn is not None and name in _files(self._drawn[0]).get(folder, ())
            if not known and name not in _files(self._scanner.index()).get(folder, ()):
                return None
        path = self._scanner.root / folder / name
        try:
            within = path.resolve(strict=True).is_relative_to(self._scanner.root.resolve())
        except (OSError, RuntimeError, ValueError):
            return None
        return path if within and path.is_file() and not path.is_symlink() else None


def _files(index: RunIndex) -> dict[str, set[str]]:
    """The names that may be asked for, by folder."""
    allowed: dict[str, set[str]] = {one.folder: {*RUN_FILES} for one in index.runs}
    for sweep in index.sweeps:
        allowed.setdefault(sweep.folder, set()).update(SWEEP_FILES)
    return allowed
