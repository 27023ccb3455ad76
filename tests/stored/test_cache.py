import math
import os
import sqlite3
import subprocess
import sys

import pytest

from evalkit.stored.cache import Journal
from evalkit.types import Completion, Failure, InputError, RunError, Usage

WHOLE = Completion("h\u00e9\u2028\ud83d", "because", "length", Usage(3, 4), (-0.5, float("nan")))


def test_what_is_put_is_found_unchanged(tmp_path):
    with Journal(tmp_path / "j.sqlite") as journal:
        journal.put("a", WHOLE)
        found = journal.find(["a", "b"])
    assert list(found) == ["a"]
    got = found["a"]
    assert (got.text, got.reasoning, got.finish_reason, got.usage) == (WHOLE.text, "because", "length", Usage(3, 4))
    assert got.logprobs is not None and got.logprobs[0] == -0.5 and math.isnan(got.logprobs[1])


def test_failures_and_requests_without_a_key_are_not_kept(tmp_path):
    with Journal(tmp_path / "j.sqlite") as journal:
        journal.put("a", Completion("", failure=Failure("base", "timeout", "x")))
        journal.put("", Completion("x"))
        assert len(journal) == 0


def test_many_keys_are_found_at_once(tmp_path):
    with Journal(tmp_path / "j.sqlite") as journal:
        for i in range(2000):
            journal.put(str(i), Completion(str(i)))
        assert len(journal.find(str(i) for i in range(2500))) == 2000


def test_what_was_put_survives_a_kill(tmp_path):
    code = (
        "import os, sys, time\nfrom pathlib import Path\nfrom evalkit.stored.cache import Journal\nfrom evalkit.types import Completion\n"
        "journal = Journal(Path(sys.argv[1]))\n"
        "for i in range(50): journal.put(str(i), Completion(str(i)))\n"
        "time.sleep(1)\n"  # only the last moment may be lost
        "os.kill(os.getpid(), 9)\n"
    )
    path = tmp_path / "j.sqlite"
    assert subprocess.run([sys.executable, "-c", code, str(path)]).returncode == -9
    with Journal(path) as journal:
        assert len(journal) == 50


def test_two_runs_may_write_at_once(tmp_path):
    with Journal(tmp_path / "j.sqlite") as one, Journal(tmp_path / "j.sqlite") as two:
        one.put("a", Completion("a"))
        two.put("b", Completion("b"))
        for journal in (one, two):
            journal.flush()
        assert len(one) == len(two) == 2


def test_what_has_just_been_put_is_found_before_it_is_committed(tmp_path):
    with Journal(tmp_path / "j.sqlite") as journal:
        for i in range(500):
            journal.put(str(i), Completion(str(i)))
            assert journal.find([str(i)])[str(i)].text == str(i)


def test_many_answers_are_read_as_they_are_taken(tmp_path):
    with Journal(tmp_path / "j.sqlite") as journal:
        for i in range(5000):
            journal.put(f"{i:05d}", Completion(str(i)))
        stored = journal.stored(f"{i:05d}" for i in range(5000))
        key, first = next(stored)  # of those that are not committed yet, perhaps
        assert first.text == str(int(key)) and sum(1 for _ in stored) == 4999


def test_an_error_of_the_run_loses_nothing_that_was_put(tmp_path):
    with pytest.raises(KeyError), Journal(tmp_path / "j.sqlite") as journal:
        for i in range(100):
            journal.put(str(i), Completion(str(i)))
        raise KeyError
    with Journal(tmp_path / "j.sqlite") as journal:
        assert len(journal) == 100


def test_a_disk_that_is_full_ends_the_run_with_the_way_out(tmp_path, monkeypatch):
    connected = Journal._connected

    def small(self):
        db = connected(self)
        db.execute("PRAGMA max_page_count=20")
        return db

    monkeypatch.setattr(Journal, "_connected", small)
    with pytest.raises(RunError, match=r"j\.sqlite: cannot be written: .*full; free some room"):
        with Journal(tmp_path / "j.sqlite") as journal:
            for i in range(3000):
                journal.put(str(i), Completion(os.urandom(500).hex()))


def test_a_file_that_is_no_journal_is_named_and_left_alone(tmp_path):
    path = tmp_path / "j.sqlite"
    path.write_text("this is not a database, and long enough to be looked at as one" * 20)
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"j\.sqlite: cannot be used as the journal: .*EVALKIT_CACHE"):
        Journal(path)
    assert path.read_bytes() == before


def test_a_journal_of_another_version_is_refused(tmp_path):
    path = tmp_path / "j.sqlite"
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(InputError, match="another version"):
        Journal(path)


def test_a_writer_that_cannot_open_the_file_is_said_and_nothing_waits_for_it(tmp_path, monkeypatch):
    """As with no file descriptor left: the first answer may come long after the journal was opened."""
    journal = Journal(tmp_path / "j.sqlite")

    def none_left():
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr(journal, "_connected", none_left)
    journal.put("a", Completion("a"))
    for rest in (journal.flush, lambda: journal.put("b", Completion("b")), journal.close):
        with pytest.raises(RunError, match="unable to open database file"):
            rest()


def test_an_answer_that_comes_after_the_end_is_not_dropped_in_silence(tmp_path):
    journal = Journal(tmp_path / "j.sqlite")
    journal.close()
    with pytest.raises(RunError, match="closed while answers still came"):
        journal.put("a", Completion("a"))
