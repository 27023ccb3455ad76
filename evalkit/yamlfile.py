"""One YAML file -> one validated spec, or one line per problem: file:line: field: value: what is wrong and what to do.

Knows pydantic and YAML, and none of evalkit's own fields beyond `file` and `folder`, which say where a spec was read.
"""

from __future__ import annotations

import difflib
import os
import re
import types as pytypes
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from evalkit.types import InputError

S = TypeVar("S", bound=BaseModel)


def read_spec(path: str | Path, kind: type[S], what: str) -> S:
    """Read `path` as a `kind`; `what` is how messages call it ("a model file"). Raises InputError."""
    return read_one_of(path, lambda data: kind, what)


def read_one_of(path: str | Path, kind_of: Callable[[Mapping[str, object]], type[S]], what: str) -> S:
    """As `read_spec`, where the fields of the file say which kind it is. Raises InputError."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        near = difflib.get_close_matches(path.name, _yaml_files(path.parent), n=1)
        hint = f"; did you mean {str(path.parent / near[0])!r}?" if near else f"; expected {what} (YAML)"
        raise InputError(f"{path}: no such file{hint}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    try:
        root = yaml.compose(text, _Loader)
        data = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise InputError(f"{path}{line}: not valid YAML: {problem}") from None
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise InputError(f"{path}: expected {what}, a mapping of fields; found a {type(data).__name__}")
    for internal in ("file", "folder"):
        if internal in data:
            raise InputError(f"{path}: {internal}: unknown field; remove it")
    _expand_secrets(data, path)
    kind = kind_of(data)
    try:
        return kind.model_validate({**data, "file": str(path), "folder": str(path.resolve().parent)})
    except ValidationError as error:
        raise InputError(_explain(error, kind, str(path), data, root)) from None


def _yaml_files(folder: Path) -> list[str]:
    try:
        return [entry.name for entry in folder.iterdir() if entry.suffix in (".yaml", ".yml")]
    except OSError:
        return []


_ENV = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def _expand_secrets(data: dict[str, Any], path: Path, where: str = "") -> None:
    """Expand `${ENV}` in api_key and headers, here and in a judge's `model`; nowhere else."""

    def expand(value: object, field: str) -> object:
        if not isinstance(value, str):
            return value
        for name in _ENV.findall(value):
            if name not in os.environ:
                raise InputError(f"{path}: {field}: environment variable {name} is not set; export {name}=...")
        return _ENV.sub(lambda match: os.environ[match.group(1)], value)

    if "api_key" in data:
        data["api_key"] = expand(data["api_key"], f"{where}api_key")
    if isinstance(data.get("headers"), dict):
        data["headers"] = {k: expand(v, f"{where}headers.{k}") for k, v in data["headers"].items()}
    if isinstance(data.get("model"), dict):
        _expand_secrets(data["model"], path, "model.")


def validate(kind: type[S], data: object, *, file: str = "") -> S:
    """Validate data that came from Python or a stored run rather than from a file. Raises InputError."""
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        raise InputError(_explain(error, kind, file or kind.__name__, data, None)) from None


# --- YAML ---


class _Loader(yaml.SafeLoader):
    """SafeLoader that refuses a key said twice, which plain YAML silently overwrites."""


def _mapping_without_repeats(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            continue
        key = loader.construct_object(key_node, deep=True)
        if key in seen:
            raise yaml.MarkedYAMLError(problem=f"{key!r} is said twice", problem_mark=key_node.start_mark)
        seen.add(key)
    loader.flatten_mapping(node)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping_without_repeats)


# --- explaining -------------------------------------------------------------------------------------------------

_SECRET_FIELDS = {"api_key", "headers"}


def _explain(error: ValidationError, kind: type[BaseModel], file: str, data: object, root: yaml.Node | None) -> str:
    """One line per problem: file:line: field: value: what is wrong; what to do."""
    lines: list[str] = []
    problems = error.errors(include_url=False, include_context=True)
    for problem in problems:
        # Where every entry of a list is wrong pydantic also finds the list too short: that is no mistake of its own.
        at = problem["loc"]
        if problem["type"] == "too_short" and any(one["loc"][: len(at)] == at != one["loc"] for one in problems):
            continue
        loc = tuple(part for part in problem["loc"] if not _is_union_tag(part, kind))
        field = _field_name(loc)
        line = _line_of(root, loc)
        place = f"{file}:{line}" if line else file
        text = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            known = _fields_at(kind, loc[:-1])
            near = difflib.get_close_matches(str(loc[-1]), known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known fields: {', '.join(known)}"
            text = f"unknown field; {hint}"
        elif problem["type"] == "missing":
            text = "required, and not given; add it"
        else:
            found, value = _value_at(data, loc)
            if found and not isinstance(value, dict | list) and not _SECRET_FIELDS & {str(part) for part in loc}:
                text = f"{value!r}: {text[:1].lower()}{text[1:]}"
        lines.append(f"{place}: {field}: {text}" if field else f"{place}: {text}")
    return "\n".join(dict.fromkeys(lines))


def _is_union_tag(part: object, kind: type[BaseModel]) -> bool:
    """Pydantic puts the tried member of a union into the path; a reader of YAML has never seen it."""
    return isinstance(part, str) and (part in _UNION_TAGS or "[" in part)


_UNION_TAGS = {"str", "HubSpec", "TaskSpec", "SourceSpec", "tuple", "float", "int", "bool", "none"}


def _field_name(loc: Sequence[int | str]) -> str:
    name = ""
    for part in loc:
        name += f"[{part}]" if isinstance(part, int) else f".{part}" if name else str(part)
    return name


def _line_of(root: yaml.Node | None, loc: Sequence[int | str]) -> int | None:
    node, line = root, None
    for part in loc:
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == str(part)), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return line


def _value_at(data: object, loc: Sequence[int | str]) -> tuple[bool, object]:
    for part in loc:
        if isinstance(data, dict) and part in data:
            data = data[part]
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
        else:
            return False, None
    return bool(loc), data


def _fields_at(kind: type[BaseModel], loc: Sequence[int | str]) -> list[str]:
    """The names a user may write at `loc`."""
    current: list[type[BaseModel]] = [kind]
    for part in loc:
        if isinstance(part, int):
            continue
        inner: list[type[BaseModel]] = []
        for model in current:
            for name, info in model.model_fields.items():
                if part in (name, info.alias):
                    inner += _models_in(info.annotation)
        current = inner or current
    names = [info.alias or name for model in current for name, info in model.model_fields.items()]
    return [name for name in dict.fromkeys(names) if name not in ("file", "folder")]


def _models_in(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if typing.get_origin(annotation) in (typing.Union, pytypes.UnionType, tuple, Annotated):
        return [found for arg in typing.get_args(annotation) for found in _models_in(arg)]
    return []
