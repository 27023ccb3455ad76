import io
import threading

import pytest
from rich.console import Console

from evalkit.report.progress import LiveProgress


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 1000.0

    monkeypatch.setattr("evalkit.report.progress.time.monotonic", lambda: Clock.now)
    return Clock


def plain():
    return Console(file=io.StringIO(), width=200, force_terminal=False)


def test_without_a_terminal_each_phase_is_a_line_at_its_start_and_one_at_its_end(clock):
    console = plain()
    with LiveProgress(console) as progress:
        progress.phase("base: loading")
        clock.now += 21
        progress.phase("base: generating", 1319)
        clock.now += 3
        progress.advance(1319, 5000)
    assert console.file.getvalue().splitlines() == [
        "base: loading",
        "base: loading: done, 21 s",
        "base: generating: 1\u202f319 requests",
        "base: generating: done, 1\u202f319 requests, 3 s, 1\u202f670 tokens/s",
    ]


def test_in_between_it_speaks_at_most_every_ten_seconds(clock):
    console = plain()
    progress = LiveProgress(console)
    progress.phase("tuned: generating", 100)
    for _ in range(50):
        clock.now += 0.5
        progress.advance(1, 100)
    lines = console.file.getvalue().splitlines()[1:]
    assert lines == [
        "tuned: generating: 20 of 100 (20%), 200 tokens/s, 40 s left",
        "tuned: generating: 40 of 100 (40%), 200 tokens/s, 30 s left",
    ]


def test_a_phase_may_count_something_else_than_requests(clock):
    console = plain()
    with LiveProgress(console) as progress:
        progress.phase("reading training data (2 files)", unit="MB")
        clock.now += 11
        progress.advance(400)
        clock.now += 1
        progress.advance(40)
    assert console.file.getvalue().splitlines() == [
        "reading training data (2 files)",
        "reading training data (2 files): 400 MB",
        "reading training data (2 files): done, 440 MB, 12 s",
    ]


def test_notes_are_said_at_once_and_without_markup(clock):
    console = plain()
    with LiveProgress(console) as progress:
        progress.note("compiling [graph]")
    assert console.file.getvalue() == "compiling [graph]\n"


def test_in_a_terminal_the_last_phase_still_gets_its_closing_line():
    console = Console(file=io.StringIO(), width=120, force_terminal=True)
    with LiveProgress(console) as progress:
        progress.phase("judging [both] orders", 3)
        for _ in range(4):  # one more than was announced
            progress.advance(1, 10)
    assert "judging [both] orders: done, 4 requests" in console.file.getvalue()


def test_closing_twice_is_harmless():
    progress = LiveProgress(plain())
    progress.phase("x")
    progress.close()
    progress.close()


def test_threads_lose_no_count(clock):
    console = plain()
    progress = LiveProgress(console)
    progress.phase("x", 8000)
    threads = [threading.Thread(target=lambda: [progress.advance() for _ in range(1000)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    progress.close()
    assert "done, 8\u202f000 requests" in console.file.getvalue()


def test_an_error_ends_a_phase_as_stopped_and_not_as_done():
    console = Console(file=io.StringIO(), width=100)
    with pytest.raises(KeyboardInterrupt), LiveProgress(console) as progress:
        progress.phase("base: generating", 40)
        progress.advance(5)
        raise KeyboardInterrupt
    said = console.file.getvalue()
    assert "base: generating: stopped, 5 requests" in said and "done" not in said


def test_no_time_left_is_guessed_from_the_first_answers():
    console = Console(file=io.StringIO(), width=100)
    with LiveProgress(console, every_s=0.0) as progress:
        progress.phase("base: generating", 1000)
        progress._started -= 60  # a minute ago
        progress.advance(1)
        assert "left" not in console.file.getvalue()
        progress.advance(99)
        assert "left" in console.file.getvalue()
