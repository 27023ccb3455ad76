"""evalkit as a user types it, in a process of its own."""

import os
import subprocess
import sys


def evalkit(*args, cwd, **env):
    return subprocess.run(
        [sys.executable, "-m", "evalkit", *map(str, args)],
        cwd=cwd, capture_output=True, text=True, env={**os.environ, **env}, timeout=300,
    )  # fmt: skip
