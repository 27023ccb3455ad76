"""Real models' recorded outputs through the whole pipeline, against the numbers their own authors' code gave."""

import json

import pytest

import evalkit
from evalkit import api
from evalkit.config import ModelSpec, PolicySpec, SuiteSpec
from evalkit.yamlfile import validate

BASE, TUNED = "Meta-Llama-3-70B-Instruct", "Athene-70B"
JSON_ANSWER = [{"json": "answer"}, {"regex": r'"?answer"?\s*:\s*"?([^"\n}]*\d[^"\n}]*)'}]


def replay(name, path, field="output"):
    return ModelSpec(name=name, backend="replay", outputs=str(path), output_field=field)


def suite(name, **task):
    return validate(SuiteSpec, {"name": name, "tasks": [task]}).model_copy(update={"folder": "/"})


def rows_of(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def zeroeval(recorded, task, out=None):
    folder = recorded / "zeroeval" / task
    asked = suite(
        task,
        data=str(folder / "items.jsonl"),
        prompt="{{ prompt }}",
        answer="{{ answer }}",
        score="number",
        extract=JSON_ANSWER,
    )
    models = [replay(name, folder / f"{name}.jsonl") for name in (BASE, TUNED)]
    return api.run_comparison(*models, suites=[asked], out=out)


@pytest.mark.parametrize("task", ["gsm", "math-l5"])
def test_zeroeval_agrees_item_by_item_and_in_every_paired_number(recorded, task):
    expected = json.loads((recorded / "zeroeval" / "expected.json").read_text())
    got = zeroeval(recorded, task)
    for arm, name in (("base", BASE), ("tuned", TUNED)):
        rows = got.samples[got.samples["arm"] == arm].set_index("id")["value"]
        verdicts = expected["verdicts"][task][name]
        assert {id_: int(value) for id_, value in rows.items()} == {id_: int(value) for id_, value in verdicts.items()}
    pair = expected["pairs"][task][f"{BASE}->{TUNED}"]
    (result,) = got.comparison.suites
    assert (result.n, result.regressed, result.fixed) == (pair["n"], pair["base_only"], pair["cand_only"])
    assert (result.kept, result.both_wrong) == (pair["both_correct"], pair["both_wrong"])
    assert result.base == pytest.approx(pair["base_mean"], abs=1e-12)
    assert result.tuned == pytest.approx(pair["cand_mean"], abs=1e-12)
    assert result.delta.value == pytest.approx(pair["delta"], abs=1e-12)
    assert result.delta.se == pytest.approx(pair["paired_se"], abs=1e-12)


def test_gsm_is_a_no_go_with_the_known_tango_interval(recorded, tmp_path):
    got = zeroeval(recorded, "gsm", tmp_path / "run")
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    (row,) = summary["suites"]
    assert (row["regressed"], row["fixed"], row["method"]) == (119, 35, "Tango score")
    assert (round(100 * row["delta"], 2), round(100 * row["low"], 2), round(100 * row["high"], 2)) == (
        -6.37,
        -8.25,
        -4.60,
    )
    assert summary["decision"] == got.decision.outcome == "no_go"
    assert summary["tax"]["verdict"] == "fail"
    again = api.load(tmp_path / "run")
    assert again.comparison == got.comparison and again.decision == got.decision
    lenient = PolicySpec.model_validate({"tax": {"max": 0.1}, "retain": {"margin": 0.1}})
    assert api.load(tmp_path / "run", policy=lenient).decision.outcome == "go"


def points(estimate):
    return tuple(round(100 * number, 1) for number in (estimate.value, estimate.low, estimate.high))


def test_the_tax_of_two_suites_as_docs_tax_tells_it(recorded, tmp_path):
    asked = []
    outputs = {name: [] for name in (BASE, TUNED)}
    for task in ("gsm", "math-l5"):
        folder = recorded / "zeroeval" / task
        how = {"prompt": "{{ prompt }}", "answer": "{{ answer }}", "score": "number", "extract": JSON_ANSWER}
        asked.append(suite(task, data=str(folder / "items.jsonl"), **how))
        for name, rows in outputs.items():
            rows += [json.dumps({**row, "task": task}) + "\n" for row in rows_of(folder / f"{name}.jsonl")]
    for name, rows in outputs.items():
        (tmp_path / f"{name}.jsonl").write_text("".join(rows))
    run = api.run_comparison(*(replay(name, tmp_path / f"{name}.jsonl") for name in (BASE, TUNED)), suites=asked)
    told = run.comparison
    assert points(told.tax) == (5.4, 3.6, 7.2)
    assert told.worst_tax.name == "gsm" and points(told.worst_tax.loss) == (6.4, 4.3, 8.5)
    assert list(told.losses_found) == ["gsm", "math-l5"] and round(told.losses_found["math-l5"], 3) == 0.009
    assert [points(one.retention) for one in told.suites] == [(93.2, 91.2, 95.1), (82.3, 71.2, 94.7)]
    assert "about 7.3 % of runs" in run.decision.error_rates[1]


def test_mmlu_letters_agree_exactly(recorded, tmp_path):
    folder = recorded / "mmlu_llama2_7b_sft"
    expected = json.loads((folder / "expected.json").read_text())
    names = ("llama-2-7b-base", "llama-2-7b-sft-step200")
    answered = {row["id"] for row in rows_of(folder / f"{names[0]}.jsonl")}
    items = tmp_path / "mmlu.jsonl"
    with (recorded / "tasks" / "mmlu_test.jsonl").open() as rows, items.open("w") as kept:
        kept.writelines(line for line in rows if json.loads(line)["id"] in answered)
    asked = suite(
        "mmlu", data=str(items), prompt="{{ question }}", kind="choice", choices="choices", answer="{{ answer }}"
    )
    models = [replay(name, folder / f"{name}.jsonl", "prediction") for name in names]
    (result,) = api.run_comparison(*models, suites=[asked]).comparison.suites
    pair = expected["pairs"]["->".join(names)]
    assert (result.n, result.regressed, result.fixed) == (pair["n"], pair["base_only"], pair["cand_only"])
    assert result.base == pytest.approx(expected["models"][names[0]]["acc"], abs=1e-12)
    assert result.tuned == pytest.approx(expected["models"][names[1]]["acc"], abs=1e-12)
    assert result.delta.se == pytest.approx(pair["paired_se"], abs=1e-12)


def test_gsm8k_solutions_agree_with_their_authors_on_every_item(recorded):
    folder = recorded / "gsm8k_openai"
    expected = json.loads((folder / "expected.json").read_text())
    names = ("6b_finetuning", "6b_verification")
    asked = suite(
        "gsm8k",
        data=str(recorded / "tasks" / "gsm8k_test.jsonl"),
        prompt="{{ question }}",
        answer="{{ answer.split('####')[-1] }}",
        score="number",
        extract=[{"regex": r"(?m)^A:\s*(.+)$"}],
    )
    got = api.run_comparison(*[replay(name, folder / f"{name}.jsonl", "solution") for name in names], suites=[asked])
    for arm, name in zip(("base", "tuned"), names, strict=True):
        theirs = {row["id"]: row["is_correct"] for row in rows_of(folder / f"{name}.jsonl")}
        ours = got.samples[got.samples["arm"] == arm].set_index("id")["value"]
        assert {id_: bool(value) for id_, value in ours.items()} == theirs
    (result,) = got.comparison.suites
    pair = expected["pairs"]["->".join(names)]
    assert (result.n, result.regressed, result.fixed) == (pair["n"], pair["base_only"], pair["cand_only"])
    assert result.delta.value == pytest.approx(pair["delta"], abs=1e-12)
    assert result.delta.se == pytest.approx(pair["paired_se"], abs=1e-12)


ANSWER_FIELD = [{"json": "answer"}, {"regex": r'"answer"\s*:\s*"([^"]*)"'}, {"regex": r'"answer"\s*:\s*([^,\s]+)'}]
# An answer that begins or ends in white space is captured with its quotation marks, so that the white space stays.
PADDED = [{"regex": r'"answer"\s*:\s*("\s[^"]*"|"[^"]*\s")'}]
# The first object is no JSON, for a comment stands in it. ZeroEval takes its answer; evalkit the corrected one of the next.
TWO_OBJECTS = "crux-test-#415"


def test_crux_answers_get_zeroevals_verdict_item_by_item(recorded, monkeypatch):
    def bare(text):
        return text.strip("'\"").replace("\n", "\\n")

    monkeypatch.setattr("evalkit.scorers.registry._SCORERS", {})
    evalkit.scorer("bare")(lambda answer, example: float(bare(answer) == bare(example.answer)))
    folder = recorded / "zeroeval" / "crux"
    expected = json.loads((recorded / "zeroeval" / "expected.json").read_text())
    asked = suite(
        "crux",
        data=str(folder / "items.jsonl"),
        prompt="{{ prompt }}",
        answer="{{ answer }}",
        score="bare",
        extract=PADDED + ANSWER_FIELD,
    )
    got = api.run_comparison(*[replay(name, folder / f"{name}.jsonl") for name in (BASE, TUNED)], suites=[asked])
    for arm, name in (("base", BASE), ("tuned", TUNED)):
        ours = got.samples[got.samples["arm"] == arm].set_index("id")["value"]
        theirs = expected["verdicts"]["crux"][name]
        assert len(theirs) == 800
        differ = {id_ for id_, value in ours.items() if bool(value) != bool(theirs[id_])}
        assert differ == ({TWO_OBJECTS} if arm == "tuned" else set())


def test_bbh_per_task_accuracies_and_pairs_agree_exactly_with_direct_and_worked_answers(recorded, tmp_path):
    expected = json.loads((recorded / "bbh_codex" / "expected.json").read_text())
    names = sorted(expected["per_task"]["direct"])
    items = rows_of(recorded / "tasks" / "bbh.jsonl")
    for name in names:
        lines = [json.dumps(row) for row in items if row["task"] == name]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    tasks = [
        {
            "name": name,
            "data": str(tmp_path / f"{name}.jsonl"),
            "prompt": "{{ input }}",
            "answer": "{{ target }}",
            # A worked answer ends in "the answer is X."; a direct one is X.
            "extract": [{"regex": r"(?s)\A.*the answer is (.*?)\.?\s*\Z"}, "whole"],
            "score": "exact",
        }
        for name in names
    ]
    asked = validate(SuiteSpec, {"name": "bbh-codex", "tasks": tasks}).model_copy(update={"folder": "/"})
    models = [replay(name, recorded / "bbh_codex" / f"{name}.jsonl", "prediction") for name in ("direct", "cot")]
    (result,) = api.run_comparison(*models, suites=[asked]).comparison.suites
    assert [task.name for task in result.tasks] == names and len(names) == 12
    for task in result.tasks:
        pair = expected["pairs_direct->cot"][task.name]
        for arm, rate in (("direct", task.base), ("cot", task.tuned)):
            theirs = expected["per_task"][arm][task.name]
            assert (task.n, round(rate * task.n)) == (theirs["n"], theirs["correct"]), (arm, task.name)
            assert 100 * rate == pytest.approx(theirs["acc"], abs=1e-9)
        assert (task.regressed, task.fixed) == (pair["base_only"], pair["cand_only"])
        assert task.delta.value == pytest.approx(pair["delta"], abs=1e-12)
        assert task.delta.se == pytest.approx(pair["paired_se"], abs=1e-12)
