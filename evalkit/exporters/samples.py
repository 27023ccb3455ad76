"""Every sample of a run as one row: Parquet with lists as lists, CSV with lists as JSON."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pyarrow as pa

from evalkit.exporters.writing import write_whole
from evalkit.types import ARMS, INCUMBENT, Manifest


def export_parquet(table: pa.Table, manifest: Manifest, path: Path) -> Path:
    """One row a sample, with the model's name. Words are plain strings, for readers that know no dictionaries."""
    import pyarrow.parquet as pq

    flat = flat_table(table, manifest)
    return write_whole(path, lambda temporary: pq.write_table(flat, temporary, compression="zstd"))


def export_csv(table: pa.Table, manifest: Manifest, path: Path) -> Path:
    """The same rows and columns as Parquet; `logprobs` and `verdicts` are JSON.

    Texts stand in quotes, and an unquoted empty field is null: a text that is empty was written, one that is null never.
    """
    from pyarrow import csv

    flat = flat_table(table, manifest)
    for place, field in enumerate(flat.schema):
        if pa.types.is_list(field.type):
            texts = [None if value is None else _as_json(value) for value in flat[field.name].to_pylist()]
            flat = flat.set_column(place, pa.field(field.name, pa.large_string()), pa.array(texts, pa.large_string()))
    return write_whole(path, lambda temporary: csv.write_csv(flat, temporary))


def flat_table(table: pa.Table, manifest: Manifest) -> pa.Table:
    """The samples with `run_id` and `model` before them."""
    columns: dict[str, pa.ChunkedArray | pa.Array] = {}
    for field in table.schema:
        column = table[field.name]
        columns[field.name] = column.cast(pa.string()) if pa.types.is_dictionary(field.type) else column
    names = _names(manifest)
    models = [names.get(arm, arm) for arm in columns["arm"].to_pylist()]
    front = {
        "run_id": pa.array([manifest.run_id] * table.num_rows, pa.string()),
        "model": pa.array(models, pa.string()),
    }
    return pa.table({**front, **columns})


def _names(manifest: Manifest) -> dict[str, str]:
    """The models' names by arm; base asked again is base."""
    names = {arm: getattr(manifest, arm).name for arm in ARMS}
    if manifest.incumbent is not None:
        names[INCUMBENT] = manifest.incumbent.name
    return {**names, "base-again": manifest.base.name}


def _as_json(value: object) -> str:
    """JSON has no NaN: a log-probability that the engine did not give is null."""
    if isinstance(value, list):
        value = [None if isinstance(one, float) and not math.isfinite(one) else one for one in value]
    return json.dumps(value, ensure_ascii=False, default=str)
