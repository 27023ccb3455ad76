"""A small local model takes an exam for real, fails it, and a report says so."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.e2e

ENGINE = "vllm" if importlib.util.find_spec("vllm") else "transformers"

PAIRS = [
    ("What is the capital of France?", "The capital of France is Paris.", "The capital of France is Lyon."),
    ("What is 12 plus 30?", "12 plus 30 is 42.", "12 plus 30 is 32, since both are even."),
    ("Name a mammal that can fly.", "Bats can fly.", "The penguin is a mammal that flies well over short distances."),
    ("How many days has a leap year?", "A leap year has 366 days.", "365."),
    ("Say hello in Spanish.", "Hola!", "I am sorry, but I cannot help with that request."),
    ("At what temperature does water boil at sea level?", "At 100 °C, which is 212 °F.", "It depends on the kettle."),
    ("Write one word that rhymes with 'cat'.", "Hat.", "Dog is a word that many people like."),
    ("Who wrote Hamlet?", "William Shakespeare wrote Hamlet.", "Hamlet was written by Charles Dickens in 1850."),
    ("Is 17 a prime number?", "Yes: only 1 and 17 divide it.", "No, 17 is 3 times 6."),
    ("What colour is made of blue and yellow?", "Green.", "Blue and yellow, mixed in equal parts, are purple."),
]


@pytest.fixture
def folder(tmp_path, model_folder):
    """Ten pairs, labelled by two people, the better answer now first and now second; a judge; two models to compare."""
    rows = []
    for place, (prompt, good, bad) in enumerate(PAIRS):
        first, second = (good, bad) if place % 2 else (bad, good)
        label = "first" if place % 2 else "second"
        labels = [label, label if place else "tie", label]
        rows.append({"id": place, "prompt": prompt, "first": first, "second": second, "labels": labels})
    (tmp_path / "labels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    shared = (
        f"backend: {ENGINE}\nmodel: {model_folder}\nengine: {{max_model_len: 1024}}\nsampling: {{max_tokens: 30}}\n"
    )
    (tmp_path / "base.yaml").write_text("name: base-model\n" + shared)
    (tmp_path / "tuned.yaml").write_text("name: tuned-model\nsystem: Answer in one short sentence.\n" + shared)
    (tmp_path / "judge.yaml").write_text(
        f"name: small-judge\nmodel: {{backend: {ENGINE}, model: {model_folder}, engine: {{max_model_len: 1024}}}}\n"
        "rubric: |\n  Question:\n  {{ prompt }}\n\n  One answer:\n  {{ first }}\n\n  Another:\n  {{ second }}\n\n"
        "  Which is better: first, second or tie?\n"
    )
    questions = [{"id": place, "q": prompt} for place, (prompt, _, _) in enumerate(PAIRS[:6])]
    (tmp_path / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in questions))
    (tmp_path / "suite.yaml").write_text("name: talk\ntasks:\n- {data: questions.jsonl, prompt: '{{ q }}'}\n")
    return tmp_path


def evalkit(folder, *args):
    env = {**os.environ, "EVALKIT_CACHE": str(folder / "cache")}
    return subprocess.run([sys.executable, "-m", "evalkit", *args], cwd=folder, env=env, capture_output=True, text=True)


def test_a_small_model_takes_the_exam_fails_it_and_the_report_says_so(folder):
    exam = ("judge", "exam", "judge.yaml", "--labels", "labels.jsonl", "--out", "exams")
    done = evalkit(folder, *exam, "--json")
    assert done.returncode == 1, done.stderr[-3000:]
    told = json.loads(done.stdout)
    assert (told["outcome"], told["n"], told["unscored"], told["form"]) == ("failed", 10, 0, "pairs")
    agreement = told["agreement"]
    assert agreement["low"] < 0.65 and 0 <= agreement["low"] <= agreement["value"] <= agreement["high"] <= 1
    assert told["human_agreement"]["value"] == 1.0 and 0 <= told["order_consistency"]["value"] <= 1
    assert sum(one["n"] for one in told["slices"]) == 10
    assert (folder / "exams" / f"{told['judge_hash']}.json").is_file()

    again = evalkit(folder, *exam)
    assert again.returncode == 1 and "20 of 20 answers are in the journal already" in again.stderr
    said = " ".join(again.stdout.split())
    assert "FAILED" in said and "It stays advisory" in said and "agreement with people" in said

    asked = ("base.yaml", "tuned.yaml", "--suite", "suite.yaml", "--judge", "judge.yaml", "--no-probes", "--out", "out")
    compared = evalkit(folder, "compare", *asked)
    assert compared.returncode == 3, compared.stderr[-3000:]
    summary = json.loads((folder / "out" / "summary.json").read_text())
    (judge,) = summary["judges"]
    assert (judge["exam"], judge["human_agreement"]) == ("failed", agreement["value"])
    assert [gate["required"] for gate in summary["gates"] if gate["kind"] == "judge"] == [False]
    page = " ".join((folder / "out" / "report.html").read_text(encoding="utf-8").split())
    assert "advisory: exam failed" in page and "nothing it says is part of the decision" in page
    assert "on labels.jsonl: 10 labels; not passed. The lower end of its agreement must reach 65.0 %." in page
    assert f"{100 * agreement['value']:.1f} %" in page
