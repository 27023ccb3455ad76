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
    "types": 0, "interrupted": 0, "steps": 0, "yamlfile": 1, "config": 2, "statistics": 1, "catalog": 3, "composed": 4, "records": 3, "cache": 1,
    "samples": 2, "scratch": 1.5, "columns": 2, "texts": 6,
    "provenance": 3, "tasks": 4,
    "backends": 5, "scorers": 5, "contamination": 6, "judging": 6, "requests": 6, "pairing": 6, "inputs": 7, "ahead": 6, "behind": 6, "side_by_side": 6, "flow": 7, "turns": 7, "serve": 7, "pairs": 7, "beside": 8,
    "executors": 6,
    "importers": 7, "reading": 8,  "examining": 9, "labelling": 9, "canaries": 10, "anchors": 9, "ranking": 12,
    "landing": 8, "slicing": 8, "saturation": 8, "unchanged": 8, "error_rates": 9, "probes": 7, "setaside": 7,
    "questions": 8, "collecting": 9, "schedule": 9.5, "drift": 8, "thinking": 8, "comparison": 9, "noise": 10,
    "fidelity": 9, "preview": 10, "vetting": 10, "gate": 10, "looks": 11, "report": 11, "planning": 12, "remembering": 12, "promising": 12.5, "fresh": 12, "exporters": 12, "api": 13,
    "foresight": 14, "sweeping": 14, "cli_options": 14, "cli_suites": 15, "cli_judge": 15, "cli_labels": 16, "cli_import": 15, "cli_export": 15, "cli_rank": 15, "cli_plan": 15, "cli_init": 15,
    "cli_sweep": 15, "cli": 17, "__main__": 18,
    "cli_doctor": 15, "starting": 4, "doctor": 10, "asserting": 14, "pytest_plugin": 15,
    "browsing": 12, "cli_view": 15,
}  # fmt: skip


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
