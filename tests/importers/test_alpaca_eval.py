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
    assert (tmp_path / "run" / "report.html").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{**ROW, "preference": 7}], r"row 0: preference: 7: must lie from 1"),
        ([{**ROW, "preference": "first"}], r"must be a number"),
        ([ROW], r"row 0: no field 'preference'"),
        ([{**ROW, "preference": 1}, {**ROW, "generator_2": "other", "preference": 1}], r"generator_2: several"),
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
