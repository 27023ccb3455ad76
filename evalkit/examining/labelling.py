"""Labels by people for a stored run: which pairs to label, as a CSV to fill in; and reading it back.

Which answer stands first, and which pairs are drawn, follow from the run, the judge and the seed alone. So nothing in the file
tells a person which model wrote what, and rows that were not drawn are found out.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from evalkit.judging import prompt_scores
from evalkit.statistics import drawing_order, drawing_shares, inclusion_probabilities
from evalkit.types import InputError, Label, Manifest

COLUMNS = ("suite", "task", "id", "prompt", "first", "second", "label", "probability", "judge", "seed")
WORDS = ("first", "second", "tie")
_ITEM = ["suite", "task", "id"]
_LONGEST = 2**31 - 1  # characters of a field: the csv module's own limit is shorter than long prompts

Place = tuple[str, str, str]


@dataclass(frozen=True)
class Draw:
    """All judged prompts of a run in the order in which they are drawn, with each one's share of the draw."""

    judge: str
    seed: int
    places: tuple[Place, ...]
    shares: np.ndarray

    def probabilities(self, n: int) -> dict[Place, float]:
        """With which probability each prompt is among the first n."""
        return dict(zip(self.places, inclusion_probabilities(self.shares, n).tolist(), strict=True))


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a label file as it was read. label: what a person wrote; empty where nobody did."""

    place: str
    item: Place
    label: str
    judge: str
    seed: int


def draw(manifest: Manifest, verdicts: pd.DataFrame, judge: str | None, *, seed: int) -> Draw:
    """The draw of one judge's prompts. judge: None where the run has one. Raises InputError."""
    names = [record.name for record in manifest.judges if record.jury is None]
    if not names:
        raise InputError("this run has no judge, so there is nothing to correct with labels")
    if judge is None and len(names) > 1:
        raise InputError(f"--judge: this run has several: {', '.join(names)}; name one")
    name = judge or names[0]
    if name not in names:
        raise InputError(f"--judge: no judge {name!r} in this run; it has: {', '.join(names)}")
    scores = prompt_scores(verdicts.loc[verdicts["judge"] == name, :]).sort_index()
    if scores.empty:
        raise InputError(f"judge {name!r} read no prompt of this run in every order asked")
    shares = drawing_shares(scores.to_numpy())
    digest = hashlib.sha256(f"{manifest.run_id} {name} {seed}".encode()).digest()
    order = drawing_order(shares, np.random.default_rng(int.from_bytes(digest[:8])))
    places = [(str(a), str(b), str(c)) for a, b, c in scores.index.to_list()]
    return Draw(name, seed, tuple(places[i] for i in order), shares[order])


def to_label(drawn: Draw, samples: pd.DataFrame, n: int, labelled: Sequence[Row], against: str) -> str:
    """The next `n` prompts as CSV text for people to fill in. labelled: rows of earlier files of the same draw."""
    done = {row.item for row in labelled}
    _check_drawn(drawn, labelled)
    total = len(done) + n
    if total > len(drawn.places):
        raise InputError(f"N: {n}: only {len(drawn.places) - len(done)} judged prompts are left to label")
    probabilities = drawn.probabilities(total)
    texts = _texts(samples, against)
    out = io.StringIO()
    # With \r in its line ends the writer puts texts that hold one in quotation marks.
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for item in drawn.places[len(done) : total]:
        if item not in texts:
            raise InputError(
                f"{item[0]}: id {item[2]!r}: the run does not hold both answers' texts, so there is nothing to show to people; "
                "of an import, give it the files that hold them"
            )
        base, tuned, prompt = texts[item]
        shown = (prompt, tuned, base) if tuned_first(drawn, item) else (prompt, base, tuned)
        told = f"{probabilities[item]:.9f}"
        writer.writerow([*item, *map(_inert, shown), "", told, drawn.judge, drawn.seed])
    return out.getvalue()


def read_rows(path: Path) -> list[Row]:
    """The rows of a label file. Raises InputError naming file and line."""
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not UTF-8; save it as CSV UTF-8") from None
    csv.field_size_limit(_LONGEST)
    head = text.partition("\n")[0]
    # Where the comma is the decimal sign, spreadsheets save CSV with semicolons.
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=";" if head.count(";") > head.count(",") else ",")
    absent = [
        name
        for name in ("suite", "task", "id", "label", "probability", "judge", "seed")
        if name not in (reader.fieldnames or ())
    ]
    if absent:
        why = (
            "; labels that were picked by hand, without probabilities, cannot correct anything"
            if "probability" in absent
            else ""
        )
        raise InputError(f"{path}: no column {absent[0]!r}{why}; draw with: evalkit judge label-next")
    rows: list[Row] = []
    for row in _parsed(reader, path):
        place = f"{path}:{reader.line_num}"
        label = (row["label"] or "").strip().casefold()
        if label and label not in WORDS:
            raise InputError(f"{place}: label: {row['label']!r}: must be first, second or tie, or empty")
        if not (row["probability"] or "").strip():
            raise InputError(f"{place}: probability: is empty; labels that were picked by hand cannot correct anything")
        if not (row["seed"] or "").strip().isdigit():
            raise InputError(f"{place}: seed: {row['seed']!r}: must be the number that label-next wrote")
        rows.append(Row(place, (row["suite"], row["task"], row["id"]), label, row["judge"], int(row["seed"])))
    return rows


def _parsed(reader: csv.DictReader[str], path: Path) -> Iterator[dict[str, str]]:
    try:
        yield from reader
    except csv.Error as error:
        raise InputError(f"{path}:{reader.line_num}: not CSV: {error}") from None


def labels_of(drawn: Draw, rows: Sequence[Row]) -> tuple[Label, ...]:
    """What people said, with the probability of having been asked and having answered. Rows nobody filled in are left out.

    Whoever stops early leaves the end of the draw, and what comes before it is a shorter draw. Rows passed over before the
    last that was labelled count as passed over by chance. Raises InputError for a row that was not drawn, or stands twice.
    """
    _check_drawn(drawn, rows)
    if not rows:
        return ()
    filled = [row for row in rows if row.label]
    if not filled:
        return ()
    reached = len(filled) + passed_over(drawn, rows)
    probabilities = drawn.probabilities(reached)
    labels: list[Label] = []
    for row in filled:
        value = 0.5 if row.label == "tie" else float((row.label == "first") == tuned_first(drawn, row.item))
        labels.append(Label(*row.item, value, probabilities[row.item] * len(filled) / reached))
    return tuple(labels)


def passed_over(drawn: Draw, rows: Sequence[Row]) -> int:
    """How many pairs nobody labelled stand in the draw before the last that somebody did."""
    place = {item: number for number, item in enumerate(drawn.places)}
    filled = [place[row.item] for row in rows if row.label]
    return max(filled) + 1 - len(filled) if filled else 0


def tuned_first(drawn: Draw, item: Place) -> bool:
    """Whether tuned's answer is the one that people see first; half of the time, and nobody can tell which half."""
    return hashlib.sha256(repr((drawn.seed, drawn.judge, item)).encode()).digest()[0] % 2 == 0


def _check_drawn(drawn: Draw, rows: Sequence[Row]) -> None:
    ahead = set(drawn.places[: len(rows)])
    seen: set[Place] = set()
    for row in rows:
        if row.item in seen:
            raise InputError(f"{row.place}: id {row.item[2]!r} stands twice; give each label file once")
        seen.add(row.item)
        if (row.judge, row.seed) != (drawn.judge, drawn.seed):
            raise InputError(
                f"{row.place}: was drawn for judge {row.judge!r} with seed {row.seed}; label files of one draw only"
            )
        if row.item not in ahead:
            raise InputError(
                f"{row.place}: id {row.item[2]!r} was not drawn from this run, or rows of its draw are missing: keep every row, "
                "the unlabelled ones too, and give all files of the draw"
            )


def _inert(text: str) -> str:
    """Text that a spreadsheet shows and does not run: a model may have written a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _texts(samples: pd.DataFrame, against: str) -> dict[Place, tuple[str, str, str]]:
    """Base's text, tuned's text and the prompt, by item; only items of which both texts are there."""
    first = samples.loc[(samples["sample"] == 0) & samples["text"].notna(), :]
    first = first.assign(prompt=first["prompt"].fillna(""))
    found: dict[Place, dict[str, tuple[str, str]]] = {}
    columns = (first[name].astype(str).tolist() for name in (*_ITEM, "arm", "text", "prompt"))
    for suite, task, id, arm, text, prompt in zip(*columns, strict=True):
        found.setdefault((suite, task, id), {})[arm] = (text, prompt)
    return {
        place: (arms[against][0], arms["tuned"][0], arms["tuned"][1])
        for place, arms in found.items()
        if {against, "tuned"} <= set(arms)
    }
