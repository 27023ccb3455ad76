"""Which rows of a data file a task asks: those for which its `where` is true."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from evalkit.tasks.data import Row
from evalkit.tasks.templates import Template
from evalkit.types import InputError

_WORDS = {"True": True, "False": False}


def rows_where(condition: Template, rows: Iterable[Row]) -> Iterator[Row]:
    """The rows for which `condition` is true, in order.

    Read strictly: a text such as "safe" or "0" is neither true nor false, and whichever it were taken for, some suite
    would silently ask the wrong rows. Raises InputError for such a row, and where no row is left.
    """
    seen, kept = 0, False
    for row in rows:
        seen += 1
        if _holds(condition, row):
            kept = True
            yield row
    if not kept:
        raise InputError(f"{condition.asked_by}: holds for none of {seen} rows; a suite needs items")


def _holds(condition: Template, row: Row) -> bool:
    value = condition.value(row.values, row.place)
    verdict = _WORDS.get(value.strip()) if isinstance(value, str) else value
    if not isinstance(verdict, bool):
        raise InputError(
            f"{row.place}: {condition.asked_by}: gives {value!r}, which is neither true nor false; compare it, as in "
            "{{ column == 'value' }}"
        )
    return verdict
