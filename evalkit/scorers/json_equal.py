"""JSON equal: the extracted answer is JSON, as a program would parse it, and its value is the gold's.

The order of keys and white space do not count; the order of a list does. Numbers are compared exactly, by value: 3 is 3.0
and 3e0, and 0.1 is 0.10. A string is never a number, nor is true 1. Of a key that comes twice the last counts, as in most parsers.
A column that holds the gold as an object is written `{{ gold | tojson }}`.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from evalkit.scorers.registry import scorer
from evalkit.types import Example


def check_gold(example: Example) -> None:
    """Raises ValueError for a gold that is not JSON."""
    try:
        _parse(example.answer or "")
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"the gold is not JSON: {error}; an object column needs `| tojson`") from None


@scorer("json_equal", check=check_gold)
def json_equal(answer: str, example: Example) -> float:
    """1 when both are JSON of the same value; prose or a code fence around it is for `extract` to take away."""
    try:
        return float(_same(_parse(answer), _parse(example.answer or "")))
    except (ValueError, ArithmeticError, RecursionError):  # no JSON, or beyond what any program reads
        return 0.0


def _parse(text: str) -> Any:
    return json.loads(text, parse_int=Decimal, parse_float=Decimal, parse_constant=_not_json)


def _same(one: Any, other: Any) -> bool:
    if type(one) is not type(other):  # true is no Decimal, though Python holds that True == 1
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(value, other[key]) for key, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return one == other


def _not_json(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")  # Python reads NaN and Infinity; the standard and other parsers do not
