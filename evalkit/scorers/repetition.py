"""Repetition: the answer goes round in circles. For guards: a high rate is worse.

Measured by seq-rep-4, the share of word 4-grams that occurred before in the same text (Welleck et al. 2020, Neural Text
Generation with Unlikelihood Training, arXiv:1908.04319). People repeat themselves a little, and tables and lists more;
text that degenerated repeats most of itself.
"""

from __future__ import annotations

import re

from evalkit.scorers.registry import scorer
from evalkit.types import Example

CIRCLES_FROM = 0.5
SHORTEST = 40
"""Words below which a text is too short to go round in circles: a yes said eight times may be what was asked for."""

_N = 4
# Scripts written without spaces are counted by character.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|\w+|[^\w\s]")


@scorer("repetition", metric="repetition rate", needs_answer=False, worse_is_higher=True)
def repetition(answer: str, example: Example) -> float:
    """1 when at least half of a text of 40 words or more repeats what it said before."""
    words = words_of(answer)
    return float(len(words) >= SHORTEST and repeated_share(words) >= CIRCLES_FROM)


def repeated_share(words: list[str], n: int = _N) -> float:
    """seq-rep-n: 1 - distinct n-grams / n-grams; 0 for a text shorter than n words."""
    grams = [tuple(words[start : start + n]) for start in range(len(words) - n + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def words_of(text: str) -> list[str]:
    """Words and marks of a text in lower case, in order."""
    return _WORD.findall(text.lower())
