"""`evalkit view` as it is started and ended in a terminal."""

import signal
import subprocess
import sys
import urllib.request

from stored_runs import made, store


def test_it_says_where_it_is_and_ends_with_ctrl_c(tmp_path):
    store(tmp_path / "a", made("one"))
    command = [sys.executable, "-m", "evalkit", "view", str(tmp_path)]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background job of a shell would ignore it
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        try:
            assert process.stdout.readline() == f"1 run under {tmp_path}; Ctrl-C ends\n"
            address = process.stdout.readline().strip()
            with urllib.request.urlopen(address, timeout=60) as answer:
                assert "<title>1 run: " in answer.read().decode()
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=60) == 0
            assert process.stderr.read() == ""
        finally:
            process.kill()
