"""A program of its own between evalkit and a server it starts: when evalkit is gone, however it went, the server ends.

    python server_guard.py LOG GRACE_S COMMAND ...

The command runs in a process group of its own with its output in LOG; its process id is this program's first line. A
closed standard input, which is what even `kill -9` of evalkit leaves behind, or the word "stop" ends the group: asked
first, killed after GRACE_S seconds. "keep" leaves it running. Ends with the command's exit code. Standard library only.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time

_LOOK_S = 0.1


def main(log: str, grace_s: float, command: list[str]) -> int:
    """Run `command` under guard; its exit code, 0 where it is left running."""
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_IGN)
    with open(log, "ab") as out:
        try:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_usual_signals,
            )
        except OSError as error:
            out.write(f"{command[0]}: {error}\n".encode())
            return 127
    print(child.pid, flush=True)
    try:
        while child.poll() is None:
            if not select.select([0], [], [], _LOOK_S)[0]:
                continue
            if b"keep" in os.read(0, 64):
                return 0
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGTERM)
            end = time.monotonic() + grace_s
            while child.poll() is None and time.monotonic() < end:
                time.sleep(_LOOK_S)
            break
    except BaseException:
        _kill(child.pid)
        raise
    _kill(child.pid)  # also what it has left behind: engine processes outlive the server that is killed
    return child.wait()


def _usual_signals() -> None:
    """What this program ignores, the server must not."""
    for one in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(one, signal.SIG_DFL)


def _kill(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], float(sys.argv[2]), sys.argv[3:]))
