import random
import sys
import threading

import pytest

import evalkit.stored.records as records_module
from evalkit.stored.records import SCHEMA, Records, read_table, samples_frame, verdicts_frame, write_table
from evalkit.types import Completion, Example, Failure, Message, RunError, Score, Usage, Verdict


def filled(places):
    records = Records()
    for task, id_, arm in places:
        completion = Completion(f"text {id_} {arm}", usage=Usage(2, 3), logprobs=(-0.5, float("nan")))
        records.add("s", task, arm, 0, Example(id_, (), "A"), completion, Score("accuracy", 1.0, "A"))
    for order in ("tuned_first", "base_first"):
        records.add_verdict(Verdict("1", "j", order, "tie", suite="s", task="a"))
    return records


PLACES = [(task, str(id_), arm) for task in "ab" for id_ in range(9000) for arm in ("base", "tuned")]


def test_the_table_does_not_depend_on_the_order_of_landing(tmp_path):
    shuffled = random.Random(0).sample(PLACES, len(PLACES))
    for name, places in (("one", PLACES), ("two", shuffled)):
        write_table(filled(places).table(), tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_what_is_written_is_read_back_with_its_verdicts(tmp_path):
    table = filled(PLACES[:10]).table()
    write_table(table, tmp_path / "samples.parquet")
    again = read_table(tmp_path / "samples.parquet")
    assert again.schema.equals(SCHEMA) and len(samples_frame(again)) == 10
    verdicts = verdicts_frame(again)
    assert list(verdicts["order"]) == ["base_first", "tuned_first"] and set(verdicts["id"]) == {"1"}


def test_a_failure_is_a_row_without_a_value():
    records = Records()
    failure = Failure("base", "timeout", "no reply", "try again")
    records.add(
        "s", "t", "base", 0, Example("1", ()), Completion("", failure=failure), Score("accuracy", None, failure=failure)
    )
    row = samples_frame(records.table()).iloc[0]
    assert row["failure"] == "timeout" and row["failure_hint"] == "try again" and row["value"] != row["value"]


@pytest.mark.parametrize(("content", "problem"), [(None, "no such file"), (b"nonsense", "not a readable Parquet file")])
def test_an_unreadable_table_is_named(tmp_path, content, problem):
    path = tmp_path / "samples.parquet"
    if content:
        path.write_bytes(content)
    with pytest.raises(RunError, match=problem):
        read_table(path)


def test_what_is_added_from_several_threads_is_all_there_once(monkeypatch):
    """A jury's members land in threads of their own, beside the models."""
    monkeypatch.setattr(records_module, "_CHUNK", 64)
    records, threads = Records(), []
    example = Example("0", (Message("user", "q"),))
    records.add("s", "t", "tuned", 0, example, Completion("x"), Score("judged", None))

    def say(judge):
        for number in range(3000):
            records.add_verdict(Verdict("0", judge, f"o{number}", "tuned", suite="s", task="t", reason="because"))

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=say, args=(f"j{i}",)) for i in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    frame = verdicts_frame(records.table())
    assert len(frame) == 9000 and len(frame[["judge", "order"]].drop_duplicates()) == 9000
