"""An item as a model will see it, in the terminal: special tokens stand out there, and are plain text elsewhere."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from evalkit.preview import Asked, Option, Preview
from evalkit.report.console import printable
from evalkit.report.numbers import count
from evalkit.tasks.task import LETTERS

_SPECIAL = "bold magenta"


def print_previews(previews: Sequence[Preview], *, as_json: bool = False, console: Console | None = None) -> None:
    """Every item in full: what is asked, with which settings, the gold, and what becomes of the answer."""
    if as_json:
        print(json.dumps([dataclasses.asdict(one) for one in previews], indent=2, ensure_ascii=False))
        return
    console = console or Console()
    for one in previews:
        _print(one, console)


def _print(one: Preview, console: Console) -> None:
    console.rule(Text(printable(f"{one.suite} / {one.task} / {one.id}", console.encoding)), align="left")
    for place, asked in enumerate(one.asked, start=1):
        _print_question(asked, f" {place} of {len(one.asked)}" if len(one.asked) > 1 else "", console)
    for turn in one.follow_ups:
        _say(console, "then, after its answer", turn)
    if one.system is not None:
        _say(console, "system prompt, of the model file", one.system)
    if one.sampling is not None:
        _say(console, "sampling", _settings(dataclasses.asdict(one.sampling)))
    elif one.stated:
        _say(console, "sampling that the task states", _settings(dict(one.stated)))
    elif one.kind != "generate":
        _say(console, "sampling", "none: log-probabilities are read")
    if one.choices:
        _say(
            console,
            "options",
            "\n".join(f"{letter}. {text}" for letter, text in zip(LETTERS, one.choices, strict=False)),
        )
    _say(console, "gold", "none" if one.gold is None else one.gold)
    if one.group is not None:
        _say(console, "cluster", one.group)
    if one.extraction:
        _say(console, "extracted by the first that yields", "\n".join(one.extraction))
    _say(console, "scored by", f"{one.score} ({one.metric}), in a suite of role {one.role}")


def _print_question(asked: Asked, which: str, console: Console) -> None:
    if asked.failure is not None:
        _say(console, f"cannot be asked{which}", f"{asked.failure.message}; {asked.failure.hint}", "bold red")
    if asked.text is not None:
        _say(console, f"text whose likelihood is scored{which}", asked.text)
    elif asked.prompt is None:
        for message in asked.messages:
            console.print(Text(f"{message.role}{which}:", style="bold"))
            console.print(Text(printable(message.content, console.encoding)), soft_wrap=True)
    else:
        known = f", {count(asked.tokens)} tokens" if asked.tokens is not None else ""
        console.print(Text(f"prompt{which}{known}:", style="bold"))
        console.print(_marked(asked.prompt, asked.special, console.encoding), soft_wrap=True)
    if asked.text is not None and asked.tokens is not None:
        _say(console, "tokens", count(asked.tokens))
    if asked.options:
        tokenised = any(one.tokens for one in asked.options)
        told = ("\n" if tokenised else ", ").join(_option(one) for one in asked.options)
        _say(console, "compared after it", told)


def _marked(prompt: str, special: Sequence[str], encoding: str) -> Text:
    """The prompt with its special tokens set off; `special` is longest first."""
    if not special:
        return Text(printable(prompt, encoding))
    parts = re.split(f"({'|'.join(map(re.escape, special))})", prompt)
    return Text.assemble(
        *((printable(part, encoding), _SPECIAL if place % 2 else "") for place, part in enumerate(parts))
    )


def _option(option: Option) -> str:
    tokens = " ".join(f"{token.text!r} [{token.id}]" for token in option.tokens)
    return f"{option.text!r}" + (f" as {tokens}" if tokens else "")


def _settings(settings: dict[str, object]) -> str:
    return ", ".join(f"{name} {list(value) if isinstance(value, tuple) else value}" for name, value in settings.items())


def _say(console: Console, title: str, text: str, style: str = "bold") -> None:
    """A title and its text: behind it where that is one line, below it where it is several."""
    text = printable(text, console.encoding)
    console.print(Text.assemble((f"{title}:", style), "\n" if "\n" in text else " ", text), soft_wrap=True)
