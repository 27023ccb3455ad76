"""Finding how much a server takes at a time, against simulated servers with a clock of their own."""

import heapq
import random
from collections.abc import Callable
from statistics import mean

import pytest

from evalkit.backends.concurrency import START, AdaptiveLimit


class Simulation:
    """Keeps a limit's worth of requests in flight at a server; times are the simulation's own seconds.

    serve(now, in_flight) gives the time at which a request just sent is answered, or None where it is refused at once.
    """

    def __init__(self, limit: AdaptiveLimit, serve: Callable[[float, int], float | None]) -> None:
        self.limit, self.serve = limit, serve
        self.now, self.in_flight, self.answered, self.refused, self.most = 0.0, 0, 0, 0, 0
        self.levels: list[int] = []

    def run(self, answers: int, *, only: int = 10**9) -> "Simulation":
        """Until so many more answers came. only: requests that the caller has at a time."""
        events: list[tuple[float, int, float, bool]] = []
        number, goal = 0, self.answered + answers
        while self.answered < goal:
            while self.in_flight < min(self.limit.limit, only):
                self.in_flight += 1
                self.most = max(self.most, self.in_flight)
                self.limit.sent(self.now, self.in_flight)
                ends = self.serve(self.now, self.in_flight)
                number += 1
                heapq.heappush(events, (self.now + 1e-3 if ends is None else ends, number, self.now, ends is not None))
            self.now, _, sent, taken = heapq.heappop(events)
            self.in_flight -= 1
            if taken:
                self.answered += 1
                self.limit.landed(sent, self.now)
            else:
                self.refused += 1
                self.limit.refused(sent, self.now, self.in_flight)
            self.levels.append(self.limit.limit)
        while events:
            _, _, sent, taken = heapq.heappop(events)
            self.in_flight -= 1
        return self


def latency(seconds: float, spread: float = 0.0, seed: int = 0) -> Callable[[float, int], float | None]:
    """A server that is never busy."""
    rng = random.Random(seed)
    return lambda now, in_flight: now + seconds * rng.uniform(1 - spread, 1 + spread)


def workers(count: int, seconds: float, spread: float = 0.0, seed: int = 0) -> Callable[[float, int], float | None]:
    """A server that works at `count` requests at a time and lets the others wait."""
    rng, free = random.Random(seed), [0.0] * count

    def serve(now: float, in_flight: int) -> float | None:
        begins = max(now, heapq.heappop(free))
        ends = begins + seconds * rng.uniform(1 - spread, 1 + spread)
        heapq.heappush(free, ends)
        return ends

    return serve


def refusing(above: int, seconds: float, spread: float = 0.3, seed: int = 0) -> Callable[[float, int], float | None]:
    """A server that refuses whatever is beyond `above` in flight."""
    rng = random.Random(seed)
    return lambda now, in_flight: None if in_flight > above else now + seconds * rng.uniform(1 - spread, 1 + spread)


def test_it_begins_modestly_and_a_server_that_is_never_busy_gets_all_that_may_be_asked():
    limit = AdaptiveLimit(256)
    assert limit.limit == START
    ran = Simulation(limit, latency(1.0)).run(2000)
    assert ran.most == 256 and limit.settled == 256
    # Within a few latencies: 2,000 requests at 256 would take 8 seconds.
    assert ran.now < 13


@pytest.mark.parametrize("spread", [0.0, 0.5, 0.9])
def test_answers_of_uneven_length_do_not_keep_it_from_the_bound(spread):
    limit = AdaptiveLimit(128)
    ran = Simulation(limit, latency(1.0, spread)).run(5000)
    assert mean(ran.levels[-1000:]) > 100


@pytest.mark.parametrize("taken", [3, 12, 40, 150])
def test_a_server_that_refuses_is_asked_about_as_much_as_it_takes(taken):
    limit = AdaptiveLimit(256)
    ran = Simulation(limit, refusing(taken, 1.0)).run(60 * taken)
    assert 0.65 * taken <= mean(ran.levels[-20 * taken :]) <= taken + 1
    assert ran.refused < 0.1 * ran.answered + 4 * START, "it does not run into the wall all the time"


@pytest.mark.parametrize(("count", "spread"), [(4, 0.0), (4, 0.5), (24, 0.5), (60, 0.5)])
def test_where_more_at_a_time_only_wait_longer_no_more_are_sent(count, spread):
    limit = AdaptiveLimit(512)
    ran = Simulation(limit, workers(count, 1.0, spread)).run(max(3000, 100 * count))
    settled = mean(ran.levels[-1500:])
    assert 0.8 * count <= settled <= 3 * count + 1
    assert ran.answered / ran.now > 0.85 * count, "and the server is kept busy"


def test_a_server_that_grows_is_given_more_and_one_that_shrinks_less():
    limit = AdaptiveLimit(256)
    ran = Simulation(limit, workers(4, 1.0, 0.3)).run(1500)
    small = mean(ran.levels[-300:])
    ran.serve = (lambda serve, began: lambda now, n: began + serve(now - began, n))(workers(64, 1.0, 0.3), ran.now)
    ran.run(8000)
    large = mean(ran.levels[-500:])
    assert small < 16 and large > 40


@pytest.mark.parametrize("most", [1, 2, 7])
def test_it_never_leaves_its_bounds(most):
    for serve in (latency(0.1), workers(2, 0.1, 0.5), refusing(1, 0.1)):
        limit = AdaptiveLimit(most)
        ran = Simulation(limit, serve).run(500)
        assert 1 <= min(ran.levels) and max(ran.levels) <= most and ran.most <= most


def test_a_caller_with_little_to_ask_teaches_it_nothing():
    limit = AdaptiveLimit(256)
    Simulation(limit, latency(1.0)).run(400, only=5)
    assert limit.limit == START


def test_one_wave_of_refusals_counts_once():
    limit = AdaptiveLimit(64, start=64)
    for number in range(64):
        limit.sent(0.0, number + 1)
    for left in range(63, 39, -1):  # 24 refused, 40 go on
        limit.refused(0.0, 0.1, left)
    assert limit.limit == 40
    limit.refused(0.2, 0.3, 39)  # of a later time: the server still has too much
    assert limit.limit == 30


def test_before_the_first_answer_nothing_is_settled():
    assert AdaptiveLimit(8).settled is None
