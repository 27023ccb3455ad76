"""How it stands while a run goes on: a table of what has been scored so far. It decides nothing, and says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rich import box
from rich.table import Table
from rich.text import Text

from evalkit.report.numbers import NOTHING, amount, count, pp
from evalkit.report.text import visible

NOTE = "so far, and nothing decided: short answers finish first, and an interval comes with the report"


@dataclass(slots=True)
class _Suite:
    """Sums over what both models were scored on, and the scores that wait for the other model's."""

    total: int | None
    waiting: dict[tuple[str, str, int], tuple[str, float]] = field(default_factory=dict)
    alone: dict[str, tuple[int, float]] = field(default_factory=lambda: {"base": (0, 0.0), "tuned": (0, 0.0)})
    n: int = 0
    both: dict[str, float] = field(default_factory=lambda: {"base": 0.0, "tuned": 0.0})
    bounded: bool = True

    def add(self, place: tuple[str, str, int], arm: str, value: float) -> None:
        number, sum_ = self.alone[arm]
        self.alone[arm] = number + 1, sum_ + value
        self.bounded = self.bounded and 0.0 <= value <= 1.0
        if place[2] > 0:
            self.total = None  # several samples an item: the number of items is no end to count towards
        other = self.waiting.pop(place, None)
        if other is None or other[0] == arm:
            self.waiting[place] = arm, value
            return
        self.n += 1
        self.both[arm] += value
        self.both[other[0]] += other[1]


class Preliminary:
    """Tallies scores as they land, in a fraction of a microsecond's work each; draws when asked."""

    def __init__(self) -> None:
        self._suites: dict[str, _Suite] = {}

    def scoring(self, suites: Mapping[str, int]) -> None:
        """Begin anew, with so many items of each suite."""
        self._suites = {name: _Suite(total) for name, total in suites.items()}

    def scored(self, suite: str, place: tuple[str, str, int], arm: str, value: float | None) -> None:
        """Count one score; of base and tuned alone, and not what was never answered."""
        mine = self._suites.get(suite)
        if mine is not None and value is not None and arm in mine.alone:
            mine.add(place, arm, value)

    @property
    def any(self) -> bool:
        """Whether there is anything to show."""
        return any(sum(number for number, _ in suite.alone.values()) for suite in self._suites.values())

    def table(self, rows: int = 20) -> Table:
        """A line a suite: how many both models were scored on, each model's mean on those, and the difference.

        Before the second model has begun, the mean of the first over all its answers. rows: at most so many.
        """
        table = Table(
            box=box.SIMPLE_HEAD, pad_edge=False, title=f"Preliminary: {NOTE}", title_style="dim", title_justify="left"
        )
        table.add_column("suite", overflow="fold", min_width=12)
        for name in ("both", "base", "tuned", "difference so far"):
            table.add_column(name, justify="right", no_wrap=True)
        shown = list(self._suites.items())[:rows]
        for name, suite in shown:
            of = f" of {count(suite.total)}" if suite.total else ""
            table.add_row(Text(visible(name)), f"{count(suite.n)}{of}", *_numbers(suite), style="dim")
        if len(self._suites) > len(shown):
            table.add_row(Text(f"and {len(self._suites) - len(shown)} more"))
        return table

    def line(self, suites: int = 6) -> str:
        """The same on one line, for a log."""
        told: list[str] = []
        for name, suite in self._suites.items():
            if suite.n:
                base, tuned, difference = _numbers(suite)
                told.append(f"{visible(name)} {base} to {tuned} ({difference}, n {count(suite.n)})")
        more = f"; and {len(told) - suites} more" if len(told) > suites else ""
        return f"preliminary, nothing decided: {'; '.join(told[:suites])}{more}" if told else ""


def _numbers(suite: _Suite) -> tuple[str, str, str]:
    unit = None if suite.bounded else " "
    if suite.n:
        base, tuned = (suite.both[arm] / suite.n for arm in ("base", "tuned"))
        return amount(base, unit), amount(tuned, unit), pp(tuned - base, unit).rstrip()
    means = [amount(sum_ / number, unit) if number else NOTHING for number, sum_ in suite.alone.values()]
    return means[0], means[1], NOTHING
