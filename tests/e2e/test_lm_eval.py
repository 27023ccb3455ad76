"""Tasks of lm-evaluation-harness through evalkit, against the harness's own command line on the same engine and model.

Both sides run vLLM in float32, greedy. Compared are the token ids that reach the engine and every item's score.
"""

from __future__ import annotations

import contextlib
import functools
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
from evalkit.importers import import_lm_eval
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


@pytest.fixture(scope="module")
def harness_run(tasks, model_folder, tmp_path_factory):
    """Of a format: (samples by task, token ids of every prompt, result folder) of the harness's own command line, once."""

    @functools.cache
    def run(format_: str):
        out = tmp_path_factory.mktemp(f"harness-{format_}")
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
        if format_ == "chat":
            command += ["--apply_chat_template", "--fewshot_as_multiturn"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        samples: dict[str, list[dict[str, object]]] = {}
        for file in (out / "log").rglob("samples_*.jsonl"):
            name = next(task for task in TASKS if file.name.startswith(f"samples_{task}_"))
            samples[name] = [json.loads(line) for line in file.read_text("utf-8").split("\n") if line]
        ids = [tuple(json.loads(line)) for line in (out / "ids.jsonl").read_text().splitlines()]
        return samples, Counter(ids), out / "log"

    return run


@pytest.fixture(scope="module", params=["completion", "chat"])
def harness(request, harness_run):
    """(format, samples by task, token ids of every prompt) of the harness's own command line."""
    samples, ids, _ = harness_run(request.param)
    return request.param, samples, ids


@pytest.fixture(scope="module")
def at_home(tmp_path_factory):
    """A journal and a hub cache of this module's own, while evalkit runs."""
    folders = {name: str(tmp_path_factory.mktemp("home")) for name in ("EVALKIT_CACHE", "HF_HOME")}

    @contextlib.contextmanager
    def settled():
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {**folders, "HF_HUB_OFFLINE": "1"}.items():
                patch.setenv(name, value)
            yield patch

    return settled


def model_spec(model_folder: Path, format_: str) -> ModelSpec:
    return ModelSpec(
        name=f"small, {format_}",
        backend="vllm",
        model=str(model_folder),
        format=format_,
        engine={"max_model_len": CONTEXT, "dtype": "float32"},
    )


def suites_over(tasks: Path) -> list[SuiteSpec]:
    return [
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


@pytest.fixture(scope="module")
def our_run(tasks, model_folder, at_home):
    """Of a format: (samples, token ids) of the same tasks through evalkit, once."""
    from evalkit.backends.vllm_engine import VllmEngine

    add = VllmEngine._add
    # A text whose own likelihood is wanted is the same in both formats: it is asked once, and journalled for the other.
    texts: set[tuple[int, ...]] = set()

    @functools.cache
    def run(format_: str):
        asked: list[tuple[int, ...]] = []

        def recording(self, state, waiting):
            one = state.prepared
            if one.request.is_scored:
                assert one.spans and not one.option_ids
                asked.extend(span.ids for span in one.spans)
                texts.update(span.ids for span in one.spans if one.request.text is not None)
            else:
                asked.append(one.token_ids)
            return add(self, state, waiting)

        with at_home() as patch:
            patch.setattr(VllmEngine, "_add", recording)
            samples = api.run_one(model_spec(model_folder, format_), suites=suites_over(tasks))
        return samples, {*asked, *texts}

    return run


@pytest.fixture(scope="module")
def ours(harness, our_run):
    """(samples, token ids) of the same tasks through evalkit."""
    return our_run(harness[0])


def test_every_prompt_reaches_the_engine_as_the_same_tokens(harness, ours):
    _, _, theirs = harness
    # The harness asks each text as often as it occurs; evalkit asks equal questions once.
    assert ours[1] == set(theirs)
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


def test_importing_the_harnesss_folders_gives_the_same_paired_numbers(
    harness_run, our_run, tasks, model_folder, at_home, tmp_path
):
    """Completion format against chat format: two runs of each tool, and no model run for the import."""
    for format_ in ("completion", "chat"):
        our_run(format_)
    specs = [model_spec(model_folder, format_) for format_ in ("completion", "chat")]
    with at_home():
        mine = api.run_comparison(specs[0], specs[1], suites=suites_over(tasks), probes=False)
    assert all(phase.cached == phase.requests for phase in mine.manifest.phases), "nothing was generated again"
    folders = [harness_run(format_)[2] for format_ in ("completion", "chat")]
    theirs = api.import_run(import_lm_eval(folders[0], folders[1]), out=tmp_path / "run")
    assert len([*(tmp_path / "run").iterdir()]) == 6

    ours, imported = ({one.tasks[0].name: one for one in run.comparison.suites} for run in (mine, theirs))
    assert ours.keys() == imported.keys() == TASKS.keys()
    place = ["task", "arm", "id"]
    marks = [run.samples.astype({name: str for name in place}).set_index(place)["value"] for run in (mine, theirs)]
    for name in TASKS:
        close = {"rel": 1e-4, "abs": 1e-4} if name == "own_rolling" else {"abs": 1e-12}
        one, other = ours[name], imported[name]
        assert marks[1][name].to_dict() == pytest.approx(marks[0][name].to_dict(), **close)
        assert (other.role, other.metric, other.n, other.missing) == (one.role, one.metric, one.n, one.missing)
        for number in ("base", "tuned", "regressed", "fixed"):
            assert getattr(other, number) == pytest.approx(getattr(one, number), **close), (name, number)
        for number in ("value", "se", "low", "high"):
            expected = getattr(one.delta, number)
            expected = expected if expected is None else pytest.approx(expected, **close)
            assert getattr(other.delta, number) == expected, (name, number)
        assert other.delta.method == one.delta.method
    tax, expected = theirs.comparison.tax, mine.comparison.tax
    assert tax.value == pytest.approx(expected.value) and tax.method == expected.method
    if expected.low is not None:
        assert (tax.low, tax.high) == pytest.approx((expected.low, expected.high))
