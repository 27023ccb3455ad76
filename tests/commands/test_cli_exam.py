"""`evalkit judge exam`, through the command line and the files it writes, on recorded verdicts."""

import json

import pytest

from tests.shell import evalkit


@pytest.fixture
def folder(tmp_path):
    """Forty labelled pairs, and judges with both orders recorded: a good one, one for the first slot, one half silent."""
    rows = [
        {"id": i, "prompt": f"q{i}", "first": "a" * (1 + i % 3), "second": "bb", "labels": ["first", "first", "tie"]}
        | ({"labels": ["second", "second"]} if i % 2 else {})
        for i in range(40)
    ]
    (tmp_path / "labels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def judge(name, said):
        outputs = [{"id": i, "output": said(i)} for i in range(40)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in outputs))
        (tmp_path / f"{name}.yaml").write_text(
            f"name: {name}\nmodel: {{backend: replay, outputs: {name}.jsonl}}\n"
            "rubric: '{{ prompt }} {{ first }} {{ second }}'\n"
        )

    judge("good", lambda i: ["second", "first"] if i % 2 else ["first", "second"])
    judge("slot", lambda i: ["first", "first"])
    judge("silent", lambda i: ["first", "second"] if i % 2 else ["hm", "hm"])
    return tmp_path


@pytest.mark.parametrize(
    ("judge", "code", "word", "meaning"),
    [
        ("good", 0, "PASSED", "its gate is required"),
        ("slot", 1, "FAILED", "does not reach the mark of 65.0 %"),
        ("silent", 4, "INCOMPLETE", "20 of 40 labelled items are unscored, and the policy allows 2.0 %"),
    ],
)
def test_every_outcome_has_its_exit_code_and_says_what_it_means(folder, judge, code, word, meaning):
    done = evalkit("judge", "exam", f"{judge}.yaml", "--labels", "labels.jsonl", cwd=folder)
    assert done.returncode == code, done.stderr
    said = " ".join(done.stdout.split())
    assert word in said and meaning in said
    for line in ("agreement with people", "people with each other", "people prefer the second", "both orders"):
        assert line in said
    assert "about equal in length" in said and "reading the labels" in done.stderr


def test_the_exam_is_stored_and_printed_as_json_and_a_run_finds_it(folder):
    done = evalkit("judge", "exam", "good.yaml", "-l", "labels.jsonl", "--out", "exams", "--json", cwd=folder)
    told = json.loads(done.stdout)
    assert (told["outcome"], told["n"], told["agreement"]["value"], told["min_agreement"]) == ("passed", 40, 1.0, 0.65)
    assert told["human_agreement"]["value"] == 1.0 and told["kappa"]["value"] == 1.0
    assert [path.name for path in (folder / "exams").iterdir()] == [f"{told['judge_hash']}.json"]
    stored = json.loads((folder / "exams" / f"{told['judge_hash']}.json").read_text())
    assert stored["labels"] == "labels.jsonl" and stored["taken"]


def test_the_policy_sets_the_mark_and_the_level(folder):
    (folder / "strict.yaml").write_text("level: 0.99\njudge: {exam: {min_agreement: 0.95}}\n")
    args = ("judge", "exam", "good.yaml", "-l", "labels.jsonl", "--policy", "strict.yaml")
    done = evalkit(*args, "--json", cwd=folder)
    assert (done.returncode, json.loads(done.stdout)["agreement"]["level"]) == (1, 0.99)
    sampled = evalkit(*args, "--limit", "10", "--json", cwd=folder)
    assert json.loads(sampled.stdout)["n"] == 10


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("good.yaml", "-l", "none.jsonl"), "--labels: no such file 'none.jsonl'"),
        (("god.yaml", "-l", "labels.jsonl"), "did you mean 'good.yaml'?"),
        (("good.yaml", "-l", "broken.jsonl"), "broken.jsonl:1: label: 'better': say first, second or tie"),
    ],
)
def test_bad_input_exits_2_with_one_line(folder, args, said):
    row = {"id": 1, "prompt": "p", "first": "a", "second": "b", "label": "better"}
    (folder / "broken.jsonl").write_text(json.dumps(row))
    done = evalkit("judge", "exam", *args, cwd=folder)
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr
