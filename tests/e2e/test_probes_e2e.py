"""Drift probes on a real model: a model does not drift from itself, and an adapter's distance is what transformers computes."""

import importlib.util
import json
import math

import pytest

from evalkit import api
from evalkit.config import ModelSpec, PolicySpec, SuiteSpec
from evalkit.running.probes import _paragraphs
from evalkit.stored.cache import Journal, cache_folder
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


ENGINES = [
    pytest.param(
        name, marks=pytest.mark.skipif(importlib.util.find_spec(name) is None, reason=f"{name} is not installed")
    )
    for name in ("transformers", "vllm")
]


def compare(suite, model_folder, adapter=None, *, engine="transformers"):
    base = ModelSpec(name="base", backend=engine, model=str(model_folder), engine={"max_model_len": 1024})
    tuned = base.model_copy(update={"name": "tuned", "adapter": str(adapter) if adapter else None})
    return api.run_comparison(base, tuned, suites=[suite], policy=PolicySpec())


def test_a_model_does_not_drift_from_itself(suite, model_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("EVALKIT_CACHE", str(tmp_path))
    rows = compare(suite, model_folder).samples.query(f"suite == '{PROBES}'")
    kl = rows[rows["task"] == "kl"]
    assert len(kl) == 6 and list(kl["value"]) == [0.0] * 6
    text = rows[rows["task"] == "held-out text"].pivot(index="id", columns="arm", values="value")
    assert (text["base"] == text["tuned"]).all() and text["base"].between(0.3, 4.0).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_an_adapter_drifts_as_far_as_transformers_says(
    suite, model_folder, random_adapter, tmp_path, monkeypatch, engine
):
    monkeypatch.setenv("EVALKIT_CACHE", str(tmp_path))
    rows = compare(suite, model_folder, random_adapter, engine=engine).samples.query(f"suite == '{PROBES}'")
    kl = rows[rows["task"] == "kl"]
    assert len(kl) == 6

    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(model_folder))
    model = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(str(model_folder), dtype=torch.float32), str(random_adapter)
    )

    def loglikelihood(ids, start):
        with torch.inference_mode():
            scores = torch.log_softmax(model(input_ids=torch.tensor([ids])).logits[0].float(), dim=-1)
        return sum(float(scores[place - 1, ids[place]]) for place in range(start, len(ids)))

    with Journal(cache_folder() / "journal.sqlite") as journal:
        written = journal.find(kl["key"])
    # evalkit answers with a merged copy, rounded to the precision the base is stored in; peft adds the adapter in float32.
    for _, row in kl.iterrows():
        prompt = tokenizer.encode(row["prompt"], add_special_tokens=False)
        tokens = list(written[row["key"]].token_ids)
        tuned = loglikelihood([*prompt, *tokens], len(prompt))
        with model.disable_adapter():
            base = loglikelihood([*prompt, *tokens], len(prompt))
        assert row["value"] == pytest.approx((tuned - base) / len(tokens), rel=0.03, abs=5e-3)
    assert kl["value"].mean() > 0.01

    text = rows[(rows["task"] == "held-out text") & (rows["arm"] == "base")].set_index("id")
    for id in list(_paragraphs())[:3]:
        ids = [tokenizer.bos_token_id, *tokenizer.encode(_paragraphs()[id])]
        with model.disable_adapter():
            expected = -loglikelihood(ids, 1) / math.log(2) / len(_paragraphs()[id].encode())
        assert text.loc[id, "value"] == pytest.approx(expected, rel=1e-3)
