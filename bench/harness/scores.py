"""Every item's score, as each tool wrote it down, and where the two differ."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.harness.asked import FILTERS, METRICS

Place = tuple[str, str, str]
"""Arm, task, item."""


@dataclass(frozen=True, slots=True)
class Marked:
    """One item's score, and what the model wrote or which log-probabilities its options had."""

    value: float | None
    told: str


class Scores(dict[Place, Marked]):
    """Items by place."""


def of_lm_eval(folder: Path, arm: str, tasks: Sequence[str]) -> Scores:
    """From the harness's log of samples. Raises FileNotFoundError where a task left none."""
    found = Scores()
    for task in tasks:
        files = sorted(folder.rglob(f"samples_{task}_*.jsonl"))
        if not files:
            raise FileNotFoundError(f"lm_eval wrote no samples of {task} under {folder}")
        for line in files[-1].read_text("utf-8").split("\n"):
            row = json.loads(line) if line else None
            if row is not None and row["filter"] == FILTERS[task]:
                generated = task != "bench_choice"
                told = row["resps"][0][0] if generated else _shown([float(one[0][0]) for one in row["resps"]])
                found[arm, task, str(row["doc_id"])] = Marked(float(row[METRICS[task]]), str(told))
    return found


def of_evalkit(samples: Path) -> Scores:
    """From the samples of a run."""
    import pandas as pd

    found = Scores()
    wanted = ["arm", "task", "id", "value", "text", "logprobs"]
    for arm, task, id, value, text, logprobs in pd.read_parquet(samples)[wanted].itertuples(index=False, name=None):
        told = str(text) if logprobs is None else _shown([float(one) for one in logprobs])
        found[str(arm), str(task), str(id)] = Marked(None if pd.isna(value) else float(value), told)
    return found


def compared(theirs: Scores, ours: Scores, *, most: int = 10) -> list[str]:
    """In words: how many items have the same score in both, and each that has not."""
    lines: list[str] = []
    for arm, task in dict.fromkeys((arm, task) for arm, task, _ in theirs):
        places = [place for place in theirs if place[:2] == (arm, task)]
        differing = [place for place in places if place not in ours or ours[place].value != theirs[place].value]
        same_words = sum(place in ours and ours[place].told == theirs[place].told for place in places)
        what = "log-probabilities (4 digits)" if task == "bench_choice" else "texts"
        line = f"{arm}, {task}: the same score on {len(places) - len(differing)} of {len(places)} items"
        lines.append(f"{line}; the same {what} on {same_words}")
        for place in differing[:most]:
            own = ours.get(place)
            lines.append(f"  item {place[2]}: lm_eval {theirs[place].value}, evalkit {own.value if own else 'missing'}")
            lines.append(f"    lm_eval {theirs[place].told[-90:]!r}")
            lines.append(f"    evalkit {own.told[-90:] if own else ''!r}")
        if len(differing) > most:
            lines.append(f"  and {len(differing) - most} more")
    missing = [place for place in ours if place not in theirs]
    if missing:
        lines.append(f"{len(missing)} items of evalkit's are not in lm_eval's log, such as {missing[0]}")
    return lines


def _shown(logprobs: Sequence[float]) -> str:
    return " ".join(f"{value:.4f}" for value in logprobs)
