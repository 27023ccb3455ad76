"""Finds suites, judges and plugins, built in or a user's own; an unknown name says what was meant."""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Iterable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Literal

from evalkit.config import ComposedSpec, JudgeSpec, SuiteSpec, read_any_suite, read_judge
from evalkit.types import InputError

PLUGIN_GROUP = "evalkit.plugins"


def builtin_folder(kind: Literal["suites", "judges", "reports"]) -> Path:
    """Where built-in files of a kind are: inside an installed wheel, else beside the package in a checkout."""
    package = Path(__file__).resolve().parent
    for candidate in (package / "_builtin" / kind, package.parent / kind):
        if candidate.is_dir():
            return candidate
    raise InputError(f"evalkit's own {kind} are missing from {package}; reinstall evalkit")


def builtin_names(kind: Literal["suites", "judges"]) -> list[str]:
    """Names of the built-in suites or judges, sorted."""
    return sorted(path.stem for path in builtin_folder(kind).glob("*.yaml"))


def find_any_suite(name: str, folder: str | Path = ".", *, asked_by: str = "--suite") -> SuiteSpec | ComposedSpec:
    """A suite, of tasks or of suites, by built-in name or by path relative to `folder`. Raises InputError.

    asked_by: the flag or file:field that named it, for the error message.
    """
    return read_any_suite(_locate("suite", "suites", name, Path(folder), asked_by))


def find_suite(name: str, folder: str | Path = ".", *, asked_by: str = "--suite") -> SuiteSpec:
    """As `find_any_suite`, where only one of tasks will do."""
    found = find_any_suite(name, folder, asked_by=asked_by)
    if isinstance(found, ComposedSpec):
        members = ", ".join(member.suite for member in found.suites)
        raise InputError(f"{asked_by}: {name!r} is itself made of suites; name those: {members}")
    return found


def find_judge(name: str, folder: str | Path = ".", *, asked_by: str = "--judge") -> JudgeSpec:
    """A judge by built-in name or by path relative to `folder`. Raises InputError."""
    return read_judge(_locate("judge", "judges", name, Path(folder), asked_by))


def _locate(what: str, kind: Literal["suites", "judges"], name: str, folder: Path, asked_by: str) -> Path:
    looks_like_path = name.endswith((".yaml", ".yml")) or "/" in name
    if looks_like_path:
        path = (folder / Path(name).expanduser()).resolve()
        if path.is_file():
            return Path(folder / name) if not Path(name).is_absolute() else Path(name)
        near = difflib.get_close_matches(path.name, [p.name for p in path.parent.glob("*.yaml")], n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"looked for {path}"
        raise InputError(f"{asked_by}: no such {what} file {name!r}; {hint}")
    known = builtin_names(kind)
    if name in known:
        return builtin_folder(kind) / f"{name}.yaml"
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"built in: {', '.join(known)}; or give a path to a YAML file."
    raise InputError(f"{asked_by}: unknown {what} {name!r}; {hint} See them all: evalkit {kind}")


def load_plugins(paths: Iterable[str], folder: str | Path = ".", *, asked_by: str = "plugins") -> list[str]:
    """Import a user's plugin files or modules, and those installed under the entry-point group; return their names.

    A plugin registers itself by decorator (`@scorer`, `@backend`). Raises InputError when one cannot be imported.
    """
    loaded: list[str] = []
    for entry in entry_points(group=PLUGIN_GROUP):
        entry.load()
        loaded.append(entry.name)
    for path in paths:
        file = Path(folder) / path
        try:
            if path.endswith(".py"):
                _import_file(file)
            else:
                importlib.import_module(path)
        except Exception as error:  # a boundary: any failure inside a user's file is named as theirs
            raise InputError(f"{asked_by}: {path}: cannot be imported: {type(error).__name__}: {error}") from error
        loaded.append(path)
    return loaded


def _import_file(file: Path) -> None:
    file = file.resolve()
    if not file.is_file():
        raise FileNotFoundError(f"no such file {file}")
    # The same file is imported once; two files of one name do not shadow each other.
    name = f"evalkit_plugin_{file.stem}_{hashlib.sha256(str(file).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
