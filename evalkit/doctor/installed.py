"""Python, evalkit itself and its plugins."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, entry_points, version

from evalkit.catalog import PLUGIN_GROUP
from evalkit.doctor.finding import Finding


def software() -> Iterator[Finding]:
    """Versions, and whether every installed plugin can be loaded."""
    try:
        own = version("evalkit-gate")
    except PackageNotFoundError:
        from evalkit import __version__ as own
    yield Finding("evalkit", "ok", f"{own}, Python {platform.python_version()} at {sys.executable}")
    for entry in entry_points(group=PLUGIN_GROUP):
        try:
            entry.load()
        except Exception as error:  # a boundary: whatever a plugin raises is told as its own
            fix = f"repair it, or uninstall {entry.dist.name if entry.dist else 'it'}"
            yield Finding(f"plugin {entry.name}", "fail", f"cannot be loaded: {type(error).__name__}: {error}", fix)
        else:
            yield Finding(f"plugin {entry.name}", "ok", entry.value)
