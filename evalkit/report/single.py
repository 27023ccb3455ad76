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


def score_rows(samples: pd.DataFrame) -> list[dict[str, Any]]:
    """A row a task: suite, task, metric, items, score (None where nothing was scored) and what marks were lost to."""
    by_task: dict[tuple[str, str], list[dict[Any, Any]]] = {}
    for row in samples.to_dict("records"):
        by_task.setdefault((row["suite"], row["task"]), []).append(row)
    told: list[dict[str, Any]] = []
    for (suite, task), rows in by_task.items():
        values = [row["value"] for row in rows if not math.isnan(row["value"])]
        lost = Counter(str(row[why]) for row in rows for why in ("cause", "failure") if isinstance(row[why], str))
        told.append(
            {
                "suite": suite,
                "task": task,
                "metric": rows[0]["metric"],
                "items": len({row["id"] for row in rows}),
                "score": sum(values) / len(values) if values else None,
                "lost_to": dict(lost.most_common()),
            }
        )
    return told


def print_scores(samples: pd.DataFrame, *, console: Console | None = None) -> None:
    """Mean score, items and why marks were lost, a row a task."""
    console = console or Console()
    table = Table(box=None, pad_edge=False)
    for name in ("suite", "task", "metric"):
        table.add_column(name)
    for name in ("items", "score"):
        table.add_column(name, justify="right")
    table.add_column("lost to")
    for row in score_rows(samples):
        table.add_row(
            Text(printable(row["suite"], console.encoding)),
            Text(printable(row["task"], console.encoding)),
            row["metric"],
            count(row["items"]),
            amount(row["score"], _unit(row["metric"], row["score"])),
            ", ".join(f"{number} {why.replace('_', ' ')}" for why, number in row["lost_to"].items()),
        )
    console.print(table)


def _unit(metric: str, score: float | None) -> str | None:
    """A metric without bounds is a unit. One that no scorer of this process has (a task source's) is told by its value."""
    outside = score is not None and not 0 <= score <= 1
    return metric if outside or metric in unbounded_metrics() else None


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
