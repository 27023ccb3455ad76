"""What docs/scale.md says of several drivers: a run split by suite asks nothing twice, on one journal or on copied ones."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from evalkit import api
from evalkit.config import ModelSpec, SuiteSpec
from evalkit.yamlfile import validate

PAGE = Path(__file__).parents[2] / "docs" / "scale.md"
BASE = ModelSpec(name="base-model", backend="fake", model="w1")
TUNED = ModelSpec(name="tuned-model", backend="fake", model="w2")


@pytest.fixture
def suites(tmp_path):
    found = []
    for name in ("one", "two"):
        rows = [{"id": str(n), "q": f"{name} {n}", "a": "42"} for n in range(6)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        task = {"data": f"{name}.jsonl", "prompt": "{{ q }}", "answer": "{{ a }}", "score": "number"}
        found.append(validate(SuiteSpec, {"name": name, "tasks": [task]}).model_copy(update={"folder": str(tmp_path)}))
    return found


def test_parts_on_one_journal_leave_nothing_to_ask(fake, suites):
    for suite in suites:
        api.run_comparison(BASE, TUNED, suites=[suite], probes=False)
    assert len(fake.generated) == 24
    whole = api.run_comparison(BASE, TUNED, suites=suites, probes=False)
    assert len(fake.generated) == 24 and whole.comparison.n == 12 and whole.decision.complete


def test_parts_on_journals_of_their_own_are_copied_into_one(fake, suites, tmp_path, monkeypatch):
    for suite in suites:
        monkeypatch.setenv("EVALKIT_CACHE", str(tmp_path / suite.name))
        api.run_comparison(BASE, TUNED, suites=[suite], probes=False)
    (script,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    journals = [str(tmp_path / name / "journal.sqlite") for name in ("two", "one")]
    subprocess.run([sys.executable, "-c", script, *journals], check=True)
    whole = api.run_comparison(BASE, TUNED, suites=suites, probes=False)
    assert len(fake.generated) == 24 and whole.comparison.n == 12 and whole.decision.complete
