"""What a docstring of this package says of each name: sentences that begin with `name: `, or `name, other: `."""

from __future__ import annotations

import re
from collections.abc import Collection


def meanings(text: str, names: Collection[str]) -> tuple[str, dict[str, str]]:
    """What one paragraph says of the whole, then of each of `names` that it speaks of, in its order."""
    flat = " ".join(text.split())
    if not names:
        return flat, {}
    choice = "|".join(sorted(map(re.escape, names), key=len, reverse=True))
    mark = re.compile(rf"(?:^|(?<=[.:!?)] ))((?:{choice})(?:, (?:{choice}))*): ")
    found = list(mark.finditer(flat))
    ends = [*(one.start() for one in found), len(flat)][1:]
    said = {
        name: flat[one.end() : end].strip() for one, end in zip(found, ends, strict=True) for name in one[1].split(", ")
    }
    return flat[: found[0].start()].strip() if found else flat, said


def as_list(text: str, names: Collection[str]) -> str:
    """A docstring as Markdown in which each of `names` that it explains has a line of its own."""
    paragraphs = []
    for paragraph in text.split("\n\n"):
        if paragraph.startswith("    ") or paragraph.lstrip().startswith(("- ", "```")):
            paragraphs.append(paragraph)
            continue
        whole, said = meanings(paragraph, names)
        after = ""
        if said:
            # What a call may raise is a sentence about the whole, wherever it stands.
            last = [*said][-1]
            said[last], found, rest = said[last].partition(" Raises ")
            after = f"Raises {rest}" if found else ""
        lines = "\n".join(f"- `{name}`: {meaning}" for name, meaning in said.items())
        paragraphs += [part for part in (whole, lines, after) if part]
    return "\n\n".join(paragraphs)
