"""Two fake models and a suite of any role, marked by a scorer or a judge."""

import json

import pytest

from evalkit.config import ModelSpec, SuiteSpec
from evalkit.yamlfile import validate

BASE, TUNED = (ModelSpec(name=name, backend="fake", model=name) for name in ("w1", "w2"))
GRADER = "name: g\nkind: pointwise\nmodel: {backend: fake, model: w3}\nrubric: '{{ prompt }} {{ response }}'\n"


@pytest.fixture
def suite(tmp_path):
    (tmp_path / "grader.yaml").write_text(GRADER)

    def make(name="s", role="retain", n=200, **fields):
        rows = "".join(json.dumps({"id": str(i), "q": f"{name} {i}"}) + "\n" for i in range(n))
        (tmp_path / f"{name}.jsonl").write_text(rows)
        own = {key: fields.pop(key) for key in ("margin", "guard") if key in fields}
        task = {"data": f"{name}.jsonl", "prompt": "{{ q }}", "answer": "42", "score": "number", **fields}
        task = {key: value for key, value in task.items() if value is not None}
        spec = validate(SuiteSpec, {"name": name, "role": role, **own, "tasks": [task]})
        return spec.model_copy(update={"folder": str(tmp_path)})

    return make
