"""One task's samples_*.jsonl: its rows under one filter, each with what was asked, answered and marked."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from evalkit.importers.lm_eval.folder import SamplesFile
from evalkit.importers.rows import field_of
from evalkit.tasks.data import jsonl_rows
from evalkit.types import InputError

_UNNAMED = "none"
"""The filter of rows that earlier versions wrote without saying which it was."""


@dataclass(frozen=True, slots=True)
class SampleRow:
    """One document. asked: (prompt, continuation or settings) of each request. told: each request's responses, in the
    order of the repeats. shown: what the filter left of them. marks: by metric, as logged. group: of the cluster field.
    """

    place: str
    id: str
    asked: Sequence[tuple[str, Any]]
    told: Sequence[Sequence[Any]]
    shown: Sequence[Any]
    marks: Mapping[str, Any]
    target: str
    doc_hash: str | None
    target_hash: str | None
    group: str | None


@dataclass(frozen=True, slots=True)
class Samples:
    """A task's documents as one model answered them, under one filter."""

    file: SamplesFile
    filter: str
    rows: Sequence[SampleRow]

    @classmethod
    def read(cls, file: SamplesFile, filter_: str | None, cluster: str | None) -> Samples:
        """filter_: the first of the file where None. cluster: a field of the documents. Raises InputError."""
        rows: list[SampleRow] = []
        filters: dict[str, None] = {}
        wanted = filter_
        for row in jsonl_rows(file.path):
            name = str(row.values.get("filter", _UNNAMED))
            filters.setdefault(name)
            wanted = wanted if wanted is not None else name
            if name == wanted:
                rows.append(_row(row.values, row.place, file, cluster))
        if not filters:
            raise InputError(f"{file.path}: holds no row; run lm_eval again with --log_samples")
        if not rows:
            near = difflib.get_close_matches(str(filter_), list(filters), n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has: {', '.join(filters)}"
            raise InputError(f"--filter: {filter_!r} is none of {file.task}'s filters in {file.path.name}; {hint}")
        seen: set[str] = set()
        for one in rows:
            if one.id in seen:
                raise InputError(f"{one.place}: doc_id {one.id} stands there twice; was the file written by two runs?")
            seen.add(one.id)
        return cls(file, wanted or _UNNAMED, rows)

    @property
    def filters_hint(self) -> str:
        """Where the samples stand, for messages."""
        return f"{self.file.path.name} ({self.filter})"


def aligned(base: Samples, tuned: Samples) -> tuple[list[Samples], list[str]]:
    """Both sides with ids that stand for the same documents.

    Where a data set came in another order, documents of the same content are paired: their hashes are all there on both
    sides, each once. What is left as it is, and does not fit, is refused when the pairs are made.
    """
    hashes = [{row.id: row.doc_hash for row in side.rows} for side in (base, tuned)]
    moved = sum(hashes[1].get(id_, hash_) != hash_ for id_, hash_ in hashes[0].items())
    contents = [set(one.values()) for one in hashes]
    whole = None not in contents[0] and contents[0] == contents[1]
    if not moved or not whole or any(len(one) != len(mine) for one, mine in zip(contents, hashes, strict=True)):
        return [base, tuned], []
    ids = {row.doc_hash: row.id for row in base.rows}
    rows = [replace(row, id=ids[row.doc_hash]) for row in tuned.rows]
    said = (
        f"{base.file.task}: {moved} documents have other numbers in the two logs; they are paired by content (doc_hash)"
    )
    return [base, replace(tuned, rows=rows)], [said]


def _row(values: Mapping[str, Any], place: str, file: SamplesFile, cluster: str | None) -> SampleRow:
    row = dict(values)
    told = field_of(row, "resps", place)
    shown = field_of(row, "filtered_resps", place)
    if not isinstance(told, list) or not isinstance(shown, list):
        raise InputError(f"{place}: resps, filtered_resps: must be lists, as lm_eval writes them")
    names = row.get("metrics")
    if not isinstance(names, list):  # versions before 0.4.3
        names = [entry.get("metric") for entry in file.config.get("metric_list") or []]
    doc = row.get("doc")
    group = None
    if cluster is not None:
        if not isinstance(doc, Mapping) or cluster not in doc:
            has = ", ".join(sorted(doc)) if isinstance(doc, Mapping) else "none"
            raise InputError(f"--cluster: {place}: the document has no field {cluster!r}; it has: {has}")
        group = str(doc[cluster])
    return SampleRow(
        place=place,
        id=str(field_of(row, "doc_id", place)),
        asked=list(_asked(row.get("arguments"))),
        told=[one if isinstance(one, list) else [one] for one in told],
        shown=shown,
        marks={str(name): row[name] for name in names if name in row},
        target=str(row.get("target", "")),
        doc_hash=_text(row.get("doc_hash")),
        target_hash=_text(row.get("target_hash")),
        group=group,
    )


def _asked(arguments: object) -> Iterator[tuple[str, Any]]:
    """`{gen_args_0: {arg_0, arg_1}, ...}`, or in earlier versions a list of lists."""
    requests = list(arguments.values()) if isinstance(arguments, Mapping) else arguments
    for one in requests if isinstance(requests, list) else []:
        parts = list(one.values()) if isinstance(one, Mapping) else one if isinstance(one, list) else [one]
        yield str(parts[0]) if parts else "", parts[1] if len(parts) > 1 else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
