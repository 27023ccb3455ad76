import os
from pathlib import Path

import pytest

# Before torch is imported anywhere: waiting threads that spin make a busy two-core machine many times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from evalkit.backends import _FACTORIES  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    """No test reads what another one, or a user's run, has journalled."""
    monkeypatch.setenv("EVALKIT_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def recorded():
    """The folder of real recorded outputs and labels."""
    folder = Path(os.environ.get("EVALKIT_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"needs real recorded outputs: no folder {folder}; set EVALKIT_TEST_DATA")
    return folder


@pytest.fixture
def fake(monkeypatch):
    """A backend for unit tests only, in place of an engine: `backend: fake` in a model file."""
    from tests.fake_backend import Script, open_fake

    script = Script()
    monkeypatch.setitem(_FACTORIES, "fake", lambda models, folder: open_fake(models, script))
    return script


@pytest.fixture(scope="session")
def stored_run(tmp_path_factory):
    """The folder of a stored run with everything that an export must carry."""
    from tests.exported_run import store

    return store(tmp_path_factory.mktemp("stored") / "run")
