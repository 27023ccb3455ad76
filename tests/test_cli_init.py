"""The files of a first comparison: they are valid, say what the flags said, and overwrite nothing."""

import json

import pytest
import yaml

from evalkit.config import PolicySpec, default_policy_text, read_model, read_policy, read_project
from tests.test_cli import evalkit

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
    assert done.stdout.splitlines()[-1] == "Next: evalkit compare runs/first/base.yaml runs/first/tuned.yaml"
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


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--adapter", "x", "--backend", "openai"), "--adapter: backend openai takes none"),
        (("--backend", "vlm"), "Invalid value for '--backend'"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(tmp_path, args, said):
    done = evalkit("init", *args, cwd=tmp_path, COLUMNS="200")
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())
