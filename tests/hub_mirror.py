"""Rows as a mirror of the hub, for tests: `EVALKIT_DATA` set to its folder."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path


def write_mirror(folder: Path, tables: Mapping[str, Sequence[Mapping[str, object]]]) -> Path:
    """Write each table to the path in the mirror it goes by, as `.jsonl` or as a list in `.json`."""
    for name, rows in tables.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        as_lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        path.write_text(json.dumps(rows) if name.endswith(".json") else as_lines, encoding="utf-8")
    return folder
