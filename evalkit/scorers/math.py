r"""Math: the final answer is mathematically the gold, as math-verify reads both: `0.5` is `\frac12`, `(x+1)^2` its expansion.

The answer text is read whole: the last `\boxed{...}` where there is one, else the last expression. math-verify guards
itself with SIGALRM, which works on the main thread only, would disturb other users of the signal, and cannot stop a power
tower that a model wrote. So it runs in a process of its own, which is ended when an item takes too long: that item scores 0.
Source: https://github.com/huggingface/Math-Verify
"""

from __future__ import annotations

import atexit
import importlib.util
import json
import os
import subprocess
import sys
import threading

from evalkit.scorers.registry import scorer
from evalkit.types import Example

LIMIT_S = 10.0
"""What one item may take; an ordinary one takes milliseconds."""

if importlib.util.find_spec("math_verify") is None:
    raise ModuleNotFoundError("math-verify is not installed", name="math_verify")


class Reader:
    """The process that reads mathematics. It starts with the first question and is started again after it was ended."""

    def __init__(self, limit_s: float = LIMIT_S) -> None:
        self.limit_s = limit_s
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    def ask(self, gold: str, answer: str | None = None) -> bool:
        """Whether `answer` is equal to `gold`; without an answer, whether `gold` can be read. Too long is no."""
        with self._lock:
            if self._process is not None and self._process.poll() is not None:  # ended just as it had answered
                self._end()
            process = self._process = self._process or _start()
            assert process.stdin and process.stdout
            timer = threading.Timer(self.limit_s, process.kill)
            timer.daemon = True
            timer.start()
            try:
                process.stdin.write(json.dumps([gold, answer]) + "\n")
                process.stdin.flush()
                reply = process.stdout.readline()
            except OSError:  # it died before it could read the question
                reply = ""
            finally:
                timer.cancel()
            if not reply:
                self._end()
            return reply == "yes\n"

    def close(self) -> None:
        """End the process, if one runs."""
        with self._lock:
            self._end()

    def _end(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        self._process.communicate()
        self._process = None


def _start() -> subprocess.Popen[str]:
    # The parent's own import path, and not the working directory: a user's random.py must not get in the way.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "evalkit.scorers.math_reader"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
        env=environment,
    )
    assert process.stdout
    if process.stdout.readline() != "ready\n":  # waited for here, so that importing sympy is no item's time
        process.kill()
        process.communicate()
        raise RuntimeError("math-verify does not start; try: python -m evalkit.scorers.math_reader")
    return process


READER = Reader()
atexit.register(READER.close)


def check_gold(example: Example) -> None:
    """Raises ValueError for a gold in which there is no mathematics to compare with."""
    if not READER.ask(example.answer or ""):
        raise ValueError(f"no mathematical expression can be read in {example.answer!r}")


@scorer("math", check=check_gold)
def math(answer: str, example: Example) -> float:
    """1 when the answer's last boxed or last written expression is equal to the gold."""
    return float(READER.ask(example.answer or "", answer))
