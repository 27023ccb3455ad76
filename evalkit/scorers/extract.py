"""The extraction chain: the first step that yields an answer wins."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from evalkit.config import ExtractSpec

# A number as people write it: sign, thousands commas, decimals, and a/b as a fraction.
# The first look turns away the places where none begins, which are nearly all.
NUMBER = re.compile(
    r"(?=[-+.\d\u2212]|(?<=\d)[\s/])[-+\u2212]?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)?(?:\.\d+)?(?<=\d)(?:\s*/\s*\d+(?:\.\d+)?)?"
)

# Each brace that opens no object costs a read of what follows: hostile text must not make that quadratic.
_MOST_BRACES = 200

WHOLE = ExtractSpec(whole=True)
LAST_NUMBER = ExtractSpec(last_number=True)


def extract(text: str, steps: Sequence[ExtractSpec]) -> str | None:
    """The answer in `text` by the first step that yields one, stripped; None when no step does."""
    for step in steps:
        found = _apply(text, step)
        if found is not None and found.strip():
            return found.strip()
    return None


def _apply(text: str, step: ExtractSpec) -> str | None:
    if step.json_ is not None:
        return json_field(text, step.json_)
    if step.regex is not None:
        matches = list(re.finditer(step.regex, text))
        if not matches:
            return None
        last = matches[-1]
        return last.group(1) if last.re.groups else last.group(0)
    if step.after is not None:
        _, mark, rest = text.rpartition(step.after)
        return rest if mark else None
    if step.last_line:
        lines = [line for line in text.splitlines() if line.strip()]
        return lines[-1] if lines else None
    if step.last_number:
        numbers = numbers_in(text)
        return numbers[-1] if numbers else None
    return text


def json_field(text: str, field: str) -> str | None:
    """A top-level field of the first JSON object in `text`, as text; None where there is no such object or field."""
    decoder = json.JSONDecoder(strict=False)
    start = text.find("{")
    for _ in range(_MOST_BRACES):
        if start == -1:
            break
        try:
            found, _ = decoder.raw_decode(text, start)
        except (json.JSONDecodeError, RecursionError):
            start = text.find("{", start + 1)
            continue
        if not isinstance(found, dict) or field not in found or found[field] is None:
            return None
        value = found[field]
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return None


def numbers_in(text: str) -> list[str]:
    """All numbers in `text`, as written, in order."""
    return [match.group().strip() for match in NUMBER.finditer(text) if match.group().strip()]
