"""What the benches against lm-eval and the bare engine say when a side fails, and how scores are held together."""

import argparse
import json

import pytest
import yaml

from bench import against_lm_eval
from bench.against_lm_eval import Meeting
from bench.harness import asked, sides
from bench.harness.scores import Marked, Scores, compared, of_lm_eval
from evalkit.config import SuiteSpec
from evalkit.yamlfile import validate


def given(folder, **more):
    settings = {"out": folder, "parts": "choice", "repeats": 3, "dtype": "float32", "timeout": 5.0, **more}
    return argparse.Namespace(**settings)


def sides_of(rows):
    return {row["name"] for row in rows} & set(against_lm_eval.LABELS)


def test_ratios_are_of_medians_and_a_side_that_failed_says_why(tmp_path):
    meeting = Meeting(given(tmp_path))
    for seconds in (10.0, 30.0, 20.0):
        meeting._one("choice", "lm_eval", lambda _, s=seconds: (s, Scores()), 0)
    meeting._one("choice", "evalkit", lambda _: (5.0, Scores()), 0)

    def fails(_):
        raise sides.Failed("bare.log: exit 1: out of memory")

    meeting._one("choice", "bare", fails, 0)
    lines = meeting.table().splitlines()
    assert any(line.split() == "choice evalkit / lm_eval 0.25 x (target 0.33)".split() for line in lines)
    assert any("bare engine" in line and "exit 1: out of memory" in line for line in lines)
    assert any(line.split() == "choice evalkit / bare -".split() for line in lines)
    rows = [json.loads(line) for line in (tmp_path / "against_lm_eval.jsonl").read_text().splitlines()]
    assert [row["value"] for row in rows if row["name"] in sides_of(rows)] == [10.0, 30.0, 20.0, 5.0, None]


def test_a_process_that_does_not_end_is_ended_and_named(tmp_path):
    import sys

    with pytest.raises(sides.Failed, match="slow.log: not done after 1 s"):
        sides._timed([sys.executable, "-c", "import time; time.sleep(60)"], tmp_path / "slow.log", 1.0, {})
    with pytest.raises(sides.Failed, match="bad.log: exit 3: why"):
        sides._timed([sys.executable, "-c", "print('why'); raise SystemExit(3)"], tmp_path / "bad.log", 30.0, {})


def test_every_item_that_differs_is_listed_with_both_values():
    theirs = Scores({("base", "bench_choice", str(n)): Marked(1.0, "-1.0000") for n in range(3)})
    ours = Scores({**theirs, ("base", "bench_choice", "1"): Marked(0.0, "-1.0002")})
    del ours["base", "bench_choice", "2"]
    lines = compared(theirs, ours)
    assert lines[0].startswith("base, bench_choice: the same score on 1 of 3 items")
    assert "  item 1: lm_eval 1.0, evalkit 0.0" in lines
    assert "  item 2: lm_eval 1.0, evalkit missing" in lines


def test_the_harness_log_is_read_by_task_and_filter(tmp_path):
    rows = [
        {"doc_id": 0, "filter": "none", "acc": 1.0, "resps": [[[-0.5, True]], [[-1.5, False]]]},
        {"doc_id": 1, "filter": "other", "acc": 1.0, "resps": [[[-0.5, True]]]},
    ]
    log = tmp_path / "model" / "samples_bench_choice_2026.jsonl"
    log.parent.mkdir()
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert of_lm_eval(tmp_path, "base", ["bench_choice"]) == {
        ("base", "bench_choice", "0"): Marked(1.0, "-0.5000 -1.5000")
    }
    with pytest.raises(FileNotFoundError, match="bench_generate"):
        of_lm_eval(tmp_path, "base", ["bench_generate"])


def test_both_tools_are_given_the_same_task_files(tmp_path, monkeypatch):
    monkeypatch.delenv("EVALKIT_TEST_DATA", raising=False)
    parts = asked.write(tmp_path, choice=5, generate=3, new_tokens=16)
    assert parts["whole"].tasks == ("bench_choice", "bench_generate") and parts["choice"].tasks == ("bench_choice",)
    for part in parts.values():
        suite = validate(SuiteSpec, yaml.safe_load(part.suite.read_text()))
        assert len(suite.tasks) == len(part.tasks)
        for task in part.tasks:
            file = yaml.safe_load((part.folder / f"{task}.yaml").read_text())
            assert file["task"] == task and file["metric_list"][0]["metric"] == asked.METRICS[task]
    generated = yaml.safe_load((tmp_path / "bench_generate.yaml").read_text())
    assert generated["generation_kwargs"]["max_gen_toks"] == 16
    assert len((tmp_path / "bench_choice-test.jsonl").read_text().splitlines()) == 5
    assert set(against_lm_eval.TARGETS) == set(parts)
