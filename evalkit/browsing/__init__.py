"""Browsing: all runs under a folder as one index, served on this machine or written as files.

Of a run only summary.json and manifest.json are read, each again only when it changed.
"""

from __future__ import annotations

from evalkit.browsing.index import IndexPage
from evalkit.browsing.scan import Scanner
from evalkit.browsing.serving import Serving
from evalkit.browsing.static import write_static
from evalkit.browsing.trend import trends

__all__ = ["IndexPage", "Scanner", "Serving", "trends", "write_static"]
