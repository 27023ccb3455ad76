"""Logs that Inspect wrote a moment ago, as comparisons; and a run that went out as such logs and came back."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from evalkit import api
from evalkit.cli import app
from evalkit.importers import import_inspect
from evalkit.report.words import remedies
from evalkit.types import InputError

pytest.importorskip("inspect_ai")
from inspect_ai.log import read_eval_log, write_eval_log  # noqa: E402

MATCHED = ["first=match"]


@pytest.fixture(scope="module")
def imported(inspect_logs):
    return api.import_run(import_inspect(inspect_logs / "base", inspect_logs / "tuned", scorers=MATCHED))


@pytest.fixture
def copied(inspect_logs, tmp_path):
    for arm in ("base", "tuned"):
        shutil.copytree(inspect_logs / arm, tmp_path / arm)
    return tmp_path


def log_of(folder, task):
    (path,) = (file for file in folder.iterdir() if f"_{task}_" in file.name)
    return path


def changed(folder, task, change):
    """A log with its samples as `change` gives them; None leaves one out."""
    path = log_of(folder, task)
    log = read_eval_log(path.as_posix())
    log.samples = [one for one in map(change, log.samples) if one is not None]
    write_eval_log(log, path.as_posix())


def suite(run, name):
    return next(one for one in run.comparison.suites if one.name == name)


def test_both_kinds_of_log_are_read_and_scores_are_inspects_own(imported, inspect_logs):
    assert {file.suffix for file in (inspect_logs / "base").iterdir()} == {".eval", ".json"}
    for arm in ("base", "tuned"):
        log = read_eval_log(log_of(inspect_logs / arm, "parity").as_posix(), header_only=True)
        assert getattr(suite(imported, "parity"), arm) == pytest.approx(log.results.scores[0].metrics["accuracy"].value)
    assert sorted(one.n for one in imported.comparison.suites) == [20, 25, 29]


def test_two_models_of_one_name_are_told_apart_by_their_folders(imported):
    assert (imported.comparison.base, imported.comparison.tuned) == ("model (base)", "model (tuned)")


def test_epochs_are_samples_of_one_item(imported):
    rows = imported.samples.query("suite == 'sums' and arm == 'base'")
    assert len(rows) == 60 and set(rows["sample"]) == {0, 1}
    task = next(one for one in imported.manifest.suites if one.name == "sums").tasks[0]
    assert (task.samples, task.separate, dict(task.temperature)) == (2, True, {"base": 0.5, "tuned": 0.5})
    assert [one.name for one in imported.comparison.test_time] == ["sums"]


def test_a_sample_that_ended_in_an_error_was_never_answered(imported):
    row = imported.samples.query("suite == 'sums' and arm == 'tuned' and id == '3' and sample == 1").iloc[0]
    assert (
        row["value"] != row["value"]
        and row["failure"] == "sample_error"
        and "sandbox is gone" in row["failure_message"]
    )
    assert suite(imported, "sums").missing == 1 and not imported.decision.complete
    assert "run them in the tool that wrote the logs" in remedies(imported.decision, imported=True)[0]


def test_texts_traces_prompts_and_tokens_come_along(imported):
    row = imported.samples.query("suite == 'sums' and arm == 'base' and id == '9' and sample == 0").iloc[0]
    assert row["prompt"].startswith("system: Be brief.\n\nuser: What is 9 + 9 ? Think before") and row[
        "prompt"
    ].endswith("sure of.")
    assert (row["reasoning"], row["gold"], row["prompt_tokens"], row["completion_tokens"]) == ("9 and 9", "18", 5, 7)
    assert row["text"].startswith("ANSWER: ") and row["finish_reason"] == "stop"
    cut = imported.samples.query("cause == 'truncated'")
    assert set(cut["id"]) == {"7"} and set(cut["finish_reason"]) == {"length"}


def test_a_cluster_that_a_scorers_error_is_made_by_is_kept(imported):
    assert "12 clusters" in suite(imported, "sums").delta.method


def graded(inspect_logs, scorer, arm="tuned", **options):
    run = api.import_run(
        import_inspect(inspect_logs / "base", inspect_logs / "tuned", tasks=["sums"], scorers=[scorer], **options)
    )
    return run.samples.query(f"arm == '{arm}' and sample == 0").set_index("id")


def test_letters_are_marks_with_their_causes(inspect_logs):
    rows = graded(inspect_logs, "letters")
    said = {id_: (rows.loc[id_, "value"], rows.loc[id_, "cause"]) for id_ in ("1", "2", "6", "8")}
    assert said == {"1": (0.0, "refused"), "2": (0.5, "wrong"), "6": (0.0, "unparsed"), "8": (0.0, "wrong")}
    assert rows.loc["5", "value"] == 1.0


def test_one_number_of_several_is_named_by_its_key(inspect_logs):
    assert set(graded(inspect_logs, "both.content", "base")["value"]) == {0.25}
    assert set(graded(inspect_logs, "form", "base")["value"]) == {1.0}
    with pytest.raises(
        InputError, match=r"first in .*: scorer 'both' gives several numbers; .*both.form, both.content"
    ):
        import_inspect(inspect_logs / "base", inspect_logs / "tuned", tasks=["first"])


def test_a_grade_off_the_scale_is_refused_until_its_scale_is_said(inspect_logs):
    with pytest.raises(InputError, match=r"sample 1, epoch 1: stars: .*say --scale 1:10"):
        graded(inspect_logs, "stars")
    rows = graded(inspect_logs, "stars", scales=["sums=1:10"])
    assert rows["value"].dropna().between(0, 1).all()
    assert rows.loc["4", "value"] != rows.loc["4", "value"] and rows.loc["4", "failure"] == "grader_failed"


def test_a_lacking_sample_is_missing_and_an_unfinished_log_says_so(copied):
    changed(copied / "tuned", "parity", lambda one: None if one.id == 5 else one)
    path = log_of(copied / "tuned", "parity")
    log = read_eval_log(path.as_posix())
    log.status = "cancelled"
    write_eval_log(log, path.as_posix())
    run = api.import_run(import_inspect(copied / "base", copied / "tuned", tasks=["parity"]))
    assert (suite(run, "parity").n, suite(run, "parity").missing) == (24, 1)
    assert "tuned: parity: the log's status is 'cancelled'; what it lacks counts as missing" in run.comparison.cautions


@pytest.mark.parametrize(("field", "value"), [("input", "Another?"), ("target", "C"), ("choices", ["x", "y", "z"])])
def test_another_item_under_the_same_id_is_refused(copied, field, value):
    changed(copied / "tuned", "parity", lambda one: one.model_copy(update={field: value}) if one.id == 2 else one)
    with pytest.raises(InputError, match=rf"task 'parity': 1 of 25 items have another {field} .*'2'"):
        import_inspect(copied / "base", copied / "tuned", tasks=["parity"])


def test_logs_without_samples_and_scores_say_how_to_get_them(copied):
    changed(copied / "base", "parity", lambda one: None)
    with pytest.raises(InputError, match=r"holds no samples.*without --no-log-samples"):
        import_inspect(copied / "base", copied / "tuned", tasks=["parity"])
    changed(copied / "base", "first", lambda one: one.model_copy(update={"scores": {}}))
    with pytest.raises(InputError, match=r"no scorer marked any sample; score it first: inspect score"):
        import_inspect(copied / "base", copied / "tuned", tasks=["first"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"scorers": ["mach"]}, r"--scorer: no 'mach' in both logs of .*did you mean 'match'"),
        ({"scales": ["10:1"]}, r"--scale: '10:1': LOW must be below HIGH"),
        ({"scales": ["ten"]}, r"--scale: 'ten': write LOW:HIGH"),
        ({"clusters": ["topic"]}, r"--cluster: .*has no 'topic'; it has: passage"),
        ({"roles": ["sum=target"]}, r"--role: no task or suite 'sum'; did you mean 'sums'"),
    ],
)
def test_mistakes_are_named(inspect_logs, options, said):
    with pytest.raises(InputError, match=said):
        import_inspect(inspect_logs / "base", inspect_logs / "tuned", tasks=["sums"], **options)


def test_files_that_are_no_logs_are_named(inspect_logs, tmp_path):
    with pytest.raises(InputError, match=r"BASE: no such log or folder"):
        import_inspect(tmp_path / "none", inspect_logs / "tuned")
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(InputError, match=r"BASE: .*holds no log of Inspect"):
        import_inspect(tmp_path, inspect_logs / "tuned")
    (tmp_path / "broken.eval").write_bytes(b"PK nonsense")
    with pytest.raises(InputError, match=r"broken.eval: Inspect cannot read it as a log"):
        import_inspect(tmp_path, inspect_logs / "tuned")


def test_without_inspect_the_extra_is_named(inspect_logs, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'evalkit-gate\[inspect\]'"):
        import_inspect(inspect_logs / "base", inspect_logs / "tuned")


def test_the_command_line_writes_six_files_and_exits_0(inspect_logs, tmp_path):
    words = [
        "import",
        "inspect",
        str(inspect_logs / "base"),
        str(inspect_logs / "tuned"),
        "--out",
        str(tmp_path / "run"),
    ]
    done = CliRunner().invoke(app, [*words, "--task", "parity", "--role", "parity=target", "--json"])
    assert done.exit_code == 0, done.output
    summary = json.loads(done.stdout)
    assert (
        summary["complete"]
        and summary["suites"][0]["role"] == "target"
        and summary["gain"]["value"] == pytest.approx(0.16)
    )
    assert len([*(tmp_path / "run").iterdir()]) == 6


# --- out and back -------------------------------------------------------------------------------------------------


def comparable(run):
    return [
        (
            one.name,
            one.role,
            one.metric,
            one.n,
            one.missing,
            one.base,
            one.tuned,
            one.delta,
            one.regressed,
            one.fixed,
            dict(one.causes),
        )
        for one in run.comparison.suites
    ]


def test_a_run_that_goes_out_as_logs_comes_back_with_the_same_decision(stored_run, tmp_path):
    done = CliRunner().invoke(
        app, ["export", str(stored_run), "--format", "inspect", "--out", str(tmp_path / "logs"), "--json"]
    )
    assert done.exit_code == 0, done.output
    files = json.loads(done.stdout)["files"]
    before = api.load(stored_run)
    assert len(files) == 2 * sum(len(one.tasks) for one in before.manifest.suites)
    after = api.import_run(
        import_inspect(tmp_path / "logs" / "base", tmp_path / "logs" / "tuned"), policy=before.policy
    )
    assert comparable(after) == comparable(before)
    assert after.comparison.tax == before.comparison.tax and after.comparison.gain == before.comparison.gain
    assert after.decision == before.decision
    assert after.manifest.base.fingerprint == before.manifest.base.fingerprint
    columns = [
        "suite",
        "task",
        "id",
        "arm",
        "sample",
        "value",
        "cause",
        "answer",
        "gold",
        "text",
        "reasoning",
        "prompt",
        "group",
    ]
    columns += ["failure", "failure_message", "finish_reason", "slices"]
    left, right = (
        one.samples[columns].astype(object).where(lambda frame: frame.notna(), None) for one in (before, after)
    )
    assert left.equals(right)


def test_an_exported_log_is_one_that_inspect_itself_dumps(stored_run, tmp_path):
    from evalkit.exporters import export_inspect

    run = api.load(stored_run)
    files = export_inspect(run.table, run.manifest, tmp_path / "logs")
    inspect = os.path.join(os.path.dirname(sys.executable), "inspect")
    done = subprocess.run([inspect, "log", "dump", str(files[0])], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    dumped = json.loads(done.stdout)
    assert dumped["status"] == "success" and len(dumped["samples"]) == dumped["results"]["total_samples"] > 0
    with pytest.raises(InputError, match=r"holds logs already"):
        export_inspect(run.table, run.manifest, tmp_path / "logs")
