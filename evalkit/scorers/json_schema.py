"""JSON schema: the extracted answer is JSON, as a program would parse it, and valid against the gold, which is a schema.

Dialect: JSON Schema, Draft 2020-12. `format` is an annotation there and is not asserted. A schema is never fetched: a `$ref`
leads to a place within the same schema. A column that holds a schema as an object is written `{{ schema | tojson }}`.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator, SchemaError
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from evalkit.scorers.registry import scorer
from evalkit.types import Example


def check_gold(example: Example) -> None:
    """Raises ValueError for a gold by which no answer could be judged."""
    text = example.answer or ""
    try:
        schema = json.loads(text)
        Draft202012Validator.check_schema(schema)
    except json.JSONDecodeError as error:
        raise ValueError(f"the gold is not JSON: {error}; an object column needs `| tojson`") from None
    except SchemaError as error:
        raise ValueError(f"the gold is not a JSON schema: {error.json_path}: {error.message}") from None
    resolver = Registry().with_resource("", DRAFT202012.create_resource(schema)).crawl().resolver()
    for reference in _references(schema):
        try:
            resolver.lookup(reference)
        except Unresolvable:
            raise ValueError(f"the gold's $ref {reference!r} leads nowhere within that schema") from None
    try:
        _validator(text).is_valid({})
    except RecursionError:
        raise ValueError("the gold's $ref leads back to itself without end") from None


@scorer("json_schema", check=check_gold, gold_is_an_answer=False)
def json_schema(answer: str, example: Example) -> float:
    """1 when the answer parses as JSON and is valid; prose or a code fence around it is for `extract` to take away."""
    try:
        found = json.loads(answer, parse_constant=_not_json)
        return float(_validator(example.answer or "").is_valid(found))
    except (ValueError, RecursionError):  # no JSON, or nested deeper than any program reads
        return 0.0


@functools.lru_cache(maxsize=256)
def _validator(schema: str) -> Draft202012Validator:
    # A registry of its own: the library's default one would fetch what a $ref names.
    return Draft202012Validator(json.loads(schema), registry=Registry())


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from (v for k, v in schema.items() if k in ("$ref", "$dynamicRef") and isinstance(v, str))
    for part in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from _references(part)


def _not_json(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")  # Python reads NaN and Infinity; the standard and other parsers do not
