r"""When two samples say the same: what an extracted answer votes for, held apart from how it is written.

The same rule for right and wrong answers, without the gold: to join only what is right would make every majority righter.
"""

from __future__ import annotations

import re
from collections.abc import Hashable

from evalkit.scorers.extract import NUMBER
from evalkit.scorers.number import parse_number

_BOX = re.compile(r"\\boxed\s*\{")
_SIGNS = re.compile(r"\\?[$#]")
# What changes the look of LaTeX and not its meaning.
_LOOKS = re.compile(r"\\left(?![a-z])|\\right(?![a-z])|\\[,!;: ]|\s+")
_MOST_BOXES = 5  # a reply that repeats an unclosed box must not make the search quadratic


def vote_of(answer: str | None, *, boxed: bool = False) -> Hashable | None:
    r"""What an answer votes for: a number as its value, anything else as its text without case and spacing.

    boxed: the vote is what stands in the last `\boxed{...}`; an answer without one is a whole reply and votes for
    nothing. None and an empty answer vote for nothing.
    """
    if answer is not None and boxed:
        answer = last_box(answer)
    if answer is None or not answer.strip():
        return None
    bare = _SIGNS.sub("", answer).strip().removesuffix(".")
    if NUMBER.fullmatch(bare):
        return parse_number(bare)
    text = _LOOKS.sub("", _SIGNS.sub("", answer)).removesuffix(".").casefold()
    return re.sub(r"\\[dt]frac", r"\\frac", text) or None


def last_box(text: str) -> str | None:
    r"""What stands in the last `\boxed{...}` whose braces close; None where there is none."""
    for opening in reversed(list(_BOX.finditer(text))[-_MOST_BOXES:]):
        depth = 1
        for place in range(opening.end(), len(text)):
            depth += {"{": 1, "}": -1}.get(text[place], 0)
            if not depth:
                return text[opening.end() : place]
    return None
