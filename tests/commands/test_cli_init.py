"""The files of a first comparison: they are valid, say what the flags said, and overwrite nothing."""

import json
import os
import re
import subprocess
import sys

import pytest
import yaml

from evalkit.config import PolicySpec, default_policy_text, read_model, read_policy, read_project
from evalkit.inputs import named
from tests.shell import evalkit

FOUR = {"base.yaml", "tuned.yaml", "policy.yaml", "evalkit.yaml"}


def test_the_default_policy_reads_as_the_default_one_and_names_every_field():
    def fields(value):
        return {key: fields(inner) for key, inner in value.items()} if isinstance(value, dict) and value else None

    data = yaml.safe_load(default_policy_text())
    assert PolicySpec.model_validate(data) == PolicySpec()
    assert fields(data) == fields(PolicySpec().model_dump(exclude={"file", "folder"}))


def test_an_adapter_makes_the_base_the_candidate_and_paths_are_seen_from_the_files(tmp_path):
    for name in ("weights", "lora"):
        (tmp_path / name).mkdir()
    done = evalkit("init", "runs/first", "--base", "weights", "--adapter", "lora", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "runs" / "first"
    assert {path.name for path in folder.iterdir()} == FOUR
    assert done.stdout.splitlines()[-2:] == [
        "Next: evalkit doctor runs/first/base.yaml runs/first/tuned.yaml  # is all that they need there?",
        "      evalkit compare runs/first/base.yaml runs/first/tuned.yaml",
    ]
    base, tuned = (read_model(folder / f"{arm}.yaml") for arm in ("base", "tuned"))
    assert (base.name, base.backend, base.adapter) == ("weights", "vllm", None)
    assert base.model == tuned.model == "../../weights" and tuned.adapter == "../../lora" and tuned.name == "lora"
    assert base.path_of(base.model) == str(tmp_path / "weights")
    assert read_policy(folder / "policy.yaml").model_dump(exclude={"file", "folder"}) == PolicySpec().model_dump(
        exclude={"file", "folder"}
    )
    assert read_project(folder).policy is not None


def test_a_hub_id_stays_as_it_is_and_odd_names_are_quoted(tmp_path):
    done = evalkit(
        "init", ".", "--base", "org/model-1B", "--tuned", "yes: #1", "--backend", "transformers", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    base, tuned = (read_model(tmp_path / f"{arm}.yaml") for arm in ("base", "tuned"))
    assert (base.model, base.name, base.backend) == ("org/model-1B", "model-1B", "transformers")
    assert (tuned.model, tuned.name) == ("yes: #1", "yes: #1")


@pytest.mark.parametrize("backend", ["vllm", "transformers", "openai", "replay"])
def test_without_models_every_backend_gets_valid_files_to_fill_in(tmp_path, backend):
    assert evalkit("init", "--backend", backend, cwd=tmp_path).returncode == 0
    for arm in ("base", "tuned"):
        assert read_model(tmp_path / f"{arm}.yaml").backend == backend


def test_suites_judge_and_ci_are_written_as_seen_from_their_files(tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / "ours.yaml").write_text(
        "name: ours\ntasks: [{data: d.jsonl, prompt: '{{ q }}', answer: a, score: exact}]\n"
    )
    done = evalkit(
        "init", "evals", "--base", "org/model", "--adapter", "org/lora", "-s", "quick", "-s", "./ours.yaml",
        "-j", "pairwise-general", "--ci", "github", "--yes", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "evals"
    chosen, judge, policy = named(str(folder), None, None, None)
    assert [suite.name for suite in chosen.suites] == ["quick", "ours"]
    assert judge.name == "pairwise-general" and policy.file.endswith("policy.yaml")
    workflow = (tmp_path / ".github" / "workflows" / "evalkit.yml").read_text()
    assert "evalkit compare evals/base.yaml evals/tuned.yaml --out evalkit-run" in workflow
    assert "'evalkit-gate[vllm,hub,scorers]'" in workflow and "@" not in re.sub(r"@v\d", "", workflow)


def test_a_gitlab_pipeline_that_is_there_is_left_alone(tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitlab-ci.yml").write_text("stages: [test]\n")
    done = evalkit("init", "--ci", "gitlab", "--backend", "openai", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / ".gitlab-ci.yml").read_text() == "stages: [test]\n"
    assert "include: [{local: .gitlab/evalkit.yml}]" in done.stdout
    job = yaml.safe_load((tmp_path / ".gitlab" / "evalkit.yml").read_text())["evalkit"]
    assert "tags" not in job and "allow_failure" not in job
    assert "First write into base.yaml and tuned.yaml which model it is." in done.stdout


def test_on_a_terminal_it_asks_for_what_no_flag_says(tmp_path):
    """Through a real pseudo-terminal; what is given as a flag is not asked for."""
    there, here = os.openpty()
    command = [sys.executable, "-m", "evalkit", "init", "--ci", "none", "--judge", "none"]
    running = subprocess.Popen(
        command, cwd=tmp_path, stdin=here, stderr=here, stdout=subprocess.PIPE, text=True, env=os.environ
    )
    os.close(here)
    asked = b""
    for question, answer in [
        (b"What runs the models", "transformers"),
        (b"The base:", "org/model"),
        (b"LoRA adapter", ""),
        (b"The candidate:", "org/model-instruct"),
        (b"What to ask", "quick, gsm8k"),
    ]:
        while question not in asked:
            asked += os.read(there, 4096)
        os.write(there, f"{answer}\n".encode())
    out, _ = running.communicate(timeout=60)
    os.close(there)
    assert running.returncode == 0 and "Next: evalkit doctor base.yaml tuned.yaml" in out
    base, tuned = (read_model(tmp_path / f"{arm}.yaml") for arm in ("base", "tuned"))
    assert (base.model, tuned.model, tuned.backend) == ("org/model", "org/model-instruct", "transformers")
    assert read_project(tmp_path).suites == ("quick", "gsm8k") and b"Who compares" not in asked


def test_json_names_the_files_and_what_is_left_to_do(tmp_path):
    told = json.loads(evalkit("init", "--base", "org/m", "--json", cwd=tmp_path).stdout)
    assert {*told["files"]} == FOUR and told["to_fill_in"] == ["tuned.yaml"]
    assert told["next"][-1] == "evalkit compare base.yaml tuned.yaml"


def test_recorded_outputs_can_be_compared_at_once(tmp_path):
    for arm in ("one", "two"):
        rows = [{"id": str(i), "output": f"{arm}: {i + 1}"} for i in range(300)]
        (tmp_path / f"{arm}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "d.jsonl").write_text(
        "".join(json.dumps({"id": i, "q": f"{i}+1?", "a": i + 1}) + "\n" for i in range(300))
    )
    (tmp_path / "sums.yaml").write_text(
        "name: sums\ntasks: [{data: d.jsonl, prompt: '{{ q }}', answer: '{{ a }}', score: number, extract: [last_number]}]\n"
    )
    assert (
        evalkit("init", "--backend", "replay", "--base", "one.jsonl", "--tuned", "two.jsonl", cwd=tmp_path).returncode
        == 0
    )
    done = evalkit("compare", "base.yaml", "tuned.yaml", "--suite", "sums.yaml", "--out", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["worst_tax"]["suite"] == "sums" and len(summary["error_rates"]) == 2
    assert summary["suites"][0]["retention"]["value"] == 1.0


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "policy.yaml").write_text("tax: {max: 0.5}\n")
    done = evalkit("init", cwd=tmp_path)
    assert done.returncode == 2 and "policy.yaml: is there already" in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"policy.yaml"}
    assert (tmp_path / "policy.yaml").read_text() == "tax: {max: 0.5}\n"
    assert evalkit("init", "--force", cwd=tmp_path).returncode == 0
    assert read_policy(tmp_path / "policy.yaml").tax.max == 0.02


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--adapter", "x", "--backend", "openai"), "--adapter: backend openai takes none"),
        (("--backend", "vlm"), "Invalid value for '--backend'"),
        (("--suite", "gsm8"), "--suite: unknown suite 'gsm8'; did you mean 'gsm8k'?"),
        (("--judge", "nobody"), "--judge: unknown judge 'nobody'"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(tmp_path, args, said):
    done = evalkit("init", *args, cwd=tmp_path, COLUMNS="200")
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())
