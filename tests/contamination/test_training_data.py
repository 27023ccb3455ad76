"""Items that stand in training data: from `--train-data` to the table, the summary, the page and a re-decided run."""

import html
import json
import os
import random
import re
import subprocess
import sys

import pandas as pd
import pyarrow.parquet as pq
import pytest

from evalkit.statistics import tango_interval

N = 200
PLANTED = set(range(0, 40))  # stand in tuned's training file
SHORT = set(range(190, 200))  # too short to be looked up
PLACES = ["lighthouse", "quarry", "orchard", "foundry", "ferry", "library", "granary", "tannery", "windmill", "chapel"]


def question(i):
    """A question in words of its own: no run of five is shared with half of the others."""
    if i in SHORT:
        return f"How much is {i} and {i}?"
    rng = random.Random(i)
    words = [f"{rng.choice(PLACES)}{rng.randrange(10**6)}" for _ in range(20)]
    return f"{' '.join(words)} how many remain?"


def evalkit(*args, cwd):
    return subprocess.run(
        [sys.executable, "-m", "evalkit", *map(str, args)],
        cwd=cwd, capture_output=True, text=True, env=os.environ, timeout=300,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """Tuned is right where it saw the question, and on half of the rest; base is right on three quarters of them all."""
    rows = [{"id": str(i), "q": question(i), "a": str(1000 + i)} for i in range(N)]
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "sums.yaml").write_text(
        "name: sums\nrole: target\ntasks: [{data: items.jsonl, prompt: '{{ q }}', answer: '{{ a }}', score: number}]\n"
    )
    right = {"base": lambda i: i % 4 > 0, "tuned": lambda i: i in PLANTED or i % 2 == 0}
    for name, knows in right.items():
        lines = [json.dumps({"id": str(i), "output": str(1000 + i) if knows(i) else "7"}) + "\n" for i in range(N)]
        (tmp_path / f"{name}.jsonl").write_text("".join(lines))
        (tmp_path / f"{name}.yaml").write_text(f"name: {name}\nbackend: replay\noutputs: {name}.jsonl\n")
    chats = [{"messages": [{"role": "user", "content": f"Hello! {question(i)}"}]} for i in PLANTED]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(chat) + "\n" for chat in chats))
    return tmp_path


def compare(folder, *args):
    return evalkit("compare", "base.yaml", "tuned.yaml", "--suite", "sums.yaml", "--out", "out", *args, cwd=folder)


def summary(folder):
    return json.loads((folder / "out" / "summary.json").read_text())


def page(folder):
    written = (folder / "out" / "report.html").read_text()
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", "", written)))


def samples(folder):
    frame = pd.read_parquet(folder / "out" / "samples.parquet")
    return frame.assign(number=frame["id"].astype(int)).set_index(["arm", "number"])["overlap"]


def flagged(shares):
    return {number for number, share in shares.items() if share >= 0.2}


def test_a_training_file_flags_exactly_the_items_planted_in_it(folder):
    done = compare(folder, "--train-data", "train.jsonl")
    assert done.returncode in (0, 1, 3), done.stderr
    shares = samples(folder)
    assert flagged(shares["tuned"]) == PLANTED
    assert {number for number, share in shares["tuned"].items() if share != share} == SHORT
    assert shares["base"].isna().all(), "base's training data was not given"
    assert "reading training data" in done.stderr.split("generating")[0], "before anything is asked"


def test_the_difference_without_them_stands_beside_the_full_one(folder):
    done = compare(folder, "--train-data", "train.jsonl")
    known = [i for i in range(N) if i not in PLANTED | SHORT]
    lost = sum(i % 4 > 0 and i % 2 > 0 for i in known)
    won = sum(i % 4 == 0 for i in known)
    expected = tango_interval(lost, won, len(known))
    suite = summary(folder)["suites"][0]
    assert suite["n"] == N
    assert suite["contamination"] == {
        "status": "overlap",
        "checked": True,
        "n": N,
        "flagged": len(PLANTED),
        "unknown": len(SHORT),
        "without": {
            "delta": pytest.approx((won - lost) / len(known)),
            "low": pytest.approx(expected.low),
            "high": pytest.approx(expected.high),
            "n": len(known),
        },
    }
    assert "sums: 40 of 200 items in training data" in re.sub(r"\s+", " ", done.stdout)
    assert "40 of 200 items overlap with tuned's train.jsonl; 10 too short to tell." in page(folder)
    assert 'href="#samples?suite=sums&amp;overlap=yes"' in (folder / "out" / "report.html").read_text()
    assert "40 of 200 items overlap with tuned's train.jsonl" in (folder / "out" / "summary.md").read_text()


def test_many_items_in_training_data_and_a_verdict_that_rests_on_them_are_cautions(folder):
    for name, knows in {
        "base": lambda i: i % 4 > 0 and i not in PLANTED,
        "tuned": lambda i: i % 4 > 0 or i in PLANTED,
    }.items():
        lines = [json.dumps({"id": str(i), "output": str(1000 + i) if knows(i) else "7"}) + "\n" for i in range(N)]
        (folder / f"{name}.jsonl").write_text("".join(lines))
    compare(folder, "--train-data", "train.jsonl")
    said = summary(folder)["cautions"]
    assert any(
        re.fullmatch(
            r"sums passes at \+20\.0 \[.*\] pp, but is undecided at \+0\.0 \[.*\] pp with the 50 items set aside that stand in "
            r"training data or are too short to tell",
            one,
        )
        for one in said
    )
    assert "sums: 40 of 200 items stand in training data; what was gained or kept there may be memory" in said


def test_without_training_data_the_word_is_unknown_and_never_clean(folder):
    done = compare(folder)
    assert samples(folder).isna().all()
    assert summary(folder)["suites"][0]["contamination"] == {
        "status": "unknown", "checked": False, "n": N, "flagged": None, "unknown": N, "without": None,
    }  # fmt: skip
    assert "Unknown: no training data was given, so nothing says whether items stand in it." in page(folder)
    assert "Unknown: no training data was given" in (folder / "out" / "summary.md").read_text()
    assert "training data" not in done.stdout and "clean" not in page(folder).split("Training data")[1][:400]


def test_where_nothing_is_found_the_page_says_in_which_files_and_what_is_too_short(folder):
    (folder / "train.jsonl").write_text(json.dumps({"text": "nothing of the kind"}) + "\n")
    done = compare(folder, "--train-data", "train.jsonl")
    known = summary(folder)["suites"][0]["contamination"]
    assert (known["status"], known["flagged"], known["unknown"], known["without"]) == ("none_found", 0, 10, None)
    assert "No overlap found in tuned's train.jsonl for 190 items; 10 too short to tell." in page(folder)
    assert "Overlap" not in done.stdout


def test_both_arms_can_state_theirs_in_their_model_files_and_by_flag(folder):
    rows = [{"prompt": question(i)} for i in range(100, 110)]
    (folder / "pretraining").mkdir()
    (folder / "pretraining" / "part.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name, data in {"base": "pretraining", "tuned": "train.jsonl"}.items():
        with (folder / f"{name}.yaml").open("a") as file:
            file.write(f"train_data: [{data}]\n")
    (folder / "more.txt").write_text(question(120))
    compare(folder, "--train-data", "base=more.txt", "--train-data", "tuned=train.jsonl")
    shares = samples(folder)
    assert flagged(shares["base"]) == {*range(100, 110), 120}
    assert flagged(shares["tuned"]) == PLANTED
    files = json.loads((folder / "out" / "manifest.json").read_text())["train_data"]
    assert [(file["arm"], file["path"].rsplit("/", 1)[-1]) for file in files] == [
        ("base", "more.txt"), ("base", "part.jsonl"), ("tuned", "train.jsonl"),
    ]  # fmt: skip
    assert [file["size"] for file in files] == [
        (folder / name).stat().st_size for name in ("more.txt", "pretraining/part.jsonl", "train.jsonl")
    ]
    assert len({file["hash"] for file in files}) == 3
    assert summary(folder)["suites"][0]["contamination"]["flagged"] == len(PLANTED) + 11
    assert "overlap with base's more.txt and part.jsonl and tuned's train.jsonl" in page(folder)


def test_a_limit_changes_neither_what_is_flagged_nor_what_is_a_tasks_own_wording(folder):
    compare(folder, "--train-data", "train.jsonl", "--limit", 30)
    shares = samples(folder)["tuned"]
    assert len(shares) == 30 and flagged(shares) == PLANTED & set(shares.index)


def test_a_stored_run_still_knows(folder):
    compare(folder, "--train-data", "train.jsonl")
    (folder / "train.jsonl").unlink()
    again = json.loads(evalkit("gate", "out", "--json", cwd=folder).stdout)
    assert again["suites"][0]["contamination"] == summary(folder)["suites"][0]["contamination"]
    (folder / "out" / "report.html").unlink()
    assert evalkit("report", "out", cwd=folder).returncode == 0
    assert "40 of 200 items overlap" in page(folder)


def test_a_run_stored_before_overlaps_were_recorded_is_unknown(folder):
    compare(folder)
    path = folder / "out" / "samples.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["overlap"]), path)
    manifest = json.loads((folder / "out" / "manifest.json").read_text())
    del manifest["train_data"]
    (folder / "out" / "manifest.json").write_text(json.dumps(manifest))
    again = evalkit("gate", "out", "--json", cwd=folder)
    assert json.loads(again.stdout)["suites"][0]["contamination"]["status"] == "unknown"


@pytest.mark.parametrize(
    ("args", "model", "message"),
    [
        (["--train-data", "trian.jsonl"], "", "--train-data: no such file or folder 'trian.jsonl'"),
        (["--train-data", "base="], "", "--train-data: 'base=' names no file; write base=FILE"),
        (["--train-data", "base=sums.yaml"], "", "sums.yaml: cannot read '.yaml'; use .jsonl"),
        (["--train-data", "broken.jsonl"], "", "training data of tuned: "),
        ([], "train_data: [trian.jsonl]\n", "tuned.yaml: train_data: no such file or folder 'trian.jsonl'"),
        ([], "train_data: train.jsonl\n", "train_data"),
    ],
)
def test_a_bad_training_file_stops_the_run_before_an_engine_starts(folder, args, model, message):
    (folder / "broken.jsonl").write_text('{"text": "fine"}\n{"text": \n')
    with (folder / "tuned.yaml").open("a") as file:
        file.write(model)
    done = compare(folder, *args)
    assert done.returncode == 2
    assert message in done.stderr and "Traceback" not in done.stderr
    assert "generating" not in done.stderr and not (folder / "out" / "summary.json").exists()


def test_a_judge_has_no_training_data_to_look_items_up_in(folder):
    (folder / "judge.yaml").write_text(
        "name: j\nrubric: x {{ prompt }} {{ first }} {{ second }}\n"
        "model: {backend: replay, outputs: base.jsonl, train_data: [train.jsonl]}\n"
    )
    done = compare(folder, "--judge", "judge.yaml")
    assert done.returncode == 2 and "`train_data` belongs to a model under test" in done.stderr
