"""`evalkit rank`: several models from finished runs, or from battles, through the command line."""

import dataclasses
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from evalkit import api
from evalkit.cli import app
from evalkit.config import ModelSpec
from evalkit.importers import import_alpaca_eval
from evalkit.importers.imported import Imported
from evalkit.ranking import battles_of_files, battles_of_runs, rank
from evalkit.types import InputError, RunError
from tests.asking import FAKE_BASE, judge, suite

pytest.importorskip("evalica")
__all__ = ["suite"]


def invoke(*arguments):
    return CliRunner().invoke(app, ["rank", *map(str, arguments)])


def told(*arguments):
    done = invoke(*arguments, "--json")
    assert done.exit_code == 0, done.exception
    return json.loads(done.stdout)


def stored(folder, base, tuned, wins, n=60, *, judge="j", hash="h", suite_hash="s", start=0):
    """A finished run of engines in which tuned won `wins` prompts in both orders, and lost the rest."""
    imported = Imported("talk", base[0], tuned[0], judge, "pairwise", "made up", "none", suite_hash)
    for i in range(start, start + n):
        score = float(i - start < wins)
        verdicts = [imported.verdict(str(i), order, score) for order in ("base_first", "tuned_first")]
        imported.add(str(i), f"Question {i}", "one", "two", verdicts)
    run = api.import_run(imported)
    arms = {
        arm: dataclasses.replace(getattr(run.manifest, arm), backend="vllm", fingerprint=print_)
        for arm, (_, print_) in (("base", base), ("tuned", tuned))
    }
    (record,) = run.manifest.judges
    model = dataclasses.replace(record.model, backend="openai", fingerprint="judge")
    judges = (dataclasses.replace(record, hash=hash, model=model),)
    manifest = dataclasses.replace(run.manifest, judges=judges, run_id=folder.name, **arms)
    dataclasses.replace(run, manifest=manifest).write(folder)
    return folder


def test_runs_of_models_that_were_asked_are_ranked(fake, suite, tmp_path):
    """The judge prefers better over the base on 25 of 30 prompts, and worse on 10."""
    wins = {"better": 25, "worse": 10}

    def answer(request):
        if request.model != "j":
            return f"{request.model} answer"
        text = request.messages[-1].content
        tuned_first = text.index("tuned answer") < text.index("base answer")
        return "first" if tuned_first == (int(request.example_id) < wins[current]) else "second"

    fake.answer = answer
    for current in wins:
        # The judge of this test must see which candidate it judges: the question says so.
        asked = suite(n=30, prompt=f"{current} {{{{ q }}}}")
        tuned = ModelSpec(name=current, backend="fake", model=current)
        api.run_comparison(FAKE_BASE, tuned, suites=[asked], judge=judge(), out=tmp_path / current)
    got = told(tmp_path / "better", tmp_path / "worse")
    assert [model["name"] for model in got["models"]] == ["better", "base-model", "worse"]
    assert got["models"][0]["win_rate"]["value"] == pytest.approx(25 / 30, abs=1e-6)


BASE, A, B = ("base", "f0"), ("a", "f1"), ("b", "f2")


@pytest.fixture
def two_runs(tmp_path):
    return [stored(tmp_path / "one", BASE, A, 45), stored(tmp_path / "two", BASE, B, 20)]


def test_the_base_that_all_runs_share_links_their_candidates(two_runs):
    got = told(*two_runs)
    assert [model["name"] for model in got["models"]] == ["a", "base", "b"]
    assert (got["baseline"], got["judge"], got["prompts"]) == ("base", "j", 60)
    rates = {model["name"]: model["win_rate"] for model in got["models"]}
    assert rates["a"]["value"] == pytest.approx(0.75, abs=1e-6)
    assert rates["b"]["value"] == pytest.approx(1 / 3, abs=1e-6)
    assert rates["b"]["low"] < 1 / 3 < rates["b"]["high"] < 0.5
    (strength,) = [model["strength"] for model in got["models"] if model["name"] == "a"]
    assert strength["value"] == pytest.approx(1000 + 400 * np.log10(3), abs=1e-2)


def test_any_model_can_be_the_baseline(two_runs):
    got = told(*two_runs, "--baseline", "b")
    (a,) = [model for model in got["models"] if model["name"] == "a"]
    assert a["win_rate"]["value"] == pytest.approx(6 / 7, abs=1e-5)  # odds of 3 against the base, which has 2 against b


def test_the_table_holds_strength_interval_win_rate_and_prompts(two_runs):
    done = invoke(*two_runs)
    assert done.exit_code == 0, done.exception
    assert "75.0 % [" in done.stdout and "baseline" in done.stdout and "60" in done.stdout


def test_a_retrained_checkpoint_of_the_same_name_is_another_model(tmp_path):
    runs = [stored(tmp_path / "one", BASE, A, 45), stored(tmp_path / "two", BASE, ("a", "f9f9f9f9f9"), 20)]
    assert [model["name"] for model in told(*runs)["models"]] == ["a (f1)", "base", "a (f9f9f9f9)"]


def test_one_model_under_two_names_is_one_model(tmp_path):
    runs = [stored(tmp_path / "one", BASE, A, 45), stored(tmp_path / "two", ("renamed", "f0"), B, 20)]
    assert {model["name"] for model in told(*runs)["models"]} == {"base", "a", "b"}


def test_prompts_of_a_suite_that_was_changed_are_other_prompts(tmp_path):
    runs = [stored(tmp_path / "one", BASE, A, 45), stored(tmp_path / "two", BASE, B, 20, suite_hash="other")]
    got = told(*runs)
    assert got["prompts"] == 120 and "talk" in got["cautions"][0]


def test_prompts_of_one_cluster_are_drawn_together(tmp_path):
    imported = Imported("talk", "base", "a", "j", "pairwise", "made up", "none", "s")
    for i in range(200):
        score = float(i // 2 % 5 > 0)  # two turns of a question are judged alike
        verdicts = [imported.verdict(str(i), order, score) for order in ("base_first", "tuned_first")]
        imported.add(str(i), f"Question {i}", "one", "two", verdicts, group=str(i // 2))
    api.import_run(imported, out=tmp_path / "run")
    got = told(tmp_path / "run")
    (a,) = [model for model in got["models"] if model["name"] == "a"]
    assert (got["prompts"], a["prompts"], a["battles"]) == (100, 100, 200)
    assert a["win_rate"]["se"] == pytest.approx(np.sqrt(0.8 * 0.2 / 100), rel=0.1)


def test_the_same_judge_must_have_judged_everywhere(tmp_path):
    one = stored(tmp_path / "one", BASE, A, 45)
    with pytest.raises(InputError, match="another judge"):
        battles_of_runs([one, stored(tmp_path / "two", BASE, B, 20, hash="new rubric")])
    with pytest.raises(InputError, match="share no judge.*k"):
        battles_of_runs([one, stored(tmp_path / "three", BASE, B, 20, judge="k")])
    with pytest.raises(InputError, match="--judge: no judge 'i'"):
        battles_of_runs([one], "i")


def test_runs_that_nothing_joins_are_refused(tmp_path):
    runs = [stored(tmp_path / "one", BASE, A, 45), stored(tmp_path / "two", B, ("c", "f3"), 20)]
    with pytest.raises(InputError, match=r"\{base, a\} and \{b, c\}"):
        rank(battles_of_runs(runs), rng=np.random.default_rng(0))


def test_errors_say_what_was_meant(two_runs, tmp_path):
    battles = battles_of_runs(two_runs)
    with pytest.raises(InputError, match="--baseline: unknown model 'bse'; did you mean 'base'"):
        rank(battles, "bse", rng=np.random.default_rng(0))
    with pytest.raises(InputError, match="the same run as"):
        battles_of_runs([two_runs[0], two_runs[0]])
    with pytest.raises(RunError, match="no such file"):
        battles_of_runs([tmp_path / "nowhere"])
    with pytest.raises(InputError, match="one of the two"):
        raise invoke().exception
    with pytest.raises(InputError, match="name no judge"):
        raise invoke("--battles", "x.jsonl", "--judge", "j").exception


# --- battles -------------------------------------------------------------------------------------------------------


def jsonl(tmp_path, rows):
    path = tmp_path / "battles.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def battle(question, winner, a="x", b="y"):
    return {"question_id": question, "model_a": a, "model_b": b, "winner": winner}


def test_arena_hards_battles_are_ranked_as_by_its_own_code(recorded):
    folder = recorded / "arena_hard_battles"
    expected = json.loads((folder / "expected.json").read_text())
    got = told("--battles", folder / "battles.jsonl")
    assert got["baseline"] == expected["baseline"] and got["prompts"] == 100
    for model in got["models"]:
        assert model["strength"]["value"] == pytest.approx(expected["elo_bt"][model["name"]], abs=1e-2)
        rate = expected["win_rate_pct_vs_baseline"][model["name"]]
        assert 100 * model["win_rate"]["value"] == pytest.approx(rate, abs=5e-3)


def test_every_kind_of_tie_is_a_tie(tmp_path):
    words = ["tie", "tie (inconsistent)", "tie (bothbad)", "model_a", "model_b"]
    battles = battles_of_files([jsonl(tmp_path, [battle(i, word) for i, word in enumerate(words)])])
    assert battles.scores == [0.5, 0.5, 0.5, 0.0, 1.0]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (battle(1, "x"), "battles.jsonl:2: winner: 'x': must be"),
        (battle(1, None), "winner: None: must be"),
        (battle(1, "model_a", b="x"), "does not fight itself"),
        ({"question_id": 1, "model_a": "x", "winner": "tie"}, "no field 'model_b'"),
    ],
)
def test_a_row_that_cannot_be_read_is_named(tmp_path, row, said):
    with pytest.raises(InputError, match=said):
        battles_of_files([jsonl(tmp_path, [battle(0, "tie"), row])])


def test_what_has_no_finite_strength_is_null_and_said(tmp_path):
    rows = [battle(i, "model_b") for i in range(30)] + [battle(i, ["tie", "model_a"][i % 2], b="z") for i in range(30)]
    path = jsonl(tmp_path, rows)
    first = told("--battles", path)["models"][0]
    assert first["name"] == "y" and first["strength"]["value"] is None and first["win_rate"]["value"] == 1
    assert "won all" in first["cautions"][0]
    assert "no finite strength" in invoke("--battles", path).stdout


def test_four_models_imported_from_alpaca_eval_are_ranked_by_their_published_win_rates(recorded, tmp_path):
    folder = recorded / "alpaca_eval"
    baseline = [
        json.loads(line) for line in (folder / "baseline_gpt4_1106_preview.jsonl").read_text().split("\n") if line
    ]
    published = json.loads((folder / "expected.json").read_text())["models"]
    runs = []
    for model in published:
        rows = [json.loads(line) for line in (folder / f"{model}.jsonl").read_text().split("\n") if line]
        annotations = [
            {
                "instruction": baseline[row["i"]]["instruction"],
                "output_1": baseline[row["i"]]["output"],
                "output_2": row["output"],
                "generator_1": "gpt4",
                "generator_2": model,
                "annotator": "weighted",
                "preference": row["preference"],
            }
            for row in rows[:200]
        ]
        path = tmp_path / f"{model}.json"
        path.write_text(json.dumps(annotations), encoding="utf-8")
        api.import_run(import_alpaca_eval(path), out=tmp_path / model)
        runs.append((tmp_path / model, np.mean([row["preference"] - 1 for row in rows[:200]]), model))
    got = told(*(run for run, _, _ in runs), "--rounds", 200)
    rates = {model["name"]: model["win_rate"]["value"] for model in got["models"]}
    assert got["prompts"] == 200 and got["baseline"] == "gpt4" and "by name only" in got["cautions"][0]
    for _, rate, model in runs:
        assert rates[model] == pytest.approx(rate, abs=1e-6)
