"""What `bench/gpu.py` keeps when a measurement fails or a part hangs: everything known until then."""

import argparse
import time

import bench.gpu
from bench.on_gpu.models import sentences
from bench.on_gpu.setup import TINY, Setup


def setup_in(folder):
    return Setup("lora", folder, folder / "gpu.jsonl", True, TINY, time.monotonic() + 60)


def test_a_measurement_that_fails_is_a_row_of_its_own(tmp_path, capsys):
    setup = setup_in(tmp_path)
    setup.emit("before", 1234.5, "tokens/s")
    assert setup.attempt("broken", lambda: 1 / 0) is None
    assert setup.attempt("after", lambda: "value") == "value"
    rows = bench.gpu.read(setup.rows)
    assert [row["name"] for row in rows] == ["before", "broken"]
    assert rows[1]["value"] is None and "ZeroDivisionError: division by zero" in rows[1]["note"]
    assert [line.split() for line in bench.gpu.table(rows).splitlines()][0] == ["lora", "before", "1,234", "tokens/s"]


def test_what_there_is_no_time_for_is_said(tmp_path):
    setup = Setup("bare", tmp_path, tmp_path / "gpu.jsonl", False, TINY, time.monotonic() + 10)
    assert setup.has(5, "short") and not setup.has(60, "long")
    (row,) = bench.gpu.read(setup.rows)
    assert row["name"] == "long" and row["note"].startswith("skipped: ")


def test_a_part_that_hangs_is_ended_and_named(tmp_path, monkeypatch):
    script = tmp_path / "hangs.py"
    script.write_text("import time\nprint('started', flush=True)\ntime.sleep(600)\n")
    monkeypatch.setattr(bench.gpu, "__file__", str(script))
    monkeypatch.setattr(bench.gpu, "_LEAST_S", 2.0)
    given = argparse.Namespace(out=tmp_path / "out", work=tmp_path / "work", budget=9.0, tiny=False, parts="bare")
    sitting = bench.gpu.Sitting(given)
    with (tmp_path / "out" / "gpu.log").open("w") as log:
        assert not sitting._one("bare", 3, log)
        assert not sitting._one("lora", 60, log)  # the budget is spent
    rows = bench.gpu.read(tmp_path / "out" / "gpu.jsonl")
    assert [row["note"] for row in rows] == ["KILLED after 3 s", "skipped: no time left"]
    assert "started" in (tmp_path / "out" / "gpu.log").read_text()


def test_the_next_part_imports_beside_the_one_at_work_and_begins_when_told(tmp_path, monkeypatch):
    script = tmp_path / "waits.py"
    script.write_text(
        "import sys, time, pathlib\n"
        "part, out = sys.argv[2], pathlib.Path(sys.argv[4])\n"
        "(out / f'{part}-here').touch()\n"
        "told = sys.stdin.readline()\n"
        "while part == 'bare' and not (out / 'lora-here').exists():\n"
        "    time.sleep(0.05)\n"
        "(out / f'{part}-told').write_text(told)\n"
    )
    monkeypatch.setattr(bench.gpu, "__file__", str(script))
    given = argparse.Namespace(out=tmp_path / "out", work=tmp_path / "work", budget=60.0, tiny=False, parts="bare,lora")
    sitting = bench.gpu.Sitting(given)
    with (tmp_path / "out" / "gpu.log").open("w") as log:
        assert sitting._one("bare", 30, log, following="lora")  # ends only once lora's process is there
        assert not (tmp_path / "out" / "lora-told").exists()
        assert sitting._one("lora", 20, log)
    assert (tmp_path / "out" / "bare-told").read_text() == "30\n"
    assert (tmp_path / "out" / "lora-told").read_text() == "20\n"


def test_no_two_prompts_are_alike():
    texts = sentences(500, 80, seed=2)
    assert len(set(texts)) == 500 and texts == sentences(500, 80, seed=2)
