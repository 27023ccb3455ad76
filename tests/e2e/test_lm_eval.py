"""Tasks of lm-evaluation-harness through evalkit, against the harness's own command line on the same engine and model.

Both sides run vLLM in float32, greedy. Compared are the token ids that reach the engine and every item's score.
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml

from evalkit import api
from evalkit.config import ModelSpec, SuiteSpec
from evalkit.yamlfile import validate

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vllm is not installed"),
    pytest.mark.skipif(importlib.util.find_spec("lm_eval") is None, reason="lm-evaluation-harness is not installed"),
]

QUICK = Path(__file__).parents[2] / "suites" / "data" / "quick"
CONTEXT = 384
METRICS = {"own_choice": "acc", "own_generate": "exact_match", "own_cloze": "acc", "own_blank": "acc"}

TASKS = {
    "own_choice": {
        "output_type": "multiple_choice",
        "doc_to_text": "Question: {{question}}\nAnswer:",
        "doc_to_choice": "{{choices}}",
        "doc_to_target": "{{['A', 'B', 'C', 'D'].index(answer)}}",
        "description": "Questions of general knowledge.\n\n",
        "num_fewshot": 2,
        "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}, {"metric": "acc_mutual_info"}],
    },
    "own_generate": {
        "output_type": "generate_until",
        "doc_to_text": "Q: {{question}}\nA:",
        "doc_to_target": "{{answer}}",
        "num_fewshot": 3,
        "generation_kwargs": {"until": ["\n\n", "Q:"], "do_sample": False, "max_gen_toks": 24},
        "filter_list": [
            {"name": "last", "filter": [{"function": "regex", "group_select": -1, "regex_pattern": r"(-?\d+)"}, {"function": "take_first"}]},
            {"name": "whole", "filter": [{"function": "take_first"}]},
        ],
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
    },
    "own_cloze": {
        "output_type": "loglikelihood",
        "doc_to_text": "{{question}} It is",
        "doc_to_target": "{{' ' ~ answer}}",
        "num_fewshot": 0,
        "metric_list": [{"metric": "perplexity"}, {"metric": "acc"}],
    },
    "own_blank": {
        "output_type": "multiple_choice",
        "doc_to_text": "{{label}}",
        "doc_to_choice": "{{starts}}",
        "doc_to_target": "{{end}}",
        "num_fewshot": 0,
        "metric_list": [{"metric": "acc"}],
    },
    "own_rolling": {
        "output_type": "loglikelihood_rolling",
        "doc_to_text": "",
        "doc_to_target": "{{text}}",
        "num_fewshot": 0,
        "metric_list": [{"metric": "word_perplexity"}, {"metric": "bits_per_byte"}],
    },
}  # fmt: skip


def rows(name: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in (QUICK / f"{name}.jsonl").read_text("utf-8").split("\n") if line]


def data() -> dict[str, list[dict[str, object]]]:
    """Small sets of own items, with texts both shorter and longer than the context."""
    passages = list(dict.fromkeys(str(row["passage"]) for row in rows("reading")))
    blanks = [
        {"label": place % 2, "starts": starts, "end": end}
        for place, (starts, end) in enumerate(
            [
                (["The cup did not fit in the bag because the cup", "The cup did not fit in the bag because the bag"], "was too big."),
                (["Ann thanked Eve because Ann", "Ann thanked Eve because Eve"], "had helped."),
                (["The dog chased the cat until the dog", "The dog chased the cat until the cat"], "climbed a tree."),
                (["Sam lent Tom a book and Sam", "Sam lent Tom a book and Tom"], "read it at home."),
            ]
        )
    ]  # fmt: skip
    return {
        "own_choice": rows("knowledge")[:20],
        "own_generate": rows("arithmetic")[:16],
        "own_cloze": rows("recall")[:16],
        "own_blank": blanks,
        "own_rolling": [{"text": text} for text in passages[:6]] + [{"text": "\n".join(passages[6:30])}],
    }


@pytest.fixture(scope="module")
def tasks(tmp_path_factory):
    """A folder of task files of the harness over local rows."""
    folder = tmp_path_factory.mktemp("harness")
    for name, items in data().items():
        for split, some in (("test", items), ("train", items[:8][::-1])):
            (folder / f"{name}-{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in some), "utf-8")
        files = {split: str(folder / f"{name}-{split}.jsonl") for split in ("test", "train")}
        task = {
            "task": name,
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": files},
            "test_split": "test",
            "fewshot_split": "train",
            "metadata": {"version": 1},
            **TASKS[name],
        }
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(task, sort_keys=False), "utf-8")
    return folder


# The harness's command line, with what it hands to the engine written down on the way.
_RECORDING = """
import json, os, runpy, vllm
generate = vllm.LLM.generate
def recording(self, prompts, *args, **kwargs):
    with open(os.environ["RECORD_IDS"], "a") as file:
        file.writelines(json.dumps(prompt["prompt_token_ids"]) + "\\n" for prompt in prompts)
    return generate(self, prompts, *args, **kwargs)
vllm.LLM.generate = recording
if __name__ == "__main__":
    runpy.run_module("lm_eval", run_name="__main__", alter_sys=True)
"""


@pytest.fixture(scope="module", params=["completion", "chat"])
def harness(request, tasks, model_folder, tmp_path_factory):
    """(format, samples by task, token ids of every prompt) of the harness's own command line."""
    out = tmp_path_factory.mktemp(f"harness-{request.param}")
    shim = out / "shim"
    # The CPU build's distribution has another name, and the harness asks for this one.
    info = shim / "vllm-0.32.0+cpu.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: vllm\nVersion: 0.32.0+cpu\n")
    (out / "recording.py").write_text(_RECORDING)
    environment = {
        **os.environ,
        "PYTHONPATH": str(shim),
        "RECORD_IDS": str(out / "ids.jsonl"),
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "HF_HOME": str(out / "hf"),
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "OMP_WAIT_POLICY": "PASSIVE",
    }
    model = f"pretrained={model_folder},dtype=float32,enforce_eager=True,max_model_len={CONTEXT}"
    command = [sys.executable, str(out / "recording.py"), "run", "--model", "vllm", "--model_args", model]
    command += ["--tasks", *TASKS, "--include_path", str(tasks), "--output_path", str(out / "log"), "--log_samples"]
    if request.param == "chat":
        command += ["--apply_chat_template", "--fewshot_as_multiturn"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    samples: dict[str, list[dict[str, object]]] = {}
    for file in (out / "log").rglob("samples_*.jsonl"):
        name = next(task for task in TASKS if file.name.startswith(f"samples_{task}_"))
        samples[name] = [json.loads(line) for line in file.read_text("utf-8").split("\n") if line]
    ids = [tuple(json.loads(line)) for line in (out / "ids.jsonl").read_text().splitlines()]
    return request.param, samples, Counter(ids)


@pytest.fixture(scope="module")
def ours(harness, tasks, model_folder, tmp_path_factory):
    """(samples, token ids) of the same tasks through evalkit."""
    from evalkit.backends.vllm_engine import VllmEngine

    format_, _, _ = harness
    patch = pytest.MonkeyPatch()
    asked: list[tuple[int, ...]] = []
    add = VllmEngine._add

    def recording(self, state, waiting):
        one = state.prepared
        if one.request.is_scored:
            assert one.spans and not one.option_ids
            asked.extend(span.ids for span in one.spans)
        else:
            asked.append(one.token_ids)
        return add(self, state, waiting)

    patch.setattr(VllmEngine, "_add", recording)
    patch.setenv("EVALKIT_CACHE", str(tmp_path_factory.mktemp("cache")))
    patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("hf")))
    patch.setenv("HF_HUB_OFFLINE", "1")
    spec = ModelSpec(
        name="small",
        backend="vllm",
        model=str(model_folder),
        format=format_,
        engine={"max_model_len": CONTEXT, "dtype": "float32"},
    )
    suites = [
        validate(
            SuiteSpec,
            {
                "name": f"suite of {name}",
                "role": "guard" if name == "own_rolling" else "retain",
                "tasks": [{"lm_eval": {"task": name, "include_path": str(tasks)}}],
            },
        )
        for name in TASKS
    ]
    try:
        samples = api.run_one(spec, suites=suites)
    finally:
        patch.undo()
    return samples, Counter(asked)


def test_every_prompt_reaches_the_engine_as_the_same_tokens(harness, ours):
    _, _, theirs = harness
    # The harness asks each text as often as it occurs; evalkit asks equal questions once.
    assert set(ours[1]) == set(theirs)
    assert len(set(theirs)) > 100


@pytest.mark.parametrize("task", METRICS)
def test_every_item_scores_the_same(harness, ours, task):
    _, theirs, _ = harness
    first = theirs[task][0]["filter"]
    expected = {str(row["doc_id"]): float(row[METRICS[task]]) for row in theirs[task] if row["filter"] == first}
    mine = ours[0][ours[0]["task"] == task]
    assert mine["failure"].isna().all()
    assert dict(zip(mine["id"], mine["value"], strict=True)) == expected
    assert len(expected) == len(data()[task])


def test_log_probabilities_of_options_agree(harness, ours):
    _, theirs, _ = harness
    mine = ours[0][ours[0]["task"] == "own_choice"].set_index("id")
    for row in theirs["own_choice"]:
        expected = [float(response[0][0]) for response in row["resps"]]
        assert list(mine.loc[str(row["doc_id"]), "logprobs"]) == pytest.approx(expected, abs=2e-3)


def test_texts_beyond_the_context_have_the_same_likelihood(harness, ours):
    _, theirs, _ = harness
    mine = ours[0][ours[0]["task"] == "own_rolling"].set_index("id")
    assert set(mine["metric"]) == {"bits per byte"}
    for row in theirs["own_rolling"]:
        loglikelihood, size = row["bits_per_byte"]
        expected = -loglikelihood / size / math.log(2)
        assert mine.loc[str(row["doc_id"]), "value"] == pytest.approx(expected, rel=1e-4)
    assert any(len(logprobs) > 1 for logprobs in mine["logprobs"]), "one text fills several windows"
