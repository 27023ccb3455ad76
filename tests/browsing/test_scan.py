"""What is found under a folder, what is said of it, and what is left out with a reason."""

import json
import os
from dataclasses import replace

import pytest
from stored_runs import made, store, store_sweep, usual

from evalkit.browsing import Scanner, scan
from evalkit.report.index_json import index_json


def index_of(root):
    return Scanner(root).index()


def reasons(root):
    return {one.folder: one.reason for one in index_of(root).unreadable}


def test_runs_are_found_at_any_depth_newest_first(tmp_path):
    store(tmp_path / "old", made("old", hours=1))
    store(tmp_path / "deep" / "er" / "new", made("new", hours=9))
    store(tmp_path, made("here", hours=5))
    assert [(run.folder, run.tuned.name) for run in index_of(tmp_path).runs] == [
        ("deep/er/new", "new"),
        (".", "here"),
        ("old", "old"),
    ]


def test_a_row_says_what_the_runs_own_files_say(tmp_path):
    run = made("ckpt-300", gain=0.2, tax=0.01, outcome="no_go", win=0.6, limit=50, seed=3)
    store(tmp_path / "a", run, report=False)
    [found] = index_of(tmp_path).runs
    assert found.gain is not None and found.tax is not None
    assert (found.gain.value, found.tax.value) == pytest.approx((0.2, 0.01))
    assert (found.gain.low, found.gain.high) == (run.comparison.gain.low, run.comparison.gain.high)
    assert (found.outcome, found.decision.reasons) == ("no_go", run.decision.reasons)
    assert [gate.verdict for gate in found.decision.gates] == [gate.verdict for gate in run.decision.gates]
    assert [(suite.name, suite.role, suite.hash) for suite in found.suites] == [
        (suite.name, suite.role, suite.hash) for suite in run.manifest.suites
    ]
    assert found.judges[0].win_rate is not None and found.judges[0].win_rate.value == pytest.approx(0.6)
    assert (found.tuned.step, found.report) == (300, False)
    assert found.setup["items"] == "50 items of each task, seed 3"


def test_an_incomplete_run_is_no_go_and_no_undecided_one(tmp_path):
    store(tmp_path / "a", made(complete=False))
    assert index_of(tmp_path).runs[0].outcome == "incomplete"


def test_a_sweep_names_its_runs_and_knows_their_steps(tmp_path):
    usual(tmp_path)
    index = index_of(tmp_path)
    [sweep] = index.sweeps
    inside = [run for run in index.runs if run.sweep == "sweep-0901"]
    assert len(inside) == 8 and {run.folder.split("/")[0] for run in inside} == {"sweep-0901"}
    assert [(one.name, one.failure) for one in sweep.candidates if one.decision is None] == [
        ("merge", "CUDA out of memory")
    ]
    told = json.loads((tmp_path / "sweep-0901" / "sweep.json").read_text())
    told["candidates"][0]["step"] = 77  # as its model file says, whatever its name does
    (tmp_path / "sweep-0901" / "sweep.json").write_text(json.dumps(told))
    assert {run.tuned.step for run in index_of(tmp_path).runs} >= {77, 400, 600}


def test_every_broken_folder_has_its_reason_and_none_breaks_the_index(tmp_path):
    good = store(tmp_path / "good", made())
    manifest, summary = (good / "manifest.json").read_text(), (good / "summary.json").read_text()
    cases = {
        "no-manifest": {"summary.json": summary, "report.html": ""},
        "no-summary": {"manifest.json": manifest, "samples.parquet": ""},
        "only-samples": {"samples.parquet": ""},
        "cut": {"manifest.json": manifest, "summary.json": summary[: len(summary) // 2]},
        "empty": {"manifest.json": manifest, "summary.json": ""},
        "a-list": {"manifest.json": "[]", "summary.json": summary},
        "no-text": {"manifest.json": manifest, "summary.json": "\udcff\udcfe"},
        "lacking": {"manifest.json": manifest, "summary.json": json.dumps({"schema": 1})},
        "wrong-type": {"manifest.json": manifest, "summary.json": summary.replace('"n": ', '"n": "many", "m": ')},
        "later": {"manifest.json": manifest.replace('"schema": 1', '"schema": 9', 1), "summary.json": summary},
        "deep": {"manifest.json": manifest, "summary.json": "[" * 100_000},
        "sweep": {"sweep.json": "{"},
    }
    for name, files in cases.items():
        (tmp_path / name).mkdir()
        for file, text in files.items():
            (tmp_path / name / file).write_bytes(text.encode("utf-8", "surrogateescape"))
    assert [run.folder for run in index_of(tmp_path).runs] == ["good"]
    found = reasons(tmp_path)
    assert found.keys() == cases.keys()
    assert found["no-manifest"].startswith("manifest.json: not there (yet)")
    assert found["only-samples"].startswith("summary.json: not there (yet)")
    assert found["lacking"] == "summary.json: complete: Field required"
    assert found["later"] == "manifest.json: schema 9, and this evalkit reads 1; another version wrote it"
    assert all("\n" not in reason and len(reason) < 300 for reason in found.values())


def test_a_folder_that_may_not_be_opened_is_named(tmp_path, monkeypatch):
    store(tmp_path / "good", made())
    (tmp_path / "shut").mkdir()
    real = os.scandir

    def scandir(path):
        if path.name == "shut":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert reasons(tmp_path) == {"shut": "cannot be opened: Permission denied"}


def test_a_file_that_no_run_writes_is_not_read(tmp_path, monkeypatch):
    store(tmp_path / "huge", made())
    monkeypatch.setattr("evalkit.browsing.reading.LARGEST", 1000)
    assert "larger than" in reasons(tmp_path)["huge"]


def test_what_only_resembles_a_run_is_passed_over(tmp_path):
    for name, file in {"site": "manifest.json", "page": "report.html", "notes": "summary.json"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_text("{}")
    store(tmp_path / ".hidden" / "run", made())
    store(tmp_path / "node_modules" / "run", made())
    index = index_of(tmp_path)
    assert (index.runs, index.unreadable) == ((), ())


def test_links_are_not_followed(tmp_path):
    outside = store(tmp_path / "outside" / "run", made())
    root = tmp_path / "root"
    root.mkdir()
    (root / "linked").symlink_to(outside)
    (root / "loop").symlink_to(root)
    store(root / "real", made(), report=False)
    (root / "real" / "report.html").symlink_to("/etc/passwd")
    index = index_of(root)
    assert [(run.folder, run.report) for run in index.runs] == [("real", False)]


def test_only_what_changed_is_read_again(tmp_path, monkeypatch):
    read = []
    real = scan.read_run
    monkeypatch.setattr(scan, "read_run", lambda *a, **k: read.append(a[2]) or real(*a, **k))
    store(tmp_path / "a", made("a"))
    store(tmp_path / "b", made("b", hours=1))
    scanner = Scanner(tmp_path)
    assert len(scanner.index().runs) == 2 and scanner.index().runs
    assert sorted(read) == ["a", "b"]
    store(tmp_path / "c", made("c", hours=2))
    store(tmp_path / "a", made("a-again", hours=3))
    assert [run.tuned.name for run in scanner.index().runs] == ["a-again", "c", "b"]
    assert sorted(read) == ["a", "a", "b", "c"]


def test_numbers_that_are_not_there_stay_unknown(tmp_path):
    run = made()
    suites = tuple(
        replace(suite, n=0, delta=replace(suite.delta, value=float("nan"))) for suite in run.comparison.suites
    )
    comparison = replace(run.comparison, suites=suites, gain=None, tax=None, judges=())
    store(tmp_path / "a", replace(run, comparison=comparison))
    [found] = index_of(tmp_path).runs
    assert (found.gain, found.tax, found.judges) == (None, None, ())
    assert [suite.delta for suite in found.suites] == [None] * 4
    assert json.loads(index_json(index_of(tmp_path)))["runs"][0]["gain"] is None


def test_names_of_the_file_system_need_not_be_text(tmp_path):
    odd = os.fsdecode(b"caf\xe9 \"<img>' #?%2f\n")
    store(tmp_path / odd, made())
    store_sweep(tmp_path / "s:1", "base", {"x": None}, None)
    index = index_of(tmp_path)
    assert [run.folder for run in index.runs] == [odd]
    json.loads(index_json(index))
