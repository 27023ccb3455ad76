"""How many requests one server takes at a time, found while it is asked. Pure: the clock is handed in.

Two brakes, because servers say "enough" in two ways.

    refusals    a server with a limit of its own answers 429 or 503, or not in time. As TCP does: the limit drops to what
                is still in flight, at most three quarters of what it was; it doubles a round up to there, and from there
                grows by one a round.
    throughput  a server without one lets requests wait. The limit doubles a round while that brings more answers a
                second. Then it is tried a quarter higher and a fifth lower, and stays where more would only lengthen
                the wait.

A round is as many answers as the limit. One in which the limit was not reached says nothing of the server.
"""

from __future__ import annotations

import math
from collections import deque
from statistics import median
from typing import Literal

START = 16
"""Requests in flight that a server of unknown size is asked at first."""

_CUT = 0.75
_UP, _DOWN = 1.25, 0.8
_WORTH_DOUBLING = 1.2  # of the throughput before; an idle server gives 2
_WORTH_A_QUARTER = 1.1
_AS_FAST = 0.95
_SLOWER = 1.5  # of the latency before
_SMALLEST_WINDOW = 16
_LONGEST_PATIENCE = 32
_NEARLY = 0.9

_State = Literal["opening", "avoiding", "holding", "trying"]


class AdaptiveLimit:
    """The requests that may be in flight to one server; never more than `most`, never fewer than one.

    most: the upper bound. start: where to begin. by_throughput: whether to look for the level beyond which requests only
    wait; without it only refusals lower the limit, and it begins at `most`. Times are seconds of one clock.
    """

    def __init__(self, most: int, *, start: int = START, by_throughput: bool = True) -> None:
        self.most = most
        self._by_throughput = by_throughput
        start = start if by_throughput else most
        self._level = float(max(1, min(most, start)))
        self._state: _State = "opening"
        self._threshold = math.inf  # below it, growth is by one an answer
        self._ceiling = math.inf  # where the server last refused
        self._cut_at = -math.inf
        self._up = True  # the direction of the next try
        self._patience, self._waited = 1, 0
        self._held: tuple[float, float, float] | None = None  # (level, throughput, latency) before a try
        self._before: tuple[float, float, float] | None = None  # the same of the last round
        self._skip = 0
        self._recent: deque[int] = deque(maxlen=256)
        self._began: float | None = None
        self._landed = self._peak = 0
        self._latency = 0.0
        self._window = self.limit

    @property
    def limit(self) -> int:
        """How many requests may be in flight now."""
        return max(1, min(self.most, int(self._level)))

    @property
    def settled(self) -> int | None:
        """The usual limit of the last answers; None before the first."""
        return int(median(self._recent)) if self._recent else None

    def sent(self, now: float, in_flight: int) -> None:
        """A request went out; in_flight: with it."""
        if self._began is None:
            self._began = now
        self._peak = max(self._peak, in_flight)

    def landed(self, sent: float, now: float) -> None:
        """An answer came to a request of the time `sent`."""
        self._recent.append(self.limit)
        if self._skip:  # answers to requests of before the last step
            self._skip -= 1
            if not self._skip:
                self._new_window(now)
            return
        self._landed += 1
        self._latency += now - sent
        if self._is_reached:
            if self._state == "opening" or (self._state == "avoiding" and self._level < self._threshold):
                self._level = min(self.most, self._level + 1)
            elif self._state == "avoiding":
                self._level = min(self.most, self._level + 1 / self._level)
        if self._landed >= self._window:
            self._round_over(now)

    def refused(self, sent: float, now: float, in_flight: int) -> None:
        """The server had too much to do for a request of the time `sent`; in_flight: what is left to answer."""
        self._recent.append(self.limit)
        left = max(1, in_flight)
        if sent < self._cut_at:  # of the same wave: the limit was lowered for it already
            self._level = min(self._level, left)
            return
        self._state, self._cut_at = "avoiding", now
        self._ceiling, self._threshold = self._level, max(1.0, self._level * _CUT)
        self._level = max(1.0, min(self._threshold, left))
        self._held = self._before = None
        self._skip = 0
        self._new_window(now)

    # --- rounds ---

    @property
    def _is_reached(self) -> bool:
        return self._peak >= _NEARLY * min(self._window, self.limit)

    def _new_window(self, now: float) -> None:
        self._began, self._landed, self._latency, self._peak = now, 0, 0.0, 0
        grown = self._state in ("opening", "avoiding")
        self._window = self.limit if grown else max(2 * self.limit, _SMALLEST_WINDOW)

    def _round_over(self, now: float) -> None:
        if not self._by_throughput and self._state != "avoiding":
            self._level = float(self.most)
            self._new_window(now)
            return
        began = self._began if self._began is not None else now
        seen = (float(self._window), self._landed / max(now - began, 1e-9), self._latency / self._landed)
        reached = self._is_reached
        match self._state:
            case "opening":
                self._opened(seen if reached else None)
            case "avoiding":
                if self._level > self._ceiling:  # what it once refused it takes now
                    self._hold(up=True)
            case "holding":
                self._wait((float(self.limit), *seen[1:]) if reached else None)
            case "trying":
                self._tried(seen if reached else None)
        self._new_window(now)

    def _opened(self, seen: tuple[float, float, float] | None) -> None:
        before, self._before = self._before, seen
        if seen is None:
            return
        if before is not None and seen[1] < _WORTH_DOUBLING * before[1]:
            self._level = before[0]
            self._hold(up=False)
        elif self.limit >= self.most:
            self._hold(up=False)
            self._patience = 8  # it took all that may be asked: no hurry to try less

    def _hold(self, *, up: bool) -> None:
        self._state, self._up, self._patience, self._waited = "holding", up, 1, 0
        self._held = self._before = None

    def _wait(self, seen: tuple[float, float, float] | None) -> None:
        if seen is None:
            return
        before, self._before = self._before, seen
        self._waited += 1
        if before is not None and seen[2] > _SLOWER * before[2] and seen[1] <= before[1]:
            self._up, self._patience = False, 1
        elif before is not None and seen[1] > _SLOWER * before[1]:
            self._up, self._patience = True, 1
        if self._waited < self._patience:
            return
        level = min(float(self.most), max(seen[0] + 1, seen[0] * _UP)) if self._up else math.floor(seen[0] * _DOWN)
        self._waited = 0
        if level == seen[0] or level < 1:
            self._up, self._patience = not self._up, min(_LONGEST_PATIENCE, 2 * self._patience)
            return
        self._held, self._skip = seen, self.limit
        self._level, self._state = float(level), "trying"

    def _tried(self, seen: tuple[float, float, float] | None) -> None:
        assert self._held is not None
        needed = _WORTH_A_QUARTER if self._up else _AS_FAST
        worth = seen is not None and seen[1] >= needed * self._held[1]
        if worth:
            self._patience = 1
        else:
            self._level = self._held[0]
            self._patience = min(_LONGEST_PATIENCE, 2 * self._patience)
            self._up = not self._up
        self._state, self._waited, self._before = "holding", 0, None
