"""What every part is told, and how it says what it found: one JSON line at a time, so that a crash loses nothing."""

from __future__ import annotations

import json
import statistics
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is asked. prompts: items of the generate workload; questions: of the choice workload."""

    prompts: int
    new_tokens: int
    questions: int
    slow_questions: int
    canaries: int
    lora_prompts: int
    repeats: int


FULL = Sizes(1319, 128, 14042, 250, 64, 1024, 3)
TINY = Sizes(6, 8, 12, 4, 6, 6, 2)


@dataclass(slots=True)
class Setup:
    """One part of one sitting. work: where the made models are. until: `time.monotonic()` at which the part is killed.

    attention: vLLM's `attention_backend`, empty for its own choice.
    """

    part: str
    work: Path
    rows: Path
    tiny: bool
    sizes: Sizes
    until: float
    attention: str = ""

    @property
    def left(self) -> float:
        """Seconds until this part is killed."""
        return self.until - time.monotonic()

    def emit(self, name: str, value: object, unit: str = "", note: str = "") -> None:
        """Write one result, now."""
        row = {"part": self.part, "name": name, "value": value, "unit": unit, "note": note}
        with self.rows.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, default=str) + "\n")
            file.flush()
        print(f"[{self.part}] {shown(row)}", flush=True)

    def attempt(self, name: str, measure: Callable[[], Any]) -> Any:
        """What `measure` returns; None and a row that says why where it raises."""
        try:
            return measure()
        except Exception as error:  # one measurement must not cost the others
            traceback.print_exc()
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            self.emit(name, None, "", f"FAILED {type(error).__name__}: {' '.join(lines)[:400]}")
            return None

    def has(self, seconds: float, name: str) -> bool:
        """Whether there is time for something that takes so long on a GPU; says so where not."""
        if self.tiny or self.left > seconds:
            return True
        self.emit(name, None, "", f"skipped: {self.left:.0f} s left, {seconds:.0f} needed")
        return False


def shown(row: dict[str, Any]) -> str:
    """One result as text."""
    value = row["value"]
    if isinstance(value, float):
        value = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    text = "-" if value is None else f"{value} {row['unit']}".strip()
    return f"{row['name']}: {text}" + (f"  ({row['note']})" if row["note"] else "")


def each(values: Sequence[float], digits: int = 2) -> str:
    """All values behind a median, for its note."""
    return ", ".join(f"{value:.{digits}f}" for value in values)


def median(values: Sequence[float]) -> float:
    return float(statistics.median(values))
