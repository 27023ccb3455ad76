"""The examples are what they say: valid files, a small adapter, and a target suite that was not trained on."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from evalkit.config import (
    PolicySpec,
    default_policy_text,
    read_judge,
    read_model,
    read_policy,
    read_project,
    read_suite,
)
from evalkit.tasks import load_task

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def target_rows():
    return [json.loads(line) for line in (EXAMPLES / "data" / "arithmetic.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    ("names", "read"),
    [
        (["base", "tuned", "base-transformers", "tuned-transformers", "replay/base", "replay/tuned"], read_model),
        (["arithmetic", "replay/suite"], read_suite),
        (["judge", "judge-transformers"], read_judge),
        (["policy"], read_policy),
    ],
)
def test_every_example_file_is_valid(names, read):
    for name in names:
        assert read(EXAMPLES / f"{name}.yaml")


def test_no_example_file_is_left_unread():
    known = "base tuned base-transformers tuned-transformers arithmetic judge judge-transformers"
    assert {path.stem for path in EXAMPLES.glob("*.yaml")} == {*known.split(), "policy", "evalkit"}


@pytest.mark.parametrize("folder", [EXAMPLES, EXAMPLES / "replay"])
def test_the_project_files_name_suites_and_judges_that_exist(folder):
    project = read_project(folder)
    for name in project.suites:
        path = folder / name if name.endswith(".yaml") else ROOT / "suites" / f"{name}.yaml"
        suite = read_suite(path)
        for index, task in enumerate(suite.tasks):
            assert load_task(suite.name, index, task, file=suite.file, folder=suite.folder).examples
    assert project.judge is None or read_judge(folder / project.judge)


def test_the_example_policy_is_the_default_one():
    written = read_policy(EXAMPLES / "policy.yaml").model_dump(exclude={"file", "folder"})
    assert written == PolicySpec().model_dump(exclude={"file", "folder"})


def test_the_example_policy_is_what_init_writes():
    assert (EXAMPLES / "policy.yaml").read_text() == default_policy_text()


def test_the_example_policy_writes_every_field_out():
    def fields(value):
        return {key: fields(inner) for key, inner in value.items()} if isinstance(value, dict) and value else None

    written = yaml.safe_load((EXAMPLES / "policy.yaml").read_text())
    assert fields(written) == fields(PolicySpec().model_dump(exclude={"file", "folder"}))


@pytest.mark.parametrize("name", ["base", "tuned"])
def test_the_transformers_siblings_differ_in_the_engine_alone(name):
    apart = {"backend", "engine", "file", "folder"}
    one, other = (read_model(EXAMPLES / f"{name}{tail}.yaml") for tail in ("", "-transformers"))
    assert one.model_dump(exclude=apart) == other.model_dump(exclude=apart)


def test_the_tuned_model_is_the_base_with_the_adapter():
    base, tuned = (read_model(EXAMPLES / f"{name}.yaml") for name in ("base", "tuned"))
    apart = {"name", "adapter", "file", "folder"}
    assert base.model_dump(exclude=apart) == tuned.model_dump(exclude=apart)
    assert (base.adapter, tuned.adapter) == (None, "adapter")


def test_the_judges_differ_in_the_engine_alone():
    one, other = (read_judge(EXAMPLES / f"judge{tail}.yaml") for tail in ("", "-transformers"))
    assert one.rubric == other.rubric
    assert one.model_dump(exclude={"model", "file", "folder"}) == other.model_dump(exclude={"model", "file", "folder"})


# --- the target suite -------------------------------------------------------------------------------------------


def test_both_target_tasks_ask_the_same_and_differ_in_what_they_accept():
    suite = read_suite(EXAMPLES / "arithmetic.yaml")
    with_format, without = suite.tasks
    assert with_format.model_dump(exclude={"name", "extract"}) == without.model_dump(exclude={"name", "extract"})
    assert len(with_format.extract) == 1 and with_format.extract[0] == without.extract[0]
    assert with_format.group == "{{ id }}"  # two marks of one answer are not two observations
    assert not suite.judge  # 200 one-line replies would be most of the demo's time


def test_the_target_items_are_what_the_script_writes():
    make = load(EXAMPLES / "make_items.py")
    asked = make.target_questions()
    assert [(row["question"], row["answer"]) for row in target_rows()] == asked
    assert len({row["question"] for row in target_rows()}) == len(asked) == 200


def test_target_golds_agree_with_a_second_reading_of_the_question():
    acts = {
        r"What is (\d+) \+ (\d+)": lambda a, b: a + b,
        r"What is (\d+) - (\d+)": lambda a, b: a - b,
        r"What is (\d+) \* (\d+)": lambda a, b: a * b,
        r"has (\d+) \w+ and buys (\d+) more": lambda a, b: a + b,
        r"had (\d+) \w+ and gave (\d+) away": lambda a, b: a - b,
        r"are (\d+) bags with (\d+)": lambda a, b: a * b,
        r"(\d+) people share (\d+)": lambda a, b: b // a,
        r"had (\d+) \w+, lost (\d+) and found (\d+)": lambda a, b, c: a - b + c,
    }
    for row in target_rows():
        (read,) = [(match, act) for pattern, act in acts.items() if (match := re.search(pattern, row["question"]))]
        assert read[1](*map(int, read[0].groups())) == row["answer"]


def test_the_adapter_was_not_trained_on_what_it_is_asked():
    trained = {question for question, _ in load(EXAMPLES / "make_items.py").training_questions(960)}
    quick = (ROOT / "suites" / "data" / "quick" / "arithmetic.jsonl").read_text().splitlines()
    assert not trained & {row["question"] for row in target_rows()}
    assert not trained & {json.loads(line)["question"] for line in quick}


# --- the adapter ------------------------------------------------------------------------------------------------


def test_the_adapter_is_small_and_names_no_machine():
    files = list((EXAMPLES / "adapter").iterdir())
    assert {path.name for path in files} == {"README.md", "adapter_config.json", "adapter_model.safetensors"}
    assert sum(path.stat().st_size for path in files) <= 3_000_000
    config = json.loads((EXAMPLES / "adapter" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == read_model(EXAMPLES / "base.yaml").model
    assert not [value for value in config.values() if isinstance(value, str) and value.startswith("/")]


# --- the recorded pair ------------------------------------------------------------------------------------------


def test_the_recorded_pair_is_compared_in_seconds_without_any_engine(tmp_path):
    models = [str(EXAMPLES / "replay" / f"{name}.yaml") for name in ("base", "tuned")]
    command = [sys.executable, "-m", "evalkit", "compare", *models, "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1, done.stdout + done.stderr
    summary = json.loads((tmp_path / "summary.json").read_text())
    (suite,) = summary["suites"]
    assert (summary["decision"], suite["n"], suite["regressed"], suite["fixed"]) == ("no_go", 32, 11, 1)
