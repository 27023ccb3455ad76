"""IFEval: the answer follows instructions that a program can check, such as "no commas" or "at least 300 words".

Strict reads the answer as it is. Loose reads it in eight ways, without its first line, its last line and its asterisks, and an
instruction counts as followed when it is in one of them: models like to open with "Sure, here it is:".
Source: Zhou et al. 2023, arXiv:2311.07911, section 2.2; the instructions are those of `evalkit.scorers.instructions`.

The gold is JSON with the benchmark's own columns: `{"instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}`.
White space around an answer does not count.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from evalkit.scorers.instructions import Followed, bind
from evalkit.scorers.registry import scorer
from evalkit.types import Example


class Gold(BaseModel):
    """What an item asks for: instructions by name, and the settings of each."""

    instruction_id_list: list[str] = Field(min_length=1)
    kwargs: list[dict[str, Any]]


def check_gold(example: Example) -> None:
    """Raises ValueError for a gold that names an unknown instruction, or settings that are not its own."""
    _instructions(example.answer or "")


@scorer("ifeval", metric="prompt-level strict", check=check_gold, gold_is_an_answer=False)
def ifeval(answer: str, example: Example) -> float:
    """1 when every instruction is followed."""
    return float(all(verdicts(answer, example)))


@scorer("ifeval_loose", metric="prompt-level loose", check=check_gold, gold_is_an_answer=False)
def ifeval_loose(answer: str, example: Example) -> float:
    """1 when every instruction is followed in some loose reading, each in one of its own."""
    return float(all(verdicts(answer, example, loose=True)))


@scorer("ifeval_instructions", metric="instructions strict", binary=False, check=check_gold, gold_is_an_answer=False)
def ifeval_instructions(answer: str, example: Example) -> float:
    """The share of the instructions that is followed. Items count alike; the paper pools the instructions of all items."""
    return _share(verdicts(answer, example))


@scorer(
    "ifeval_instructions_loose", metric="instructions loose", binary=False, check=check_gold, gold_is_an_answer=False
)
def ifeval_instructions_loose(answer: str, example: Example) -> float:
    """The share of the instructions that is followed in some loose reading."""
    return _share(verdicts(answer, example, loose=True))


def verdicts(answer: str, example: Example, *, loose: bool = False) -> list[bool]:
    """Whether each instruction of the item is followed, in the item's order."""
    texts = readings(answer) if loose else [answer]
    return [any(text.strip() and followed(text) for text in texts) for followed in _instructions(example.answer or "")]


def readings(answer: str) -> list[str]:
    """The loose readings of an answer, the answer itself first, each once."""
    lines = answer.split("\n")
    cut = [answer, *("\n".join(part).strip() for part in (lines[1:], lines[:-1], lines[1:-1]))]
    return list(dict.fromkeys(cut + [text.replace("*", "") for text in cut]))


@functools.lru_cache(maxsize=4096)
def _instructions(gold: str) -> tuple[Followed, ...]:
    try:
        asked = Gold.model_validate_json(gold)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ValueError(f"the gold is not instruction_id_list and kwargs as JSON: {where}: {first['msg']}") from None
    if len(asked.kwargs) != len(asked.instruction_id_list):
        counts = f"{len(asked.instruction_id_list)} in instruction_id_list, {len(asked.kwargs)} in kwargs"
        raise ValueError(f"each instruction has its kwargs, {{}} where it has none: {counts}")
    return tuple(bind(name, settings) for name, settings in zip(asked.instruction_id_list, asked.kwargs, strict=True))


def _share(followed: Iterable[bool]) -> float:
    marks = list(followed)
    return sum(marks) / len(marks)
