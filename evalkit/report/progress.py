"""Live progress: a bar per phase in a terminal, plain lines in a log. All of it goes to stderr."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from types import TracebackType

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from evalkit.report.numbers import count, duration, rounded
from evalkit.report.preliminary import Preliminary

_EVERY_S = 10.0
_STANDING_EVERY_S = 60.0
_DRAWN_A_SECOND = 2  # more often would be felt where answers come by the thousand


class LiveProgress:
    """A `types.Progress` for people: phase, requests (or what a phase counts), tokens/s, time left.

    It also watches: on a terminal a table shows how base and tuned stand so far, in a log a line every minute.

    Use as a context manager, or call `close()`. Safe to call from several threads.
    """

    def __init__(self, console: Console | None = None, *, every_s: float = _EVERY_S) -> None:
        self._console = console or Console(stderr=True)
        self._every_s = every_s
        self._lock = threading.RLock()
        self._name = ""
        self._unit = ""
        self._total: int | None = None
        self._requests = 0
        self._tokens = 0
        self._started = self._said = self._stood = time.monotonic()
        self._task: TaskID | None = None
        self._preliminary = Preliminary()
        self._bars = _Bars(self._console, self._preliminary) if self._console.is_terminal else None
        if self._bars:
            self._bars.start()

    def phase(self, name: str, total: int | None = None, *, unit: str = "requests") -> None:
        """End the phase before and begin the next."""
        with self._lock:
            self._finish()
            self._name, self._total, self._unit = name, total, unit
            self._requests = self._tokens = 0
            self._started = self._said = time.monotonic()
            if self._bars:
                self._task = self._bars.add_task(escape(name), total=total, counted="", speed="")
            else:
                self._say(f"{name}: {_counted(total, unit)}" if total is not None else name)

    def advance(self, requests: int = 1, tokens: int = 0) -> None:
        """Requests landed, with so many tokens written."""
        with self._lock:
            self._requests += requests
            self._tokens += tokens
            if self._bars and self._task is not None:
                done = f"{count(self._requests)}/{count(self._total)}" if self._total else count(self._requests)
                # While one engine serves several phases at once, more can land than a phase announced.
                total = max(self._total, self._requests) if self._total is not None else None
                speed = ", ".join(part for part in (self._speed(), self._left()) if part)
                counted = f"{done}{self._shown_unit()}"
                self._bars.update(self._task, completed=self._requests, total=total, counted=counted, speed=speed)
            elif time.monotonic() - self._said >= self._every_s:
                self._said = time.monotonic()
                share = f" of {count(self._total)} ({self._requests / self._total:.0%})" if self._total else ""
                parts = [f"{count(self._requests)}{self._shown_unit()}{share}", self._speed(), self._left()]
                self._say(f"{self._name}: {', '.join(part for part in parts if part)}")

    def scoring(self, suites: Mapping[str, int]) -> None:
        """A run begins: the table starts anew."""
        with self._lock:
            self._preliminary.scoring(suites)
            self._stood = time.monotonic()

    def scored(self, suite: str, place: tuple[str, str, int], arm: str, value: float | None) -> None:
        """An answer was scored; it shows at the next drawing."""
        with self._lock:
            self._preliminary.scored(suite, place, arm, value)
            if not self._bars and time.monotonic() - self._stood >= _STANDING_EVERY_S:
                self._stood = time.monotonic()
                line = self._preliminary.line()
                if line:
                    self._say(line)

    def note(self, text: str) -> None:
        """Say one line, above the bars where there are any."""
        with self._lock:
            self._say(text)

    def close(self) -> None:
        """End the last phase and give the terminal back. Idempotent."""
        with self._lock:
            self._finish()
            if self._bars:
                self._bars.stop()
                self._bars = None

    def __enter__(self) -> LiveProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            with self._lock:
                self._finish("stopped")
        self.close()

    def _finish(self, word: str = "done") -> None:
        if not self._name:
            return
        did = [_counted(self._requests, self._unit)] if self._requests else []
        spent = time.monotonic() - self._started
        parts = [*did, duration(spent), *([self._speed()] if spent >= 1 and self._speed() else [])]
        if self._bars and self._task is not None:
            self._bars.remove_task(self._task)
            self._task = None
        if self._requests or spent >= 1:  # of a step that took no time, the line at its start says enough
            self._say(f"{self._name}: {word}, {', '.join(parts)}")
        self._name = ""

    def _shown_unit(self) -> str:
        return "" if self._unit == "requests" else f" {self._unit}"

    def _speed(self) -> str:
        spent = time.monotonic() - self._started
        return f"{rounded(self._tokens / spent)} tokens/s" if self._tokens and spent > 0 else ""

    def _left(self) -> str:
        spent = time.monotonic() - self._started
        # The first answers pay for the engine's warming up: a guess from them alone would be hours off.
        too_early = self._requests < max(10, (self._total or 0) // 50) or spent < 2
        if not self._total or self._requests >= self._total or too_early:
            return ""
        return f"{duration(spent / self._requests * (self._total - self._requests))} left"

    def _say(self, text: str) -> None:
        printer = self._bars.console if self._bars else self._console
        encoding = printer.encoding
        printer.print(text.encode(encoding, "replace").decode(encoding), markup=False, highlight=False, soft_wrap=True)


class _Bars(Progress):
    """The bar of the phase under the table of what is scored so far."""

    def __init__(self, console: Console, preliminary: Preliminary) -> None:
        self._preliminary = preliminary
        super().__init__(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[counted]}"),
            TextColumn("{task.fields[speed]}", style="dim"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            refresh_per_second=_DRAWN_A_SECOND,
        )

    def get_renderables(self) -> Iterable[RenderableType]:
        """The table while a phase goes on, so that none is left standing when all have ended; then the bar."""
        if self._preliminary.any and self.tasks:
            yield self._preliminary.table(max(3, self.console.height - 10))
        yield self.make_tasks_table(self.tasks)


def _counted(number: int, unit: str) -> str:
    """1 request, 2 requests, 2 MB."""
    return f"{count(number)} {unit.removesuffix('s') if number == 1 else unit}"
