"""The built-in suites and judges, as tables or JSON."""

from __future__ import annotations

import json as json_
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from evalkit.config import ComposedSpec, HubSpec, JudgeSpec, SuiteSpec, TaskSpec
from evalkit.tasks.data import read_rows


def print_suites(
    suites: Sequence[SuiteSpec | ComposedSpec], *, json: bool = False, console: Console | None = None
) -> None:
    """Name, role, kind, tasks, items, whether the hub is needed, licence and what it is; --json names every task."""
    rows = [_composed_row(suite) if isinstance(suite, ComposedSpec) else _suite_row(suite) for suite in suites]
    if json:
        _print(rows, (), json, console)
        return
    short = [
        {
            "name": row["name"],
            "role": row["role"],
            "kind": row["kinds"],
            "tasks": _number(row["tasks"]),
            "items": "hub" if row["items"] is None and row["hub"] else row["items"],
            "licence": row["licence"],
            "description": row["description"],
        }
        for row in rows
    ]
    _print(short, tuple(short[0]) if short else (), json, console)


def _number(names: object) -> int:
    return len(names) if isinstance(names, list) else 0


def _suite_row(suite: SuiteSpec) -> dict[str, object]:
    """items: None where counting them would mean downloading them, or asking a task source."""
    native = [task for task in suite.tasks if isinstance(task, TaskSpec)]
    local = len(native) == len(suite.tasks) and all(isinstance(task.data, str) for task in native)
    kinds = [task.kind if isinstance(task, TaskSpec) else task.source for task in suite.tasks]
    return {
        "name": suite.name,
        "role": suite.role,
        "kinds": list(dict.fromkeys(kinds)),
        "tasks": [task.name for task in suite.tasks],
        "items": sum(_rows_of(task, suite.folder) for task in native) if local else None,
        "hub": any(isinstance(source, HubSpec) for task in native for source in (task.data, task.shots_data)),
        "licence": suite.licence,
        "description": suite.description,
    }


def _rows_of(task: TaskSpec, folder: str) -> int:
    rows = len(read_rows(task.data, folder, asked_by=task.name))
    return rows if task.limit is None else min(rows, task.limit)


def _composed_row(suite: ComposedSpec) -> dict[str, object]:
    members = [member.name or member.suite for member in suite.suites]
    return {
        "name": suite.name,
        "role": "several",
        "kinds": ["suites"],
        "tasks": members,
        "items": None,
        "hub": None,
        "licence": suite.licence,
        "description": suite.description,
    }


def print_judges(judges: Sequence[JudgeSpec], *, json: bool = False, console: Console | None = None) -> None:
    """Name, kind, the model behind it and what it is."""
    rows = [
        {
            "name": judge.name,
            "kind": judge.kind,
            "version": judge.version,
            "model": judge.model.model,
            "description": judge.description,
        }
        for judge in judges
    ]
    _print(rows, ("name", "kind", "version", "model", "description"), json, console)


def _print(rows: Sequence[dict[str, object]], fields: Sequence[str], json: bool, console: Console | None) -> None:
    if json:
        print(json_.dumps(rows, indent=2, ensure_ascii=False))
        return
    console = console or Console()
    if not console.is_terminal:
        console.width = max(console.width, 160)
    table = Table(box=None, pad_edge=False)
    for field in fields:
        table.add_column(field, overflow="fold")
    for row in rows:
        cells = [", ".join(value) if isinstance(value, list) else str(value or "") for value in row.values()]
        cells[-1] = _first_sentence(cells[-1])  # --json has the whole description
        table.add_row(*[Text(" ".join(cell.split())) for cell in cells])
    console.print(table)


def _first_sentence(text: str) -> str:
    head, stop, _ = " ".join(text.split()).partition(". ")
    return head + stop.strip()
