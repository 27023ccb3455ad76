"""A comparison on a Ray cluster of two nodes, one of which is killed in the middle, against the same on this machine alone."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

import evalkit

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed"),
    pytest.mark.skipif(sys.platform != "linux", reason="two nodes on one machine need 127.0.0.2 and 127.0.0.3"),
]

ENGINE = "vllm" if importlib.util.find_spec("vllm") else "transformers"
ROOT = Path(__file__).parents[2]
ITEMS = 40

# Ray notices a dead node after half a minute by default.
QUICK = {
    "RAY_health_check_initial_delay_ms": "500",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_failure_threshold": "3",
}
ENVIRONMENT = {
    **os.environ,
    **QUICK,
    "RAY_AUTH_MODE": "disabled",
    "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
    "OMP_NUM_THREADS": "1",  # as Ray sets it for one CPU: sums are then added up in the same order
    "VLLM_CPU_KVCACHE_SPACE": "1",
}


class Node:
    """One node of a cluster, with processes of its own. Each has two GPUs that are not there, so that they are reserved as such."""

    def __init__(self, address: str, log: Path, *where: str) -> None:
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", f"--node-ip-address={address}"]
        resources = ["--num-cpus=1", "--num-gpus=2", "--object-store-memory=100000000"]
        with log.open("w") as said:
            self._process = subprocess.Popen([*command, *resources, *where], env=ENVIRONMENT, stdout=said, stderr=said)

    def kill(self) -> None:
        for pid in [*descendants(self._process.pid)]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._process.kill()
        self._process.wait()


def descendants(pid: int) -> Iterator[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return
    for child in children:
        yield int(child)
        yield from descendants(int(child))


def until(true, seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.1)


def free_port(address: str) -> int:
    with socket.socket() as free:
        free.bind((address, 0))
        return int(free.getsockname()[1])


@pytest.fixture
def cluster(tmp_path):
    """(address, the node that may be killed) of a cluster of two nodes."""
    port, client = free_port("127.0.0.2"), free_port("127.0.0.2")
    folder = tempfile.mkdtemp(prefix="ek-", dir="/tmp")  # sockets allow no long paths
    options = [f"--port={port}", f"--ray-client-server-port={client}", f"--temp-dir={folder}"]
    nodes = [Node("127.0.0.2", tmp_path / "head.log", "--head", *options, "--include-dashboard=false")]
    try:
        until(lambda: "Ray runtime started" in (tmp_path / "head.log").read_text(), 90, "the head of the cluster")
        nodes.append(Node("127.0.0.3", tmp_path / "node.log", f"--address=127.0.0.2:{port}"))
        until(lambda: "Ray runtime started" in (tmp_path / "node.log").read_text(), 90, "the second node")
        yield f"127.0.0.2:{port}", nodes[1]
    finally:
        for node in reversed(nodes):
            node.kill()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def folder(tmp_path, model_folder):
    """A base, the same model under another system prompt as candidate, and a suite of both kinds."""
    shared = (
        f"backend: {ENGINE}\nmodel: {model_folder}\nengine: {{max_model_len: 1024}}\nsampling: {{max_tokens: 40}}\n"
    )
    (tmp_path / "base.yaml").write_text("name: base-model\n" + shared)
    (tmp_path / "tuned.yaml").write_text("name: tuned-model\nsystem: Answer in one short sentence.\n" + shared)
    rows = [{"id": n, "q": f"What is {n} plus {n + 3}?", "a": str(2 * n + 3)} for n in range(1, ITEMS + 1)]
    (tmp_path / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "suite.yaml").write_text(
        "name: sums\ntasks:\n- {name: sums, data: sums.jsonl, prompt: '{{ q }}', answer: '{{ a }}', score: number}\n"
        "- {name: pick, data: sums.jsonl, prompt: '{{ q }}', kind: choice, choices: ['{{ a }}', '0', '-1'], answer: A}\n"
    )
    return tmp_path


def compare(folder: Path, out: str, *options: str) -> subprocess.Popen[str]:
    """A run of its own, with a journal of its own."""
    command = ["compare", "base.yaml", "tuned.yaml", "--suite", "suite.yaml", "--no-probes", "--out", out, *options]
    return subprocess.Popen(
        [sys.executable, "-m", "evalkit", *command, "--json"],
        cwd=folder,
        env={**ENVIRONMENT, "EVALKIT_CACHE": str(folder / f"cache-{out}")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(running: subprocess.Popen[str], folder: Path, out: str) -> tuple[evalkit.Run, str]:
    """The run, and what it said; its JSON stands alone on stdout, whatever Ray has to tell."""
    try:
        said, told = running.communicate(timeout=400)
    finally:
        running.kill()
    assert running.returncode in (0, 1, 3), told[-4000:]
    assert json.loads(said)["complete"]
    return evalkit.load(folder / out), told


def journalled(cache: Path) -> int:
    try:
        with sqlite3.connect(f"file:{cache / 'journal.sqlite'}?mode=ro", uri=True, timeout=30) as journal:
            return int(journal.execute("SELECT count(*) FROM completions").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def test_a_node_killed_in_the_middle_changes_nothing_of_the_result(folder, cluster):
    """Two GPUs for each replica make each a placement group; their engines compute on the CPU all the same."""
    local, _ = ended(compare(folder, "local"), folder, "local")
    address, node = cluster
    executor = {"kind": "ray", "address": address, "node_ip": "127.0.0.2", "replicas": 2, "gpus": 2, "cpus": 1}
    (folder / "evalkit.yaml").write_text(json.dumps({"executor": executor}))
    running = compare(folder, "ray")
    try:
        until(lambda: journalled(folder / "cache-ray") >= 20 or running.poll() is not None, 300, "twenty answers")
        assert running.poll() is None, running.communicate()
        node.kill()
        assert journalled(folder / "cache-ray") < 4 * ITEMS, "it was killed too late to be missed"
        run, told = ended(running, folder, "ray")
    finally:
        running.kill()
    assert "2 replicas of 2 GPUs and 1 CPU each" in told and "is lost: " in told and "are put again" in told
    (note,) = [note for note in run.manifest.base.notes if note.startswith("answered on Ray ")]
    assert " by 2 replicas on 127.0.0." in note and "1 loss, " in note and "requests put again" in note

    answers = ["suite", "task", "id", "arm", "sample", "text", "value", "cause", "finish_reason", "logprobs", "key"]
    pd.testing.assert_frame_equal(run.samples[answers], local.samples[answers])
    assert run.comparison == local.comparison and run.decision == local.decision
    assert journalled(folder / "cache-ray") == 4 * ITEMS
    assert sum(phase.requests for phase in run.manifest.phases if phase.name.endswith("generating")) == 4 * ITEMS
