"""The page of the command line: every command with its arguments and options, from the application itself."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import typer
from cells import code, prose, table

_WORDS = {int: "N", float: "X", Path: "PATH", str: "TEXT"}


def command_line() -> str:
    """Markdown of all commands, groups included."""
    from evalkit import cli

    app = typer.main.get_command(cli.app)
    own = [one for one in app.params if not getattr(one, "hidden", False)]
    parts = ["## evalkit\n", _help(app), _options(own)]
    for name, command in _commands(app, "evalkit"):
        parts += [f"## {name}\n", _help(command)]
        if not hasattr(command, "commands"):
            parts += [f"```\n{_usage(name, command)}\n```\n", _arguments(command.params), _options(command.params)]
        if command.epilog:
            parts.append(f"{inspect.cleandoc(command.epilog)}\n")
    return "\n".join(part for part in parts if part)


def _commands(group: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for name, command in sorted(group.commands.items()):
        if command.hidden:
            continue
        yield f"{prefix} {name}", command
        if hasattr(command, "commands"):
            yield from _commands(command, f"{prefix} {name}")


def _help(command: Any) -> str:
    return inspect.cleandoc(command.help or "").replace("\f", "") + "\n"


def _usage(name: str, command: Any) -> str:
    words = [name, "[OPTIONS]"]
    for one in command.params:
        if one.param_type_name == "argument":
            word = (one.metavar or one.name.upper()).strip("[]")
            several = "..." if one.nargs != 1 and not word.endswith("...") else ""
            words.append((word if one.required else f"[{word}]") + several)
    return " ".join(words)


def _arguments(params: list[Any]) -> str:
    rows = [
        (code((one.metavar or one.name.upper()).strip("[]")), prose(one.help or ""), _default(one))
        for one in params
        if one.param_type_name == "argument"
    ]
    return table(("Argument", "", "Default"), rows)


def _options(params: list[Any]) -> str:
    rows = []
    for one in params:
        if one.param_type_name == "option" and not one.hidden:
            flags = ", ".join(code(flag) for flag in (*one.opts, *one.secondary_opts))
            rows.append((f"{flags} {_value(one)}".strip(), prose(one.help or ""), _default(one)))
    return table(("Option", "", "Default"), rows)


def _value(option: Any) -> str:
    """What stands after the flag."""
    if option.is_flag:
        return ""
    if option.metavar:
        return code(option.metavar)
    kind = option.type_descriptor.annotation
    if get_origin(kind) is not None:  # a list, or words to choose from
        inner = get_args(kind)
        kind = inner[0] if inner and isinstance(inner[0], type) else "|".join(map(str, inner))
    if isinstance(kind, type) and hasattr(kind, "__members__"):
        kind = "|".join(str(member.value) for member in kind)  # type: ignore[attr-defined]
    return code(_WORDS.get(kind, kind if isinstance(kind, str) else "VALUE"))


def _default(param: Any) -> str:
    value = getattr(param.default, "value", param.default)
    if param.required:
        return "required"
    if getattr(param, "is_flag", False):
        # A switch with two names says which of them holds; one with a single name is off.
        return code((param.opts if value else param.secondary_opts)[0]) if param.secondary_opts else ""
    if value is None or value == () or value == [] or callable(value):
        return ""
    return code(", ".join(map(str, value)) if isinstance(value, list | tuple) else value)
