"""Text from the code as the cells of a Markdown table."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence


def code(text: object) -> str:
    """A name or a value, as code; a bar in it stays a bar."""
    return f"<code>{_plain(str(text))}</code>"


def prose(text: str) -> str:
    """A sentence whose names stand between backticks."""
    parts = " ".join(text.split()).split("`")
    return "".join(code(part) if index % 2 else _plain(part) for index, part in enumerate(parts))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, or nothing where it has no rows."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([f"| {' | '.join(head)} |", "|---" * len(head) + "|", *lines, ""]) if lines else ""


def _plain(text: str) -> str:
    return html.escape(text, quote=False).replace("|", "&#124;").replace("*", "&#42;").replace("_", "&#95;")
