"""Result folders that lm-evaluation-harness wrote a moment ago, as comparisons."""

import json
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from evalkit import api
from evalkit.cli import app
from evalkit.importers import import_lm_eval
from evalkit.types import InputError


@pytest.fixture(scope="module")
def imported(harness_logs):
    return api.import_run(import_lm_eval(harness_logs / "base", harness_logs / "tuned"))


@pytest.fixture
def copied(harness_logs, tmp_path):
    """The folders again, to be changed by hand."""
    for arm in ("base", "tuned"):
        shutil.copytree(harness_logs / arm, tmp_path / arm)
    return tmp_path


def results_of(folder):
    (file,) = folder.rglob("results_*.json")
    return json.loads(file.read_text())


def changed(folder, task, change):
    """The rows of a task's samples file, each as `change` gives it; None leaves it out."""
    (file,) = folder.rglob(f"samples_{task}_*.jsonl")
    rows = [change(json.loads(line)) for line in file.read_text("utf-8").splitlines()]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows if row is not None), "utf-8")


def suite(run, name):
    return next(one for one in run.comparison.suites if one.name == name)


def test_every_score_is_the_one_that_the_harness_printed(imported, harness_logs):
    for arm in ("base", "tuned"):
        printed = results_of(harness_logs / arm)["results"]
        for task, key in [
            ("colours", "acc,none"),
            ("sums", "exact_match,strict"),
            ("voted", "exact_match,none"),
            ("slips", "exact_match,none"),
        ]:
            assert getattr(suite(imported, task), arm) == pytest.approx(printed[task][key]), task
        assert getattr(suite(imported, "pair"), arm) == pytest.approx(
            (printed["one"]["acc,none"] + printed["two"]["acc,none"]) / 2
        )


def test_items_are_paired_by_document(imported, harness_logs):
    table = imported.samples.set_index(["task", "arm", "id"])["value"]
    for arm in ("base", "tuned"):
        (file,) = (harness_logs / arm).rglob("samples_colours_*.jsonl")
        for row in map(json.loads, file.read_text().splitlines()):
            assert table["colours", arm, str(row["doc_id"])] == row["acc"]
    assert suite(imported, "colours").delta.method == "Tango score" and suite(imported, "colours").missing == 0


def test_a_group_is_one_suite_of_its_tasks(imported):
    pair = suite(imported, "pair")
    assert [task.name for task in pair.tasks] == ["one", "two"] and pair.n == 60
    assert {one.name for one in imported.comparison.suites} == {"pair", "colours", "slips", "sums", "texts", "voted"}


def test_a_choice_has_its_options_log_probabilities_letters_and_chance(imported):
    row = imported.samples.query("task == 'colours' and arm == 'base' and id == '1'").iloc[0]
    assert row["gold"] == "B" and len(row["logprobs"]) == 4
    assert row["answer"] == "ABCD"[int(np.argmax(row["logprobs"]))]
    assert next(one for one in imported.manifest.suites if one.name == "colours").chance == 0.25


def test_a_choice_by_length_is_picked_by_length(harness_logs):
    run = api.import_run(
        import_lm_eval(harness_logs / "base", harness_logs / "tuned", tasks=["colours"], metrics=["acc_norm"])
    )
    rows = run.samples.query("arm == 'tuned'")
    assert set(rows["metric"]) == {"acc_norm"}
    assert ((rows["answer"] == rows["gold"]) == (rows["value"] == 1)).all()
    assert suite(run, "colours").tuned == pytest.approx(
        results_of(harness_logs / "tuned")["results"]["colours"]["acc_norm,none"]
    )


def test_a_filter_that_found_nothing_is_an_answer_lost_to_its_form(imported, harness_logs):
    base = imported.samples.query("task == 'sums' and arm == 'base'")
    assert set(base.loc[base["cause"] == "unparsed", "answer"]) == {"[invalid]"}
    flexible = import_lm_eval(harness_logs / "base", harness_logs / "tuned", tasks=["sums"], filters=["sums=flexible"])
    wrong = api.import_run(flexible).samples.query("arm == 'base' and cause == 'wrong'")
    assert wrong["answer"].str.fullmatch(r"\d+").all() and len(wrong) > 0


def test_repeats_are_samples_with_one_mark(imported, harness_logs):
    rows = imported.samples.query("task == 'voted' and arm == 'tuned'")
    assert sorted(set(rows["sample"])) == [0, 1, 2] and len(rows) == 75
    assert (rows.groupby("id")["value"].nunique() == 1).all()
    task = next(one for one in imported.manifest.suites if one.name == "voted").tasks[0]
    assert (task.samples, task.separate, dict(task.temperature)) == (3, False, {"base": 0.7, "tuned": 0.7})


def test_what_is_better_when_lower_is_a_guard(imported, harness_logs):
    assert suite(imported, "slips").role == "guard" and suite(imported, "slips").rate is not None
    texts = suite(imported, "texts")
    assert (texts.role, texts.metric, texts.unit) == ("guard", "bits per byte", "bits per byte")
    assert any(one.startswith("slips: exact_match is better when lower") for one in imported.comparison.cautions)
    with pytest.raises(InputError, match=r"--role: slips=retain: exact_match is better when lower.*say slips=guard"):
        import_lm_eval(harness_logs / "base", harness_logs / "tuned", roles=["slips=retain"])


def test_bits_per_byte_is_the_texts_own(imported, harness_logs):
    (file,) = (harness_logs / "base").rglob("samples_texts_*.jsonl")
    mine = imported.samples.query("task == 'texts' and arm == 'base'").set_index("id")["value"]
    for row in map(json.loads, file.read_text().splitlines()):
        loglikelihood, size = row["bits_per_byte"]
        assert mine[str(row["doc_id"])] == pytest.approx(-loglikelihood / size / np.log(2))


def test_the_models_are_remembered_as_far_as_they_are_known(imported):
    base, tuned = imported.manifest.base, imported.manifest.tuned
    assert (base.name, base.model, tuned.name) == ("base", "some/base", "tuned")
    assert (base.backend, base.format, base.precision, base.fingerprint) == ("imported", "completion", "float32", "")
    assert base.engine_version and imported.comparison.unchanged is None


def test_roles_margins_and_clusters_of_ones_own(harness_logs):
    run = api.import_run(
        import_lm_eval(
            harness_logs / "base", harness_logs / "tuned", tasks=["colours", "pair"], roles=["colours=target"],
            margins=["pair=0.4"], aggregates=["pair=macro"], clusters=["colours=topic"],
        )
    )  # fmt: skip
    assert suite(run, "colours").role == "target" and "25 clusters" in suite(run, "colours").delta.method
    pair = next(one for one in run.manifest.suites if one.name == "pair")
    assert (pair.margin, pair.aggregate, pair.role) == (0.4, "macro", "retain")
    assert next(gate for gate in run.decision.gates if gate.subject == "pair").verdict == "pass"


def test_an_item_on_one_side_only_is_missing(copied):
    changed(copied / "tuned", "colours", lambda row: row if row["doc_id"] != 7 else None)
    run = api.import_run(import_lm_eval(copied / "base", copied / "tuned", tasks=["colours"]))
    one = suite(run, "colours")
    assert (one.n, one.missing) == (39, 1) and not run.decision.complete
    assert dict(run.comparison.failures) == {"absent_row": 1}
    assert (
        "colours: 1 items stand in base's log alone; they count as missing, not as left out" in run.comparison.cautions
    )


def test_another_document_under_the_same_id_is_refused(copied):
    changed(copied / "tuned", "colours", lambda row: {**row, "doc_hash": "0" * 64} if row["doc_id"] == 7 else row)
    with pytest.raises(
        InputError, match=r"task 'colours': 1 of 40 items have another document .*'7'.* not the same items"
    ):
        import_lm_eval(copied / "base", copied / "tuned")
    shutil.rmtree(copied / "tuned")
    shutil.copytree(copied / "base", copied / "tuned")
    changed(copied / "tuned", "sums", lambda row: {**row, "target_hash": "0" * 64})
    with pytest.raises(InputError, match=r"task 'sums': 40 of 40 items have another target"):
        import_lm_eval(copied / "base", copied / "tuned")


def test_documents_in_another_order_are_paired_by_content(copied, imported):
    changed(copied / "tuned", "colours", lambda row: {**row, "doc_id": 39 - row["doc_id"]})
    run = api.import_run(import_lm_eval(copied / "base", copied / "tuned"))
    assert suite(run, "colours").delta == suite(imported, "colours").delta
    assert any("paired by content" in one for one in run.comparison.cautions)


def test_other_prompts_and_settings_are_cautions_with_their_number(copied):
    def otherwise(row):
        row["arguments"]["gen_args_0"]["arg_0"] = "Hint. " + row["arguments"]["gen_args_0"]["arg_0"]
        row["arguments"]["gen_args_0"]["arg_1"]["until"] = ["\n"]
        return row

    changed(copied / "tuned", "sums", otherwise)
    run = api.import_run(import_lm_eval(copied / "base", copied / "tuned", tasks=["sums"]))
    said = "\n".join(run.comparison.cautions)
    assert "the rendered prompts of base and tuned differ on 40 of 40 samples" in said
    assert "sums: the models were asked with different generation settings: base" in said


def test_of_several_runs_the_newest_counts_unless_one_is_named(copied):
    (folder,) = (copied / "base").iterdir()
    for file in [*folder.iterdir()]:
        stem, _, ending = file.name.partition("_2")
        older = folder / f"{stem}_2020-01-01T00-00-00.000001{file.suffix}"
        shutil.copy(file, older)
        assert ending
    changed_rows = folder / "samples_colours_2020-01-01T00-00-00.000001.jsonl"
    rows = [{**json.loads(line), "acc": 0.0} for line in changed_rows.read_text().splitlines()]
    changed_rows.write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = api.import_run(import_lm_eval(copied / "base", copied / "tuned", tasks=["colours"]))
    assert suite(run, "colours").base > 0
    assert any(
        one.startswith(f"base: colours: 2 runs in {copied / 'base'}; the newest counts, 2")
        for one in run.comparison.cautions
    )
    chosen = folder / "results_2020-01-01T00-00-00.000001.json"
    data = json.loads(chosen.read_text())
    data["results"]["colours"]["acc,none"] = 0.0
    chosen.write_text(json.dumps(data))
    assert suite(api.import_run(import_lm_eval(chosen, copied / "tuned", tasks=["colours"])), "colours").base == 0


def test_results_without_samples_say_how_to_get_them(harness_logs, copied):
    with pytest.raises(InputError, match=r"holds results of .* and no samples.*--log_samples"):
        import_lm_eval(harness_logs / "bare", harness_logs / "tuned")
    next((copied / "tuned").rglob("samples_sums_*")).unlink()
    with pytest.raises(InputError, match=r"tuned: holds results of sums and no samples"):
        import_lm_eval(copied / "base", copied / "tuned")


def test_a_task_that_one_model_never_ran_is_not_passed_over(copied):
    (file,) = (copied / "tuned").rglob("results_*.json")
    data = json.loads(file.read_text())
    del data["configs"]["sums"], data["results"]["sums"]
    file.write_text(json.dumps(data))
    next((copied / "tuned").rglob("samples_sums_*")).unlink()
    with pytest.raises(
        InputError, match=r"tuned has no log of sums, which base has; run it for tuned too, or name .*--task colours"
    ):
        import_lm_eval(copied / "base", copied / "tuned")
    run = api.import_run(import_lm_eval(copied / "base", copied / "tuned", tasks=["colours"]))
    assert [one.name for one in run.comparison.suites] == ["colours"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"metrics": ["sums=exact_macth"]}, r"--metric: 'exact_macth'.*did you mean 'exact_match'"),
        ({"tasks": ["texts"], "metrics": ["word_perplexity"]}, r"not the mean of marks.*that are: bits_per_byte"),
        ({"filters": ["sums=strikt"]}, r"--filter: 'strikt' is none of sums's filters.*did you mean 'strict'"),
        ({"roles": ["colors=target"]}, r"--role: no task or suite 'colors'; did you mean 'colours'"),
        ({"roles": ["one=target"]}, r"--role: 'one' is a task of suite 'pair', which is gated as a whole"),
        ({"roles": ["sums=goal"]}, r"--role: 'sums=goal': unknown value 'goal'; one of target, retain, guard"),
        ({"roles": ["sums=target", "sums=retain"]}, r"--role: sums is said twice"),
        ({"margins": ["sums=5"]}, r"--margin: '5': must be a number from 0 to 1"),
        ({"tasks": ["pairs"]}, r"--task: no task or suite 'pairs'; did you mean 'pair'"),
        ({"clusters": ["colours=theme"]}, r"--cluster: .*no field 'theme'; it has: gold, options, q, topic"),
    ],
)
def test_mistakes_are_named(harness_logs, options, said):
    with pytest.raises(InputError, match=said):
        import_lm_eval(harness_logs / "base", harness_logs / "tuned", **options)


def test_folders_that_hold_something_else_are_named(harness_logs, tmp_path):
    with pytest.raises(InputError, match=r"BASE_DIR: no such folder .*--output_path"):
        import_lm_eval(tmp_path / "none", harness_logs / "tuned")
    with pytest.raises(InputError, match=r"holds no results_TIME.json"):
        import_lm_eval(tmp_path, harness_logs / "tuned")
    with pytest.raises(InputError, match=r"several models \(some/base in .*, some/tuned in"):
        import_lm_eval(harness_logs, harness_logs / "tuned")


def test_the_command_line_writes_six_files_applies_the_policy_and_exits_0(harness_logs, tmp_path):
    policy = tmp_path / "policy.yaml"
    policy.write_text("tax: {max: 0.5}\nretain: {margin: 0.5}\nguard: {max_rate: 0.5, max_increase: 0.5}\n")
    words = [
        "import",
        "lm-eval",
        str(harness_logs / "base"),
        str(harness_logs / "tuned"),
        "--out",
        str(tmp_path / "run"),
    ]
    done = CliRunner().invoke(
        app,
        [*words, "--task", "colours", "-t", "pair", "-t", "slips", "--policy", str(policy), "--base", "Old", "--json"],
    )
    assert done.exit_code == 0, done.output
    summary = json.loads(done.stdout)
    assert (summary["decision"], summary["complete"], summary["base"]) == (
        "go",
        True,
        {"name": "Old", "fingerprint": None},
    )
    assert len([*(tmp_path / "run").iterdir()]) == 6
    assert api.load(tmp_path / "run").decision.outcome == "go"
    pools = tmp_path / "pools.yaml"
    pools.write_text("pools: {all: [colours, sumz]}\n")
    with pytest.raises(InputError, match=r"pools.all: no suite 'sumz'"):
        api.import_run(import_lm_eval(harness_logs / "base", harness_logs / "tuned"), policy=pools)
