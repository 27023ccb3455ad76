"""The rooms and the one direction through them, and what the package exports."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import evalkit

PACKAGE = Path(evalkit.__file__).parent

# A room may import from rooms of a lower rank, and from itself. Leaves that know only the nouns come first.
RANK = {
    name: rank
    for rank, names in enumerate(
        (
            "types interrupted steps",
            "yamlfile stored statistics",
            "config",
            "catalog provenance",
            "composed tasks",
            "backends scorers starting",
            "executors judging contamination",
            "terms",
            "inputs running importers",
            "preview vetting comparing examining",
            "canaries doctor",
            "deciding",
            "report",
            "remembering fresh ranking exporters browsing",
            "planning",
            "run",
            "attempt",
            "api",
            "foresight sweeping asserting",
            "commands pytest_plugin",
            "cli",
            "__main__",
        )
    )
    for name in names.split()
}


def room(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path):
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module] if node.module != "evalkit" else [f"evalkit.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        yield from (name.split(".")[1] for name in names if name.startswith("evalkit."))


FILES = [
    path
    for path in sorted(PACKAGE.rglob("*.py"))
    if "_builtin" not in path.parts and path.parent / path.name != PACKAGE / "__init__.py"
]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_backwards_along_the_flow(path):
    here = room(path)
    assert here in RANK, f"{here} is a new room: give it its place in the flow"
    for other in imported_rooms(path):
        if other in RANK and other != here:
            assert RANK[other] < RANK[here], f"{here} imports {other}, which comes after it"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_its_adapter_knows_lm_evaluation_harness(path):
    if path.is_relative_to(PACKAGE / "tasks" / "lm_eval"):
        return
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
        assert not [name for name in names if name.split(".")[0] == "lm_eval"]


def test_every_exported_name_is_there_and_documented():
    for name in evalkit.__all__:
        assert getattr(evalkit, name).__doc__, name
    assert evalkit.__all__ == sorted(evalkit.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = evalkit.nonsense


def test_help_waits_for_no_heavy_import():
    code = (
        "import sys\nsys.argv = ['evalkit', '--help']\nfrom evalkit.cli import _guarded, app\n_guarded(app)\n"
        "heavy = {'pandas', 'scipy', 'torch', 'vllm', 'transformers', 'altair', 'pydantic', 'openai'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_no_engine_is_imported_by_a_replayed_run():
    code = (
        "import sys\nimport evalkit.api, evalkit.report.files, evalkit.backends.replay\n"
        "heavy = {'torch', 'vllm', 'transformers', 'openai', 'altair', 'vl_convert'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
