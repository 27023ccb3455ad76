"""Every attack is tried for real, as the answer of a model, and ends as a wrong answer."""

import os
import socket
import time
from pathlib import Path

import pytest

from evalkit.config import TaskSpec
from evalkit.scorers import code, sandbox, score
from evalkit.scorers.sandbox import ALLOW, Outcome, check_sandbox, is_sandboxed, run_python
from evalkit.types import Completion, Example, InputError, RunError

needs_bubblewrap = pytest.mark.skipif(
    not is_sandboxed(), reason=f"needs bubblewrap (apt-get install bubblewrap): {sandbox._trouble()}"
)
TASK = TaskSpec(name="t", data="d", prompt="p", answer="a", score="code")


def marked(answer):
    reply = Completion(f"Here you are:\n```python\n{answer}\n```")
    return score(TASK, Example("1", (), "assert done"), reply).value


def living():
    """Processes of programs, told from others by the launcher in their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and b"def launch():" in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def all_gone(seconds=5.0):
    deadline = time.monotonic() + seconds
    while living() and time.monotonic() < deadline:
        time.sleep(0.02)
    return not living()


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(code, "TIMEOUT_S", 1.0)


@needs_bubblewrap
def test_a_harmless_answer_passes():
    assert marked("done = True") == 1.0


@needs_bubblewrap
@pytest.mark.parametrize(
    "attack",
    [
        pytest.param("import os\nwhile True:\n    os.fork()", id="fork bomb"),
        pytest.param("import os\nwhile True:\n    try: os.fork()\n    except OSError: pass", id="patient fork bomb"),
        pytest.param("while True: pass", id="endless loop"),
        pytest.param("import signal\nsignal.pthread_sigmask(0, range(1, 65))\nwhile True: pass", id="deaf loop"),
        pytest.param("import os\nos.closerange(0, 64)\nwhile True: pass", id="closes its output and goes on"),
        pytest.param("import os\nif os.fork():\n    os._exit(0)\nos.setsid()\nwhile True: pass", id="daemon"),
        pytest.param("hog = bytearray(10 << 30)\ndone = True", id="10 GB of memory"),
        pytest.param("for i in range(1000): print('x' * 10**6)\ndone = True", id="1 GB of print"),
        pytest.param("f = open('/tmp/f', 'wb')\nf.write(bytes(1 << 30))\ndone = True", id="1 GB file"),
        pytest.param("for i in range(9): open(f'/tmp/{i}', 'wb').write(bytes(15 << 20))\ndone = True", id="full disk"),
        pytest.param("exit()", id="leaves before the tests"),
        pytest.param("import os; os._exit(0)", id="leaves without a word"),
        pytest.param("import os; os.setuid(0); done = True", id="becomes root"),
        pytest.param("open('/usr/bin/evil', 'w'); done = True", id="writes to the system"),
        pytest.param("import ctypes; ctypes.string_at(0)", id="crashes the interpreter"),
        pytest.param("input(); done = True", id="waits for input"),
    ],
)
def test_an_attack_is_a_wrong_answer_in_no_time_and_leaves_no_process(attack, quick):
    began = time.monotonic()
    assert marked(attack) == 0.0
    assert time.monotonic() - began < 10
    assert all_gone()


@needs_bubblewrap
def test_the_network_is_not_reached_not_even_on_this_machine():
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.3)
        port = server.getsockname()[1]
        call = f"import socket\nsocket.create_connection(('127.0.0.1', {port}), timeout=1)\ndone = True"
        assert marked(call) == 0.0
        with pytest.raises(TimeoutError):
            server.accept()


@needs_bubblewrap
@pytest.mark.parametrize("folder", [Path.home(), Path(__file__).parent, Path("/tmp")], ids=["home", "checkout", "tmp"])
def test_nothing_is_written_outside(folder):
    target = folder / f"written-by-a-model-{os.getpid()}"
    try:
        mark = marked(f"open({str(target)!r}, 'w').write('here')\ndone = True")
        assert not target.exists()
        # A /tmp of its own is a program's to write to; elsewhere trying to is an error, and the answer is wrong.
        assert mark == (1.0 if folder == Path("/tmp") else 0.0)
    finally:
        target.unlink(missing_ok=True)


@needs_bubblewrap
def test_the_users_secrets_are_not_there(monkeypatch, tmp_path):
    monkeypatch.setenv("JUDGE_API_KEY", "sk-secret")
    (tmp_path / "token").write_text("sk-secret")
    got = run_python(f"""
import os
print(dict(os.environ))
for path in ({str(tmp_path / "token")!r}, "/proc/1/environ", "/proc/self/environ", "/etc/passwd", "/etc/shadow"):
    try: print(open(path).read())
    except OSError as error: print(type(error).__name__)
""")
    assert got.ok and "secret" not in got.output and "root:" not in got.output
    assert marked("import os\nkey = os.environ['JUDGE_API_KEY']\ndone = True") == 0.0


@needs_bubblewrap
def test_an_outcome_says_how_it_ended():
    assert run_python("print('hello')") == Outcome(True, "finished", "hello\n")
    failed = run_python("1 / 0")
    assert (failed.ok, failed.reason) == (False, "failed") and "ZeroDivisionError" in failed.output
    assert run_python("while True: pass", timeout_s=0.3).timed_out
    assert run_python("while True: print('x' * 999)").reason == "output"


@needs_bubblewrap
def test_the_order_of_a_set_is_the_same_every_time():
    assert len({run_python("print({'a', 'b', 'c', 'd', 'e', 'f'})").output for _ in range(3)}) == 1


@needs_bubblewrap
def test_dataclasses_pickles_and_threads_work_inside():
    assert run_python(
        "from __future__ import annotations\nimport dataclasses, pickle, threading\n"
        "@dataclasses.dataclass\nclass Point:\n    x: int\n"
        "assert pickle.loads(pickle.dumps(Point(1))) == Point(1)\n"
        "thread = threading.Thread(target=print)\nthread.start()\nthread.join()\n"
        "if __name__ == '__main__':\n    raise SystemExit\n"
    ).ok


# --- without a sandbox ------------------------------------------------------------------------------------------


@pytest.fixture
def no_bubblewrap(monkeypatch):
    monkeypatch.delenv(ALLOW, raising=False)
    monkeypatch.setattr(sandbox, "_trouble", lambda: "no `bwrap` on the PATH")


def test_without_bubblewrap_programs_are_refused_with_the_fix(no_bubblewrap):
    with pytest.raises(InputError, match=r"no `bwrap` on the PATH; install bubblewrap .* --allow-unsandboxed-code"):
        check_sandbox()
    with pytest.raises(InputError):
        run_python("print(1)")


def test_unsandboxed_programs_still_have_a_clock_and_limits(no_bubblewrap, monkeypatch):
    monkeypatch.setenv(ALLOW, "1")
    monkeypatch.setenv("JUDGE_API_KEY", "sk-secret")
    assert run_python("import os; print(os.environ.get('JUDGE_API_KEY'))").output == "None\n"
    assert run_python("while True: pass", timeout_s=0.3).timed_out
    assert not run_python("hog = bytearray(10 << 30)").ok
    assert all_gone()


@pytest.mark.parametrize("value", ["", "0"])
def test_a_waiver_that_says_no_is_none(no_bubblewrap, monkeypatch, value):
    monkeypatch.setenv(ALLOW, value)
    with pytest.raises(InputError):
        check_sandbox()


def test_a_sandbox_that_does_not_come_up_is_no_wrong_answer(monkeypatch):
    monkeypatch.setattr(sandbox, "_bubblewrap", lambda user: ("false",))
    monkeypatch.setattr(sandbox, "is_sandboxed", lambda: True)
    monkeypatch.setattr(sandbox, "check_sandbox", lambda: None)
    with pytest.raises(RunError, match="did not come up"):
        run_python("print(1)")


def test_a_bubblewrap_that_cannot_work_here_is_found_out_by_trying(monkeypatch):
    monkeypatch.setattr(sandbox.shutil, "which", lambda tool: f"/usr/bin/{tool}")
    monkeypatch.setattr(
        sandbox, "_bubblewrap", lambda user: ("sh", "-c", "echo bwrap: No permissions to create namespace")
    )
    assert "No permissions to create namespace" in sandbox._trouble.__wrapped__()
