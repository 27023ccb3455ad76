"""Built-in tasks of the harness over real rows in a mirror of the hub, with recorded outputs where there are some."""

import json
import math

import numpy as np
import pytest

from evalkit import api
from evalkit.config import ModelSpec, SuiteSpec
from evalkit.types import Completion
from evalkit.yamlfile import validate
from tests.harness_tasks import CHOICE, COLOURS, lm_eval, load, suite, write_task, write_yaml
from tests.hub_mirror import write_mirror


def rows_of(path):
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]


@pytest.fixture
def mirror(harness, recorded, tmp_path, monkeypatch):
    """Writes tables as the hub calls them, and points the mirror at them. Paths are those of the harness's task files."""

    def write(tables):
        monkeypatch.setenv("EVALKIT_DATA", str(write_mirror(tmp_path / "mirror", tables)))

    return write


def replay(folder, outputs):
    path = folder / "outputs.jsonl"
    path.write_text("".join(json.dumps({"id": id_, "output": output}) + "\n" for id_, output in outputs.items()))
    return ModelSpec(name="recorded", backend="replay", outputs=str(path))


def values(model, entry):
    samples = api.run_one(model, suites=[suite(None, entry)])
    return dict(zip(samples["id"], samples["value"], strict=True)), samples


def test_gsm8k_marks_recorded_solutions_as_their_labels_do(harness, mirror, recorded):
    columns = ("question", "answer")
    test, train = (rows_of(recorded / "tasks" / f"gsm8k_{name}.jsonl") for name in ("test", "train_first200"))
    mirror(
        {
            f"openai/gsm8k/main/{split}.jsonl": [{name: row[name] for name in columns} for row in rows]
            for split, rows in (("test", test[:300]), ("train", train))
        }
    )
    solutions = rows_of(recorded / "gsm8k_openai" / "6b_finetuning.jsonl")
    outputs = {row["id"].removeprefix("gsm8k-test-"): row["solution"].replace("A: ", "#### ") for row in solutions}
    found, samples = values(replay(harness, outputs), lm_eval("gsm8k", limit=300))
    labels = {row["id"].removeprefix("gsm8k-test-"): float(row["is_correct"]) for row in solutions}
    assert found == {id_: labels[id_] for id_ in found}
    assert len(found) == 300 and 0.1 < np.mean(list(found.values())) < 0.5
    assert samples["prompt"].str.count("Question: ").eq(6).all(), "five examples and the question itself"


def test_a_group_of_ones_own_may_name_built_in_tasks(harness, mirror, recorded):
    rows = [
        {name: row[name] for name in ("question", "answer")} for row in rows_of(recorded / "tasks" / "gsm8k_test.jsonl")
    ]
    mirror({f"openai/gsm8k/main/{split}.jsonl": rows[:8] for split in ("test", "train")})
    write_task(harness, "sky", COLOURS, **CHOICE)
    write_yaml(harness / "_both.yaml", {"group": "both", "task": ["sky", "gsm8k"]})
    assert [(task.name, len(task.examples)) for task in load(harness, lm_eval("both")).tasks] == [
        ("sky", 4),
        ("gsm8k", 8),
    ]


def test_mmlu_expands_to_57_subjects_and_marks_recorded_letters(harness, mirror, recorded):
    columns = ("question", "subject", "choices", "answer")
    tables: dict[str, list[dict]] = {}
    golds: dict[tuple[str, str], float] = {}
    predicted = {
        row["id"]: row["prediction"] for row in rows_of(recorded / "mmlu_llama2_7b_sft" / "llama-2-7b-base.jsonl")
    }
    outputs = {}
    for split in ("test", "dev"):
        for row in rows_of(recorded / "tasks" / f"mmlu_{split}.jsonl"):
            table = tables.setdefault(f"cais/mmlu/{row['subject']}/{split}.jsonl", [])
            if len(table) == 5:
                continue
            if split == "test" and row["id"] in predicted:
                place = (f"mmlu_{row['subject']}", str(len(table)))
                outputs[place] = predicted[row["id"]]
                golds[place] = float("ABCD"[row["answer"]] == predicted[row["id"]])
            table.append({name: row[name] for name in columns})
    mirror(tables)
    path = harness / "letters.jsonl"
    lines = [{"task": task, "id": id_, "output": letter} for (task, id_), letter in outputs.items()]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    model = ModelSpec(name="recorded", backend="replay", outputs=str(path))
    samples = api.run_one(model, suites=[suite(None, lm_eval("mmlu", num_fewshot=5))])
    assert samples["task"].nunique() == 57
    answered = samples[samples["failure"].isna()]
    assert dict(zip(zip(answered["task"], answered["id"], strict=True), answered["value"], strict=True)) == golds
    assert len(golds) == 55 * 5
    assert set(samples["metric"]) == {"acc"}


@pytest.mark.parametrize("task", ["boolean_expressions", "date_understanding", "causal_judgement"])
def test_bbh_marks_recorded_chains_of_thought_as_the_paper_does(harness, mirror, recorded, task):
    rows = [row for row in rows_of(recorded / "tasks" / "bbh.jsonl") if row["task"] == task]
    mirror({f"SaylorTwift/bbh/{task}/test.jsonl": [{name: row[name] for name in ("input", "target")} for row in rows]})
    outputs = {
        row["id"].rpartition("-")[2]: row["prediction"]
        for row in rows_of(recorded / "bbh_codex" / "cot.jsonl")
        if row["task"] == task
    }
    found, samples = values(replay(harness, outputs), lm_eval(f"bbh_cot_fewshot_{task}"))
    expected = json.loads((recorded / "bbh_codex" / "expected.json").read_text())["per_task"]["cot"][task]
    assert (len(found), sum(found.values())) == (expected["n"], expected["correct"])
    assert samples["prompt"].str.count("Let's think step by step").eq(4).all()


def truthfulqa(recorded):
    def texts(joined):
        return [text.strip() for text in joined.split(";") if text.strip()]

    for row in rows_of(recorded / "tasks" / "truthfulqa.jsonl"):
        right, wrong = texts(row["correct_answers"]), texts(row["incorrect_answers"])
        one = {"choices": [row["best_answer"], *wrong], "labels": [1, *[0] * len(wrong)]}
        several = {"choices": [*right, *wrong], "labels": [1] * len(right) + [0] * len(wrong)}
        yield {"question": row["question"], "mc1_targets": one, "mc2_targets": several}


def by_length(request):
    """A model that likes long options."""
    return Completion("", logprobs=tuple(-30.0 / len(option) for option in request.options))


def test_truthfulqa_mc1_is_whether_the_best_answer_is_the_likeliest(mirror, recorded, fake):
    rows = list(truthfulqa(recorded))[:60]
    mirror({"truthfulqa/truthful_qa/multiple_choice/validation.jsonl": rows})
    fake.answer = by_length
    found, samples = values(ModelSpec(name="m", backend="fake", model="m"), lm_eval("truthfulqa_mc1"))
    longest = {
        str(place): float(max(row["mc1_targets"]["choices"], key=len) == row["mc1_targets"]["choices"][0])
        for place, row in enumerate(rows)
    }
    assert found == longest
    assert samples["prompt"].str.count("Q: ").eq(7).all(), "its six examples are part of the prompt"


def test_truthfulqa_mc2_is_the_share_of_probability_on_right_answers(mirror, recorded, fake):
    rows = list(truthfulqa(recorded))[:60]
    mirror({"truthfulqa/truthful_qa/multiple_choice/validation.jsonl": rows})
    fake.answer = by_length
    found, _ = values(ModelSpec(name="m", backend="fake", model="m"), lm_eval("truthfulqa_mc2"))
    for place, row in enumerate(rows):
        odds = [math.exp(-30.0 / len(choice)) for choice in row["mc2_targets"]["choices"]]
        right = sum(one for one, label in zip(odds, row["mc2_targets"]["labels"], strict=True) if label)
        assert found[str(place)] == pytest.approx(right / sum(odds))


def test_ifeval_agrees_with_evalkits_own_scorer_on_recorded_answers(harness, mirror, recorded, monkeypatch):
    pytest.importorskip("immutabledict", reason="lm-eval[ifeval] is not installed")
    # The task fetches punkt_tab where it is not installed.
    monkeypatch.setattr("nltk.download", lambda *args, **kwargs: False)
    # Not those about language: its detector's order of profiles is the file system's in the harness, and sorted in evalkit.
    about_language = {"language:response_language", "change_case:english_capital", "change_case:english_lowercase"}
    rows = rows_of(recorded / "tasks" / "ifeval.jsonl")[::2]
    rows = [row for row in rows if not about_language & set(row["instruction_id_list"])][:80]
    mirror({"google/IFEval/default/train.jsonl": rows})
    answers = {row["key"]: row["response"] for row in rows_of(recorded / "ifeval_gpt4" / "responses_even_rows.jsonl")}
    theirs, samples = values(
        replay(harness, {str(i): answers[row["key"]] for i, row in enumerate(rows)}), lm_eval("ifeval")
    )
    (harness / "ifeval.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    gold = "{{ {'instruction_id_list': instruction_id_list, 'kwargs': kwargs} | tojson }}"
    task = {"data": "ifeval.jsonl", "id": "{{ key }}", "prompt": "{{ prompt }}", "answer": gold, "score": "ifeval"}
    own = validate(SuiteSpec, {"name": "own", "tasks": [task]}).model_copy(update={"folder": str(harness)})
    ours = api.run_one(replay(harness, {str(key): answer for key, answer in answers.items()}), suites=[own])
    expected = {str(i): ours.set_index("id")["value"][str(row["key"])] for i, row in enumerate(rows)}
    marked = samples[samples["failure"].isna()]["id"]
    assert {id_: theirs[id_] for id_ in marked} == {id_: expected[id_] for id_ in marked}
    assert len(marked) > 70
    # Counting sentences needs NLTK's punkt_tab: without it the item is a failure that names it, and not a zero.
    assert all("punkt" in message for message in samples["failure_message"].dropna())


def test_ifevals_language_detector_gives_the_same_text_the_same_mark(harness, mirror, recorded, monkeypatch):
    pytest.importorskip("immutabledict", reason="lm-eval[ifeval] is not installed")
    monkeypatch.setattr("nltk.download", lambda *args, **kwargs: False)
    row = {
        "key": 1,
        "prompt": "?",
        "instruction_id_list": ["language:response_language"],
        "kwargs": [{"language": "en"}],
    }
    mirror({"google/IFEval/default/train.jsonl": [row]})
    (task,) = load(None, lm_eval("ifeval")).tasks
    texts = ["per test an", "on taxi is", "on taxi in", "is radio is", "on test no"]  # English in some draws only
    marks = [{task.marker.mark(task.examples[0], [[Completion(text)]])[0].value for _ in range(12)} for text in texts]
    assert all(len(of_one) == 1 for of_one in marks), marks


def test_code_tasks_say_that_their_metric_is_downloaded(harness, mirror):
    from evalkit.types import InputError

    mirror({"openai/openai_humaneval/default/test.jsonl": [{"prompt": "def f():", "test": "", "entry_point": "f"}]})
    with pytest.raises(InputError, match=r"lm_eval\.task: 'humaneval' cannot be loaded: .*code_eval"):
        load(None, lm_eval("humaneval"))


def test_an_unknown_built_in_task_is_told_its_nearest(harness):
    from evalkit.types import InputError

    with pytest.raises(InputError, match="unknown task 'gsm8kk'; did you mean 'gsm8k'"):
        load(None, lm_eval("gsm8kk"))
