"""Drift probes on a real model: a model does not drift from itself, and an adapter's distance is what transformers computes."""

import json
import math

import pytest

from evalkit import api
from evalkit.config import ModelSpec, PolicySpec, SuiteSpec
from evalkit.probes import _paragraphs
from evalkit.types import PROBES
from evalkit.yamlfile import validate

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    folder = tmp_path_factory.mktemp("suite")
    rows = [{"id": str(n), "q": f"Name {n + 2} animals."} for n in range(6)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = {
        "data": "rows.jsonl",
        "prompt": "{{ q }}",
        "score": "contains",
        "answer": "cat",
        "sampling": {"max_tokens": 8},
    }
    return validate(SuiteSpec, {"name": "animals", "tasks": [task]}).model_copy(update={"folder": str(folder)})


def compare(suite, model_folder, adapter=None):
    base = ModelSpec(name="base", backend="transformers", model=str(model_folder), engine={"max_model_len": 1024})
    tuned = base.model_copy(update={"name": "tuned", "adapter": str(adapter) if adapter else None})
    return api.run_comparison(base, tuned, suites=[suite], policy=PolicySpec())


def test_a_model_does_not_drift_from_itself(suite, model_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("EVALKIT_CACHE", str(tmp_path))
    rows = compare(suite, model_folder).samples.query(f"suite == '{PROBES}'")
    kl = rows[rows["task"] == "kl"]
    assert len(kl) == 6 and list(kl["value"]) == [0.0] * 6
    text = rows[rows["task"] == "held-out text"].pivot(index="id", columns="arm", values="value")
    assert (text["base"] == text["tuned"]).all() and text["base"].between(0.3, 4.0).all()


def test_an_adapter_drifts_as_far_as_transformers_says(suite, model_folder, random_adapter, tmp_path, monkeypatch):
    monkeypatch.setenv("EVALKIT_CACHE", str(tmp_path))
    rows = compare(suite, model_folder, random_adapter).samples.query(f"suite == '{PROBES}'")
    kl = rows[rows["task"] == "kl"]
    weights = kl["completion_tokens"].to_numpy()
    assert float((kl["value"] * weights).sum() / weights.sum()) > 0
    assert len(kl) == 6

    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(model_folder))
    model = AutoModelForCausalLM.from_pretrained(str(model_folder), dtype=torch.float32)
    text = rows[(rows["task"] == "held-out text") & (rows["arm"] == "base")].set_index("id")
    for id in list(_paragraphs())[:3]:
        ids = torch.tensor([[tokenizer.bos_token_id, *tokenizer.encode(_paragraphs()[id])]])
        with torch.inference_mode():
            loss = float(model(input_ids=ids, labels=ids).loss) * (ids.shape[1] - 1)
        expected = loss / math.log(2) / len(_paragraphs()[id].encode())
        assert text.loc[id, "value"] == pytest.approx(expected, rel=1e-3)
