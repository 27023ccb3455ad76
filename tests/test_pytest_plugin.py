"""Release gates as tests: each test here writes a project of recorded models and runs pytest in it."""

import json
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import altair  # noqa: F401  # pytester forgets what is imported within it, and some modules can be loaded only once
import pytest
import vl_convert  # noqa: F401

import evalkit.asserting
import evalkit.backends.replay
import evalkit.report.html  # noqa: F401

pytest_plugins = ["pytester"]

# In an installed evalkit pytest finds the plugin by itself; in a checkout that is not, it is named.
PLUGIN = () if any(one.name == "evalkit" for one in entry_points(group="pytest11")) else ("-p", "evalkit.pytest_plugin")


@pytest.fixture
def project(pytester):
    """Two suites of 400 questions, and recorded models: the base, its equal, a loser, one lacking rows, an unsure one."""
    gates = pytester.mkdir("gates")
    for name, role in (("sums", "retain"), ("refusals", "guard")):
        rows = "".join(f'{{"id": "{name}-{i}", "q": "{i} + 1?", "a": "{i + 1}"}}\n' for i in range(400))
        (gates / f"{name}.jsonl").write_text(rows)
        how = "score: refusal" if role == "guard" else "answer: '{{ a }}', score: number"
        (gates / f"{name}.yaml").write_text(
            f"name: {name}\nrole: {role}\ntasks: [{{data: {name}.jsonl, prompt: '{{{{ q }}}}', {how}}}]\n"
        )

    def record(model, answer):
        rows = [{"id": f"{name}-{i}", "output": answer(i)} for name in ("sums", "refusals") for i in range(400)]
        kept = "".join(json.dumps(row) + "\n" for row in rows if row["output"] is not None)
        (gates / f"{model}.jsonl").write_text(kept)
        (gates / f"{model}.yaml").write_text(f"name: {model}\nbackend: replay\noutputs: {model}.jsonl\n")

    record("base", lambda i: str(i + 1))
    record("equal", lambda i: f"The answer is {i + 1}")
    record("worse", lambda i: "no idea" if i % 4 == 0 else str(i + 1))
    record("unsure", lambda i: "7" if i % 50 == 0 else str(i + 1))
    record("partial", lambda i: None if i < 5 else str(i + 1))
    return pytester


def write(project, body):
    """A test file in `gates/`, beside the files it names; pytest itself is run one folder above."""
    (project.path / "gates" / "test_release.py").write_text("import pytest\n\n" + body)


def marked(project, tuned="equal", suites="['sums.yaml', 'refusals.yaml']", **more):
    options = "".join(f", {name}={value!r}" for name, value in more.items())
    write(
        project,
        f"@pytest.mark.evalkit(base='base.yaml', tuned='{tuned}.yaml', suite={suites}{options})\n"
        "def test_release(): ...\n",
    )


def run(project, *args):
    return project.runpytest_inprocess(*PLUGIN, "-p", "no:randomly", *args)


def test_each_gate_is_an_item_of_its_own_named_before_anything_runs(project):
    marked(project)
    result = run(project, "--collect-only", "-q")
    assert [line.partition("::")[2] for line in result.outlines if "::" in line] == [
        "test_release[tax]",
        "test_release[retain sums]",
        "test_release[guard refusals rate]",
        "test_release[guard refusals increase]",
        "test_release[decision]",
    ]
    assert not (project.path / "runs").exists()


def test_equal_models_pass_every_gate_and_the_comparison_runs_once(project):
    marked(project)
    result = run(project, "-v")
    result.assert_outcomes(passed=5)
    (folder,) = [path for path in (project.path / "runs" / "pytest").iterdir() if path.is_dir()]
    assert folder.name.startswith("base-vs-equal-") and (folder / "report.html").exists()
    result.stdout.fnmatch_lines(["*= evalkit =*", f"GO: equal over base: {folder}/report.html"])


def test_a_broken_gate_fails_with_its_sentence_and_leaves_the_others_alone(project):
    marked(project, "worse")
    result = run(project)
    result.assert_outcomes(passed=2, failed=3)
    result.stdout.fnmatch_lines(["*FAILED*retain sums*", "*FAILED*decision*"])
    text = result.stdout.str()
    assert "sums: loses less than 5 pp: broken at -25.0 [" in text
    assert "NO-GO: worse over base: Tuned paid a pooled tax of 25.0 pp" in text
    assert "Traceback" not in text and text.count("report: ") == 1  # the whole decision stands once, under [[]decision]


def test_an_undecided_gate_fails_or_is_skipped_as_the_policy_says(project):
    marked(project, "unsure", "['sums.yaml']")
    run(project).assert_outcomes(failed=2, passed=1)
    (project.path / "gates" / "lax.yaml").write_text("inconclusive: pass\n")
    marked(project, "unsure", "['sums.yaml']", policy="lax.yaml")
    result = run(project, "-rs")
    result.assert_outcomes(skipped=2, passed=1)
    assert "inconclusive, which the policy lets pass" in result.stdout.str()


def test_an_incomplete_run_is_an_error_at_every_gate(project):
    marked(project, "partial", "['sums.yaml']")
    result = run(project)
    result.assert_outcomes(errors=3)
    assert "INCOMPLETE" in result.stdout.str() and "5 items lack a score" in result.stdout.str()


def test_a_wrong_file_is_one_error_and_keeps_no_other_test_from_running(project):
    marked(project, "equal", "['smus.yaml']")
    (project.path / "test_other.py").write_text("def test_other(): ...\n")
    result = run(project)
    result.assert_outcomes(passed=1, errors=1)
    assert "no such suite file" in result.stdout.str() and "did you mean 'sums.yaml'?" in result.stdout.str()
    assert "Traceback" not in result.stdout.str()


@pytest.mark.parametrize(
    ("mark", "said"),
    [
        ("base='base.yaml'", "tuned: which model file?"),
        ("'base.yaml', 'equal.yaml', suit=['sums.yaml']", "suit: not something that a comparison takes; did you mean 'suites'?"),
        ("'base.yaml', 'equal.yaml', 'sums.yaml'", "takes base and tuned, each once"),
        ("'base.yaml', 'nobody.yaml', suite='sums.yaml'", "nobody.yaml: no such file"),
    ],
)  # fmt: skip
def test_a_wrong_marker_says_what_to_write(project, mark, said):
    write(project, f"@pytest.mark.evalkit({mark})\ndef test_release(): ...\n")
    result = run(project)
    assert said in result.stdout.str() and "Traceback" not in result.stdout.str()
    assert result.ret == 1


def test_the_fixture_compares_and_a_failed_assertion_shows_every_gate(project):
    write(
        project,
        "def test_go(evalkit_compare):\n"
        "    assert evalkit_compare('base.yaml', 'equal.yaml', suites=['sums.yaml']).go\n\n"
        "def test_not(evalkit_compare):\n"
        "    result = evalkit_compare('base.yaml', 'worse.yaml', suites=['sums.yaml'])\n"
        "    assert result.tax.value == 0.25 and result.gain is None and result.complete\n"
        "    assert result.decision == 'go'\n\n"
        "def test_go_again(evalkit_compare):\n"
        "    result = evalkit_compare('base.yaml', 'worse.yaml', suites=['sums.yaml'])\n"
        "    assert result.gate('retain sums').standing == 'failed'\n"
        "    assert result.go\n",
    )
    result = run(project)
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(
        [
            "*assert 'no_go' == 'go'*",
            "*- evalkit: NO-GO: worse over base -*",
            "*FAILED*tax *25.0 pp*limit +2.0 pp*",
            "*FAILED*retain sums *-25.0 pp*limit -5.0 pp*",
            "*assert False*",
            "*where False = <NO-GO: worse over base: Tuned paid*.go*",
        ]
    )
    assert len([path for path in (project.path / "runs" / "pytest").iterdir() if path.is_dir()]) == 2


def test_a_body_runs_after_its_gate_has_passed(project):
    write(
        project,
        "@pytest.mark.evalkit('base.yaml', 'equal.yaml', suite='sums.yaml')\n"
        "def test_release(evalkit_gate, evalkit_result):\n"
        "    assert evalkit_gate.name in ('tax', 'retain sums', 'decision')\n"
        "    assert evalkit_result.comparison.n == 400\n"
        "    assert evalkit_gate.name != 'tax', 'from the body'\n",
    )
    result = run(project)
    result.assert_outcomes(passed=2, failed=1)
    assert "from the body" in result.stdout.str()


def test_suites_and_policy_come_from_the_project_file_beside_base(project):
    gates = project.path / "gates"
    (gates / "evalkit.yaml").write_text("suites: [sums.yaml]\npolicy: lax.yaml\n")
    (gates / "lax.yaml").write_text("tax: {max: 0.5}\nretain: {margin: 0.5}\n")
    write(project, "@pytest.mark.evalkit('base.yaml', 'worse.yaml')\ndef test_release(): ...\n")
    run(project).assert_outcomes(passed=3)


def test_the_folder_is_an_ini_value_or_an_option(project):
    marked(project, suites="['sums.yaml']")
    project.makeini("[pytest]\nevalkit_out = from-ini\n")
    run(project).assert_outcomes(passed=3)
    run(project, "--evalkit-out", "from-option").assert_outcomes(passed=3)
    for name in ("from-ini", "from-option"):
        assert list((project.path / name).glob("base-vs-equal-*/summary.json"))


def test_gates_can_be_chosen_by_name_and_by_marker(project):
    marked(project)
    run(project, "-k", "tax").assert_outcomes(passed=1, deselected=4)
    run(project, "-m", "not evalkit").assert_outcomes(deselected=5)


def test_workers_of_xdist_share_one_run(project):
    marked(project)
    result = project.runpytest_subprocess(*PLUGIN, "-n", "2", "-v")
    result.assert_outcomes(passed=5)
    (folder,) = [path for path in (project.path / "runs" / "pytest").iterdir() if path.is_dir()]
    uid = json.loads((folder / "manifest.json").read_text())["command"].removeprefix("pytest, session ")
    (said,) = folder.parent.glob(".*.session")
    assert said.read_text() == uid
    assert result.stdout.str().count("GO: equal over base: ") == 1


def test_progress_goes_to_a_logger(project):
    marked(project, suites="['sums.yaml']")
    result = run(project, "--log-cli-level=INFO")
    result.assert_outcomes(passed=3)
    assert "base: generating: 400 requests" in result.stdout.str()


def test_where_it_is_not_used_nothing_is_imported_and_nothing_warns(pytester):
    pytester.makepyfile(
        "import sys\n\n"
        "def test_nothing():\n"
        "    loaded = {name for name in sys.modules if name.startswith('evalkit')}\n"
        "    assert loaded <= {'evalkit', 'evalkit.pytest_plugin'}, loaded\n"
        "    assert not {'numpy', 'pandas', 'pydantic', 'scipy', 'rich', 'typer'} & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-W", "error", "-p", "no:cacheprovider", *PLUGIN, "-p", "no:hypothesispytest"],
        cwd=pytester.path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "evalkit" not in done.stdout.rpartition("collected")[2]


def test_the_marker_is_registered_and_explained(pytester):
    result = pytester.runpytest_inprocess(*PLUGIN, "--markers")
    assert "@pytest.mark.evalkit(base, tuned, *, suite, policy, judge, limit, ...)" in result.stdout.str()


def test_names_of_gates_are_those_that_the_run_then_has(project):
    """With pools, a guard that states one limit, and a judge that no exam lets decide."""
    gates = project.path / "gates"
    text = (gates / "sums.yaml").read_text()
    (gates / "more.yaml").write_text(text.replace("name: sums", "name: more"))
    (gates / "rates.yaml").write_text((gates / "refusals.yaml").read_text() + "guard: {max_rate: null}\n")
    (gates / "policy.yaml").write_text("pools: {all: [sums, more]}\n")
    marked(project, suites="['sums.yaml', 'more.yaml', 'rates.yaml']", policy="policy.yaml")
    result = run(project, "-v")
    result.assert_outcomes(passed=6)
    (folder,) = [path for path in (project.path / "runs" / "pytest").iterdir() if path.is_dir()]
    summary = json.loads((Path(folder) / "summary.json").read_text())
    assert [gate["kind"] for gate in summary["gates"]] == ["tax", "retain", "retain", "guard_increase", "pool"]


def test_a_fixture_of_the_project_may_compare_and_a_skipped_test_compares_nothing(project):
    write(
        project,
        "@pytest.fixture(scope='module')\n"
        "def release(evalkit_compare):\n"
        "    return evalkit_compare('base.yaml', 'worse.yaml', suites=['sums.yaml'])\n\n"
        "def test_one(release):\n    assert release.complete\n\n"
        "def test_two(release):\n    assert release.passed\n\n"
        "@pytest.mark.skipif(True, reason='no GPU')\n"
        "@pytest.mark.evalkit('base.yaml', 'equal.yaml', suite='sums.yaml')\n"
        "def test_release(): ...\n",
    )
    result = run(project)
    result.assert_outcomes(passed=1, failed=1, skipped=3)
    assert (
        result.stdout.str().count("FAILED   retain sums") == 1
    )  # beneath the test that failed, which compared nothing itself
    assert not list((project.path / "runs" / "pytest").glob("base-vs-equal-*"))
