"""The wheel, installed into an empty folder, is a whole product: built-in suites, templates and all."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    built = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder / "dist"), str(ROOT)]
    subprocess.run(built, check=True, capture_output=True, text=True)
    (wheel,) = (folder / "dist").glob("evalkit_gate-*.whl")
    put = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder / "site"), str(wheel)]
    subprocess.run(put, check=True, capture_output=True, text=True)
    return folder / "site"


def run(installed, *args, cwd):
    # The folder comes before the environment's own packages, so that it is the wheel that runs and not the checkout.
    env = {**os.environ, "PYTHONPATH": str(installed)}
    return subprocess.run([sys.executable, *args], cwd=cwd, capture_output=True, text=True, env=env, timeout=300)


def test_the_wheel_compares_recorded_outputs_on_a_built_in_suite(installed, tmp_path):
    where = run(installed, "-c", "import evalkit; print(evalkit.__file__)", cwd=tmp_path).stdout
    assert where.startswith(str(installed))
    listed = run(installed, "-m", "evalkit", "suites", "--json", cwd=tmp_path)
    assert "quick" in [suite["name"] for suite in json.loads(listed.stdout)]
    items = [path for path in (installed / "evalkit" / "_builtin" / "suites" / "data" / "quick").glob("*.jsonl")]
    ids = [json.loads(line)["id"] for path in items for line in path.read_text(encoding="utf-8").split("\n") if line]
    assert len(ids) > 300
    for name in ("base", "tuned"):
        rows = "".join(json.dumps({"id": id_, "output": "A"}) + "\n" for id_ in ids)
        (tmp_path / f"{name}.jsonl").write_text(rows)
        (tmp_path / f"{name}.yaml").write_text(f"name: {name}\nbackend: replay\noutputs: {name}.jsonl\n")
    done = run(installed, "-m", "evalkit", "compare", "base.yaml", "tuned.yaml", "--out", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "<!doctype html" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")[:200].lower()
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["suites"][0]["n"] == len(ids)


def test_pytest_finds_the_plugin_of_an_installed_wheel(installed, tmp_path):
    (tmp_path / "test_nothing.py").write_text(
        "def test_nothing(pytestconfig):\n    assert pytestconfig.getini('evalkit_out')\n"
    )
    done = run(installed, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
