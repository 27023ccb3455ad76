"""Two fake models, a suite of questions that both answer with 42, and a judge."""

import json

import pytest

from evalkit import api
from evalkit.config import JudgeSpec, ModelSpec, SuiteSpec
from evalkit.yamlfile import validate

FAKE_BASE = ModelSpec(name="base-model", backend="fake", model="w1")
FAKE_TUNED = ModelSpec(name="tuned-model", backend="fake", model="w2")


@pytest.fixture
def suite(tmp_path):
    def make(n=6, name="s", **task):
        (tmp_path / f"{name}.jsonl").write_text(
            "".join(json.dumps({"id": str(i), "q": f"q{i}", "a": "42"}) + "\n" for i in range(n))
        )
        fields = {"data": f"{name}.jsonl", "prompt": "{{ q }}", "answer": "{{ a }}", "score": "number", **task}
        return validate(SuiteSpec, {"name": name, "tasks": [fields]}).model_copy(update={"folder": str(tmp_path)})

    return make


def run(*suites, **options):
    return api.run_comparison(FAKE_BASE, FAKE_TUNED, suites=suites, **options)


JUDGE = {
    "name": "j",
    "model": {"backend": "fake", "model": "w3"},
    "rubric": "{{ prompt }} {{ first }} {{ second }}",
    "recheck": 0,
}


def judge(**fields):
    return validate(JudgeSpec, {**JUDGE, **fields})


def by_request(verdict):
    return lambda request: verdict(request) if request.model == "j" else request.model + " 42"
