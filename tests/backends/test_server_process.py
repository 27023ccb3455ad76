"""A server program of this machine from its start to its end, whoever ends first."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evalkit.backends.server_process import ServerProcess, new_log
from evalkit.types import EngineError, Silent

PROGRAM = Path(__file__).with_name("fake_vllm.py")


class Notes(Silent):
    def __init__(self):
        self.said = []

    def note(self, text):
        self.said.append(text)


def command(folder: Path):
    return lambda port: [
        sys.executable, str(PROGRAM), str(folder), "--served-model-name", "m", "--host", "127.0.0.1", "--port", str(port)
    ]  # fmt: skip


def process(folder: Path, how: str = "", **more) -> ServerProcess:
    log = new_log(folder / "servers", "m")
    return ServerProcess(command(folder), {**os.environ, "FAKE_VLLM": how}, log, place="m.yaml", **more)


def runs(pid: int) -> bool:
    """Whether a process is there and no mere entry that waits for its parent."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def goes(pid: int) -> bool:
    end = time.monotonic() + 60
    while runs(pid) and time.monotonic() < end:
        time.sleep(0.05)
    return not runs(pid)


def test_it_starts_on_a_free_port_is_waited_for_and_ends(tmp_path):
    notes, server = Notes(), process(tmp_path, "slow")
    server.start(notes, "base", timeout_s=60)
    assert server.is_alive() and runs(server.pid) and server.url == f"http://127.0.0.1:{server.port}"
    assert any(str(server.log) in said for said in notes.said) and "arguments:" in server.log.read_text()
    server.stop()
    server.stop()
    assert not server.is_alive() and goes(server.pid)


def test_one_that_dies_at_its_start_is_quoted(tmp_path):
    server = process(tmp_path, "dies")
    with pytest.raises(EngineError) as caught:
        server.start(Silent(), "base", timeout_s=60)
    told = str(caught.value)
    assert caught.value.kind == "start_failed" and told.startswith("m.yaml: ") and "\n" not in told
    assert "weights are in Klingon" in told, "the first error, which is the cause"
    assert "line 19" in told and "See root cause above" in told and "line 3 " not in told, "and the last lines"
    assert str(server.log) in caught.value.hint
    assert goes(server.pid)


def test_one_that_does_not_come_up_in_time_is_ended_and_the_time_is_named(tmp_path):
    server = process(tmp_path, "mute")
    with pytest.raises(EngineError, match=r"within 1 s; its log ends: arguments: .*") as caught:
        server.start(Silent(), "base", timeout_s=1)
    assert "start_timeout_s" in caught.value.hint and goes(server.pid)


def test_a_program_that_is_not_there_is_said(tmp_path):
    server = ServerProcess(lambda port: ["/no/such/program"], os.environ, tmp_path / "x.log", place="m.yaml")
    with pytest.raises(EngineError, match="No such file"):
        server.start(Silent(), "base", timeout_s=60)


def test_a_port_that_was_taken_meanwhile_is_replaced_by_another(tmp_path):
    notes, server = Notes(), process(tmp_path, "taken")
    server.start(notes, "base", timeout_s=60)
    assert any("taken meanwhile" in said for said in notes.said) and server.is_alive()
    server.stop()


def test_one_that_ignores_being_asked_is_killed_with_all_it_started(tmp_path):
    server = process(tmp_path, "stubborn", grace_s=0.3)
    server.start(Silent(), "base", timeout_s=60)
    child = int(re.findall(r"child (\d+)", server.log.read_text())[0])
    assert runs(child)
    server.stop()
    assert goes(server.pid) and goes(child)


def test_one_that_is_kept_outlives_its_starter(tmp_path):
    server = process(tmp_path)
    server.start(Silent(), "base", timeout_s=60)
    server.keep()
    server.stop()
    assert runs(server.pid)
    os.kill(server.pid, signal.SIGTERM)
    assert goes(server.pid)


STARTER = """
import os, sys
from pathlib import Path
from evalkit.backends.server_process import ServerProcess
from evalkit.types import Silent
program, folder, how = sys.argv[1:]
command = lambda port: [sys.executable, program, folder, "--served-model-name", "m", "--host", "127.0.0.1", "--port", str(port)]
server = ServerProcess(command, {**os.environ, "FAKE_VLLM": how}, Path(folder) / "s.log", place="m.yaml", grace_s=0.5)
class Said(Silent):
    def note(self, text):
        pass
launch = server._launch
def told():
    launch()
    print(server.pid, flush=True)
server._launch = told
server.start(Said(), "base", timeout_s=600)
print("up", flush=True)
import time
time.sleep(600)
"""


@pytest.mark.parametrize("how", ["", "stubborn", "mute"])
@pytest.mark.parametrize("signal_sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_however_its_starter_ends_it_ends_too(tmp_path, how, signal_sent):
    """Ctrl-C, `kill` and `kill -9`; while it runs and (mute) while it is still waited for."""
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(PROGRAM), str(tmp_path), how],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background job of a shell would ignore it
    )
    assert starter.stdout is not None
    pid = int(starter.stdout.readline())
    if how != "mute":
        assert starter.stdout.readline() == "up\n"
    assert runs(pid)
    starter.send_signal(signal_sent)
    starter.wait(60)
    starter.stdout.close()
    assert goes(pid)


def test_only_the_newest_logs_are_kept(tmp_path):
    for number in range(30):
        log = new_log(tmp_path, f"a/b {number}")
        log.write_text("x")
        os.utime(log, (number, number))
    left = sorted(path.name for path in tmp_path.iterdir())
    assert len(left) == 20 and all(name.startswith("a-b-") for name in left)
