"""HumanEval and MBPP as docs/code.md writes them, on their real rows."""

import ast
import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from evalkit import cli
from evalkit.config import SuiteSpec, TaskSpec
from evalkit.scorers import sandbox, score
from evalkit.scorers.code import assemble
from evalkit.scorers.sandbox import ALLOW, is_sandboxed
from evalkit.tasks import load_suite
from evalkit.types import Completion, Example
from evalkit.yamlfile import validate

needs_bubblewrap = pytest.mark.skipif(
    not is_sandboxed(), reason=f"needs bubblewrap (apt-get install bubblewrap): {sandbox._trouble()}"
)
PAGE = Path(__file__).parents[2] / "docs" / "code.md"
SUITES = {
    suite["name"]: suite for suite in map(yaml.safe_load, re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL))
}
TASK = TaskSpec(name="t", data="d", prompt="p", answer="a", score="code")


def extracted(text):
    return score(TASK, Example("1", (), "pass"), Completion(text)).answer


def marks(task, replies):
    """The mark of each reply, a few at a time. replies: (example, text) pairs."""
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda pair: score(task, pair[0], Completion(pair[1])).value, replies))


def load(name, rows, folder, monkeypatch):
    """The task of docs/code.md over `rows`, through the mirror that stands in for the hub."""
    spec = validate(SuiteSpec, SUITES[name])
    hub = spec.tasks[0].data
    path = folder / hub.hub / hub.config / f"{hub.split}.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text("\n".join(map(json.dumps, rows)))
    monkeypatch.setenv("EVALKIT_DATA", str(folder))
    return load_suite(spec).tasks[0]


def read(path):
    return [json.loads(line) for line in path.read_text().split("\n") if line]


def fenced(program):
    return f"Sure! Here it is:\n\n```python\n{program}\n```\n\nIt works because it does."


def returning_nothing(program):
    """The program with every `return value` made `return None`."""
    tree = ast.parse(program)
    for node in ast.walk(tree):
        if isinstance(node, ast.Return):
            node.value = ast.Constant(None)
    return ast.unparse(tree)


@pytest.fixture(scope="module")
def humaneval_rows(recorded):
    return read(recorded / "tasks" / "humaneval.jsonl")


# --- on real rows -----------------------------------------------------------------------------------------------


@needs_bubblewrap
def test_all_164_canonical_solutions_of_humaneval_pass_as_continuations(humaneval_rows, tmp_path, monkeypatch):
    task = load("humaneval", humaneval_rows, tmp_path, monkeypatch)
    replies = [row["canonical_solution"] for row in humaneval_rows]
    got = marks(task.spec, zip(task.examples, replies, strict=True))
    assert len(got) == 164
    assert [row["task_id"] for row, mark in zip(humaneval_rows, got, strict=True) if mark != 1.0] == []


@needs_bubblewrap
def test_a_sample_of_humaneval_passes_as_whole_functions(humaneval_rows, tmp_path, monkeypatch):
    rows = humaneval_rows[::8]
    task = load("humaneval", rows, tmp_path, monkeypatch)
    replies = [fenced(row["prompt"] + row["canonical_solution"]) for row in rows]
    assert set(marks(task.spec, zip(task.examples, replies, strict=True))) == {1.0}


@needs_bubblewrap
def test_all_164_solutions_of_humaneval_fail_when_they_return_nothing(humaneval_rows, tmp_path, monkeypatch):
    task = load("humaneval", humaneval_rows, tmp_path, monkeypatch)
    replies = [fenced(returning_nothing(row["prompt"] + row["canonical_solution"])) for row in humaneval_rows]
    assert set(marks(task.spec, zip(task.examples, replies, strict=True))) == {0.0}


@needs_bubblewrap
def test_a_sample_of_mbpp_passes_and_its_mutations_fail(recorded, tmp_path, monkeypatch):
    rows = read(recorded / "tasks" / "mbpp_test.jsonl")[::10]
    hub = [{"text": row["prompt"], "test_list": row["test"], "test_setup_code": "", **row} for row in rows]
    task = load("mbpp", hub, tmp_path, monkeypatch)
    right = [fenced(row["code"]) for row in rows]
    wrong = [fenced(returning_nothing(row["code"])) for row in rows]
    assert set(marks(task.spec, zip(task.examples, right, strict=True))) == {1.0}
    assert set(marks(task.spec, zip(task.examples, wrong, strict=True))) == {0.0}


# --- which text is the program ----------------------------------------------------------------------------------


@needs_bubblewrap
@pytest.mark.parametrize(
    ("text", "program"),
    [
        ("```python\na = 1\n```\nBetter:\n```python\na = 2\n```\nRun it:\n```bash\npython a.py\n```", "a = 2"),
        ("```\na = 1\n```\n```\na = 2\n```", "a = 1"),
        ("a = 1\nb = 2", "a = 1\nb = 2"),
        ("```Python\na = 1\n```", "a = 1"),
        ("```py\na = '''```'''\n```", "a = '''```'''"),
        ("```python\na = 1", "a = 1"),
        ("1. Do:\n   ```python\n   a = 1\n   ```", "a = 1"),
    ],
    ids=["last python", "first fence", "whole", "capital", "fence in a string", "unclosed", "indented"],
)
def test_the_program_is_the_last_python_block_else_the_first_block_else_everything(text, program):
    assert extracted(text) == program


HEAD = 'from math import pi\n\ndef area(r):\n    """Of a circle."""'
GOLD = f"{HEAD}\n# answer\nassert area(1) == pi"


@pytest.mark.parametrize(
    ("answer", "placed"),
    [
        ("return pi * r", "    return pi * r"),
        ("if r < 0:\n        raise ValueError\n    return pi * r * r", "    if r < 0:\n        raise ValueError"),
        ("def area(r):\n    return pi * r", "def area(r):\n    return pi * r"),
        ("area = lambda r: pi", "area = lambda"),
        ("def help(r):\n        return r\n    return pi * help(r)", "    def help(r):"),
    ],
    ids=["body", "longer body", "whole function", "assigned", "body that opens with a function"],
)
def test_an_answer_that_does_not_define_the_open_function_is_its_body(answer, placed):
    program = assemble(answer, GOLD)
    assert f"{HEAD}\n{placed}" in program and program.endswith("\nassert area(1) == pi\n")
    namespace = {}
    exec(program, namespace)


def test_without_a_mark_the_tests_follow_the_answer():
    assert assemble("a = 1", "assert a == 1") == "a = 1\nassert a == 1\n"


@pytest.mark.parametrize("text", ["(" * 100_000, "-" * 100_000 + "1", "a" + ".a" * 100_000, "a = '\\d'", "\0"])
def test_no_answer_brings_the_reader_down(text):
    assert text in assemble(text, GOLD)


# --- before an engine starts ------------------------------------------------------------------------------------


@pytest.fixture
def two_models(tmp_path):
    (tmp_path / "items.jsonl").write_text('{"id": "1", "q": "Set a to 1.", "test": "assert a == 1"}\n')
    (tmp_path / "suite.yaml").write_text(
        "name: mine\ntasks:\n  - {data: items.jsonl, prompt: '{{ q }}', answer: '{{ test }}', score: code}\n"
    )
    for arm, program in (("base", "a = 1"), ("tuned", "a = 2")):
        (tmp_path / f"{arm}.jsonl").write_text(json.dumps({"id": "1", "output": fenced(program)}))
        (tmp_path / f"{arm}.yaml").write_text(f"name: {arm}\nbackend: replay\noutputs: {arm}.jsonl\n")
    return tmp_path


def command(folder, *flags):
    words = ["compare", "base.yaml", "tuned.yaml", "--suite", "suite.yaml", "--out", "out"]
    paths = [str(folder / word) if "." in word or word == "out" else word for word in words]
    return cli._guarded(lambda: cli.app([*paths, *flags]))


@needs_bubblewrap
def test_a_run_marks_both_models_by_their_programs(two_models):
    assert command(two_models) in (cli.NO_GO, cli.INCONCLUSIVE)
    suite = json.loads((two_models / "out" / "summary.json").read_text())["suites"][0]
    assert (suite["base"], suite["tuned"], suite["metric"]) == (1.0, 0.0, "pass@1")
    said = json.loads((two_models / "out" / "manifest.json").read_text())["cautions"]
    assert [one for one in said if not one.startswith("planned: ")] == []


def test_without_a_sandbox_a_run_is_refused_unless_the_user_says_so_and_then_carries_a_caution(
    two_models, monkeypatch, capsys
):
    monkeypatch.setenv(ALLOW, "0")  # and is put back afterwards, whatever the flag sets
    monkeypatch.setattr(sandbox, "_trouble", lambda: "no `bwrap` on the PATH")
    assert command(two_models) == cli.BAD_INPUT
    assert "--allow-unsandboxed-code" in capsys.readouterr().err and not (two_models / "out").exists()
    assert command(two_models, "--allow-unsandboxed-code") in (cli.NO_GO, cli.INCONCLUSIVE)
    assert any(
        "without a sandbox" in one for one in json.loads((two_models / "out" / "manifest.json").read_text())["cautions"]
    )
    assert "without a sandbox" in (two_models / "out" / "report.html").read_text()


@needs_bubblewrap
def test_tests_that_are_not_python_stop_a_run_before_an_engine_starts(two_models, capsys):
    (two_models / "items.jsonl").write_text(
        '{"id": "1", "q": "Set a to 1.", "test": "assert True\\nassert f(1 == 2"}\n'
    )
    assert command(two_models) == cli.BAD_INPUT
    assert re.search(
        r"suite.yaml: task 'mine'.answer: item '1': the tests are not Python: .* \(line 2 of them\)",
        capsys.readouterr().err,
    )


def test_a_run_without_programs_needs_no_sandbox_and_has_no_caution(two_models, monkeypatch):
    monkeypatch.setattr(sandbox, "_trouble", lambda: "no `bwrap` on the PATH")
    suite = two_models / "suite.yaml"
    suite.write_text(suite.read_text().replace("score: code", "score: contains"))
    assert command(two_models) in (cli.NO_GO, cli.INCONCLUSIVE)
    cautions = json.loads((two_models / "out" / "manifest.json").read_text())["cautions"]
    assert not any("sandbox" in caution for caution in cautions)
