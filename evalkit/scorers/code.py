"""Code: the program a model wrote passes the item's tests, run in a sandbox. With samples, the mean is pass@1.

The gold is the tests. What stands above the line `# answer` in it goes before the model's code instead: the prompt of a
completion benchmark, whose function the model may write in full or only go on with.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Sequence

from evalkit.config import ExtractSpec
from evalkit.scorers.registry import scorer
from evalkit.scorers.sandbox import check_sandbox, check_waived, is_sandboxed, run_python
from evalkit.tasks import Suite
from evalkit.types import Example, InputError

HERE = "# answer"
TIMEOUT_S = 10.0
MEMORY_MB = 1024

# A fence that the reply never closed counts: the tests say whether the code in it is whole.
_LAST_PYTHON = ExtractSpec(regex=r"(?ims)^[ \t]*```(?:python3?|py)[ \t]*\n(.*?)(?:^[ \t]*```|\Z)")
_FIRST_FENCE = ExtractSpec(regex=r"(?ms)\A.*?^[ \t]*```[^\n]*\n(.*?)(?:^[ \t]*```|\Z)")
_WHOLE = ExtractSpec(whole=True)


def check_programs(suites: Sequence[Suite]) -> tuple[str, ...]:
    """What must hold before an engine starts: programs can be run here, and the tests are Python. Returns cautions.

    Raises InputError, naming suite, task and item.
    """
    tasks = [(suite, task) for suite in suites for task in suite.tasks if task.spec and task.spec.score == "code"]
    for suite, task in tasks:
        where = f"{suite.spec.file or suite.name}: task {task.name!r}"
        check_sandbox(asked_by=f"{where}: score: code")
        for example in task.examples:
            try:
                _parse(_parts(example.answer or "")[1])
            except SyntaxError as error:
                line = f"{error.msg} (line {error.lineno} of them)"
                raise InputError(f"{where}.answer: item {example.id!r}: the tests are not Python: {line}") from None
    unsafe = next((task for suite in suites for task in suite.tasks if task.marker and task.marker.runs_programs), None)
    if unsafe is not None:
        check_waived(asked_by=f"{unsafe.suite}: task {unsafe.name!r}")
        return (f"task {unsafe.name!r} ran programs written by the models in evalkit's own process, without a sandbox",)
    if tasks and not is_sandboxed():
        return ("programs written by the models were run without a sandbox (--allow-unsandboxed-code)",)
    return ()


@scorer("code", metric="pass@1", extract=(_LAST_PYTHON, _FIRST_FENCE, _WHOLE), slow=True, gold_is_an_answer=False)
def code(answer: str, example: Example) -> float:
    """1 when the program of answer and tests runs to its end, within the task's `sandbox` limits."""
    program = assemble(answer, example.answer or "")
    timeout_s = float(example.meta.get("timeout_s", TIMEOUT_S))
    memory_mb = int(example.meta.get("memory_mb", MEMORY_MB))
    return float(run_python(program, timeout_s=timeout_s, memory_mb=memory_mb).ok)


def assemble(answer: str, gold: str) -> str:
    """The program to run: what the gold puts before the answer, the answer, the tests.

    Where the gold opens a function (`def f(x):` and a docstring) that the answer does not define anew, the answer is
    its body, and its first line gets back the indentation that extraction stripped.
    """
    before, tests = _parts(gold)
    opened = _open_function(before)
    if opened is not None and opened.name not in _defined(answer):
        answer = " " * opened.body[-1].col_offset + answer.lstrip()
    return f"{before}{answer}\n{tests}\n"


def _parts(gold: str) -> tuple[str, str]:
    """What goes before the answer, and the tests that follow it."""
    before, mark, tests = f"\n{gold}".partition(f"\n{HERE}\n")
    return (before[1:] + "\n", tests) if mark else ("", gold)


def _open_function(text: str) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    last = next(iter(_statements(text)[-1:]), None)
    return last if isinstance(last, ast.FunctionDef | ast.AsyncFunctionDef) else None


def _defined(text: str) -> set[str]:
    """Names that a module of this text defines at its top level; none where it is no module by itself."""
    names: set[str] = set()
    for statement in _statements(text):
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(statement.name)
        elif isinstance(statement, ast.Assign):
            names |= {target.id for target in statement.targets if isinstance(target, ast.Name)}
    return names


def _statements(text: str) -> list[ast.stmt]:
    try:
        return _parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def _parse(text: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an invalid escape in a model's program is none of the user's
        return ast.parse(text)
