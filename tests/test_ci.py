"""The GitHub action and the GitLab template: valid by the published schemas, and their scripts do what they say."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from evalkit.starting import Wanted, files

ROOT = Path(__file__).resolve().parent.parent
ACTION = ROOT / "action.yml"
STEPS = yaml.safe_load(ACTION.read_text(encoding="utf-8"))["runs"]["steps"]
SCRIPTS = {step["name"]: step["run"] for step in STEPS if "run" in step}


def valid(path, schema, *more):
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *more, str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_action_and_its_example_are_valid():
    valid(ACTION, "vendor.github-actions")
    valid(ROOT / "examples" / "ci" / "github" / "release-gate.yml", "vendor.github-workflows")


@pytest.mark.parametrize("backend", ["vllm", "openai"])
def test_what_init_writes_for_ci_is_valid(tmp_path, backend):
    for ci, schema, more in [
        ("github", "vendor.github-workflows", ()),
        ("gitlab", "vendor.gitlab-ci", ("--data-transform", "gitlab-ci")),
    ]:
        written = files(tmp_path, Wanted(backend=backend, ci=ci))
        (path,) = [path for path in written if path.suffix == ".yml"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(written[path])
        valid(path, schema, *more)


def test_the_gitlab_example_is_what_init_writes(tmp_path):
    written = files(tmp_path, Wanted(ci="gitlab", suites=("release",)))
    (text,) = [text for path, text in written.items() if path.suffix == ".yml"]
    assert (ROOT / "examples" / "ci" / "gitlab.yml").read_text(encoding="utf-8") == text
    valid(ROOT / "examples" / "ci" / "gitlab.yml", "vendor.gitlab-ci", "--data-transform", "gitlab-ci")


@pytest.mark.parametrize(("suite", "held"), [("quick", False), ("release", True), ("humaneval", True)])
def test_a_job_that_runs_models_programs_installs_what_holds_them(tmp_path, suite, held):
    for ci in ("github", "gitlab"):
        written = files(tmp_path, Wanted(ci=ci, suites=(suite,)))
        (text,) = [text for path, text in written.items() if path.suffix == ".yml"]
        assert ("install --yes bubblewrap" in text) == held
        jobs = yaml.safe_load(text)
        assert "allow_failure" not in jobs.get("evalkit", {})


def test_no_input_is_ever_part_of_a_script():
    for name, script in SCRIPTS.items():
        assert "${{" not in script, name


def test_every_input_and_output_that_is_named_is_there():
    action = yaml.safe_load(ACTION.read_text(encoding="utf-8"))
    text = ACTION.read_text(encoding="utf-8")
    assert set(re.findall(r"inputs\.([\w-]+)", text)) == set(action["inputs"])
    assert all(one.get("description") for kind in ("inputs", "outputs") for one in action[kind].values())
    names = {step.get("id") for step in STEPS}
    assert set(re.findall(r"steps\.([\w-]+)", text)) <= names


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_are_sound_shell(name, tmp_path):
    script = tmp_path / "step.sh"
    script.write_text("#!/usr/bin/env bash\nset -eo pipefail\n" + SCRIPTS[name])
    assert subprocess.run(["bash", "-n", script], capture_output=True).returncode == 0
    checker = shutil.which("shellcheck") or str(Path(sys.executable).with_name("shellcheck"))
    done = subprocess.run([checker, script], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.fixture
def runner(tmp_path):
    """What a runner gives its steps, and two recorded models beside a suite."""

    class Runner:
        folder = tmp_path / "work"
        bin = tmp_path / "bin"
        outputs: dict[str, str] = {}  # noqa: RUF012

        def step(self, name, **env):
            """Run a step as a runner does; its exit code."""
            (tmp_path / "output").write_text("")
            script = tmp_path / "step.sh"
            script.write_text(SCRIPTS[name])
            done = subprocess.run(
                ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
                cwd=self.folder, capture_output=True, text=True,
                env={
                    **os.environ, "PATH": f"{self.bin}:{os.environ['PATH']}", "RUNNER_TEMP": str(tmp_path / "temp"),
                    "GITHUB_OUTPUT": str(tmp_path / "output"), "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
                    "GITHUB_REPOSITORY": "org/repo", **env,
                },
            )  # fmt: skip
            lines = (tmp_path / "output").read_text().splitlines()
            self.outputs = dict(line.split("=", 1) for line in lines)
            self.said = done.stdout + done.stderr
            return done.returncode

        def compare(self, tuned, **env):
            inputs = {"SUITES": "sums.yaml\n", "JUDGE": "", "POLICY": "", "OUT": "out", "ARGS": "", "JOURNAL": ""}
            inputs |= {"BASE": "base.yaml", "TUNED": f"{tuned}.yaml", **env}
            return self.step("Compare and decide", **{f"EVALKIT_{name}": value for name, value in inputs.items()})

        @property
        def summary(self):
            return (tmp_path / "summary").read_text()

    made = Runner()
    for folder in (made.folder, made.bin, tmp_path / "temp"):
        folder.mkdir()
    for name, command in (("evalkit", "-m evalkit"), ("python", "")):
        (made.bin / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {command} "$@"\n')
        (made.bin / name).chmod(0o755)
    (made.folder / "items.jsonl").write_text("".join(f'{{"id": {i}, "q": "{i}?", "a": "{i}"}}\n' for i in range(400)))
    (made.folder / "sums.yaml").write_text(
        "name: sums\ntasks: [{data: items.jsonl, prompt: '{{ q }}', answer: '{{ a }}', score: number}]\n"
    )
    for name, answer in (
        ("base", lambda i: i),
        ("equal", lambda i: f"it is {i}"),
        ("worse", lambda i: i if i % 4 else "?"),
    ):
        rows = "".join(json.dumps({"id": i, "output": str(answer(i))}) + "\n" for i in range(400))
        (made.folder / f"{name}.jsonl").write_text(rows)
        (made.folder / f"{name}.yaml").write_text(f"name: {name}\nbackend: replay\noutputs: {name}.jsonl\n")
    return made


def test_the_action_compares_tells_and_hands_on_the_exit_code(runner, tmp_path):
    assert runner.compare("worse", ARGS="--limit 300 --seed 7", JOURNAL=str(tmp_path / "journal")) == 0, runner.said
    assert runner.outputs["exit-code"] == "1" and runner.outputs["decision"] == "no_go"
    assert float(runner.outputs["tax"]) == pytest.approx(0.25, abs=0.06) and runner.outputs["gain"] == ""
    assert float(runner.outputs["tax-low"]) < float(runner.outputs["tax"]) < float(runner.outputs["tax-high"])
    assert "## ❌ NO-GO: worse over base" in runner.summary and "├" in runner.summary
    assert (tmp_path / "journal" / "journal.sqlite").exists()
    manifest = json.loads((runner.folder / "out" / "manifest.json").read_text())
    assert (manifest["limit"], manifest["seed"]) == (300, 7)
    assert runner.step("Hand on the exit code", EVALKIT_CODE=runner.outputs.get("exit-code", "1")) == 1


def test_arguments_keep_their_quotes_and_expand_nothing(runner):
    (runner.folder / "a policy.yaml").write_text("tax: {max: 0.5}\nretain: {margin: 0.5}\n")
    assert runner.compare("worse", ARGS="--policy 'a policy.yaml' --out \"$(touch pwned)\"") == 0
    assert not (runner.folder / "pwned").exists()
    assert (runner.folder / "$(touch pwned)" / "summary.json").exists()
    assert runner.outputs["exit-code"] == "0"


def test_arguments_whose_quotes_do_not_match_stop_the_run_before_it_decides_under_other_rules(runner):
    assert runner.compare("worse", ARGS="--limit 300 --policy 'a policy.yaml") == 0
    assert runner.outputs == {"exit-code": "2"} and not (runner.folder / "out").exists()
    assert "::error::args:" in runner.said and "quotes" in runner.summary


def test_a_comment_that_may_not_be_written_decides_nothing(runner):
    (runner.bin / "gh").write_text("#!/bin/sh\necho 'HTTP 403' >&2\nexit 1\n")
    (runner.bin / "gh").chmod(0o755)
    runner.compare("equal")
    env = {"EVALKIT_OUT": "out", "EVALKIT_NAME": "evalkit run", "EVALKIT_NUMBER": "5", "EVALKIT_CODE": "0"}
    assert runner.step("Comment on the pull request", EVALKIT_URL="", GH_TOKEN="x", **env) == 0
    assert "::warning::the comment could not be written" in runner.said


def test_a_run_that_does_not_begin_says_why_in_the_summary(runner):
    (runner.folder / "out").mkdir()
    (runner.folder / "out" / "summary.json").write_text('{"decision": "go"}')  # of a run before, on a disk that stays
    assert runner.compare("nobody") == 0
    assert runner.outputs == {"exit-code": "2"}
    assert "the run did not begin (exit 2)" in runner.summary and "nobody.yaml: no such file" in runner.summary


GH = """#!/usr/bin/env python
import json, sys
from pathlib import Path
log = Path(__file__).with_name("calls.json")
calls = json.loads(log.read_text()) if log.exists() else []
body = [arg[6:] for arg in sys.argv if arg.startswith("body=@")]
calls.append({"args": sys.argv[1:], "body": Path(body[0]).read_text() if body else None})
log.write_text(json.dumps(calls))
if "--jq" in sys.argv and Path(__file__).with_name("earlier").exists():
    print(17)
"""


@pytest.mark.parametrize("earlier", [False, True])
def test_the_comment_is_written_once_and_then_written_anew(runner, earlier):
    """`gh` is a stand-in that notes how it is called: what it talks to is not here."""
    (runner.bin / "gh").write_text(GH)
    (runner.bin / "gh").chmod(0o755)
    if earlier:
        (runner.bin / "earlier").touch()
    runner.compare("equal")
    env = {"EVALKIT_OUT": "out", "EVALKIT_NAME": "evalkit run", "EVALKIT_NUMBER": "5", "EVALKIT_CODE": "0"}
    code = runner.step("Comment on the pull request", EVALKIT_URL="https://example.org/a", GH_TOKEN="x", **env)
    assert code == 0, runner.said
    asked, written = json.loads((runner.bin / "calls.json").read_text())
    assert "repos/org/repo/issues/5/comments" in asked["args"]
    assert 'startswith("<!-- evalkit:evalkit-run -->")' in asked["args"][-1]
    place = "repos/org/repo/issues/comments/17" if earlier else "repos/org/repo/issues/5/comments"
    assert ("PATCH" if earlier else "POST") in written["args"] and place in written["args"]
    assert written["body"].startswith("<!-- evalkit:evalkit-run -->\n## ✅ GO: equal over base")
    assert written["body"].rstrip().endswith("(https://example.org/a)") and len(written["body"]) < 65_536
