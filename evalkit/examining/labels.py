"""What people said of pairs, or of answers: one row an item, from JSONL, JSON, CSV or Parquet.

    {"id": "7", "prompt": "...", "first": "...", "second": "...", "label": "first"}        a pair; or second, or tie
    {"id": "7", "prompt": "...", "first": "...", "second": "...", "labels": ["first", "tie", "first"]}     several people
    {"id": "7", "prompt": "...", "response": "...", "label": "pass"}                       an answer; or fail, 1, 0, a grade

Optional: `answer` (or `reference`), what a judge may be shown as right; `suite` and `task`; `probability`, with which
the item was drawn to be labelled, in all rows or in none. A row whose label is empty was not labelled yet.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import xxhash

from evalkit.tasks.data import Row, file_rows
from evalkit.types import InputError

Form = Literal["pairs", "answers"]
TIE = "tie"

_WORDS: dict[Form, tuple[str, ...]] = {"pairs": ("first", "second", TIE), "answers": ("pass", "fail")}
_TEXTS: dict[Form, tuple[str, ...]] = {"pairs": ("first", "second"), "answers": ("response",)}
PLACE = "exam"
"""The suite and the task of items that name none."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """One item and what people said of it.

    texts: the first and the second answer of a pair, or the one answer. labels: first, second or tie of a pair; pass or
    fail of an answer; one a person. probability: with which it was drawn to be labelled; None where it was not drawn.
    """

    suite: str
    task: str
    id: str
    prompt: str
    texts: tuple[str, ...]
    labels: tuple[str, ...]
    reference: str | None = None
    probability: float | None = None

    @property
    def people(self) -> str:
        """What most of them said; a tie where no answer has more votes than any other."""
        (most, votes), *others = Counter(self.labels).most_common()
        return TIE if others and others[0][1] == votes else most


@dataclass(frozen=True, slots=True)
class LabelFile:
    """All labelled items of a file, in its order. hash: of its content. unlabelled: rows that nobody filled in."""

    name: str
    hash: str
    form: Form
    items: tuple[Labelled, ...]
    unlabelled: int = 0


def read_labels(path: Path, scale: tuple[int, int] = (1, 5)) -> LabelFile:
    """Read and check a label file. scale: on which grades in it lie, where answers are labelled with grades.

    An answer with a grade passes from the middle of the scale on; labels that are all 0 or 1 are fail and pass.
    Raises InputError naming file and line for a row that cannot be used as it stands.
    """
    if not path.is_file():
        raise InputError(f"--labels: no such file {str(path)!r}; looked for {path.resolve()}")
    rows = list(file_rows(path))
    if not rows:
        raise InputError(f"{path}: holds no labels")
    form = _form(rows[0])
    read = [(row, _stated(row)) for row in rows]
    grades = [_number(one) for _, stated in read for one in stated]
    on_scale = any(grade not in (None, 0.0, 1.0) for grade in grades)
    items: list[Labelled] = []
    places: dict[tuple[str, str, str], str] = {}
    for row, stated in read:
        if not stated:
            continue
        labels = tuple(_label(one, form, row.place, scale if on_scale else None) for one in stated)
        item = _item(row, form, labels)
        key = (item.suite, item.task, item.id)
        if key in places:
            raise InputError(f"{row.place}: id {item.id!r} stands at {places[key]} already; ids are unique")
        places[key] = row.place
        items.append(item)
    if not items:
        raise InputError(f"{path}: no row has a label yet; fill in {', '.join(_WORDS[form])}")
    _check_probabilities(path, items)
    digest = xxhash.xxh3_128(path.read_bytes()).hexdigest()
    return LabelFile(path.name, digest, form, tuple(items), len(rows) - len(items))


def _form(row: Row) -> Form:
    for form, texts in _TEXTS.items():
        if set(texts) <= set(row.values):
            return form
    columns = ", ".join(sorted(row.values))
    raise InputError(
        f"{row.place}: neither a pair (first, second) nor an answer (response); the row has: {columns}. "
        'Expected {"id", "prompt", "first", "second", "label"} or {"id", "prompt", "response", "label"}'
    )


def _stated(row: Row) -> list[object]:
    """The labels of a row as they stand in the file; none where it was not filled in."""
    both = [name for name in ("label", "labels") if row.values.get(name) not in (None, "", [])]
    if not {"label", "labels"} & set(row.values):
        raise InputError(f"{row.place}: no `label`, and no `labels` of several people")
    if len(both) == 2:
        raise InputError(f"{row.place}: both `label` and `labels`; say one of them")
    if not both:
        return []
    found = row.values[both[0]]
    if both[0] == "label":
        return [found]
    if isinstance(found, str):  # CSV has no lists
        found = [one.strip() for one in found.split(";")]
    if not isinstance(found, Sequence):
        raise InputError(f"{row.place}: labels: {found!r}: expected a list, one label a person")
    return list(found)


def _label(stated: object, form: Form, place: str, scale: tuple[int, int] | None) -> str:
    words = _WORDS[form]
    if isinstance(stated, str) and stated.strip().casefold() in words:
        return stated.strip().casefold()
    grade = _number(stated) if form == "answers" else None
    if grade is not None:
        low, high = scale or (0, 1)
        if low <= grade <= high:
            return "pass" if (grade - low) / (high - low) >= 0.5 else "fail"
        raise InputError(f"{place}: label: {stated!r}: outside the judge's scale, {low} to {high}; or say pass or fail")
    more = " (or 1 and 0, or a grade on the judge's scale)" if form == "answers" else ""
    raise InputError(f"{place}: label: {stated!r}: say {', '.join(words[:-1])} or {words[-1]}{more}")


def _number(stated: object) -> float | None:
    if isinstance(stated, (bool, int, float)):
        return float(stated) if math.isfinite(stated) else None
    try:
        number = float(str(stated))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _item(row: Row, form: Form, labels: tuple[str, ...]) -> Labelled:
    reference = row.values.get("answer", row.values.get("reference"))
    return Labelled(
        suite=str(row.values.get("suite") or PLACE),
        task=str(row.values.get("task") or PLACE),
        id=_id(row),
        prompt=_text(row, "prompt"),
        texts=tuple(_text(row, name) for name in _TEXTS[form]),
        labels=labels,
        reference=None if reference is None else str(reference),
        probability=_probability(row),
    )


def _id(row: Row) -> str:
    found: Any = row.values.get("id")
    if found is None or found == "":
        raise InputError(f"{row.place}: no `id`; a labelled item needs one")
    return str(found)


def _text(row: Row, name: str) -> str:
    found = row.values.get(name)
    if not isinstance(found, str):
        said = f"{name}: {found!r}: expected text" if name in row.values else f"no `{name}`"
        raise InputError(f"{row.place}: {said}")
    return found


def _probability(row: Row) -> float | None:
    stated = row.values.get("probability")
    if stated is None or stated == "":
        return None
    number = _number(stated)
    if number is None or not 0 < number <= 1:
        raise InputError(f"{row.place}: probability: {stated!r}: must be above 0 and at most 1")
    return number


def _check_probabilities(path: Path, items: Sequence[Labelled]) -> None:
    """Some drawn and some picked by hand make no sample of anything."""
    without = [item.id for item in items if item.probability is None]
    if without and len(without) < len(items):
        raise InputError(
            f"{path}: probability: item {without[0]!r} has none, and others have; leave out what was not drawn"
        )
