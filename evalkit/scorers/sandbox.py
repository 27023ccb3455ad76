"""Run a program that nobody has read: in a bubblewrap sandbox with hard limits, or not at all.

Inside there is no network, no home, no environment of ours and no other process; the system is read-only and only a
small private /tmp can be written. `check_sandbox` says before a run starts whether this machine can do that.
https://github.com/containers/bubblewrap
"""

from __future__ import annotations

import functools
import itertools
import os
import secrets
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from evalkit.types import InputError, RunError

ALLOW = "EVALKIT_ALLOW_UNSANDBOXED_CODE"
"""Set to 1 (the flag `--allow-unsandboxed-code` does), programs run without a sandbox where there is none."""

MAX_OUTPUT = 1 << 20
_TAIL = 2000
_START_S = 30.0
# The kernel counts processes by user. Programs that run side by side are users of their own, so that a fork bomb in one
# takes nothing from another: one of these numbers a thread, from a range that systems leave unused.
_FIRST_USER, _USERS = 60706, 256

# Trusted, and runs before the program: takes it from stdin, sets the limits for good, runs it as a module that is not
# `__main__` (a reply's demo code stays quiet), and says that it came to the end. An exit code could not say that: a
# program that calls exit() before its tests would pass them. Threads it left behind do not outlive `_exit`.
_LAUNCHER = """
import os, resource, sys, types
def launch():
    token, _, program = sys.stdin.buffer.read().partition(b"\\n")
    out = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    for pair in sys.argv[1:]:
        name, _, value = pair.partition("=")
        limit, most = getattr(resource, name), int(value)
        hard = resource.getrlimit(limit)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(limit, (most, most))
    del sys.argv[1:]
    module = sys.modules["program"] = types.ModuleType("program")
    os.write(out, b"<" + token)
    exec(compile(program.decode("utf-8", "surrogatepass"), "program.py", "exec"), module.__dict__)
    sys.stdout.flush()
    os.write(out, token + b">")
    os._exit(0)
launch()
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a program ended. ok: it ran to its end without an exception. output: the end of what it printed."""

    ok: bool
    reason: Literal["finished", "failed", "timeout", "output"]
    output: str = ""

    @property
    def timed_out(self) -> bool:
        """Whether it was stopped by the clock."""
        return self.reason == "timeout"


def run_python(program: str, *, timeout_s: float = 10.0, memory_mb: int = 1024, processes: int = 32) -> Outcome:
    """Run a Python program and everything it starts for at most `timeout_s` of wall-clock time.

    memory_mb: address space of each process. processes: how many there may be at once, threads included. A program that
    prints more than a MiB is stopped. Raises InputError where there is no sandbox and none was waived (`ALLOW`),
    RunError where the sandbox does not come up.
    """
    check_sandbox()
    return _run(program, timeout_s, _limits(timeout_s, memory_mb, processes), sandboxed=is_sandboxed())


def check_sandbox(*, asked_by: str = "score: code") -> None:
    """Raise InputError unless programs can be run in a sandbox here, or the user has allowed them without one."""
    if not is_sandboxed() and not _is_waived():
        raise InputError(
            f"{asked_by}: runs programs that a model wrote, and there is no sandbox: {_trouble()}; install bubblewrap "
            "(apt-get install bubblewrap), or pass --allow-unsandboxed-code on a machine that holds nothing of value"
        )


def check_waived(*, asked_by: str) -> None:
    """Raise InputError for programs that no sandbox will hold, unless the user has allowed that."""
    if not _is_waived():
        raise InputError(
            f"{asked_by}: runs programs that a model wrote in evalkit's own process, where no sandbox holds them; use a suite "
            "with `score: code` (humaneval, mbpp), or pass --allow-unsandboxed-code on a machine that holds nothing of value"
        )


def is_sandboxed() -> bool:
    """Whether programs run in a sandbox on this machine; tried once in a process, by running one."""
    return not _trouble()


def _is_waived() -> bool:
    return os.environ.get(ALLOW, "") not in ("", "0")


@functools.cache
def _trouble() -> str:
    """Why no sandbox can be had here; empty where one was tried and works."""
    if not sys.platform.startswith("linux"):
        return f"bubblewrap needs Linux, this is {sys.platform}"
    for tool in ("bwrap", *(("setpriv",) if os.geteuid() == 0 else ())):
        if shutil.which(tool) is None:
            return f"no `{tool}` on the PATH"
    try:
        tried = _run("pass", 10.0, _limits(10.0, 1024, 32), sandboxed=True)
    except RunError as error:
        return str(error)
    return "" if tried.ok else f"a trial program did not finish: {tried.reason}: {tried.output.strip()[-300:]}"


def _limits(timeout_s: float, memory_mb: int, processes: int) -> list[str]:
    limits = {
        "AS": memory_mb << 20,
        "CPU": int(timeout_s) + 2,  # of one process; for what would escape the wall clock
        "NPROC": processes,
        "FSIZE": 16 << 20,
        "NOFILE": 64,
        "CORE": 0,
    }
    return [f"RLIMIT_{name}={value}" for name, value in limits.items()]


# --- the walls --------------------------------------------------------------------------------------------------


def _interpreter() -> list[str]:
    """The real interpreter, not a virtual environment's link to it.

    Not `-I`: that would ignore PYTHONHASHSEED, and the order of a set must not decide a mark. The rest of what it
    keeps out (user site, current folder, other variables) is kept out by `-s`, `-P` and the cleared environment.
    """
    return [os.path.realpath(getattr(sys, "_base_executable", sys.executable)), "-s", "-P", "-B", "-X", "utf8"]


_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8", "PYTHONHASHSEED": "0"}


_turns = itertools.count()
_thread = threading.local()


def _user() -> int:
    """The number of the user that programs of this thread run as, where root drops to one."""
    if not hasattr(_thread, "user"):
        _thread.user = _FIRST_USER + next(_turns) % _USERS
    return _thread.user


@functools.cache
def _bubblewrap(user: int) -> tuple[str, ...]:
    """The command in front of the interpreter's: an empty root with the system's programs and libraries in it."""
    command = ["bwrap", "--die-with-parent", "--new-session", "--clearenv"]
    for name, value in _ENVIRONMENT.items():
        command += ["--setenv", name, value]
    command += ["--ro-bind", "/usr", "/usr", "--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"]
    for folder in ("/bin", "/sbin", "/lib", "/lib32", "/lib64"):
        if os.path.islink(folder):
            command += ["--symlink", os.readlink(folder), folder]
        else:
            command += ["--ro-bind-try", folder, folder]
    for prefix in dict.fromkeys(Path(one).resolve() for one in (sys.base_prefix, sys.base_exec_prefix)):
        # Folders on the way are made first: those that bwrap makes by itself are open to its own user alone.
        for parent in reversed(prefix.parents[:-1]):
            command += ["--dir", str(parent)]
        command += ["--ro-bind", str(prefix), str(prefix)]
    command += ["--dir", "/dev"]
    for device in ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"):
        command += ["--dev-bind", device, device]
    # What lies in /tmp is memory. Old versions (before 0.8) cannot bound it.
    offered = subprocess.run(["bwrap", "--help"], capture_output=True, text=True).stdout
    command += ["--perms", "1777", *(("--size", str(64 << 20)) if "--size" in offered else ()), "--tmpfs", "/tmp"]
    command += ["--chdir", "/tmp", "--remount-ro", "/"]
    if os.geteuid() != 0:
        return (*command, "--unshare-all", "--")
    # The kernel exempts root from the limit on processes, also root of a user namespace: another user it must be,
    # which a user namespace of root's alone does not know.
    command += ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
    drop = [
        "setpriv",
        f"--reuid={user}",
        f"--regid={user}",
        "--clear-groups",
        "--inh-caps=-all",
        "--no-new-privs",
    ]
    return (*command, "--", *drop, "--")


# --- the clock --------------------------------------------------------------------------------------------------


def _run(program: str, timeout_s: float, limits: list[str], *, sandboxed: bool) -> Outcome:
    token = secrets.token_hex(16).encode()
    command = [*(_bubblewrap(_user()) if sandboxed else ()), *_interpreter(), "-c", _LAUNCHER, *limits]
    with tempfile.TemporaryFile() as source, tempfile.TemporaryDirectory(prefix="evalkit-") as folder:
        source.write(token + b"\n" + program.encode("utf-8", "surrogatepass"))
        source.seek(0)
        with subprocess.Popen(
            command,
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={"PATH": os.environ.get("PATH", os.defpath)} if sandboxed else _ENVIRONMENT,
            start_new_session=True,
        ) as process:
            with _killed_at_the_end(process):
                return _watch(process, token, timeout_s)


@contextmanager
def _killed_at_the_end(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """However it ends (Ctrl-C too) nothing stays behind: the sandbox's first process dies with bwrap, and the rest with it."""
    try:
        yield
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):  # macOS says the second of a process that has ended
            pass
        process.wait()


def _watch(process: subprocess.Popen[bytes], token: bytes, timeout_s: float) -> Outcome:
    """Read what the program prints until it says it is done, ends, prints too much or runs out of time.

    The clock starts when the program does: a busy machine that is slow to set the sandbox up costs it nothing.
    """
    assert process.stdout is not None
    deadline = time.monotonic() + _START_S
    tail, printed, started = b"", 0, False

    def outcome(reason: Literal["finished", "failed", "timeout", "output"]) -> Outcome:
        text = tail.replace(b"<" + token, b"").replace(token + b">", b"").decode("utf-8", "replace")[-_TAIL:]
        if not started:
            raise RunError(f"the sandbox did not come up: {text.strip()[-300:] or reason}")
        return Outcome(reason == "finished", reason, text)

    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while selector.select(max(0.0, deadline - time.monotonic())):
            chunk = os.read(process.stdout.fileno(), 1 << 16)
            tail, printed = (tail + chunk)[-2 * _TAIL :], printed + len(chunk)
            if not started and b"<" + token in tail + chunk:
                started, deadline = True, time.monotonic() + timeout_s
            if token + b">" in tail:
                return outcome("finished")
            if printed > MAX_OUTPUT:
                return outcome("output")
            if not chunk:  # it closed its output; it may still run
                try:
                    process.wait(max(0.0, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    break
                return outcome("failed")
            if time.monotonic() > deadline:
                break
    return outcome("timeout")
