"""Recorded outputs as a model: exactly the same scoring, judging, statistics and report, and no engine.

Rows are `{"id": ..., "output": "..."}`, optionally with `task`. A list is several samples. For choice items the output is
an option's letter, text or (as a number) index. `{"turns": ["...", "..."]}` in place of an output holds the answers to an
item's turns; any other output answers its first turn alone.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import xxhash

from evalkit.backends import Backend, backend
from evalkit.config import ModelSpec
from evalkit.tasks.data import jsonl_rows
from evalkit.types import Completion, Failure, InputError, ModelRecord, Prepared, Progress, Request


class Replay:
    """One model's recorded outputs, by (task, id); a row without a task serves every task."""

    def __init__(self, name: str, spec: ModelSpec) -> None:
        self.models = (name,)
        self._spec = spec
        self._path = Path(spec.folder) / Path(spec.outputs or "").expanduser()
        self._outputs = _read(self._path, spec)

    def record(self, model: str) -> ModelRecord:
        """The file's content hash stands for the model."""
        named = self._spec.model or str(self._spec.outputs)
        return ModelRecord(self._spec.name, "replay", named, self._digest, engine="replay", engine_version="1")

    @functools.cached_property
    def _digest(self) -> str:
        digest = xxhash.xxh3_128()
        with self._path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
        return digest.hexdigest()

    def prepare(self, request: Request) -> Prepared | Failure:
        """Find the recorded row; a Failure where the file has none."""
        found = self._find(request)
        if isinstance(found, Failure):
            return found
        turns = [f"{message.role}: {message.content}" for message in request.messages]
        return Prepared(request, "\n\n".join(turns), key="")

    def start(self, progress: Progress) -> None:
        """Nothing to load."""

    def stream(self, prepared: Iterable[Prepared | None]) -> Iterator[tuple[Prepared, Completion]]:
        """Hand out what was recorded."""
        for one in filter(None, prepared):
            found = self._find(one.request)
            if isinstance(found, Failure):
                yield one, Completion("", finish_reason="error", failure=found)
            else:
                yield one, Completion(_as_text(found, one.request), finish_reason="recorded")

    def close(self) -> None:
        """Nothing to give back."""

    def _find(self, request: Request) -> object:
        row = self._outputs.get((request.task, request.example_id))
        if row is None:
            row = self._outputs.get((None, request.example_id))
        if row is None:
            return self._absent(request, "has no row for this item")
        samples = row if isinstance(row, list) else [row]
        if request.sample >= len(samples):
            return self._absent(
                request, f"has {len(samples)} samples for this item, and {request.sample + 1} are asked for"
            )
        found = samples[request.sample]
        turns = _turns(found)
        if request.turn >= len(turns):
            return self._absent(
                request,
                f"answers {len(turns)} turns of this item, and turn {request.turn + 1} is asked for",
                'record `{"turns": ["...", "..."]}` as the output',
            )
        found = turns[request.turn]
        return self._absent(request, "holds null for this item") if found is None else found

    def _absent(self, request: Request, problem: str, hint: str = "") -> Failure:
        hint = hint or f"record item {request.example_id!r} of task {request.task!r}, or leave it out of the suite"
        return Failure(request.model, "absent_row", f"{self._path.name} {problem}", hint)


def _read(path: Path, spec: ModelSpec) -> dict[tuple[str | None, str], object]:
    if not path.is_file():
        raise InputError(f"{spec.file}: outputs: no such file {spec.outputs!r}; looked for {path}")
    outputs: dict[tuple[str | None, str], object] = {}
    places: dict[tuple[str | None, str], str] = {}
    for row in jsonl_rows(path):
        if "id" not in row.values:
            raise InputError(f"{row.place}: no `id`; a recorded output needs one")
        if spec.output_field not in row.values:
            columns = ", ".join(sorted(row.values))
            raise InputError(
                f"{row.place}: no field {spec.output_field!r}; set `output_field:`; the row has: {columns}"
            )
        task = row.values.get("task")
        key = (None if task is None else str(task), str(row.values["id"]))
        if key in outputs:
            raise InputError(f"{row.place}: id {key[1]!r} stands at {places[key]} already; ids are unique")
        outputs[key], places[key] = row.values[spec.output_field], row.place
    if not outputs:
        raise InputError(f"{path}: holds no recorded outputs")
    return outputs


def _turns(output: object) -> Sequence[object]:
    """The answers to an item's turns, in order. An object with more than `turns` is an answer in JSON."""
    turns = output.get("turns") if isinstance(output, dict) and len(output) == 1 else None
    return turns if isinstance(turns, list) else [output]


def _as_text(output: object, request: Request) -> str:
    if isinstance(output, str):
        return output
    is_index = isinstance(output, int) and not isinstance(output, bool)
    if is_index and request.options and 0 <= output < len(request.options):  # type: ignore[operator]
        return request.options[output]  # type: ignore[index]
    return json.dumps(output, ensure_ascii=False)


@backend("replay")
def open_replay(models: Mapping[str, ModelSpec], folder: Path) -> list[Backend]:
    """One backend per recorded file. Raises InputError for an unreadable row or an id said twice."""
    return [Replay(name, spec) for name, spec in models.items()]
