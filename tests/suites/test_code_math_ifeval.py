"""Suites that are marked by tests, mathematics or instructions: the rows of the hub give the right questions and marks.

The rows are real, put back into the hub's columns where the recorded files name them otherwise.
"""

import ast
import json
import random
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from evalkit.catalog import builtin_names, find_suite
from evalkit.cli import app
from evalkit.config import HubSpec
from evalkit.scorers import check_golds, find_scorer, score
from evalkit.scorers.sandbox import is_sandboxed
from evalkit.tasks import load_suite
from evalkit.types import Completion

needs_bubblewrap = pytest.mark.skipif(not is_sandboxed(), reason="needs bubblewrap (apt-get install bubblewrap)")
COUNTS = {"humaneval": 164, "ifeval": 541, "math-500": 500, "mbpp": 500}
DOCS = Path(__file__).parents[2] / "docs" / "code.md"

# --- rows in the hub's columns --------------------------------------------------------------------------------------


def read(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def humaneval(tasks):
    return read(tasks / "humaneval.jsonl")


def ifeval(tasks):
    """Each row of the hub has a column for every setting of every instruction, null where it is not one of its own."""
    rows = read(tasks / "ifeval.jsonl")
    settings = dict.fromkeys(name for row in rows for kwargs in row["kwargs"] for name in kwargs)
    return [{**row, "kwargs": [settings | kwargs for kwargs in row["kwargs"]]} for row in rows]


def math_500(tasks):
    return read(tasks / "math500.jsonl")


# The recorded file lacks this column of the hub, and one item needs it: here written anew.
BALANCED = "root = Node(1); root.left = Node(2); root.left.left = Node(3)\nroot1 = Node(1)\nroot2 = root"


def mbpp(tasks):
    return [
        {
            "task_id": row["task_id"],
            "text": row["prompt"],
            "code": row["code"],
            "test_list": row["test"],
            "test_setup_code": BALANCED if row["task_id"] == 367 else "",
            "challenge_test_list": [],
        }
        for row in read(tasks / "mbpp_test.jsonl")
    ]


ROWS = {"humaneval": humaneval, "ifeval": ifeval, "math-500": math_500, "mbpp": mbpp}


@pytest.fixture(scope="module")
def loaded(recorded, tmp_path_factory):
    """From a suite's name to its one task, read from a mirror of the hub, and the rows."""
    known = {}

    def load(name):
        if name not in known:
            spec, rows = find_suite(name), ROWS[name](recorded / "tasks")
            mirror = tmp_path_factory.mktemp("mirror")
            source = spec.tasks[0].data
            path = mirror / source.hub / source.config / f"{source.split}.jsonl"
            path.parent.mkdir(parents=True)
            path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("EVALKIT_DATA", str(mirror))
                (task,) = load_suite(spec).tasks
            known[name] = task, rows
        return known[name]

    return load


def marks(task, replies):
    """The mark of one reply to each item, a few at a time."""
    with ThreadPoolExecutor(4) as pool:
        pairs = zip(task.examples, replies, strict=True)
        return list(pool.map(lambda pair: score(task.spec, pair[0], Completion(pair[1])).value, pairs))


def fenced(program):
    return f"Here it is:\n\n```python\n{program}\n```\n\nIt works because it does."


# --- what each file says --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COUNTS)
def test_a_suite_says_whose_it_is_and_what_it_may_be_used_for(name):
    spec = find_suite(name)
    (task,) = spec.tasks
    assert name in builtin_names("suites")
    assert isinstance(task.data, HubSpec) and task.data.hub in spec.source
    assert re.search(r"arXiv:\d{4}\.\d{5}", spec.source)
    assert spec.licence and spec.version and spec.description
    assert (spec.role, spec.judge, spec.chance) == ("retain", False, 0.0)
    assert find_scorer(task.score).binary


def test_the_command_line_lists_them():
    listed = {row["name"]: row["licence"] for row in json.loads(CliRunner().invoke(app, ["suites", "--json"]).stdout)}
    assert {name: listed[name] for name in COUNTS} == {
        "humaneval": "MIT",
        "ifeval": "Apache-2.0",
        "math-500": "MIT",
        "mbpp": "CC-BY-4.0",
    }


@pytest.mark.parametrize("name", ["humaneval", "mbpp"])
def test_the_page_on_code_shows_the_suite_that_ships(name):
    shown = {one["name"]: one for one in map(yaml.safe_load, re.findall(r"```yaml\n(.*?)```", DOCS.read_text(), re.S))}
    (ships,), (on_page,) = find_suite(name).tasks, shown[name]["tasks"]
    assert (ships.prompt, ships.answer, ships.id) == (on_page["prompt"], on_page["answer"], on_page["id"])
    assert ships.data == HubSpec(**on_page["data"])


# --- what is asked --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COUNTS)
def test_every_item_is_asked_once_and_its_prompt_asks_it(name, loaded):
    task, rows = loaded(name)
    assert len(task.examples) == len({example.id for example in task.examples}) == COUNTS[name]
    for row, example in zip(rows, task.examples, strict=True):
        (message,) = example.messages
        asked = row.get("prompt") or row.get("problem") or row["text"]
        assert message.role == "user" and asked.strip() in message.content
        if name == "mbpp":
            assert len(row["test_list"]) == 3 and all(test in message.content for test in row["test_list"])


@pytest.mark.parametrize("name", ["ifeval", "math-500"])
def test_every_gold_can_be_marked_by(name, loaded):
    task, _ = loaded(name)
    check_golds(task.spec, task.examples, asked_by=name)


# --- how it is marked -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["So it is $\\boxed{%s}$.", "**Answer:** \\(%s\\)", "First 7.\n\nThe answer is $%s$."])
def test_the_gold_of_math_500_in_a_usual_form_scores(form, loaded):
    task, _ = loaded("math-500")
    replies = [form % example.answer for example in task.examples]
    assert [example.id for example, mark in zip(task.examples, marks(task, replies), strict=True) if mark != 1.0] == []


@pytest.mark.parametrize("reply", ["So it is $\\boxed{-987654}$.", "I cannot say.", ""])
def test_another_answer_to_math_500_does_not(reply, loaded):
    task, _ = loaded("math-500")
    assert set(marks(task, [reply] * 500)) == {0.0}


def test_gpt4s_answers_to_ifeval_get_the_marks_they_are_known_by(loaded, recorded):
    task, _ = loaded("ifeval")
    known = json.loads((recorded / "ifeval_gpt4" / "expected.json").read_text())
    theirs = {str(row["key"]): float(all(row["strict"])) for row in known["verdicts"]}
    items = {example.id: example for example in task.examples}
    for row in read(recorded / "ifeval_gpt4" / "responses_even_rows.jsonl"):
        id_ = str(row["key"])
        if row["key"] not in known["unstable_keys"]:
            assert score(task.spec, items[id_], Completion(row["response"])).value == theirs[id_], id_


@pytest.mark.parametrize(("reply", "share"), [("", 0.0), ("I cannot help with that.", 0.15), ("word " * 400, 0.15)])
def test_no_more_of_ifeval_is_passed_by_accident_than_its_file_says(reply, share, loaded):
    task, _ = loaded("ifeval")
    assert sum(marks(task, [reply] * 541)) / 541 <= share


# Changes that make no difference to any argument (a wider bound, a count held against 0), and changes that make one where
# HumanEval has no test: its tests are known to be thin, which is what EvalPlus adds to (Liu et al. 2023, arXiv:2305.01210).
EQUIVALENT = {25, 35, 39, 99, 111, 116, 129, 131, 145, 146, 147}
UNTESTED = {31, 46, 124, 127}

OTHER = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}


def mutated(program, function, rng):
    """What was done, and the program with one comparison swapped, one whole number raised by 1, or one return emptied."""
    tree = ast.parse(program)
    (body,) = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == function]
    places = [
        node
        for node in ast.walk(body)
        if (isinstance(node, ast.Compare) and type(node.ops[0]) in OTHER)
        or (isinstance(node, ast.Constant) and type(node.value) is int)
        or (isinstance(node, ast.Return) and node.value is not None)
    ]
    place = rng.choice(places)
    match place:
        case ast.Compare():
            place.ops[0] = OTHER[type(place.ops[0])]()
        case ast.Constant():
            place.value += 1
        case ast.Return():
            place.value = ast.Constant(None)
    return type(place).__name__, ast.unparse(tree)


@needs_bubblewrap
def test_solutions_of_humaneval_with_one_thing_changed_fail(loaded):
    task, rows = loaded("humaneval")
    rng = random.Random(0)
    changed = [mutated(row["prompt"] + row["canonical_solution"], row["entry_point"], rng) for row in rows]
    assert min(Counter(kind for kind, _ in changed).values()) > 30  # there is something of each kind
    passed = marks(task, [fenced(program) for _, program in changed])
    survivors = {row["task_id"] for row, mark in zip(rows, passed, strict=True) if mark == 1.0}
    assert survivors == {f"HumanEval/{number}" for number in EQUIVALENT | UNTESTED}


@needs_bubblewrap
def test_all_solutions_of_mbpp_pass(loaded):
    task, rows = loaded("mbpp")
    got = marks(task, [fenced(row["code"]) for row in rows])
    assert [row["task_id"] for row, mark in zip(rows, got, strict=True) if mark != 1.0] == []
