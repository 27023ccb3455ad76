"""A stored run as Parquet, CSV and a model card, through the command line and the readers that people use."""

import json

import pandas as pd
import pytest
import yaml

from evalkit import api
from evalkit.cli import app
from evalkit.types import InputError
from tests.exported_run import HOSTILE, evalkit

ModelCard = pytest.importorskip("huggingface_hub").ModelCard


def frames(stored_run, tmp_path):
    evalkit("export", stored_run, "--out", tmp_path / "samples.parquet")
    evalkit("export", stored_run, "--out", tmp_path / "samples.csv")
    parquet = pd.read_parquet(tmp_path / "samples.parquet")
    # As docs/exporting.md says: an answer of "NA" or "None" is a text.
    return parquet, pd.read_csv(
        tmp_path / "samples.csv", keep_default_na=False, na_values={"value": [""]}, dtype={"id": str}
    )


def test_parquet_has_one_row_a_sample_with_lists_as_lists(stored_run, tmp_path):
    parquet, _ = frames(stored_run, tmp_path)
    run = api.load(stored_run)
    assert len(parquet) == run.table.num_rows == 40 * 2 * 4
    assert dict(zip(parquet["arm"], parquet["model"], strict=True)) == {"base": "Base 1", "tuned": "Tuned 1"}
    assert set(parquet["run_id"]) == {"20260102-030405-abcdef"}
    choice = parquet.query("task == 'one' and arm == 'base' and id == '1'").iloc[0]
    assert list(choice["logprobs"]) == [-0.5, -1.5]
    judged = parquet.query("suite == 'maths' and arm == 'tuned' and id == '1' and sample == 0").iloc[0]
    assert judged["verdicts"][0]["reason"] == 'because "so"'


def test_csv_opened_by_pandas_equals_the_parquet(stored_run, tmp_path):
    parquet, csv = frames(stored_run, tmp_path)
    assert list(csv.columns) == list(parquet.columns) and len(csv) == len(parquet)
    for name in parquet.columns:
        left, right = parquet[name], csv[name]
        if name in ("logprobs", "verdicts"):
            for one, text in zip(left, right, strict=True):
                read = json.loads(text) if text else None
                one = None if one is None else [None if isinstance(x, float) and x != x else x for x in one]
                assert read == one
        elif name == "value":
            assert left.equals(right)
        elif pd.api.types.is_numeric_dtype(left):
            assert pd.to_numeric(right, errors="coerce").astype(float).equals(left.astype(float)), name
        else:
            assert list(left.fillna("")) == list(right), name
    assert set(HOSTILE) <= set(csv["text"])


def test_an_unquoted_empty_field_was_never_answered_and_a_quoted_one_was(stored_run, tmp_path):
    from pyarrow import csv as arrow_csv

    evalkit("export", stored_run, "--out", tmp_path / "samples.csv")
    read = arrow_csv.ConvertOptions(strings_can_be_null=True, quoted_strings_can_be_null=False)
    parse = arrow_csv.ParseOptions(newlines_in_values=True)
    table = arrow_csv.read_csv(tmp_path / "samples.csv", convert_options=read, parse_options=parse)
    texts = table.column("text").to_pylist()
    assert texts == api.load(stored_run).table.column("text").to_pylist() and "" in texts
    assert table.column("answer").null_count == api.load(stored_run).table.column("answer").null_count > 0


def test_a_model_card_holds_scores_differences_and_their_intervals(stored_run, tmp_path):
    told = evalkit("export", stored_run, "--format", "model-card", "--out", tmp_path / "card.md", "--json")
    assert told["files"] == [str(tmp_path / "card.md")]
    card = ModelCard.load(tmp_path / "card.md")
    assert card.data.model_name == "Tuned 1"
    run = api.load(stored_run)
    by_place = {(one.dataset_type, one.metric_type): one for one in card.data.eval_results}
    for suite in run.comparison.suites:
        score, change = by_place[suite.name, "accuracy"], by_place[suite.name, "accuracy_difference"]
        assert score.metric_value == pytest.approx(suite.tuned) and score.metric_args["n"] == suite.n
        assert change.metric_value == pytest.approx(suite.delta.value, abs=1e-6)
        assert change.metric_args["low"] == pytest.approx(suite.delta.low, abs=1e-6)
        assert "difference to Base 1 (95 % interval" in change.metric_name and f"n = {suite.n}" in change.metric_name
    assert ("pair/one", "accuracy") in by_place and by_place["evalkit-retain", "alignment_tax"].metric_args["decision"]
    block = yaml.safe_load((tmp_path / "card.md").read_text().split("---")[1])
    assert [*block] == ["model-index"] and all(one["task"]["type"] for one in block["model-index"][0]["results"])


def test_a_card_that_is_there_keeps_its_text_and_others_results(stored_run, tmp_path):
    path = tmp_path / "README.md"
    path.write_text(
        "---\nlicense: mit\nmodel-index:\n- name: Mine\n  results:\n  - task: {type: text-generation}\n    dataset: {name: Other, type: other}\n"
        "    metrics:\n    - {type: bleu, value: 3}\n---\n# My model\n\nWords.\n"
    )
    for _ in range(2):  # again: replaced, not added
        evalkit("export", stored_run, "--out", path)
    card = ModelCard.load(path)
    assert card.data.license == "mit" and card.data.model_name == "Mine" and card.text.strip() == "# My model\n\nWords."
    places = [(one.dataset_type, one.metric_type) for one in card.data.eval_results]
    assert ("other", "bleu") in places and len(places) == len(set(places))
    (tmp_path / "prose.md").write_text("---\n- a list\n---\n")
    with pytest.raises(InputError, match=r"is there, and is no model card"):
        _invoke("export", stored_run, "--out", tmp_path / "prose.md")


def _invoke(*words):
    from typer.testing import CliRunner

    done = CliRunner().invoke(app, [str(word) for word in words])
    if done.exception:
        raise done.exception


def test_mistakes_are_named(stored_run, tmp_path):
    with pytest.raises(
        InputError, match=r"--format: cannot be told from 'samples.txt'; say one of parquet, csv, inspect, model-card"
    ):
        _invoke("export", stored_run, "--out", tmp_path / "samples.txt")
    with pytest.raises(InputError, match=r"is a folder; name the file"):
        _invoke("export", stored_run, "--format", "csv", "--out", tmp_path)
