"""For griffe, which reads the source: docstrings in prose become lists of what each field or argument means."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import griffe

sys.path.insert(0, str(Path(__file__).parent))
from meanings import as_list  # noqa: E402


class Prose(griffe.Extension):
    """Rewrites the docstrings of classes and functions while they are loaded."""

    def on_class_members(self, *, cls: griffe.Class, **_: Any) -> None:
        """A class, once its fields are known."""
        _rewrite(cls, [name for name, one in cls.members.items() if one.is_attribute])

    def on_function_instance(self, *, func: griffe.Function, **_: Any) -> None:
        """A function, with its parameters."""
        _rewrite(func, [one.name for one in func.parameters])


def _rewrite(one: griffe.Object, names: list[str]) -> None:
    if one.docstring is not None:
        one.docstring.value = as_list(one.docstring.value, names)
