"""The main job on real engines: compare, kill and resume, a judge, an engine that cannot start."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

import evalkit

pytestmark = pytest.mark.e2e

ENGINE = "vllm" if importlib.util.find_spec("vllm") else "transformers"
ROOT = Path(__file__).parents[2]
RUBRIC = "Question:\n{{ prompt }}\n\nOne answer:\n{{ first }}\n\nAnother:\n{{ second }}\n\nWhich is better: first, second or tie?"


@pytest.fixture
def folder(tmp_path, model_folder):
    return filled(tmp_path, model_folder)


def filled(tmp_path: Path, model_folder: Path) -> Path:
    """A base, the same model under another system prompt as candidate, a judge, and a suite of both kinds."""
    shared = (
        f"backend: {ENGINE}\nmodel: {model_folder}\nengine: {{max_model_len: 1024}}\nsampling: {{max_tokens: 40}}\n"
    )
    (tmp_path / "base.yaml").write_text("name: base-model\n" + shared)
    (tmp_path / "tuned.yaml").write_text("name: tuned-model\nsystem: Answer in one short sentence.\n" + shared)
    model = f"{{backend: {ENGINE}, model: {model_folder}, engine: {{max_model_len: 2048}}}}"
    rubric = "".join(f"  {line}\n" for line in RUBRIC.splitlines())
    (tmp_path / "judge.yaml").write_text(f"name: small-judge\nmodel: {model}\nrubric: |\n{rubric}")
    rows = [{"id": n, "q": f"What is {n} plus {n + 3}?", "a": str(2 * n + 3)} for n in range(1, 31)]
    (tmp_path / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "suite.yaml").write_text(
        "name: sums\ntasks:\n- {name: sums, data: sums.jsonl, prompt: '{{ q }}', answer: '{{ a }}', score: number}\n"
        "- {name: pick, data: sums.jsonl, prompt: '{{ q }}', kind: choice, choices: ['{{ a }}', '0', '-1'], answer: A}\n"
    )
    return tmp_path


def command(folder: Path, out: str, *args: str) -> list[str]:
    asked = ["base.yaml", "tuned.yaml", "--suite", "suite.yaml", "--no-probes", "--out", out, *args]
    return [sys.executable, "-m", "evalkit", "compare", *asked]


def environment(cache: Path) -> dict[str, str]:
    return {**os.environ, "EVALKIT_CACHE": str(cache)}


def started(folder: Path, out: str, *args: str) -> subprocess.CompletedProcess[str]:
    env = environment(folder / "cache")
    return subprocess.run(command(folder, out, *args), cwd=folder, env=env, capture_output=True, text=True)


@pytest.fixture(scope="module")
def whole(model_folder, tmp_path_factory):
    """(folder, run, what it said) of one comparison in one go; its journal is `folder / "cache"`."""
    folder = filled(tmp_path_factory.mktemp("whole"), model_folder)
    done = started(folder, "whole")
    assert done.returncode in (0, 1, 3), done.stderr[-3000:]
    return folder, evalkit.load(folder / "whole"), done.stderr


def finish(folder: Path, out: str, cache: Path, *args: str) -> evalkit.Run:
    done = subprocess.run(
        command(folder, out, *args), cwd=folder, env=environment(cache), capture_output=True, text=True
    )
    assert done.returncode in (0, 1, 3), done.stderr[-3000:]
    return evalkit.load(folder / out)


def journalled(cache: Path) -> int:
    try:
        with sqlite3.connect(f"file:{cache / 'journal.sqlite'}?mode=ro", uri=True, timeout=30) as journal:
            return int(journal.execute("SELECT count(*) FROM completions").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def generated(run: evalkit.Run) -> int:
    return sum(phase.requests for phase in run.manifest.phases if phase.name.endswith("generating"))


def test_a_killed_run_goes_on_where_it_stopped_and_ends_the_same(folder, whole):
    _, whole, _ = whole
    assert generated(whole) == 120
    assert whole.manifest.base.precision == "float32"  # the default on a CPU, because of what this test asks for
    cache = folder / "cache-b"
    running = subprocess.Popen(
        command(folder, "killed"),
        cwd=folder,
        env=environment(cache),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 600
        while journalled(cache) < 25 and time.monotonic() < deadline and running.poll() is None:
            time.sleep(0.05)
        assert running.poll() is None, "the run ended before it could be killed"
        running.send_signal(signal.SIGKILL)
    finally:
        running.kill()
        running.wait()
    kept = journalled(cache)
    assert 25 <= kept < 120
    assert not (folder / "killed" / "summary.json").exists()
    resumed = finish(folder, "killed", cache)
    assert generated(resumed) == 120 - kept
    answers = ["suite", "task", "id", "arm", "sample", "text", "value", "cause", "finish_reason", "key"]
    pd.testing.assert_frame_equal(resumed.samples[answers], whole.samples[answers])
    assert resumed.comparison == whole.comparison and resumed.decision == whole.decision
    assert generated(finish(folder, "again", cache)) == 0


def test_a_small_model_judges_for_real_and_stays_advisory(folder):
    run = finish(folder, "out", folder / "cache", "--judge", "judge.yaml", "--limit", "6")
    (result,) = run.comparison.judges
    assert (result.n, result.unscored, result.exam) == (6, 0, "none")
    assert (
        set(run.verdicts["winner"]) <= {"base", "tuned", "tie"} and len(run.verdicts[run.verdicts["repeat"] == 0]) == 12
    )
    assert not any(gate.required for gate in run.decision.gates if gate.kind == "judge")
    assert "small-judge" in (folder / "out" / "report.html").read_text(encoding="utf-8")


def test_prompts_that_differ_between_the_arms_are_pointed_out(whole):
    _, run, _ = whole
    assert any(
        caution.startswith("the rendered prompts of base and tuned differ on 60 of 60")
        for caution in run.manifest.cautions
    )
    assert run.manifest.base.fingerprint == run.manifest.tuned.fingerprint


def test_an_engine_that_cannot_load_ends_incomplete_with_its_reason_and_all_files(folder, model_folder):
    broken = folder / "broken"
    broken.mkdir()
    for path in model_folder.iterdir():
        content = path.read_bytes()
        (broken / path.name).write_bytes(content[: len(content) // 2] if path.suffix == ".safetensors" else content)
    text = (folder / "tuned.yaml").read_text()
    (folder / "tuned.yaml").write_text(text.replace(str(model_folder), "broken"))
    done = started(folder, "out", "--limit", "2")
    assert done.returncode == 4, done.stderr[-3000:]
    assert "evalkit: internal error" not in done.stderr
    run = evalkit.load(folder / "out")
    assert run.decision.outcome != "go" and run.comparison.missing == 4
    assert set(run.samples.loc[run.samples["arm"] == "tuned", "failure"]) == {"start_failed"}
    assert run.samples.loc[run.samples["arm"] == "base", "failure"].isna().all()


def test_an_engine_option_that_cannot_be_is_the_users_mistake(folder):
    text = (folder / "base.yaml").read_text()
    (folder / "base.yaml").write_text(text.replace("max_model_len: 1024", "max_model_len: 1024, no_such_option: 1"))
    done = started(folder, "out", "--limit", "2")
    assert done.returncode == 2, done.stderr[-3000:]
    assert "base.yaml: engine: " in done.stderr and "no_such_option" in done.stderr


def test_start_up_is_named_step_by_step_and_where_the_time_went_is_kept(whole):
    _, run, said = whole
    assert "loading" in said and "generating: " in said
    both = {phase.name.removeprefix("base + tuned: "): phase for phase in run.manifest.phases}  # one model, one stream
    assert both["loading"].seconds > 0 and both["generating"].tokens_per_second > 0
    if ENGINE == "vllm":
        read, written = both["prefill"], both["decode"]
        assert read.beside and read.tokens_per_second > 0 and written.tokens_per_second > 0
        assert read.seconds + written.seconds == pytest.approx(both["generating"].seconds)


@pytest.mark.skipif(ENGINE != "vllm", reason="vllm is not installed")
def test_vllm_and_transformers_choose_alike_on_quick(tmp_path, model_folder, monkeypatch):
    monkeypatch.setenv("EVALKIT_CACHE", str(tmp_path / "cache"))
    frames = {}
    for backend in ("vllm", "transformers"):
        (tmp_path / f"{backend}.yaml").write_text(
            f"name: {backend}\nbackend: {backend}\nmodel: {model_folder}\nengine: {{max_model_len: 1024}}\n"
        )
        choices = _choice_tasks_of_quick(tmp_path)
        frames[backend] = evalkit.run_one(tmp_path / f"{backend}.yaml", suites=[choices]).set_index(["task", "id"])
    names = ("_vllm", "_transformers")
    both = pd.merge(*(frames[name[1:]] for name in names), left_index=True, right_index=True, suffixes=names)
    assert len(both) >= 300 and both["failure_vllm"].isna().all() and both["failure_transformers"].isna().all()
    assert (both["prompt_vllm"] == both["prompt_transformers"]).all()
    assert (both["prompt_tokens_vllm"] == both["prompt_tokens_transformers"]).all()
    differing = both[both["answer_vllm"] != both["answer_transformers"]]
    for place, row in differing.iterrows():
        best, second = sorted(row["logprobs_transformers"], reverse=True)[:2]
        assert best - second < 0.02, place


def _choice_tasks_of_quick(folder: Path) -> str:
    from evalkit.catalog import builtin_folder, find_suite

    quick = find_suite("quick")
    tasks = [
        task.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        for task in quick.tasks
        if task.kind == "choice"
    ]
    for task in tasks:
        task["data"] = str(builtin_folder("suites") / task["data"])
    path = folder / "choices.yaml"
    path.write_text(json.dumps({"name": "choices", "tasks": tasks}))  # JSON is YAML
    return str(path)


def test_a_sequential_run_stops_when_it_is_decided_and_what_it_asked_is_what_a_whole_run_asks(folder, whole):
    """Engines are loaded in turns; the answers of the prefix are those of a run that asks everything; base again is base."""
    policy = {"tax": {"max": 0.6}, "retain": {"margin": 0.6}}
    (folder / "lax.yaml").write_text(json.dumps(policy))
    part = finish(folder, "part", folder / "cache-a", "--policy", "lax.yaml", "--sequential", "--aa", "3")
    looked = part.manifest.sequential
    assert looked is not None and (looked.stopped, looked.planned) == ("decided", 60)
    assert looked.look < 5 and part.decision.outcome in ("go", "no_go")
    assert part.comparison.n == looked.asked < 60 and part.comparison.missing == 0
    asked = {"base": looked.asked, "tuned": looked.asked, "base-again": 6}
    assert part.samples["arm"].value_counts().to_dict() == asked
    noise = part.comparison.noise
    assert noise is not None and (noise.asked, noise.answers, noise.flip_rate.value) == (3, 6, 0)
    _, whole, _ = whole
    both = part.samples.merge(whole.samples, on=["suite", "task", "id", "arm", "sample"])
    assert len(both) == 2 * looked.asked
    assert (both["text_x"] == both["text_y"]).all() and (both["value_x"] == both["value_y"]).all()
