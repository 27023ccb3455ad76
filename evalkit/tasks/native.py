"""Native YAML tasks: rows -> Examples."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from evalkit.config import TaskSpec
from evalkit.tasks.data import Row, rows_of
from evalkit.tasks.examples import ExampleWriter
from evalkit.tasks.task import LETTERS, Task
from evalkit.tasks.templates import Template
from evalkit.tasks.where import rows_where
from evalkit.types import Example, InputError, Message

ASK_FOR_A_LETTER = "Answer with the letter of the correct option only.\nAnswer:"


def load_task(suite: str, index: int, spec: TaskSpec, *, file: str, folder: str) -> Task:
    """Read a task's rows and render every prompt. Raises InputError naming file and line for whatever is wrong."""
    where = f"{file}: tasks[{index}]"
    condition = Template(spec.where, asked_by=f"{where}.where") if spec.where is not None else None

    def rows() -> Iterator[Row]:
        found = rows_of(spec.data, folder, asked_by=f"{where}.data")
        return found if condition is None else rows_where(condition, found)

    shots = _shot_rows(spec, rows(), folder, where) if spec.shots else []
    maker = _Maker(spec, where, shots)
    repeats: Counter[str] = Counter()
    kept = ExampleWriter()
    content = ContentHash(spec.model_dump(mode="json", by_alias=True))
    for row, answer in maker.answered(rows()):
        example = maker.example(row, answer, repeats)
        kept.add(example)
        content.add(example)
    twice = kept.repeated()
    examples = kept.finish()
    if twice is not None:
        first, second = (next(itertools.islice(rows(), at, None)) for at in twice)
        id_ = examples[twice[1]].id
        raise InputError(f"{second.place}: id {id_!r} stands at {first.place} already; ids are unique")
    return Task(
        suite,
        spec.name,
        spec.kind,
        examples,
        content.digest(),
        sampling=spec.sampling,
        judge=spec.judge,
        limit=spec.limit,
        spec=spec,
    )


class ContentHash:
    """Identity of a task: how it asks and marks (`how`, as plain data), and every item.

    The digest of all of it as one JSON text, which is never held.
    """

    def __init__(self, how: object) -> None:
        self._digest = hashlib.sha256(f"[{_json(how)}, [".encode())
        self._before = ""

    def add(self, example: Example) -> None:
        """The next item."""
        self._digest.update(f"{self._before}{_json(_as_data(example))}".encode())
        self._before = ", "

    def digest(self) -> str:
        """Of what was added so far."""
        whole = self._digest.copy()
        whole.update(b"]]")
        return whole.hexdigest()


def content_hash(how: object, examples: Iterable[Example]) -> str:
    """As `ContentHash`, of items that are all there."""
    content = ContentHash(how)
    for example in examples:
        content.add(example)
    return content.digest()


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)


def _as_data(example: Example) -> list[Any]:
    turns = [[message.role, message.content] for message in example.messages]
    own = [example.id, turns, example.answer, list(example.choices), example.group]
    return [*own, list(example.follow_ups)] if example.follow_ups else own


def _shot_rows(spec: TaskSpec, own: Iterable[Row], folder: str, where: str) -> list[Row]:
    """As many rows as worked examples are wanted, from a file of their own or from the task's `own` rows."""
    rows = own
    if spec.shots_data is not None:
        rows = rows_of(spec.shots_data, folder, asked_by=f"{where}.shots_data")
    # One spare, so that an item drawn from the same file is never its own worked example.
    needed = spec.shots if spec.shots_data is not None else spec.shots + 1
    first = list(itertools.islice(rows, spec.shots + 1))
    if len(first) < needed:
        raise InputError(f"{where}.shots: {spec.shots} worked examples wanted, and there are {len(first)} rows")
    return first


class _Maker:
    """Compiled templates of one task, and the worked examples that precede each question."""

    def __init__(self, spec: TaskSpec, where: str, shots: list[Row]) -> None:
        self.spec = spec
        self.where = where
        turns = [("user", spec.prompt)] if isinstance(spec.prompt, str) else [(t.role, t.content) for t in spec.prompt]
        self.turns = [(role, Template(text, asked_by=f"{where}.prompt")) for role, text in turns]
        self.id = self._template("id")
        self.group = self._template("group")
        self.slices = {
            name: Template(source, asked_by=f"{where}.slices.{name}") for name, source in spec.slices.items()
        }
        self.answer = self._template("answer")
        self.choices = (
            [Template(text, asked_by=f"{where}.choices") for text in spec.choices]
            if isinstance(spec.choices, tuple)
            else None
        )
        # A string is a column's name, or an expression where the list lies deeper: "{{ mc1_targets.choices }}".
        self.choices_list = (
            self._template("choices") if isinstance(spec.choices, str) and "{{" in spec.choices else None
        )
        follow_ups = spec.follow_ups
        self.follow_ups = (
            [Template(text, asked_by=f"{where}.follow_ups") for text in follow_ups]
            if isinstance(follow_ups, tuple)
            else Template(follow_ups, asked_by=f"{where}.follow_ups")
        )
        self.shows_options = any({"options", "choices"} & template.names for _, template in self.turns)
        self.shots = list(zip(shots, self.answers(shots), strict=True))

    def _template(self, field: str) -> Template | None:
        source = getattr(self.spec, field)
        return Template(source, asked_by=f"{self.where}.{field}") if source is not None else None

    def example(self, row: Row, answer: str | None, repeats: Counter[str]) -> Example:
        """One example; rows without an id of their own are named by content and how often it occurred before."""
        choices = self._choices(row)
        question = self._question(row, choices)
        # A system turn belongs at the very start, once: before the worked examples, and not in each of them.
        system = tuple(message for message in question if message.role == "system")
        asked = tuple(message for message in question if message.role != "system")
        messages = (*system, *self._worked(row), *asked)
        if self.id is not None:
            id_ = self.id.render(row.values, row.place).strip()
        elif row.values.get("id") not in (None, ""):
            id_ = str(row.values["id"])
        else:
            content = json.dumps(row.values, sort_keys=True, ensure_ascii=False, default=str)
            digest = hashlib.sha256(content.encode()).hexdigest()[:12]
            repeats[digest] += 1
            id_ = digest if repeats[digest] == 1 else f"{digest}-{repeats[digest]}"
        if not id_:
            raise InputError(f"{row.place}: {self.where}.id: is empty for this row")
        group = self.group.render(row.values, row.place) if self.group is not None else None
        meta = {name: str(value) for name, value in self.spec.sandbox.model_dump(exclude_none=True).items()}
        values = {name: template.render(row.values, row.place).strip() for name, template in self.slices.items()}
        slices = {name: value for name, value in values.items() if value}
        return Example(id_, messages, answer, choices, group, meta, self._follow_ups(row), slices=slices)

    def _follow_ups(self, row: Row) -> tuple[str, ...]:
        """The user turns after the first: a template each, or one expression that yields a list."""
        if isinstance(self.follow_ups, Template):
            value = self.follow_ups.value(row.values, row.place)
            turns = value if isinstance(value, list) else [value]
        else:
            turns = [template.render(row.values, row.place) for template in self.follow_ups]
        return tuple(str(turn) for turn in turns if str(turn).strip())

    def _question(self, row: Row, choices: tuple[str, ...]) -> tuple[Message, ...]:
        values = dict(row.values)
        lettered = "\n".join(f"{LETTERS[i]}. {text}" for i, text in enumerate(choices))
        if choices:
            values |= {"choices": list(choices), "options": lettered}
        messages = [Message(role, template.render(values, row.place)) for role, template in self.turns]
        if not any(message.content.strip() for message in messages):
            raise InputError(f"{row.place}: {self.where}.prompt: renders to nothing for this row")
        if choices and self.spec.options == "letters" and not self.shows_options:
            last = messages[-1]
            messages[-1] = Message(last.role, f"{last.content.rstrip()}\n\n{lettered}\n\n{ASK_FOR_A_LETTER}")
        return tuple(messages)

    def _worked(self, row: Row) -> list[Message]:
        """The first `shots` rows other than this one, as user and assistant turns."""
        worked: list[Message] = []
        others = [(shot, answer) for shot, answer in self.shots if shot.values != row.values]
        for shot, answer in others[: self.spec.shots]:
            choices = self._choices(shot)
            if choices and self.spec.options == "text" and answer:
                answer = choices[LETTERS.index(answer.split(",")[0])]  # of several right ones the first is shown
            worked += [*self._question(shot, choices), Message("assistant", answer or "")]
        return [m for m in worked if m.role != "system"]

    def _choices(self, row: Row) -> tuple[str, ...]:
        if self.spec.kind != "choice":
            return ()
        if self.choices is not None:
            found = [template.render(row.values, row.place) for template in self.choices]
        else:
            column = str(self.spec.choices)
            if self.choices_list is not None:
                value = self.choices_list.value(row.values, row.place)
            elif column not in row.values:
                columns = ", ".join(sorted(row.values))
                raise InputError(f"{row.place}: {self.where}.choices: no column {column!r}; the row has: {columns}")
            else:
                value = row.values[column]
            if isinstance(value, dict) and "text" in value:  # the hub's {label: [...], text: [...]}
                value = value["text"]
            if isinstance(value, str):
                try:
                    value = json.loads(value)
                except json.JSONDecodeError:
                    value = None
            if not isinstance(value, list):
                raise InputError(f"{row.place}: {self.where}.choices: {column!r} is not a list of options")
            found = [str(option) for option in value]
        if not 2 <= len(found) <= len(LETTERS):
            raise InputError(f"{row.place}: {self.where}.choices: {len(found)} options; a choice has 2 to 26")
        return tuple(found)

    def answered(self, rows: Iterable[Row]) -> Iterator[tuple[Row, str | None]]:
        """Every row with its gold, in a stream; of a choice task all rows are held, since their golds are read together."""
        if self.spec.kind == "choice":
            held = list(rows)
            yield from zip(held, self.answers(held), strict=True)
            return
        for row in rows:
            yield row, self.answers([row])[0]

    def answers(self, rows: Sequence[Row]) -> list[str | None]:
        """The gold of every row: a text, or the letter of an option. Raises InputError naming the row."""
        if self.answer is None:
            return [None] * len(rows)
        if self.spec.kind == "choice":
            golds = [self.answer.value(row.values, row.place) for row in rows]
            options = [self._choices(row) for row in rows]
            if any(isinstance(gold, list) for gold in golds):
                return [self._several(gold, mine, row) for gold, mine, row in zip(golds, options, rows, strict=True)]
            letters = _read_golds(golds, options, [row.place for row in rows], self.answer.asked_by)
            if self.spec.options == "text":
                self._check_golds_are_told_apart(rows, letters, options)
            return list(letters)
        texts = [self.answer.render(row.values, row.place).strip() for row in rows]
        if "" in texts:
            raise InputError(f"{rows[texts.index('')].place}: {self.answer.asked_by}: is empty for this row")
        return list(texts)

    def _several(self, gold: object, options: tuple[str, ...], row: Row) -> str:
        """The letters of several right options, from a list of indices."""
        assert self.answer is not None
        places = gold if isinstance(gold, list) else [gold]
        letters = [_by_index(place, options) for place in places]
        if not letters or None in letters:
            raise InputError(
                f"{row.place}: {self.answer.asked_by}: {gold!r} names no options; "
                f"a list holds indices 0 to {len(options) - 1}"
            )
        return ",".join(letter for letter in letters if letter)

    def _check_golds_are_told_apart(
        self, rows: Sequence[Row], letters: Sequence[str], options: Sequence[tuple[str, ...]]
    ) -> None:
        """Published benchmarks do repeat an option. By letter, or where both are wrong, nothing is lost by it."""
        for row, letter, choices in zip(rows, letters, options, strict=True):
            if choices.count(choices[LETTERS.index(letter)]) > 1:
                raise InputError(
                    f"{row.place}: {self.where}.choices: the right option stands there twice; use options: letters"
                )


def read_option(value: object, choices: tuple[str, ...]) -> str | None:
    """The letter of the option that `value` names: an integer is an index; a string a letter, else a text, else an index.

    One value alone can be ambiguous (`"1"` among numeric options); a task's golds are read together by `_read_golds`.
    """
    for read in (_by_index, _by_letter, _by_text, _by_digits):
        letter = read(value, choices)
        if letter is not None:
            return letter
    return None


def _by_index(value: object, choices: tuple[str, ...]) -> str | None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return LETTERS[value] if whole and 0 <= value < len(choices) else None  # type: ignore[index,operator]


def _by_letter(value: object, choices: tuple[str, ...]) -> str | None:
    text = str(value).strip().upper()
    return text if len(text) == 1 and text in LETTERS[: len(choices)] else None


def _by_text(value: object, choices: tuple[str, ...]) -> str | None:
    text = str(value).strip()
    stripped = [choice.strip() for choice in choices]
    return LETTERS[stripped.index(text)] if text in stripped else None


def _by_digits(value: object, choices: tuple[str, ...]) -> str | None:
    text = str(value).strip()
    return LETTERS[int(text)] if text.isascii() and text.isdigit() and int(text) < len(choices) else None


def _read_golds(
    golds: Sequence[object], choices: Sequence[tuple[str, ...]], places: Sequence[str], field: str
) -> list[str]:
    """The letters of all golds of a task, read in the one way that fits every row: index, letter, text, or digits.

    Reading row by row would take the index 1 of the options 0, 1, 2, 3 for the text "1" in some rows and not in others.
    Raises InputError naming the first row that the best reading cannot read.
    """
    best: list[str | None] = []
    for read in (_by_index, _by_letter, _by_text, _by_digits):
        letters = [read(gold, options) for gold, options in zip(golds, choices, strict=True)]
        if None not in letters:
            return [letter for letter in letters if letter]
        if not best or letters.count(None) < best.count(None):
            best = letters
    bad = best.index(None)
    options = choices[bad]
    valid = f"an index 0 to {len(options) - 1}, a letter A to {LETTERS[len(options) - 1]}, or an option's text"
    raise InputError(f"{places[bad]}: {field}: {golds[bad]!r} names no option; use {valid}, the same way in every row")
