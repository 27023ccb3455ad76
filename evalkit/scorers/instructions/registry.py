"""What an instruction is, the decorator that names one, and the settings they take."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any, Literal, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, create_model

Followed = Callable[[str], bool]
"""Whether a text follows an instruction whose settings are given."""

Check = TypeVar("Check", bound=Callable[..., bool])

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Texts = Annotated[list[Text], Field(min_length=1)]
Count = Annotated[int, Field(ge=0)]
Relation = Literal["less than", "at least"]

_INSTRUCTIONS: dict[str, tuple[Callable[..., bool], type[BaseModel]]] = {}


def instruction(name: str) -> Callable[[Check], Check]:
    """Register a check of a text as the instruction `name`; its parameters after `text` are the settings, all required."""

    def register(check: Check) -> Check:
        hints = get_type_hints(check, include_extras=True)
        fields: dict[str, Any] = {key: (hint, ...) for key, hint in hints.items() if key not in ("text", "return")}
        settings = create_model(name, __config__=ConfigDict(extra="forbid"), **fields)
        _INSTRUCTIONS[name] = (check, settings)
        return check

    return register


def bind(name: str, settings: Mapping[str, Any]) -> Followed:
    """The check of one instruction with its settings. Raises ValueError, naming the instruction and the setting.

    A setting that is null is none: the hub's rows hold a column for every setting of every instruction.
    """
    if name not in _INSTRUCTIONS:
        near = difflib.get_close_matches(name, _INSTRUCTIONS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(_INSTRUCTIONS))}"
        raise ValueError(f"unknown instruction {name!r}; {hint}")
    check, model = _INSTRUCTIONS[name]
    try:
        given = model.model_validate({key: value for key, value in settings.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{name}: {where}: {first['msg']}") from None
    return partial(check, **dict(given))


def compare(found: int, relation: Relation, number: int) -> bool:
    """Whether `found` stands in that relation to `number`."""
    return found < number if relation == "less than" else found >= number
