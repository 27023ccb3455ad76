"""The page of the Python interface: what `evalkit` exports, then the nouns that it hands out."""

from __future__ import annotations

import dataclasses
import inspect
import sys

_FIRST = ("results", "estimate", "judged", "asking", "provenance", "errors")
"""What is looked up most often stands first."""


def python_api() -> str:
    """Markdown with a directive for each name; mkdocstrings fills them from the source."""
    import evalkit
    from evalkit import types

    exported = [(name, getattr(evalkit, name)) for name in evalkit.__all__]
    functions = [(name, one) for name, one in exported if inspect.isfunction(one)]
    parts = ["## Functions\n", *(_entry(f"evalkit.{name}", one) for name, one in functions)]
    parts += ["## A run\n", _entry("evalkit.Run", evalkit.Run, members=True)]
    nouns: dict[str, list[tuple[str, type]]] = {}
    for name in types.__all__:
        one = getattr(types, name)
        if inspect.isclass(one) and (dataclasses.is_dataclass(one) or issubclass(one, Exception)):
            nouns.setdefault(one.__module__, []).append((name, one))
    for module, members in sorted(nouns.items(), key=lambda one: _place(one[0])):
        said = (inspect.getdoc(sys.modules[module]) or "").split("\n\n")[0]
        parts.append(f"## {module}\n\n{said}\n")
        parts += [_entry(f"evalkit.{name}" if name in evalkit.__all__ else name, one) for name, one in members]
    return "\n".join(parts)


def _place(module: str) -> tuple[int, str]:
    name = module.rpartition(".")[2]
    return _FIRST.index(name) if name in _FIRST else len(_FIRST), name


def _entry(shown: str, one: object, *, members: bool = False) -> str:
    return (
        f"::: {one.__module__}.{one.__qualname__}\n"  # type: ignore[attr-defined]
        f'    options:\n      heading: "{shown}"\n      members: {str(members).lower()}\n'
    )
