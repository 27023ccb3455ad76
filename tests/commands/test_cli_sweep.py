"""`evalkit sweep` through the command line and the files it writes."""

import json
import random
import re
import shlex
from html.parser import HTMLParser

import pytest
from typer.testing import CliRunner

from evalkit.cli import app
from evalkit.commands.sweep import exit_code
from evalkit.report.sweep import sweep_markdown
from evalkit.report.sweep_page import render_sweep
from evalkit.report.sweep_words import reminder
from evalkit.types import Candidate, Comparison, Decision, Estimate, InputError, Sweep

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>`x`|\u202e"
N = 120


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two suites, a base, three checkpoints that gain more and lose more, and a merge with a hostile name."""
    home = tmp_path_factory.mktemp("sweep")
    for suite, role in (("sums", "target"), ("facts", "retain")):
        (home / f"{suite}.jsonl").write_text(
            "".join(json.dumps({"id": f"{suite} {i}", "q": f"{suite} {i}", "a": str(i)}) + "\n" for i in range(N))
        )
        (home / f"{suite}.yaml").write_text(
            f"name: {suite}\nrole: {role}\ntasks: [{{data: {suite}.jsonl, prompt: '{{{{ q }}}}', answer: '{{{{ a }}}}', score: number}}]\n"
        )
    luck = {(suite, i): random.Random(f"{suite} {i}").random() for suite in ("sums", "facts") for i in range(N)}

    def record(file, name, sums, facts):
        right = {"sums": sums, "facts": facts}
        rows = [{"id": f"{s} {i}", "output": str(i) if u < right[s] else "no idea"} for (s, i), u in luck.items()]
        (home / f"{file}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (home / f"{file}.yaml").write_text(f"name: {json.dumps(name)}\nbackend: replay\noutputs: {file}.jsonl\n")

    record("base", "base", 0.5, 0.9)
    record("ckpt-100", "ckpt-100", 0.7, 0.9)
    record("ckpt-200", "ckpt-200", 0.8, 0.87)
    record("ckpt-300", "ckpt-300", 0.75, 0.6)
    record("merge", HOSTILE, 0.72, 0.9)
    (home / "lax.yaml").write_text("tax: {max: 0.1}\nretain: {margin: 0.1}\n")
    return home


def sweep(folder, *arguments, out="out"):
    candidates = ["ckpt-100.yaml", "ckpt-200.yaml", "ckpt-300.yaml", "merge.yaml"]
    return invoke(
        folder, "sweep", "base.yaml", *candidates, "--suite", "sums.yaml", "--suite", "facts.yaml", "--policy", "lax.yaml",
        "--out", out, *arguments,
    )  # fmt: skip


def invoke(folder, *arguments):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return CliRunner().invoke(app, list(map(str, arguments)))


@pytest.fixture(scope="module")
def swept(folder, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EVALKIT_CACHE", str(tmp_path_factory.mktemp("cache")))
        done = sweep(folder, "--hold-out", "0.25")
    assert done.exit_code == 0, done.output
    return done


@pytest.fixture(scope="module")
def stored(folder, swept):
    return json.loads((folder / "out" / "sweep.json").read_text())


class Tags(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def page(folder, swept):
    return (folder / "out" / "report.html").read_text(encoding="utf-8")


def test_the_folder_holds_the_page_and_a_full_run_of_every_candidate(folder, stored):
    own = {path.name for path in (folder / "out").iterdir()}
    assert {"report.html", "sweep.json", "summary.md"} < own and len(own) == 7
    for one in stored["candidates"]:
        assert (folder / "out" / one["report"]).exists()


def test_what_is_stored_says_front_best_and_regions(stored):
    by_name = {one["name"]: one for one in stored["candidates"]}
    assert stored["best"] == "ckpt-200" and stored["complete"]
    assert set(stored["front"]) == {"ckpt-200", HOSTILE} or "ckpt-200" in stored["front"]
    assert by_name["ckpt-300"]["decision"] == "no_go" and not by_name["ckpt-300"]["on_front"]
    assert [by_name[f"ckpt-{step}"]["step"] for step in (100, 200, 300)] == [100, 200, 300]
    own, region = by_name["ckpt-100"]["gain"], by_name["ckpt-100"]["simultaneous"]["gain"]
    assert region["low"] < own["low"] < own["high"] < region["high"]
    assert by_name["ckpt-300"]["against_best"]["apart"] and by_name["ckpt-200"]["against_best"] is None


def test_the_terminal_names_each_candidate_and_what_to_do_next(swept, stored):
    for word in ("ckpt-100", "ckpt-300", "NO-GO", "the best", "Pareto front", "flatters"):
        assert word in swept.stdout
    assert stored["confirm"] in swept.stdout.replace("\n", "")


def test_the_command_it_prints_confirms_the_best_on_items_nobody_was_asked(folder, stored):
    assert stored["fresh_items"] == {"sums": 30, "facts": 30}
    words = shlex.split(stored["confirm"])
    assert words[:4] == ["evalkit", "compare", "base.yaml", "ckpt-200.yaml"]
    done = invoke(folder, *words[1:], "--out", "confirmed")
    assert done.exit_code in (0, 3), done.output
    kept = json.loads((folder / "confirmed" / "manifest.json").read_text())["fresh_from"]
    assert (kept["left_out"], kept["left"], kept["folders"]) == (180, 60, ["out"])


def test_the_page_has_charts_and_runs_nothing(page):
    tags = Tags(page)
    assert "script" not in tags.tags and "img" not in tags.tags and tags.tags.count("svg") >= 7
    assert not [name for name, _ in tags.attributes if name.startswith("on")]
    assert "script-src 'none'" in dict(tags.attributes)["content"] or "script-src 'none'" in page
    assert "http://" not in re.sub(r'xmlns(:\w+)?="[^"]+"', "", page) and "https://" not in page


def test_whatever_a_model_is_called_stays_text(page, folder):
    text = "".join(Tags(page).text)
    assert "<script>alert(1)</script>" in text and "\u202e" not in page
    summary = (folder / "out" / "summary.md").read_text()
    assert "<script>" not in summary and "&#60;script&#62;" in summary


def test_links_lead_to_the_candidates_own_reports_by_relative_path(page, folder):
    links = [value for name, value in Tags(page).attributes if name == "href" and value.endswith("report.html")]
    assert len(links) == 4
    for link in links:
        assert "/" not in link.removesuffix("/report.html") and (folder / "out" / link).exists()


def test_the_page_shows_steps_reminder_and_who_is_told_apart(page):
    text = " ".join(Tags(page).text)
    for words in ("Over training", "step 300", "60 items are left", "costs more", "best", "Pareto front"):
        assert words in text


def test_with_every_item_asked_it_names_hold_out_and_prints_no_command_that_fails(folder, swept):
    done = sweep(folder, "--json", out="all")
    told = json.loads(done.stdout)
    assert done.exit_code == 0 and told["confirm"] is None and told["fresh_items"] == {"sums": 0, "facts": 0}
    page = (folder / "all" / "report.html").read_text()
    assert "None are left: sweep again with --hold-out 0.25" in page and "evalkit compare" not in page
    failed = invoke(folder, "compare", "base.yaml", "ckpt-200.yaml", "--suite", "sums.yaml", "--fresh-from", "all")
    assert isinstance(failed.exception, InputError) and "all of its 120 items were asked" in str(failed.exception)


def test_bad_input_is_told_before_anything_is_written(folder):
    done = invoke(
        folder, "sweep", "base.yaml", "ckpt-100.yaml", "ckpt-100.yaml", "--suite", "sums.yaml", "--out", "bad"
    )
    assert isinstance(done.exception, InputError) and "named twice" in str(done.exception)
    done = invoke(folder, "sweep", "base.yaml", "ckpt-10.yaml", "none.yaml", "--suite", "sums.yaml", "--out", "bad")
    assert "ckpt-10.yaml: no such file; did you mean 'ckpt-100.yaml'?" in str(done.exception)
    assert "none.yaml: no such file" in str(done.exception)
    assert not (folder / "bad").exists()


# --- outcomes ----------------------------------------------------------------------------------------------------------


def candidate(name, outcome, complete=True):
    one = Estimate(0.1, 0.01, 0.08, 0.12, 0.95, "t", 100)
    compared = Comparison("base", name, 0.95, (), None, one)
    return Candidate(
        name, f"{name}.yaml", name, comparison=compared, decision=Decision(outcome, complete, (), ("why",))
    )


def outcome(*outcomes, **fields):
    return Sweep("base", 0.95, tuple(candidate(str(i), one) for i, one in enumerate(outcomes)), best="0", **fields)


BROKEN = Candidate("b", "b.yaml", None, failure="out of memory")


def test_exit_codes():
    assert exit_code(outcome("no_go", "go", "inconclusive")) == 0
    assert exit_code(outcome("no_go", "no_go")) == 1
    assert exit_code(outcome("no_go", "inconclusive")) == 3
    assert exit_code(outcome("no_go", "inconclusive", inconclusive_passes=True)) == 0
    assert exit_code(Sweep("base", 0.95, (candidate("a", "go"), BROKEN))) == 4
    assert exit_code(Sweep("base", 0.95, (candidate("a", "go"), candidate("b", "go", complete=False)))) == 4


def test_nothing_is_to_be_confirmed_where_nothing_may_be_released_or_nothing_was_chosen():
    assert reminder(outcome("no_go", "no_go")) == "" == reminder(outcome("go"))
    assert "sweep again with --hold-out" in reminder(outcome("go", "go", fresh={"s": 0}))
    assert "None are left of t" in reminder(outcome("go", "go", fresh={"s": 4, "t": 0}))


def test_a_sweep_of_which_every_run_broke_off_still_has_a_page():
    lost = Sweep("base", 0.95, (BROKEN,))
    assert "its run broke off: out of memory" in render_sweep(lost) and "INCOMPLETE" in sweep_markdown(lost)
