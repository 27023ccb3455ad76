"""Several servers of one model as one: who is asked next, who rests, and what is asked again.

Balanced by load: the next request goes to the endpoint with the fewest in flight for its limit, so that a server twice
as fast is asked twice as often. One that fails is rested, longer each time, and its requests go to the others; it comes
back with one request. Requests that must wait for room wait in the order in which they came.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import openai
import tenacity

from evalkit.backends.concurrency import AdaptiveLimit
from evalkit.backends.openai_errors import (
    explain,
    is_overloaded,
    is_transient,
    public_url,
    retry_after_s,
)
from evalkit.backends.openai_server import Listed, Server, backoff
from evalkit.types import Completion, EngineError, Failure, Prepared

_LATE_RETRIES = 2
_FAILURES_IN_A_ROW = 3
_FIRST_REST_S, _LONGEST_REST_S = 0.5, 60.0
_MOST_RESTS = 8
"""So often, two minutes, an endpoint that does not connect is tried anew before it counts as gone."""
_MOST_LATE = 8
"""So many times one after the other nothing comes in time before all are given up."""


@dataclass(slots=True, eq=False)
class _Line:
    """One endpoint with what is known of its load."""

    server: Server
    limit: AdaptiveLimit
    in_flight: int = 0
    answered: int = 0
    failed_in_a_row: int = 0
    not_before: float = 0.0  # it asked for a pause, or rests
    rests: int = 0
    unconnected: int = 0  # rests because nothing connected, one after the other
    left_out: str = ""  # why it is not asked any more

    @property
    def allowed(self) -> int:
        """One that comes back from a rest is asked one thing first."""
        return 1 if self.rests else self.limit.limit

    def is_open(self, now: float) -> bool:
        """Whether it may be asked at all."""
        return not self.left_out and now >= self.not_before

    def has_room(self, now: float) -> bool:
        """Whether it may be asked one thing more."""
        return self.is_open(now) and self.in_flight < self.allowed

    @property
    def load(self) -> tuple[float, int]:
        """In flight for its limit, with one request more; of equals, the one that answered less."""
        return (self.in_flight + 1) / self.allowed, self.answered


class Endpoints:
    """Answers requests at whichever server has room. Used from one event loop, but for `room` and `notes`.

    most: requests in flight at all servers together. max_retries: how often one request is asked again. queues: they take
    all of `most` and let it wait in a queue of their own, so that there is nothing to find out.
    """

    def __init__(
        self, servers: Sequence[Server], *, most: int, max_retries: int, timeout_s: float, queues: bool = False
    ) -> None:
        self._lines = [_Line(server, AdaptiveLimit(most, by_throughput=not queues)) for server in servers]
        self._most, self._max_retries, self._timeout_s = most, max_retries, timeout_s
        self._waiting: deque[asyncio.Future[_Line]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._paused = 0
        self._late = 0  # waves of requests that all came too late, with no answer in between
        self._late_at = 0.0

    @property
    def servers(self) -> tuple[Server, ...]:
        """The servers, in the order given."""
        return tuple(line.server for line in self._lines)

    @property
    def room(self) -> int:
        """How many requests to hold at a time now, those counted that wait to be asked again. May be read from anywhere."""
        now = time.monotonic()
        open_now = sum(line.allowed for line in self._lines if line.is_open(now))
        return min(self._most, max(1, open_now) + self._paused)

    @property
    def notes(self) -> tuple[str, ...]:
        """What each server was found to take, for the manifest. May be read from anywhere."""
        told = [line for line in self._lines if line.answered or line.left_out]
        if not told:
            return ()
        if len(self._lines) == 1:
            return (f"concurrency settled at {told[0].limit.settled} of at most {self._most}",)
        each = [
            f"{public_url(line.server.endpoint.base_url)}: {line.answered} answers"
            + (f" at concurrency {line.limit.settled}" if line.answered else "")
            + (f", then left out ({line.left_out})" if line.left_out else "")
            for line in told
        ]
        return (f"asked at {len(self._lines)} endpoints, at most {self._most} requests at a time: {'; '.join(each)}",)

    # --- before the first question ---

    async def probe(self, *, by_name: bool = True) -> tuple[list[str], list[Listed]]:
        """Ask each server what it serves; (what a person should know, what the servers that answered list).

        by_name: whether the model's name is known already. A server that is not there is rested, unless none is. Raises
        EngineError for that, for a refused key, and where one of several serves another model.
        """
        for line in self._lines:  # what was found of an earlier time may be otherwise now
            line.rests, line.failed_in_a_row, line.unconnected, line.not_before, line.left_out = 0, 0, 0, 0.0, ""
        self._late = 0
        found = await asyncio.gather(*(line.server.probe() for line in self._lines), return_exceptions=True)
        notes: list[str] = []
        listed: list[Listed] = []
        dead = [one for one in found if isinstance(one, EngineError) and one.kind == "unreachable"]
        for line, one in zip(self._lines, found, strict=True):
            if isinstance(one, Listed):
                listed.append(one)
            elif isinstance(one, EngineError) and one in dead and len(dead) < len(self._lines):
                self._rest(line)
                notes.append(f"{one}; it is left alone for a while, and the other endpoints are asked")
            else:
                raise one
        if by_name:
            self.must_agree(listed)
        else:
            return notes, listed
        return [*notes, *dict.fromkeys(note for one in listed if (note := self._unlisted(one)))], listed

    def _unlisted(self, listed: Listed) -> str:
        return "" if listed.has_model else f"{listed.place}: model: the server does not list {listed.told}"

    def must_agree(self, listed: Sequence[Listed]) -> None:
        """Raise EngineError where one of several lists other models only, or serves it with another context."""
        if len(self._lines) == 1:
            return
        other = next((one for one in listed if one.models and not one.has_model), None)
        if other is not None and any(one.models and one.has_model for one in listed):
            raise EngineError(
                f"{other.place}: base_url: {other.url} does not serve {other.told}; every endpoint must serve the same model",
                kind="bad_model",
                hint=f"start it with the same model name, or take it out of `base_url` in {other.place}",
            )
        lengths = {one.context_limit: one for one in listed if one.context_limit is not None}
        if len(lengths) > 1:
            (first, at), (second, and_at) = list(lengths.items())[:2]
            raise EngineError(
                f"{at.place}: base_url: {at.url} takes {first} tokens and {and_at.url} takes {second}; every endpoint must "
                "serve the same model in the same way",
                kind="bad_model",
                hint="start them with the same context length",
            )

    # --- asking ---

    async def answer(self, one: Prepared) -> Completion | EngineError:
        """One completion, after as many attempts as it takes. An error is a value here: it must not be lost."""
        asked: list[_Line] = []
        late = 0

        def wait_s(state: tenacity.RetryCallState) -> float:
            pause = retry_after_s(state.outcome.exception() if state.outcome else None)
            # All requests to this server hold, and do not come back in the same instant.
            return backoff()(state) if pause is None else pause + random.uniform(0, min(1.0, pause / 4))

        def again(error: BaseException) -> bool:
            """Late replies are asked for anew a few times only: each may have been written, and paid for, all the same."""
            nonlocal late
            if isinstance(error, TimeoutError):
                late += 1
                return late <= _LATE_RETRIES
            return is_transient(error)

        retrying = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(self._max_retries + 1),
            wait=wait_s,
            retry=tenacity.retry_if_exception(again),
            sleep=self._pause,
            reraise=True,
        )
        try:
            return await retrying(self._attempt, one, asked)
        except EngineError as error:
            return error
        except Exception as error:
            told = explain(error, asked[-1].server.endpoint, timeout_s=self._timeout_s)
            return told if isinstance(told, EngineError) else Completion("", finish_reason="error", failure=told)

    async def _pause(self, seconds: float) -> None:
        """Wait before asking again; meanwhile another request may be held in this one's place."""
        self._paused += 1
        try:
            await asyncio.sleep(seconds)
        finally:
            self._paused -= 1

    async def _attempt(self, one: Prepared, asked: list[_Line]) -> Completion:
        """Ask one server, and where it fails each of the others once."""
        tried: set[_Line] = set()
        while True:
            line = await self._turn()
            asked.append(line)
            sent = time.monotonic()
            line.limit.sent(sent, line.in_flight)
            try:
                completion = await line.server.attempt(one)
            except Exception as error:
                line.in_flight -= 1
                goes_on = self._failed(line, error, sent)
                tried.add(line)
                if not goes_on or isinstance(error, TimeoutError) or not self._others(tried):
                    raise
            except BaseException:  # cancelled
                line.in_flight -= 1
                raise
            else:
                line.in_flight -= 1
                line.answered += 1
                line.failed_in_a_row = line.rests = line.unconnected = self._late = 0
                line.limit.landed(sent, time.monotonic())
                return completion
            finally:
                self._hand_over()

    def _others(self, tried: Collection[_Line]) -> bool:
        now = time.monotonic()
        return any(line not in tried and line.is_open(now) for line in self._lines)

    def _failed(self, line: _Line, error: Exception, sent: float) -> bool:
        """Note what an error says of the server; whether another server may do better."""
        if isinstance(error, EngineError):
            return False
        now = time.monotonic()
        pause = retry_after_s(error)
        if pause is not None and is_transient(error):
            line.not_before = max(line.not_before, now + pause)
        if isinstance(error, TimeoutError) or is_overloaded(error):
            line.limit.refused(sent, now, line.in_flight)
        if isinstance(error, TimeoutError) and sent >= self._late_at:  # not of the wave that was counted
            self._late += 1
            self._late_at = now
        if is_transient(error) or isinstance(error, TimeoutError):
            line.failed_in_a_row += 1
            dead = isinstance(error, openai.APIConnectionError)
            if len(self._lines) > 1 and (dead or line.failed_in_a_row >= _FAILURES_IN_A_ROW):
                rested = self._rest(line)
                line.unconnected = line.unconnected + rested if dead else 0
            return True
        told = explain(error, line.server.endpoint, timeout_s=self._timeout_s)
        if isinstance(told, Failure):
            return False  # it is about this request, and the others would say the same
        line.left_out = str(told)
        return True

    def _rest(self, line: _Line) -> bool:
        """Leave it alone for a while; whether that is news."""
        now = time.monotonic()
        if now < line.not_before and line.rests:
            return False  # another request met the same failure
        pause = min(_LONGEST_REST_S, _FIRST_REST_S * 2**line.rests) * random.uniform(1.0, 1.25)
        line.rests = min(line.rests + 1, 16)
        line.not_before = max(line.not_before, now + pause)
        return True

    # --- turns ---

    def _over(self) -> EngineError | None:
        """Why nothing further is asked; None while an answer may be hoped for."""
        if all(line.left_out for line in self._lines):
            return EngineError(
                self._lines[0].left_out, kind="bad_model", hint="no endpoint of `base_url` is left to ask"
            )
        place = self._lines[0].server.endpoint.place
        urls = ", ".join(public_url(line.server.endpoint.base_url) for line in self._lines)
        if all(line.left_out or line.unconnected >= _MOST_RESTS for line in self._lines):
            return EngineError(
                f"{place}: base_url: {urls} stopped answering",
                kind="unreachable",
                hint="restart the servers, then run again: what was answered is kept",
            )
        if self._late >= _MOST_LATE:
            return EngineError(
                f"{place}: base_url: {urls} gave no answer within {self._timeout_s:g} s, {self._late} times in a row",
                kind="unreachable",
                hint="look at the server, or raise `timeout_s`, then run again: what was answered is kept",
            )
        return None

    def _free(self, now: float) -> _Line | None:
        return min((line for line in self._lines if line.has_room(now)), key=lambda line: line.load, default=None)

    async def _turn(self) -> _Line:
        """The endpoint to ask, with this request counted in flight; waits while there is no room anywhere."""
        if over := self._over():
            raise over
        if not self._waiting and (line := self._free(time.monotonic())) is not None:
            line.in_flight += 1
            return line
        mine: asyncio.Future[_Line] = asyncio.get_running_loop().create_future()
        self._waiting.append(mine)
        self._hand_over()
        try:
            return await mine
        except BaseException:
            if mine.done() and not mine.cancelled() and mine.exception() is None:
                mine.result().in_flight -= 1
                self._hand_over()
            raise

    def _hand_over(self) -> None:
        """Give free places to those who wait, first come first served; look again when a pause ends."""
        now = time.monotonic()  # once: a pause that ends between two looks would be waited for by nobody
        over = self._over()
        while self._waiting:
            if self._waiting[0].done():  # cancelled meanwhile
                self._waiting.popleft()
                continue
            if over is not None:
                self._waiting.popleft().set_exception(over)
                continue
            line = self._free(now)
            if line is None:
                break
            line.in_flight += 1
            self._waiting.popleft().set_result(line)
        if not self._waiting:
            return
        pauses = [line.not_before for line in self._lines if not line.left_out and line.not_before > now]
        if self._timer is not None:
            self._timer.cancel()
        if pauses:
            self._timer = asyncio.get_running_loop().call_later(min(pauses) - now + 1e-3, self._hand_over)

    async def close(self) -> None:
        """Cancel what is in flight and close the connections."""
        if self._timer is not None:
            self._timer.cancel()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for line in self._lines:
            await line.server.close()
            line.in_flight = 0
        self._waiting.clear()
        self._paused = 0
        await asyncio.get_running_loop().shutdown_asyncgens()
