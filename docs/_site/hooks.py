"""What the site is given while it is built: the pages of reference, written from the code, and links that lead somewhere."""

from __future__ import annotations

import re
from collections.abc import Callable

from command_line import command_line
from python_api import python_api
from yaml_files import yaml_files

_GENERATED: dict[str, Callable[[], str]] = {
    "command-line": command_line,
    "yaml-files": yaml_files,
    "python": python_api,
}
# With what stands there for a reader of the checkout.
_MARK = re.compile(r"<!-- generated: ([a-z-]+) -->\n.*?\n<!-- until here -->", re.DOTALL)
_OUTSIDE = re.compile(r"\[([^\]]+)\]\(((?:\.\./)+)([^)\s]+)\)")
_FENCE = re.compile(r"(^```.*?^```)", re.DOTALL | re.MULTILINE)


def on_page_markdown(markdown: str, **_: object) -> str:
    """One page's text, as it is rendered."""
    written = _MARK.sub(lambda found: _GENERATED[found[1]](), markdown)
    return "".join(part if part.startswith("```") else without_links_outside(part) for part in _FENCE.split(written))


def on_post_page(output: str, **_: object) -> str:
    """One page's HTML: the theme's search is a dialog, and dialogs have names."""
    return output.replace(
        'data-md-component="search" role="dialog"', 'data-md-component="search" role="dialog" aria-label="Search"'
    )


def without_links_outside(markdown: str) -> str:
    """Links to files beside docs/ as names: the site holds docs/ alone, and names no address of the repository."""
    return _OUTSIDE.sub(lambda found: _named(found[1], found[3]), markdown)


def _named(words: str, path: str) -> str:
    plain = words.strip("`")
    return f"`{path}`" if plain in path else f"{words} (`{path}`)"
