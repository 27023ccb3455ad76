"""One server program on this machine: started on a free port, waited for, and ended with all it started."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from evalkit.backends import server_guard
from evalkit.types import EngineError, Progress

HOST = "127.0.0.1"

_GRACE_S = 15.0
_LOOK_S = 0.25
_SAY_EVERY_S = 15.0
_PORTS_TRIED = 3
_PORT_TAKEN = re.compile(r"address already in use|errno 98\b|port \d+ is (already )?in use", re.IGNORECASE)
_ERROR = re.compile(r"\b\w*(Error|Exception|Interrupt)\b: |\berror: ")
_PREFIX = re.compile(r"^(\(\w+[^)]*\)\s*)?((DEBUG|INFO|WARNING|ERROR|CRITICAL)\s+\S+\s+\S+\s+(\[[^\]]*\]\s*)?)?")
_LAST_LINES = 5
_LONGEST_LINE = 300
_LOGS_KEPT = 20


class ServerProcess:
    """Starts on construction nothing; `start` runs the program until it is healthy.

    command: the program for a port. environment: all of it. log: where its output goes, and must be a new file.
    place: named in errors, such as `tuned.yaml`. grace_s: how long it may take to end when asked to.
    """

    def __init__(
        self,
        command: Callable[[int], Sequence[str]],
        environment: Mapping[str, str],
        log: Path,
        *,
        place: str,
        grace_s: float = _GRACE_S,
    ) -> None:
        self.log = log
        self.port = 0
        self.pid = 0
        self._command = command
        self._environment = dict(environment)
        self._place = place
        self._grace_s = grace_s
        self._guard: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{HOST}:{self.port}"

    def start(self, progress: Progress, name: str, *, timeout_s: float) -> None:
        """Run it and wait until GET /health answers, saying now and then how long that takes.

        Raises EngineError with the last lines of its log where it ends or does not come up in time; nothing runs then.
        """
        self.log.parent.mkdir(parents=True, exist_ok=True)
        progress.note(f"{name}: the server's log is {self.log}")
        began, code = time.monotonic(), 0
        try:
            for _ in range(_PORTS_TRIED):
                self._launch()
                ended = self._until_healthy(progress, name, began, timeout_s)
                if ended is None:
                    return
                code = ended
                if not _PORT_TAKEN.search(self._tail()):
                    break
                progress.note(f"{name}: port {self.port} was taken meanwhile; trying another")
                self.stop()
        except BaseException:
            self.stop()
            raise
        self.stop()
        raise EngineError(
            f"{self._place}: the server ended with exit code {code} while it started: {self.last_words()}",
            kind="start_failed",
            hint=f"its whole log: {self.log}",
        )

    def _launch(self) -> None:
        self.port = free_port()
        guarded = [server_guard.__file__, str(self.log), str(self._grace_s), *self._command(self.port)]
        self._guard = subprocess.Popen(
            [sys.executable, "-I", *guarded],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=self._environment,
            start_new_session=True,  # Ctrl-C in a terminal is for evalkit, which then ends the server
        )
        assert self._guard.stdout is not None
        self.pid = int(self._guard.stdout.readline() or 0)

    def _until_healthy(self, progress: Progress, name: str, began: float, timeout_s: float) -> int | None:
        """None once it is healthy, its exit code where it ended."""
        assert self._guard is not None
        said = began
        while True:
            if (code := self._guard.poll()) is not None:
                return code
            if is_healthy(self.url):
                return None
            now = time.monotonic()
            if now - began > timeout_s:
                raise EngineError(
                    f"{self._place}: the server did not come up within {timeout_s:g} s; its log ends: {self.last_words()}",
                    kind="start_failed",
                    hint=f"raise `server: {{start_timeout_s: ...}}` in {self._place}; its whole log: {self.log}",
                )
            if now - said >= _SAY_EVERY_S:
                said = now
                last = self._lines()[-1:]
                progress.note(f"{name}: loading... {now - began:.0f} s{f' ({last[0]})' if last else ''}")
            time.sleep(_LOOK_S)

    # --- what it said ---

    def last_words(self) -> str:
        """The end of its log on one line, the first error in it before that."""
        lines = self._lines()
        last = lines[-_LAST_LINES:]
        # A server of several processes ends with "see root cause above".
        cause = next((line for line in lines if _ERROR.search(line)), None)
        told = [cause, "...", *last] if cause is not None and cause not in last else last
        return " | ".join(told) or "(nothing)"

    def _tail(self) -> str:
        try:
            with self.log.open("rb") as file:
                file.seek(0, os.SEEK_END)
                file.seek(max(0, file.tell() - 200_000))
                return file.read().decode("utf-8", "replace")
        except OSError:
            return ""

    def _lines(self) -> list[str]:
        stripped = (_PREFIX.sub("", line.strip())[:_LONGEST_LINE] for line in self._tail().splitlines())
        return [line for line in stripped if line]

    # --- the end ---

    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._guard is not None and self._guard.poll() is None

    def stop(self) -> None:
        """End it with all it started: asked first, killed when it does not go. Idempotent."""
        guard, self._guard = self._guard, None
        if guard is None:
            return
        self._tell(guard, b"stop\n")
        try:
            guard.wait(self._grace_s + 10)
        except subprocess.TimeoutExpired:  # somebody stopped the guard
            guard.kill()
            guard.wait()
        finally:
            if self.pid:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.pid, signal.SIGKILL)

    def keep(self) -> None:
        """Leave it running when this process ends."""
        guard, self._guard = self._guard, None
        if guard is not None:
            self._tell(guard, b"keep\n")
            guard.wait()

    @staticmethod
    def _tell(guard: subprocess.Popen[bytes], word: bytes) -> None:
        assert guard.stdin is not None and guard.stdout is not None
        with contextlib.suppress(OSError):  # it ended by itself
            guard.stdin.write(word)
            guard.stdin.close()
        guard.stdout.close()


def free_port() -> int:
    """A port of this machine that nobody listens on at the moment."""
    with socket.socket() as free:
        free.bind((HOST, 0))
        return free.getsockname()[1]


def is_healthy(url: str) -> bool:
    """Whether GET /health answers 200. No proxy of the environment is asked."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url}/health", timeout=5) as reply:
            return reply.status == 200
    except (urllib.error.URLError, OSError, ValueError):
        return False


def new_log(folder: Path, name: str) -> Path:
    """A file for a server's output; of the older ones in `folder` the newest stay."""
    folder.mkdir(parents=True, exist_ok=True)
    old = sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime)
    for path in old[: max(0, len(old) - _LOGS_KEPT + 1)]:
        path.unlink(missing_ok=True)
    plain = re.sub(r"[^\w.-]+", "-", name)
    return folder / f"{plain}-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}-{time.monotonic_ns() % 10**6:06d}.log"
