"""Options that are said of one task, of one suite, or of all: `--metric acc_norm`, `--role gsm8k=target`."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from evalkit.types import InputError


@dataclass(frozen=True, slots=True)
class PerTask:
    """What one flag says, by name of a task or suite. everywhere: what it says of all that it does not name."""

    flag: str
    everywhere: str | None = None
    named: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, flag: str, given: Sequence[str], values: Collection[str] = ()) -> PerTask:
        """From `VALUE` and `NAME=VALUE`, each any number of times. values: those allowed, where not all are.

        Raises InputError for a value that is none, and for what is said twice.
        """
        everywhere: str | None = None
        named: dict[str, str] = {}
        for text in given:
            name, equals, value = text.partition("=")
            if not equals:
                name, value = "", text
            if not value or (equals and not name):
                raise InputError(f"{flag}: {text!r}: write VALUE, for all, or NAME=VALUE, for one task or suite")
            if values and value not in values:
                near = difflib.get_close_matches(value, values, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"one of {', '.join(values)}"
                raise InputError(f"{flag}: {text!r}: unknown value {value!r}; {hint}")
            if named.get(name, value) != value or (not equals and everywhere not in (None, value)):
                raise InputError(f"{flag}: {name or 'all'} is said twice, and differently")
            if equals:
                named[name] = value
            else:
                everywhere = value
        return cls(flag, everywhere, named)

    def of(self, *names: str) -> str | None:
        """What is said of the first of these names that is named, else of all; None where nothing is."""
        return next((self.named[name] for name in names if name in self.named), self.everywhere)

    def check(self, known: Collection[str]) -> None:
        """Every name is one of these. Raises InputError."""
        for name in self.named:
            check_name(self.flag, name, known)


def check_name(flag: str, name: str, known: Collection[str]) -> None:
    """Raises InputError, with the name that is meant, for one that is not known."""
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"the logs hold: {', '.join(sorted(known))}"
        raise InputError(f"{flag}: no task or suite {name!r}; {hint}")
