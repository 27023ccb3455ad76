"""What lets a run of a million records fit: texts on disk, columns read as needed, and the same results as ever."""

import gc
import json
import os
import random
import tempfile
import tracemalloc

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evalkit import api
from evalkit.comparing.comparison import compare_records
from evalkit.comparing.texts import FrameTexts, StoredTexts
from evalkit.config import ModelSpec, SuiteSpec
from evalkit.running.requests import draw
from evalkit.stored import records, samples, scratch
from evalkit.stored.records import Records, narrow_frame, samples_frame, verdicts_frame, write_table
from evalkit.stored.samples import SCHEMA, Samples
from evalkit.tasks import examples, load_suite
from evalkit.types import (
    Completion,
    Example,
    InputError,
    Message,
    Prepared,
    Request,
    RunError,
    Sampling,
    Score,
    Verdict,
)
from evalkit.yamlfile import validate
from tests.report.example_run import make_run

BASE = ModelSpec(name="base-model", backend="fake", model="w1")
TUNED = ModelSpec(name="tuned-model", backend="fake", model="w2")


@pytest.fixture
def small_parts(monkeypatch):
    """What happens at a million records, at some hundred: many parts on disk, many blocks, many deals."""
    monkeypatch.setattr(records, "_CHARACTERS", 3000)
    monkeypatch.setattr(records, "_BLOCK", 2000)
    monkeypatch.setattr(scratch, "_AT_ONCE", 5000)
    monkeypatch.setattr(samples, "_ROWS", 50)
    monkeypatch.setattr(examples, "_IN_MEMORY", 10)


def rows(n=300):
    """Samples of two suites and three arms, some without a value, one with half a character, with groups and slices."""
    drawn = random.Random(1)
    for i in range(n):
        suite, task = ("left", "a") if i % 3 else ("right", "b")
        example = Example(
            f"item {i}", (Message("user", f"q{i}"),), str(i), group=f"g{i // 4}", slices={"k": str(i % 2)}
        )
        for arm in ("base", "tuned", *(["incumbent"] if i % 5 == 0 else [])):
            text = f"{arm} {i} " + "word " * drawn.randint(1, 40) + ("\ud83d" if i == 7 else "")
            completion = Completion(text, logprobs=(-0.5, float("nan")) if i % 2 else None)
            request = Request(arm, suite, task, example.id, example.messages, Sampling())
            score = Score("accuracy", None if i % 11 == 0 else float(i % 2), text[:5], None if i % 2 else "wrong")
            yield suite, task, arm, 0, example, completion, score, Prepared(request, f"<user> q{i}", f"key {arm} {i}")


def verdicts(n=300):
    for i in range(0, n + 5, 2):  # the last ones belong to no item of the table
        suite, task = ("left", "a") if i % 3 else ("right", "b")
        for judge in ("one", "two"):
            for order in ("tuned_first", "base_first"):
                yield Verdict(f"item {i}", judge, order, "tie", 0.5, f"reason {i} " * 9, suite, task, repeat=i % 2)


def collected(order=None):
    held, landed, said = Records(), list(rows()), list(verdicts())
    for part in (landed, said):
        if order is not None:
            random.Random(order).shuffle(part)
    for row in landed:
        held.add(*row)
    for verdict in said:
        held.add_verdict(verdict)
    return held


# --- records ---


def test_rows_put_aside_in_many_parts_come_back_as_if_they_had_been_held(small_parts, monkeypatch):
    on_disk = collected(order=3).samples()
    monkeypatch.undo()
    in_memory = collected().samples()
    assert on_disk._whole is None and in_memory._whole is not None
    whole = on_disk.table()
    assert whole.schema.equals(SCHEMA)
    # As text, since NaN is not equal to itself; and with words read, whose numbers are a row group's own.
    assert repr(whole.to_pylist()) == repr(in_memory.table().to_pylist())


def test_the_file_of_a_big_run_does_not_depend_on_the_order_of_landing(small_parts, tmp_path):
    for order in (None, 1, 2):
        collected(order).samples().write(tmp_path / f"{order}")
    assert len({(tmp_path / f"{order}").read_bytes() for order in (None, 1, 2)}) == 1
    assert pq.ParquetFile(tmp_path / "1").metadata.num_row_groups > 5


def test_verdicts_ride_on_tuneds_first_sample_in_the_order_of_judge_order_and_repeat(small_parts):
    held = collected(order=4).samples().table(["id", "arm", "verdicts"]).to_pylist()
    spoken = {(row["id"], row["arm"]): row["verdicts"] for row in held if row["verdicts"]}
    assert set(spoken) == {(f"item {i}", "tuned") for i in range(0, 300, 2)}
    for (id_, _), said in spoken.items():
        assert [(one["judge"], one["order"]) for one in said] == [
            (judge, order) for judge in ("one", "two") for order in ("base_first", "tuned_first")
        ]
        assert {one["reason"].split()[1] for one in said} == {id_.split()[1]}


def test_samples_may_be_read_while_more_are_landing(small_parts):
    held, landed = Records(), list(rows())
    for row in landed[:200]:
        held.add(*row)
    assert len(held.samples()) == 200
    for row in landed[200:]:
        held.add(*row)
    assert len(held.samples()) == len(held) == len(landed)


def test_what_stays_in_memory_is_a_small_part_of_the_texts():
    def landed():
        held, text = Records(), "x" * 1500
        for i in range(20_000):
            completion = Completion(f"{i} {text}")
            held.add("s", "t", "base", 0, Example(f"{i}", ()), completion, Score("accuracy", 1.0, "4"))
        return held

    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    held = landed()
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(held) == 20_000 and after - before < 20_000 * 1500 / 10


# --- the disk ---


def test_nothing_is_left_on_disk_whether_it_went_well_or_not(small_parts):
    held = collected()
    held.samples()
    assert os.listdir(scratch.scratch_folder()) == []  # the files have no names


def test_a_folder_that_cannot_be_written_is_named_with_the_way_out(small_parts, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("EVALKIT_CACHE", str(tmp_path / "file"))
    with pytest.raises(InputError, match=r"file/scratch: no temporary file can be written there: .*EVALKIT_CACHE"):
        collected()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full, a disk that is always full")
def test_a_full_disk_says_that_answers_are_kept(small_parts, monkeypatch):
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda dir: open("/dev/full", "r+b", buffering=0))
    with pytest.raises(
        RunError, match="No space left on device; free some room.*answers that landed are in the journal"
    ):
        collected()


# --- reading ---


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """An example run with a judge, in memory and as a file of many row groups."""
    run = make_run(judge="passed", seed=2)
    path = tmp_path_factory.mktemp("run") / "samples.parquet"
    pq.write_table(run.table, path, row_group_size=97)
    return run, Samples.stored(path)


def test_a_table_on_disk_gives_the_columns_and_rows_that_are_asked_for(stored):
    run, held = stored
    assert held.table(["id", "value"]).to_pylist() == run.table.select(["id", "value"]).to_pylist()
    wanted = np.array([500, 3, 96, 97, 2])
    assert held.take(wanted, ["id", "text"]).to_pylist() == run.table.select(["id", "text"]).take(wanted).to_pylist()
    tuned = np.array(run.table["arm"].to_pylist()) == "tuned"
    view = held.only(tuned)
    assert len(view) == tuned.sum() and set(view.table(["arm"])["arm"].to_pylist()) == {"tuned"}
    assert view.take(np.array([5]), ["key", "id"]).to_pylist() == view.table(["key", "id"]).slice(5, 1).to_pylist()


def test_the_comparison_of_columns_on_disk_is_that_of_the_whole_frame(stored):
    run, held = stored
    whole = compare_records(samples_frame(run.table), verdicts_frame(run.table), run.manifest)
    narrow = compare_records(
        narrow_frame(held), verdicts_frame(held, reasons=False), run.manifest, texts=StoredTexts(held)
    )
    assert narrow == whole and narrow.drift and narrow.judges[0].length_controlled is not None


def test_texts_are_the_same_from_disk_and_from_a_frame(stored):
    run, held = stored
    on_disk, in_frame = StoredTexts(held), FrameTexts(samples_frame(run.table))
    some, others = np.array([4, 900, 17]), np.array([5, 900, 18])
    for name in ("text", "prompt", "logprobs"):
        assert on_disk.values(some, name) == in_frame.values(some, name)
        assert on_disk.differ(name, some, others).tolist() == in_frame.differ(name, some, others).tolist()
    for act in ("known", "characters", "declines"):
        assert getattr(on_disk, act)(some).tolist() == getattr(in_frame, act)(some).tolist()


# --- items ---


@pytest.fixture
def suite(tmp_path):
    def make(n=60, **task):
        lines = [{"id": f"n{i}", "q": f"q{i}", "a": str(i), "g": f"g{i // 3}"} for i in range(n)]
        (tmp_path / "data.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        fields = {"data": "data.jsonl", "prompt": "{{ q }}", "answer": "{{ a }}", "score": "number", **task}
        return validate(SuiteSpec, {"name": "s", "tasks": [fields]}).model_copy(update={"folder": str(tmp_path)})

    return make


@pytest.mark.parametrize(
    "task", [{}, {"shots": 2}, {"group": "{{ g }}", "slices": {"g": "{{ g }}"}}, {"where": "{{ id != 'n3' }}"}]
)
def test_items_on_disk_are_the_items_that_memory_would_hold(suite, monkeypatch, task):
    held = load_suite(suite(**task))
    monkeypatch.setattr(examples, "_IN_MEMORY", 10)
    on_disk = load_suite(suite(**task))
    mine, other = on_disk.tasks[0], held.tasks[0]
    assert isinstance(mine.examples, examples.StoredExamples)
    assert tuple(mine.examples) == other.examples and on_disk.hash == held.hash
    assert (mine.clustered, mine.turns) == (other.clustered, other.turns)
    assert mine.examples[-1] == other.examples[-1] and mine.examples[2:4] == other.examples[2:4]
    assert mine.examples.find("n7") == next(one for one in other.examples if one.id == "n7")
    with pytest.raises(KeyError):
        mine.examples.find("n1000")
    drawn = [[item.example.id for item in draw([one], seed=5, limit=20)] for one in (on_disk, held)]
    assert drawn[0] == drawn[1]


def test_an_id_that_stands_twice_is_named_with_both_its_lines(suite, small_parts, tmp_path):
    spec = suite()
    with (tmp_path / "data.jsonl").open("a") as file:
        file.write('{"id": "n4", "q": "again", "a": "1"}\n')
    with pytest.raises(InputError, match=r"data\.jsonl:61: id 'n4' stands at .*data\.jsonl:5 already"):
        load_suite(spec)


# --- a run ---


def compare(suite, out):
    return api.run_comparison(BASE, TUNED, suites=[suite], out=out)


def test_a_big_run_is_resumed_from_the_journal_and_writes_the_same_file(fake, suite, small_parts, tmp_path):
    fake.answer = lambda request: (
        f"{'so ' * 50}{int(request.example_id[1:]) + (request.model == 'tuned' and len(fake.generated) % 9 == 0)}"
    )
    fake.die_after = 70
    assert not compare(suite(), tmp_path / "broken").decision.complete
    fake.die_after = None
    first = compare(suite(), tmp_path / "one")
    assert len(fake.generated) == 120 and first.decision.complete
    again = compare(suite(), tmp_path / "two")
    assert len(fake.generated) == 120 and again.comparison == first.comparison
    assert (tmp_path / "one/samples.parquet").read_bytes() == (tmp_path / "two/samples.parquet").read_bytes()
    assert api.load(tmp_path / "one").comparison == first.comparison


def test_deciding_again_reads_no_text(fake, suite, small_parts, tmp_path, monkeypatch):
    fake.answer = lambda request: (
        request.example_id[1:] if request.model == "base" or request.example_id != "n9" else "no"
    )
    whole = compare(suite(), tmp_path / "run")
    read = set()
    blocks = Samples.blocks
    monkeypatch.setattr(
        Samples, "blocks", lambda self, columns=None: read.update(columns or SCHEMA.names) or blocks(self, columns)
    )
    decided = api.load(tmp_path / "run", describe=False)
    assert decided.decision == whole.decision and decided.comparison.suites == whole.comparison.suites
    assert read and not read & {"text", "prompt", "reasoning", "answer", "gold", "key", "verdicts"}


def test_two_models_that_answer_alike_are_found_out_from_disk_too(fake, suite, small_parts, tmp_path):
    got = compare(suite(), tmp_path / "run")
    assert got.comparison.unchanged is not None and got.comparison.unchanged.answers == 60
    assert api.load(tmp_path / "run", describe=False).comparison.unchanged == got.comparison.unchanged


def test_a_table_in_memory_is_written_as_ever(tmp_path):
    table = collected().table()
    write_table(table, tmp_path / "samples.parquet")
    assert isinstance(table, pa.Table) and Samples.stored(tmp_path / "samples.parquet").table().schema.equals(SCHEMA)
