import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _written_by(module, folder):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    environment["HF_HOME"] = str(folder / "hf")
    done = subprocess.run(
        [sys.executable, "-m", module, str(folder)], env=environment, capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.fixture(scope="session")
def harness_logs(tmp_path_factory):
    """Result folders that lm-evaluation-harness has just written: `base`, `tuned`, and `bare` without samples."""
    pytest.importorskip("lm_eval")
    return _written_by("tests.importers.harness_logs", tmp_path_factory.mktemp("harness"))


@pytest.fixture(scope="session")
def inspect_logs(tmp_path_factory):
    """Folders of logs that Inspect has just written: `base` and `tuned`."""
    pytest.importorskip("inspect_ai")
    return _written_by("tests.importers.inspect_evals", tmp_path_factory.mktemp("inspect"))
