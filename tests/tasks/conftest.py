import importlib.util

import pytest


@pytest.fixture
def harness(tmp_path, monkeypatch):
    """A folder for task files of the harness; no data set is downloaded, and none is kept from test to test."""
    if importlib.util.find_spec("lm_eval") is None:
        pytest.skip("lm-evaluation-harness is not installed")
    # Both libraries read the environment once, when they are imported, which another test may have done.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("EVALKIT_DATA", raising=False)
    folder = tmp_path / "tasks"
    folder.mkdir()
    return folder
