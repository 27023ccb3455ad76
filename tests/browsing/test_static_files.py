"""The index as files."""

import json
import re

import pytest
from stored_runs import made, store, store_sweep
from typer.testing import CliRunner

from evalkit.browsing import write_static
from evalkit.cli import app
from evalkit.types import InputError

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'\u202e"


def links(page):
    return re.findall(r'href="([^"#]*report\.html)"', page.read_text(encoding="utf-8"))


def test_reports_are_copied_beside_the_page(tmp_path):
    store(tmp_path / "runs" / "deep" / "a b", made("one"))
    store_sweep(tmp_path / "runs" / "s:1", "base", {"x": "go"}, "x")
    page, index = write_static(tmp_path / "runs", tmp_path / "site")
    assert page == tmp_path / "site" / "index.html" and len(index.runs) == 1
    assert links(page) == ["reports/deep/a%20b/report.html", "reports/s%3A1/report.html"]
    assert (tmp_path / "site/reports/deep/a b/report.html").read_text().endswith("<h1>Report of a b</h1>")
    assert sorted(path.name for path in (tmp_path / "site").rglob("*") if path.is_file()) == [
        "index.html",
        "report.html",
        "report.html",
    ]


def test_reports_below_the_page_are_linked_where_they_lie(tmp_path):
    store(tmp_path / "runs" / "a", made("one"))
    store(tmp_path / "runs", made("root", hours=1))
    page, _ = write_static(tmp_path / "runs", tmp_path / "runs")
    assert links(page) == ["report.html", "a/report.html"]
    page, _ = write_static(tmp_path / "runs", tmp_path)
    assert links(page) == ["runs/report.html", "runs/a/report.html"]
    assert not list(tmp_path.rglob("reports"))


def test_a_page_written_below_the_runs_is_no_run_itself(tmp_path):
    store(tmp_path / "a", made("one"))
    for _ in range(2):
        page, index = write_static(tmp_path, tmp_path / "site")
        assert [run.folder for run in index.runs] == ["a"] and index.unreadable == ()
    assert links(page) == ["reports/a/report.html"]


def test_a_copy_that_is_up_to_date_is_left_alone(tmp_path):
    source = store(tmp_path / "runs" / "a", made("one")) / "report.html"
    copy = tmp_path / "site" / "reports" / "a" / "report.html"
    write_static(tmp_path / "runs", tmp_path / "site")
    first = copy.stat().st_ino
    write_static(tmp_path / "runs", tmp_path / "site")
    assert copy.stat().st_ino == first
    source.write_text("newer and longer than what was there before it was written anew")
    write_static(tmp_path / "runs", tmp_path / "site")
    assert copy.read_text() == source.read_text()


def test_a_page_of_somebody_else_is_not_written_over(tmp_path):
    store(tmp_path / "runs" / "a", made("one"))
    (tmp_path / "index.html").write_text("<h1>my site</h1>")
    with pytest.raises(InputError, match="is not a page that evalkit wrote"):
        write_static(tmp_path / "runs", tmp_path)
    assert (tmp_path / "index.html").read_text() == "<h1>my site</h1>"


def test_hostile_names_and_reasons_are_text(tmp_path):
    folder = tmp_path / "runs" / HOSTILE.replace("/", "_")
    store(folder, made(HOSTILE, HOSTILE, reason=HOSTILE))
    store(tmp_path / "runs" / "b", made(HOSTILE + "2", HOSTILE, hours=3))
    broken = tmp_path / "runs" / "<b>broken"
    broken.mkdir()
    (broken / "samples.parquet").write_text("")
    (broken / "summary.json").write_text(json.dumps({"schema": 1, "<img src=x>": 1}))
    page, _ = write_static(tmp_path / "runs", tmp_path / "site")
    text = page.read_text(encoding="utf-8")
    assert text.count("<script>") == 1 and "<img" not in text and "\u202e" not in text and "<b>broken" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert re.search(r"script-src 'sha256-[^']+'; style-src 'sha256-[^']+'; img-src data:; base-uri 'none'", text)


def test_nothing_found_says_what_a_run_is(tmp_path):
    page, _ = write_static(tmp_path, tmp_path / "site")
    assert "No run was found here" in page.read_text() and "<script>" not in page.read_text()


def test_the_command_writes_and_ends(tmp_path):
    store(tmp_path / "runs" / "a", made("one"))
    (tmp_path / "runs" / "half").mkdir()
    (tmp_path / "runs" / "half" / "samples.parquet").write_text("")
    done = CliRunner().invoke(app, ["view", str(tmp_path / "runs"), "--static", str(tmp_path / "site")])
    assert done.exit_code == 0
    assert done.output == f"{tmp_path}/site/index.html: 1 run, 1 more could not be read\n"


def test_json_lists_what_was_found(tmp_path):
    store(tmp_path / "a", made("ckpt-7", gain=0.125, outcome="go"))
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "samples.parquet").write_text("")
    told = json.loads(CliRunner().invoke(app, ["view", str(tmp_path), "--json"]).output)
    [run] = told["runs"]
    assert (run["decision"], run["gain"]["value"], run["tuned"]["step"]) == ("go", 0.125, 7)
    assert told["unreadable"][0]["folder"] == "half"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere: no such folder"),
        ([".", "--static", "x", "--port", "8000"], "--static: writes files and ends"),
        ([".", "--static", "x", "--open"], "--static: writes files and ends"),
    ],
)
def test_mistakes_are_told_in_a_line(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        CliRunner().invoke(app, ["view", *arguments], catch_exceptions=False)


def test_an_out_folder_that_cannot_be_made_is_told(tmp_path):
    store(tmp_path / "runs" / "a", made("one"))
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="--static: .*: cannot be written"):
        write_static(tmp_path / "runs", tmp_path / "file" / "site")
