"""One model alone, in the terminal: its scores by task, or chosen items in full."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from evalkit.report.console import printable
from evalkit.report.numbers import amount, count
from evalkit.scorers import unbounded_metrics


def print_scores(samples: pd.DataFrame, *, console: Console | None = None) -> None:
    """Mean score, items and why marks were lost, a row a task."""
    console = console or Console()
    table = Table(box=None, pad_edge=False)
    for name in ("suite", "task", "metric"):
        table.add_column(name)
    for name in ("items", "score"):
        table.add_column(name, justify="right")
    table.add_column("lost to")
    by_task: dict[tuple[str, str], list[dict[Any, Any]]] = {}
    for row in samples.to_dict("records"):
        by_task.setdefault((row["suite"], row["task"]), []).append(row)
    for (suite, task), rows in by_task.items():
        values = [row["value"] for row in rows if not math.isnan(row["value"])]
        lost = Counter(str(row[why]) for row in rows for why in ("cause", "failure") if isinstance(row[why], str))
        table.add_row(
            Text(printable(suite, console.encoding)),
            Text(printable(task, console.encoding)),
            rows[0]["metric"],
            count(len({row["id"] for row in rows})),
            amount(sum(values) / len(values) if values else None, _unit(rows[0]["metric"], values)),
            ", ".join(f"{number} {why.replace('_', ' ')}" for why, number in lost.most_common()),
        )
    console.print(table)


def _unit(metric: str, values: list[float]) -> str | None:
    """A metric without bounds is a unit. One that no scorer of this process has (a task source's) is told by its values."""
    return metric if metric in unbounded_metrics() or any(not 0 <= value <= 1 for value in values) else None


def print_samples(samples: pd.DataFrame, *, console: Console | None = None) -> None:
    """Every sample in full: prompt as rendered, answer, what was extracted, gold, score or failure."""
    console = console or Console()
    for row in samples.to_dict("records"):
        console.rule(Text(f"{row['suite']} / {row['task']} / {row['id']}  sample {row['sample']}"), align="left")
        for title in (
            "prompt",
            "reasoning",
            "text",
            "answer",
            "gold",
            "value",
            "cause",
            "failure",
            "failure_message",
            "failure_hint",
        ):
            value = row[title]
            if isinstance(value, str) or (value is not None and not pd.isna(value)):
                console.print(Text(f"{title}:", style="bold"))
                console.print(Text(printable(str(value), console.encoding)), soft_wrap=True)
