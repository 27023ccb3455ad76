"""Servers that an earlier run left running on purpose (`server: {keep: true}`), found again by what they serve."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class KeptServer:
    """Where a server answers, the key it was started with (known to nobody else), its process and its log."""

    url: str
    api_key: str
    pid: int
    log: str

    def __repr__(self) -> str:
        return f"KeptServer({self.url!r}, pid={self.pid})"

    def answers(self) -> bool:
        """Whether this very server is there: another program on its port would not take its key."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        asked = urllib.request.Request(f"{self.url}/v1/models", headers={"authorization": f"Bearer {self.api_key}"})
        unknown = urllib.request.Request(f"{self.url}/v1/models")
        try:
            with opener.open(asked, timeout=10) as reply:
                if "data" not in json.loads(reply.read()):
                    return False
        except (urllib.error.URLError, OSError, ValueError):
            return False
        try:
            opener.open(unknown, timeout=10).close()
        except urllib.error.HTTPError as error:
            return error.code == 401
        except OSError:
            return False
        return False


def path_of(folder: Path, identity: str) -> Path:
    """The state file of a server that was started as `identity` says."""
    return folder / f"{identity}.json"


def find(folder: Path, identity: str) -> KeptServer | None:
    """The server that was kept under `identity` and still answers; a state file without one is removed."""
    path = path_of(folder, identity)
    try:
        kept = KeptServer(**json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    if kept.answers():
        return kept
    path.unlink(missing_ok=True)
    return None


def remember(folder: Path, identity: str, server: KeptServer) -> None:
    """Write the state file, readable for this user only: it holds the key."""
    folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=folder, suffix=".tmp")  # made with mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(asdict(server), file)
        os.replace(name, path_of(folder, identity))
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
