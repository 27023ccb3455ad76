import json

import pytest
from typer.testing import CliRunner

from evalkit.cli import app

MODELS = ["alpaca-7b", "alpaca-farm-ppo-human", "oasst-sft-llama-33b", "oasst-rlhf-llama-33b"]
ROW = {
    "instruction": "Name a city.",
    "output_1": "Rome",
    "output_2": "Oslo",
    "generator_1": "b",
    "generator_2": "t",
    "annotator": "j",
}


def rows_of(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def invoke(*arguments):
    return CliRunner().invoke(app, ["import", *map(str, arguments)])


def written(tmp_path, rows):
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


@pytest.mark.parametrize("model", MODELS)
def test_win_rate_and_error_are_those_that_were_published(recorded, tmp_path, model):
    folder = recorded / "alpaca_eval"
    baseline = rows_of(folder / "baseline_gpt4_1106_preview.jsonl")
    rows = []
    for row in rows_of(folder / f"{model}.jsonl"):
        first = baseline[row["i"]]
        rows.append(
            {
                "instruction": first["instruction"],
                "output_1": first["output"],
                "output_2": row["output"],
                "generator_1": "gpt4_1106_preview",
                "generator_2": model,
                "annotator": "weighted_alpaca_eval_gpt4_turbo",
                "preference": row["preference"],
            }
        )
    done = invoke("alpaca-eval", written(tmp_path, rows), "--out", tmp_path / "run")
    assert done.exit_code == 0, done.output
    (judge,) = json.loads((tmp_path / "run" / "summary.json").read_text())["judges"]
    expected = json.loads((folder / "expected.json").read_text())["models"][model]["winrate"]
    assert judge["win_rate"] == pytest.approx(expected["win_rate"] / 100, abs=1e-6)
    assert judge["se"] == pytest.approx(expected["standard_error"] / 100, abs=1e-6)
    assert judge["n"] == expected["n_total"] and judge["order_flip_rate"] is None


def test_texts_go_along_and_equal_instructions_stay_apart(tmp_path):
    rows = [{**ROW, "preference": 2}, {**ROW, "preference": 1}, {**ROW, "output_2": "Ulm", "preference": None}]
    done = invoke("alpaca-eval", written(tmp_path, rows), "--out", tmp_path / "run", "--json")
    (judge,) = json.loads(done.stdout)["judges"]
    assert (judge["n"], judge["unscored"], judge["wins"], judge["losses"], judge["ties"]) == (2, 1, 1, 1, 0)
    from evalkit import api

    run = api.load(tmp_path / "run")
    assert set(run.samples["text"]) == {"Rome", "Oslo", "Ulm"} and run.samples["id"].nunique() == 3
    assert set(run.samples["prompt"]) == {"Name a city."}
    assert (tmp_path / "run" / "report.html").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{**ROW, "preference": 7}], r"row 0: preference: 7: must lie from 1"),
        ([{**ROW, "preference": "first"}], r"must be a number"),
        ([ROW], r"row 0: no field 'preference'"),
        ([{**ROW, "preference": 1}, {**ROW, "generator_2": "other", "preference": 1}], r"generator_2: several"),
        ([{**ROW, "output_2": None, "preference": 1}], r"row 0: output_2: None: must be a text"),
        ({"a": 1}, r"must be a list of annotations"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_written(tmp_path, rows, said):
    from evalkit.importers import import_alpaca_eval
    from evalkit.types import InputError

    with pytest.raises(InputError, match=said):
        import_alpaca_eval(written(tmp_path, rows))
    assert not (tmp_path / "run").exists()


def test_alpaca_evals_own_estimator_on_demand(recorded, tmp_path):
    pytest.importorskip("sklearn")
    folder = recorded / "alpaca_eval"
    (file,) = (folder / "raw").glob("*.json")
    done = invoke(
        "alpaca-eval", file, "--out", tmp_path / "run", "--difficulty", folder / "instruction_difficulty.json"
    )
    assert done.exit_code == 0
    assert "minimal: 9.95 %" in done.output and "noreg: 7.18 %" in done.output
    published = json.loads((folder / "expected.json").read_text())["models"]["oasst-rlhf-llama-33b"]
    for name in ("report", "gate"):  # the numbers are part of the stored run
        again = CliRunner().invoke(app, [name, str(tmp_path / "run"), "--out", str(tmp_path / name)])
        assert again.exit_code in (0, 3), again.output
        own = json.loads((tmp_path / name / "summary.json").read_text())["judges"][0]["alpaca_eval"]
        for number in ("minimal", "noreg"):
            expected = published[f"lc_{number}"]["length_controlled_winrate"] / 100
            assert own[f"length_controlled_{number}"] == pytest.approx(expected, abs=5e-4)


def test_difficulties_of_other_instructions_are_told(recorded, tmp_path):
    pytest.importorskip("sklearn")
    folder = recorded / "alpaca_eval"
    (file,) = (folder / "raw").glob("*.json")
    from evalkit.importers import import_alpaca_eval

    rows = json.loads(file.read_text(encoding="utf-8"))[1:]
    imported = import_alpaca_eval(written(tmp_path, rows), difficulty=folder / "instruction_difficulty.json")
    assert "805 instruction difficulties for 804 annotations: matched by position" in imported.cautions[0]


def test_draws_of_both_spellings_are_ties_and_minus_one_is_none(tmp_path):
    rows = [{**ROW, "instruction": str(value), "preference": value} for value in (0, 1.5, -1, 1, 2)]
    done = invoke("alpaca-eval", written(tmp_path, rows), "--out", tmp_path / "run", "--json")
    (judge,) = json.loads(done.stdout)["judges"]
    assert (judge["n"], judge["unscored"], judge["ties"], judge["win_rate"]) == (4, 1, 2, 0.5)


def test_other_names_than_the_generators(tmp_path):
    done = invoke("alpaca-eval", written(tmp_path, [{**ROW, "preference": 2}]), "--out", tmp_path / "run", "--json",
                  "--base", "old", "--tuned", "new")  # fmt: skip
    summary = json.loads(done.stdout)
    assert (summary["base"]["name"], summary["tuned"]["name"], summary["judges"][0]["name"]) == ("old", "new", "j")
