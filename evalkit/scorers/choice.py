"""Choice: the option with the highest log-probability, or the one option that a written answer names.

A written answer is read strictly: `NOT_ATTEMPTED` does not name option A. Accepted are a recorded index, letter or option
text as a whole; a letter that opens the answer, set off by punctuation; and the last `answer is X` / `Answer: X`.
"""

import math
import re

from evalkit.scorers.registry import scorer
from evalkit.tasks.native import read_option
from evalkit.tasks.task import LETTERS
from evalkit.types import Completion, Example

_OPENS = re.compile(r"[(\[*\s]*([A-Za-z])(?:[)\].:,*]|$)")
_STATED = re.compile(r"\banswer\b(?:\s+is)?\s*:?\s*\W{0,3}([A-Za-z])\b(?!['\u2019])", re.IGNORECASE)


@scorer("choice", kinds=("choice", "generate"))
def choice(answer: str, example: Example) -> float:
    """1 when the letter read is the gold's, or, among options, one of several right ones."""
    golds = (example.answer or "").split(",") if example.choices else [example.answer]
    return float(answer in golds)


def read_choice(completion: Completion, example: Example, normalise: str = "none") -> str | None:
    """The letter a completion chose; None where it chose none that can be read.

    normalise: "characters" or "bytes" divides each option's log-probability by its length (lm-evaluation-harness's
    acc_norm and acc_bytes), so that a long option is not at a disadvantage.
    """
    known = [
        (value / _length(example.choices[place], normalise), -place)
        for place, value in enumerate(completion.logprobs or ())
        if not math.isnan(value)
    ]
    if known:
        return LETTERS[-max(known)[1]]
    return _read_text(completion.text, example.choices)


def _length(option: str, normalise: str) -> int:
    if normalise == "none":
        return 1
    return max(1, len(option if normalise == "characters" else option.encode("utf-8")))


def _read_text(text: str, choices: tuple[str, ...]) -> str | None:
    text = text.strip()
    letter = read_option(text, choices)
    if letter is not None:
        return letter
    lines = text.splitlines()
    first = lines[0].strip() if lines else ""
    opened = _OPENS.match(first)
    candidates = [opened.group(1)] if opened else [match.group(1) for match in _STATED.finditer(text)][-1:]
    for candidate in candidates:
        if candidate.upper() in LETTERS[: len(choices)]:
            return candidate.upper()
    return None
