"""Suites over open questions, refusals and several true answers: rows in the hub's own columns give what should be asked.

Rows are real where the recorded data has them, put back into the columns of the hub; elsewhere they are written by hand.
"""

import csv
import json
import math
import re

import pytest

from bench.refusal import COMPLIED
from evalkit import api
from evalkit.catalog import builtin_names, find_suite
from evalkit.config import HubSpec, ModelSpec
from evalkit.scorers import UNSCORED, check_golds, marking, score
from evalkit.statistics import clopper_pearson, detectable_difference, tango_interval
from evalkit.tasks import load_suite
from evalkit.types import Completion, InputError
from tests.hub_mirror import write_mirror

JUDGED = ("alpaca-eval", "arena-hard", "arena-hard-v2", "mt-bench")
GUARDS = ("xstest-safe", "xstest-unsafe")
OPEN = ("truthfulqa-mc2", *GUARDS, *JUDGED)
COUNTS = {
    "truthfulqa-mc2": 790,  # of the recorded revision; the hub's has 817
    "xstest-safe": 250,
    "xstest-unsafe": 200,
    "mt-bench": 80,
    "arena-hard": 500,
    "arena-hard-v2": 750,
    "alpaca-eval": 805,
}

# --- rows in the hub's columns: {path in the mirror: rows} --------------------------------------------------------


def lines(path):
    with path.open(encoding="utf-8") as file:  # not splitlines(): v2.0 of arena-hard has U+2028 inside a prompt
        return [json.loads(line) for line in file]


def truthfulqa(recorded):
    def parts(text):
        return [part.strip() for part in text.split(";") if part.strip()]

    rows = []
    for row in lines(recorded / "tasks" / "truthfulqa.jsonl"):
        true, false = parts(row["correct_answers"]), parts(row["incorrect_answers"])
        mc1 = {"choices": [row["best_answer"], *false], "labels": [1] + [0] * len(false)}
        mc2 = {"choices": true + false, "labels": [1] * len(true) + [0] * len(false)}
        rows.append({"question": row["question"], "mc1_targets": mc1, "mc2_targets": mc2})
    return {"truthfulqa/truthful_qa/multiple_choice/validation.jsonl": rows}


def xstest(recorded):
    with (recorded / "tasks" / "xstest_prompts.csv").open(encoding="utf-8", newline="") as file:
        return {"Paul/XSTest/default/train.jsonl": list(csv.DictReader(file))}


def mt_bench(recorded):
    rows = [
        {"prompt": row["turns"], "prompt_id": row["question_id"], "category": row["category"], "reference": []}
        for row in lines(recorded / "tasks" / "mt_bench_questions.jsonl")
    ]
    return {"HuggingFaceH4/mt_bench_prompts/default/train.jsonl": rows}


def arena_hard(recorded, version):
    rows = lines(recorded / "tasks" / f"arena_hard_v{version}_questions.jsonl")
    return {f"lmarena-ai/arena-hard-auto/data/arena-hard-v{version}/question.jsonl": rows}


def alpaca_eval(recorded):
    rows = [
        {"dataset": row["dataset"], "instruction": row["instruction"], "output": "", "generator": "text_davinci_003"}
        for row in lines(recorded / "alpaca_eval" / "baseline_gpt4_1106_preview.jsonl")
    ]
    return {"tatsu-lab/alpaca_eval/alpaca_eval.json": rows}


TABLES = {
    "truthfulqa-mc2": truthfulqa,
    "xstest-safe": xstest,
    "xstest-unsafe": xstest,
    "mt-bench": mt_bench,
    "arena-hard": lambda recorded: arena_hard(recorded, "0.1"),
    "arena-hard-v2": lambda recorded: arena_hard(recorded, "2.0"),
    "alpaca-eval": alpaca_eval,
}


@pytest.fixture
def mirror(recorded, tmp_path, monkeypatch):
    """From a suite's name to a mirror of the hub that holds its rows; returns these by their path."""

    def write(name):
        tables = TABLES[name](recorded)
        monkeypatch.setenv("EVALKIT_DATA", str(write_mirror(tmp_path / "mirror", tables)))
        return tables

    return write


@pytest.fixture
def loaded(mirror):
    """From a suite's name to the suite, read from a mirror of the hub, and the rows."""

    def load(name):
        (rows,) = mirror(name).values()
        return load_suite(find_suite(name)), rows

    return load


def examples(suite):
    return [example for task in suite.tasks for example in task.examples]


# --- what each file says ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OPEN)
def test_a_suite_says_whose_it_is_and_what_it_may_be_used_for(name):
    assert name in builtin_names("suites")
    spec = find_suite(name)
    assert all(isinstance(task.data, HubSpec) and task.data.hub in spec.source for task in spec.tasks)
    assert re.search(r"arXiv:\d{4}\.\d{5}", spec.source)
    assert spec.licence and spec.version and spec.description


def test_the_licence_of_alpaca_eval_is_the_datas_and_not_the_codes():
    assert find_suite("alpaca-eval").licence == "CC-BY-NC-4.0"
    assert "may not be used commercially" in " ".join(find_suite("alpaca-eval").description.split())


@pytest.mark.parametrize("name", COUNTS)
def test_all_items_are_asked_once_and_word_for_word(name, loaded):
    suite, rows = loaded(name)
    found = examples(suite)
    assert len(found) == len({example.id for example in found}) == COUNTS[name]
    asked = {example.messages[-1].content for example in found}
    published = {row.get("instruction") or row.get("prompt") or f"Q: {row['question']}\nA:" for row in flat(rows)}
    assert asked <= published


def flat(rows):
    """Rows whose prompt is a text: of several turns the first."""
    return [{**row, "prompt": row["prompt"][0]} if isinstance(row.get("prompt"), list) else row for row in rows]


# --- truthfulqa-mc2 -----------------------------------------------------------------------------------------------


def test_mc2_asks_as_mc1_does_and_knows_every_true_answer(loaded):
    suite, rows = loaded("truthfulqa-mc2")
    one, two = find_suite("truthfulqa-mc1").tasks[0], suite.spec.tasks[0]
    assert one.prompt == two.prompt and one.data == two.data
    for row, example in zip(rows, examples(suite), strict=True):
        right = [example.choices["ABCDEFGHIJKLMNOPQRSTUVWXYZ".index(letter)] for letter in example.answer.split(",")]
        targets = row["mc2_targets"]
        assert right == [text for text, label in zip(targets["choices"], targets["labels"], strict=True) if label]


def test_the_mark_of_mc2_is_the_share_of_probability_on_true_answers(loaded):
    suite, _ = loaded("truthfulqa-mc2")
    (task,) = suite.tasks
    check_golds(task.spec, task.examples, asked_by="truthfulqa-mc2")
    for example in task.examples[:50]:
        true, n = len(example.answer.split(",")), len(example.choices)
        even = score(task.spec, example, Completion("", logprobs=(-40.0,) * n))
        assert even.value == pytest.approx(true / n)
        likely = tuple(-1.0 if place < true else -1000.0 for place in range(n))
        assert score(task.spec, example, Completion("", logprobs=likely)).value == pytest.approx(1.0)
    assert not marking(task).binary


def test_chance_of_mc2_is_the_mean_share_of_true_answers(loaded):
    suite, _ = loaded("truthfulqa-mc2")
    shares = [len(example.answer.split(",")) / len(example.choices) for example in examples(suite)]
    assert suite.spec.chance == pytest.approx(sum(shares) / len(shares), abs=0.001)


def test_true_answers_that_do_not_stand_first_stop_the_run(tmp_path, monkeypatch):
    targets = {"choices": ["no", "yes"], "labels": [0, 1]}
    rows = [{"question": "Is it?", "mc1_targets": targets, "mc2_targets": targets}]
    write_mirror(tmp_path, {"truthfulqa/truthful_qa/multiple_choice/validation.jsonl": rows})
    monkeypatch.setenv("EVALKIT_DATA", str(tmp_path))
    with pytest.raises(InputError, match=r"validation\.jsonl:1: .*answer"):
        load_suite(find_suite("truthfulqa-mc2"))


# --- hellaswag ----------------------------------------------------------------------------------------------------


def test_hellaswag_is_scored_by_log_probability_for_each_character(tmp_path, monkeypatch):
    long = "takes the brush, dips it into the paint and begins to coat the frame."
    row = {"activity_label": "Painting", "ctx_a": "A man opens a tin.", "ctx_b": "he", "label": "0"}
    rows = [{**row, "endings": [long, "sits.", "eats it.", "flies."]}]
    write_mirror(tmp_path, {"Rowan/hellaswag/default/validation.jsonl": rows})
    monkeypatch.setenv("EVALKIT_DATA", str(tmp_path))
    (task,) = load_suite(find_suite("hellaswag")).tasks
    # The long ending is the less likely one as a whole, and the likelier one by length.
    answer = Completion("", logprobs=(-20.0, -8.0, -16.0, -12.0))
    assert score(task.spec, task.examples[0], answer).value == 1.0
    summed = task.spec.model_copy(update={"normalise": "none"})
    assert score(summed, task.examples[0], answer).value == 0.0


# --- xstest -------------------------------------------------------------------------------------------------------


def test_the_two_halves_of_xstest_share_no_prompt_and_leave_none_out(loaded):
    (safe, rows), (unsafe, _) = loaded("xstest-safe"), loaded("xstest-unsafe")
    of_safe, of_unsafe = ({example.id for example in examples(suite)} for suite in (safe, unsafe))
    assert not of_safe & of_unsafe and len(of_safe | of_unsafe) == len(rows) == 450
    assert {row["id"] for row in rows if row["type"].startswith("contrast_")} == of_unsafe


def test_each_half_is_a_guard_with_one_limit_that_its_number_of_items_can_decide():
    safe, unsafe = (find_suite(name) for name in GUARDS)
    assert {safe.role, unsafe.role} == {"guard"}
    assert safe.guard.max_rate is None and unsafe.guard.max_increase is None
    for discordance in (0.12, 0.15):
        assert detectable_difference(250, discordance, power=0.85) <= safe.guard.max_increase
    assert tango_interval(19, 19, 250).high < safe.guard.max_increase  # equal models, 15 % of the items differ
    # A model that refuses everything, of whose refusals the scorer misses as many as of llama2new's: 9 of 200.
    assert clopper_pearson(9, 200).high < unsafe.guard.max_rate
    assert clopper_pearson(12, 200).high > unsafe.guard.max_rate


@pytest.mark.parametrize("model", ["llama2orig", "llama2new"])
def test_real_answers_are_gated_on_both_halves_at_once(model, recorded, mirror, tmp_path):
    mirror("xstest-safe")
    base, tuned = (replayed(tmp_path, recorded, name) for name in ("llama2orig", model))
    run = api.run_comparison(base, tuned, suites=list(GUARDS))
    gates = {(gate.subject, gate.kind): gate for gate in run.decision.gates}
    assert set(gates) == {("xstest-safe", "guard_increase"), ("xstest-unsafe", "guard_rate")}
    assert all(gate.required for gate in gates.values())
    # llama2new refuses far fewer harmless prompts, and by people's labels still every harmful one.
    assert [gate.verdict for gate in gates.values()] == ["pass", "pass"] and run.decision.outcome == "go"
    safe, unsafe = run.comparison.suites
    labels = {row["prompt"]: row for row in lines(recorded / "xstest" / f"{model}.jsonl")}
    helped = {"safe": 0, "unsafe": 0}
    for row in labels.values():
        side = "unsafe" if row["type"].startswith("contrast_") else "safe"
        helped[side] += row["final_label"] == COMPLIED
    assert helped["unsafe"] == 0
    assert safe.tuned == pytest.approx(1 - helped["safe"] / 250, abs=0.03)  # the errors of both kinds nearly cancel
    assert unsafe.tuned <= 0.045


def test_a_model_that_refuses_nothing_fails_the_half_that_refusing_everything_passes(mirror, tmp_path):
    rows = next(iter(mirror("xstest-safe").values()))
    never, always = (
        written(tmp_path, name, {row["id"]: text for row in rows})
        for name, text in (("never", "Sure, here is how."), ("always", "I'm sorry, but I can't help with that."))
    )
    for tuned, failed in ((never, "xstest-unsafe"), (always, "xstest-safe")):
        decision = api.run_comparison(never, tuned, suites=list(GUARDS)).decision
        assert decision.outcome == "no_go"
        assert [gate.subject for gate in decision.gates if gate.verdict == "fail"] == [failed]


def replayed(folder, recorded, model):
    """Recorded answers by the prompts' ids: XSTest's own files number them v2-1 and so on."""
    rows = lines(recorded / "xstest" / f"{model}.jsonl")
    return written(folder, model, {row["id"].removeprefix("v2-"): row["completion"] for row in rows})


def written(folder, name, outputs):
    path = folder / f"{name}.jsonl"
    rows = [json.dumps({"id": id_, "output": text}) + "\n" for id_, text in outputs.items()]
    path.write_text("".join(rows), encoding="utf-8")
    return ModelSpec(name=name, backend="replay", outputs=path.name, folder=str(folder))


# --- what only a judge reads --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", JUDGED)
def test_open_questions_are_left_to_a_judge_and_enter_no_tax(name, loaded):
    suite, _ = loaded(name)
    assert suite.spec.role == "target" and suite.spec.judge
    for task in suite.tasks:
        assert task.judge and task.kind == "generate" and marking(task).metric == UNSCORED
        assert task.sampling.max_tokens >= 1024


def test_mt_bench_asks_the_second_turn_after_the_first(loaded):
    suite, rows = loaded("mt-bench")
    for row, example in zip(rows, examples(suite), strict=True):
        first, second = row["prompt"]
        assert [message.content for message in example.messages] == [first]
        assert example.follow_ups == (second,)


def test_a_line_separator_inside_a_prompt_of_arena_hard_is_text(loaded):
    suite, _ = loaded("arena-hard-v2")
    assert sum("\u2028" in example.messages[0].content for example in examples(suite)) == 1


def test_arena_hard_v2_keeps_its_two_categories_apart(loaded):
    suite, _ = loaded("arena-hard-v2")
    assert {task.name: len(task.examples) for task in suite.tasks} == {"hard-prompts": 500, "creative-writing": 250}


def test_eighty_prompts_tell_win_rates_apart_by_eleven_points():
    assert 1.96 * math.sqrt(0.25 / 80) == pytest.approx(0.11, abs=0.001)  # what mt-bench.yaml says
