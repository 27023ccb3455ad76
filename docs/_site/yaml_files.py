"""The page of the YAML files: every field, from the specs that read them.

A spec's docstring says what its fields mean, as `name: meaning.`; types, bounds and defaults come from its schema.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from cells import code, prose, table
from meanings import meanings

Schema = dict[str, Any]

_PLAIN = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "null": "null"}


def yaml_files() -> str:
    """Markdown of all files, each with the mappings inside it."""
    from evalkit import config

    files = (
        ("A model file", config.ModelSpec),
        ("A suite file", config.SuiteSpec),
        ("A suite of suites", config.ComposedSpec),
        ("A judge file", config.JudgeSpec),
        ("A policy file", config.PolicySpec),
        ("evalkit.yaml", config.ProjectSpec),
    )
    described: set[str] = set()
    return "\n".join(_file(title, spec.model_json_schema(), described) for title, spec in files)


def _file(title: str, schema: Schema, described: set[str]) -> str:
    """One file's section; mappings that an earlier one described are linked to."""
    described.add(schema["title"])
    parts = [_section(f"## {title}", schema)]
    waiting = list(_inside(schema, ""))
    while waiting:
        path, name = waiting.pop(0)
        if name in described:
            continue
        described.add(name)
        inner = schema["$defs"][name]
        kinds = {other for place, other in waiting if place == path}
        parts.append(_section(f"### `{path}`" + (f" ({_kind(name)})" if kinds or name == "SourceSpec" else ""), inner))
        waiting[:0] = list(_inside(inner, f"{path}."))
    return "\n".join(parts)


def _section(heading: str, schema: Schema) -> str:
    summary, said = meanings(schema.get("description", ""), _fields(schema))
    required = schema.get("required", ())
    rows = []
    for name, field in _fields(schema).items():
        rows.append((code(name), type_in_words(field), _default(name, field, required), prose(said.get(name, ""))))
    body = table(("Field", "Type", "Default", "Meaning"), rows)
    return f"{heading} {{ #{schema['title'].lower()} }}\n\n{prose(summary)}\n\n{body}"


def _fields(schema: Schema) -> dict[str, Schema]:
    """The fields that a file may hold: where it was read is not among them."""
    fields = schema["properties"]
    read = {"file", "folder"} if {"file", "folder"} <= fields.keys() else set()
    return {name: field for name, field in fields.items() if name not in read}


def type_in_words(field: Schema) -> str:
    """A schema as a reader would say it."""
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return f"[{_kind(name)}](#{name.lower()})"
    if "anyOf" in field or "oneOf" in field:
        kinds = [type_in_words(one) for one in field.get("anyOf") or field["oneOf"]]
        # Where nothing is the default, that null may be written adds nothing.
        said = [kind for kind in kinds if kind != "null" or field.get("default") is not None]
        return " or ".join(dict.fromkeys(said))
    if "const" in field:
        return code(json.dumps(field["const"]).strip('"'))
    if "enum" in field:
        return ", ".join(code(one) for one in field["enum"])
    if "prefixItems" in field:
        return f"list of {len(field['prefixItems'])}: {type_in_words(field['prefixItems'][0])}"
    if field.get("type") == "array":
        return f"list of {type_in_words(field['items'])}"
    if field.get("type") == "object":
        values = field.get("additionalProperties")
        return f"mapping of names to {type_in_words(values)}" if isinstance(values, dict) else "mapping"
    return _PLAIN.get(field.get("type", ""), "anything") + _bounds(field)


def _bounds(field: Schema) -> str:
    words = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
    stated = [f"{word} {field[key]:g}" for key, word in words.items() if key in field]
    return f" ({' and '.join(stated)})" if stated else ""


def _default(name: str, field: Schema, required: Any) -> str:
    if name in required:
        return "required"
    value = field.get("default")
    if value is None or value == [] or value == "" or isinstance(value, dict):
        return ""
    return code(json.dumps(value, ensure_ascii=False).strip('"'))


def _inside(schema: Schema, prefix: str) -> Iterator[tuple[str, str]]:
    """The mappings that fields hold: where, and the name of their spec."""
    for name, field in _fields(schema).items():
        for reference, place in _references(field, prefix + name):
            yield place, reference


def _references(field: Schema, place: str) -> Iterator[tuple[str, str]]:
    if "$ref" in field:
        yield field["$ref"].rpartition("/")[2], place
    for one in (*field.get("anyOf", ()), *field.get("oneOf", ())):
        yield from _references(one, place)
    if isinstance(field.get("items"), dict):
        yield from _references(field["items"], f"{place}[]")


def _kind(name: str) -> str:
    """A spec's name as a word: `SamplingSpec` is a sampling."""
    return re.sub(r"(?:Spec|Policy)$", "", name).lower()
