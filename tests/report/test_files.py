import dataclasses
import json
import os

import pytest

from evalkit.report import write_run
from evalkit.stored.records import read_table
from evalkit.stored.runs import read_manifest
from evalkit.types import RunError

SIX = {"report.html", "summary.json", "samples.parquet", "manifest.json", "junit.xml", "summary.md"}


def test_a_run_is_six_files_and_no_leftovers(run, tmp_path):
    report = write_run(tmp_path / "out", *run)
    assert report == tmp_path / "out" / "report.html"
    assert {path.name for path in (tmp_path / "out").iterdir()} == SIX
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["decision"] == "inconclusive"


def test_what_was_written_is_read_back_as_it_was(run, tmp_path):
    write_run(tmp_path, *run)
    stored = read_manifest(tmp_path)
    assert stored.phases[-1].name == "report"  # what writing took is known, and told, only now
    assert dataclasses.replace(stored, phases=stored.phases[:-1]) == run.manifest
    assert read_table(tmp_path / "samples.parquet").equals(run.table)


def test_stored_evidence_can_stay_untouched(run, tmp_path):
    write_run(tmp_path, *run)
    os.utime(tmp_path / "samples.parquet", (1, 1))
    write_run(tmp_path, *run, keep_samples=True)
    assert (tmp_path / "samples.parquet").stat().st_mtime == 1


def test_a_write_that_dies_leaves_the_old_file_whole(run, tmp_path, monkeypatch):
    write_run(tmp_path, *run)
    before = (tmp_path / "samples.parquet").read_bytes()

    def die(table, path):
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr("evalkit.report.files.write_table", die)
    with pytest.raises(OSError, match="disk full"):
        write_run(tmp_path, *run)
    assert (tmp_path / "samples.parquet").read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == SIX


def test_the_same_run_gives_the_same_page(run, tmp_path):
    first = write_run(tmp_path / "a", *run).read_bytes()
    assert write_run(tmp_path / "b", *run).read_bytes() == first


@pytest.mark.parametrize(
    ("content", "said"), [(None, "no such file"), ("{}", "schema: Field required"), ("nonsense", "JSON")]
)
def test_a_manifest_that_cannot_be_read_names_the_file(tmp_path, content, said):
    if content is not None:
        (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(RunError, match=f"manifest.json.*{said}"):
        read_manifest(tmp_path)
