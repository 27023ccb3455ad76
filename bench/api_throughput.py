"""How fast and at what cost do evalkit and inspect_ai ask one OpenAI-compatible server?

    python bench/api_throughput.py [--latency 0.2 --latency 1] [--concurrency 8 ...] [--rounds 8] [--repeats 3] [--engine MODEL_FOLDER]

A stub in a process of its own answers each chat request after a fixed latency; with --engine a real vLLM server of that model
answers instead, 32 tokens a request. Each side asks `rounds` x concurrency questions of about 200 words in a child process, the
sides by turns, `repeats` times. Two layers: the bare client (`backend.stream` against `get_model().generate` under gather), and with
what keeps the answers (evalkit's stream with its journal, without scoring and report, against `inspect_ai.eval` with its log). inspect_ai gets the concurrency as its fixed
`max_connections`; evalkit as its upper bound, which it finds by itself from 16 on. Imports and connections are not counted.

Of the ideal: rounds x latency over the median wall time. CPU: user and system time of the child a request, its own children
included. Medians of one sitting on the machine named.
"""

from __future__ import annotations

import argparse
import asyncio
import atexit
import json
import multiprocessing
import os
import platform
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

WORDS = "word " * 200
WRITTEN = 32
REPLY = {
    "id": "1",
    "object": "chat.completion",
    "created": 1,
    "model": "tiny",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "The answer is 42. " * 8}, "finish_reason": "stop"}
    ],
    "usage": {"prompt_tokens": 210, "completion_tokens": WRITTEN, "total_tokens": 210 + WRITTEN},
}


# --- the servers ------------------------------------------------------------------------------------------------


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, latency: float) -> None:
    """HTTP/1.1 with keep-alive, and nothing else: the server must not be what is measured."""
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            lines = head.decode("latin-1").split("\r\n")
            length = next((int(one.split(":")[1]) for one in lines if one.lower().startswith("content-length:")), 0)
            await reader.readexactly(length)
            asked = lines[0].startswith("POST")
            if asked:
                await asyncio.sleep(latency)
            body = json.dumps(REPLY if asked else {"data": [{"id": "tiny"}]}).encode()
            writer.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body
            )
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


def _serve(port: Any, latency: float) -> None:
    async def main() -> None:
        server = await asyncio.start_server(lambda r, w: _answer(r, w, latency), "127.0.0.1", 0, backlog=1024)
        port.value = server.sockets[0].getsockname()[1]
        await server.serve_forever()

    asyncio.run(main())


@contextmanager
def stub(latency: float) -> Iterator[str]:
    """The address of a server that answers after `latency` seconds."""
    port = multiprocessing.Value("i", 0)
    server = multiprocessing.Process(target=_serve, args=(port, latency), daemon=True)
    server.start()
    while not port.value:
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{port.value}/v1"
    finally:
        server.terminate()
        server.join()


@contextmanager
def engine(model: Path) -> Iterator[str]:
    """The address of vLLM's own server of `model`."""
    from evalkit.backends.server_command import command, environment
    from evalkit.backends.server_process import ServerProcess, new_log
    from evalkit.backends.vllm import is_cpu_build
    from evalkit.backends.vllm_engine import settle_environment
    from evalkit.report.progress import LiveProgress

    settle_environment(cpu=is_cpu_build())
    options = {"max_model_len": 1024, "disable_uvicorn_access_log": True, "enforce_eager": is_cpu_build()}
    with tempfile.TemporaryDirectory() as folder, LiveProgress() as progress:
        asked = command(model, model, "tiny", {}, options)
        server = ServerProcess(asked, environment("k" * 12), new_log(Path(folder), "vllm"), place="bench")
        server.start(progress, "vLLM", timeout_s=900)
        try:
            yield f"{server.url}/v1"
        finally:
            server.stop()


# --- the sides --------------------------------------------------------------------------------------------------


def _evalkit(url: str, questions: list[str], concurrency: int) -> tuple[Any, list[Any]]:
    """A connected backend and its requests; closed when the process ends."""
    from evalkit.backends import open_backends
    from evalkit.config import ModelSpec
    from evalkit.types import Message, Request, Sampling, Silent

    spec = ModelSpec.model_validate(
        {
            "name": "m",
            "backend": "openai",
            "model": "tiny",
            "base_url": url,
            "api_key": "k" * 12,
            "concurrency": concurrency,
        }
    )
    (backend,) = open_backends({"base": spec}, Path())
    backend.start(Silent())
    atexit.register(backend.close)
    sampling = Sampling(max_tokens=WRITTEN)
    return backend, [
        Request("base", "s", "t", str(number), (Message("user", text),), sampling)
        for number, text in enumerate(questions)
    ]


def evalkit_client(url: str, questions: list[str], concurrency: int) -> Callable[[], int]:
    """`backend.stream`, and nothing done with the answers."""
    backend, requests = _evalkit(url, questions, concurrency)

    def run() -> int:
        return sum(bool(done.text) for _, done in backend.stream(map(backend.prepare, requests)))

    return run


def evalkit_whole(url: str, questions: list[str], concurrency: int) -> Callable[[], int]:
    """As in a run: looked up in the journal, asked, journalled one by one, handed over."""
    from evalkit.running.serve import serve
    from evalkit.stored.cache import Journal
    from evalkit.types import Silent

    backend, requests = _evalkit(url, questions, concurrency)

    def run() -> int:
        landed: list[bool] = []
        with tempfile.TemporaryDirectory() as folder, Journal(Path(folder) / "journal.sqlite") as journal:
            serve(
                backend,
                requests,
                journal,
                lambda request, done, prepared: landed.append(bool(done.text)),
                Silent(),
                name="base",
            )
        return sum(landed)

    return run


def _inspect_model(url: str, concurrency: int) -> Any:
    from inspect_ai.model import GenerateConfig, get_model

    config = GenerateConfig(max_connections=concurrency, max_tokens=WRITTEN, temperature=0.0, seed=0)
    return get_model("openai-api/stub/tiny", base_url=url, api_key="k" * 12, config=config)


def inspect_client(url: str, questions: list[str], concurrency: int) -> Callable[[], int]:
    """`get_model().generate` of every question, gathered; its own limit on connections applies."""
    model = _inspect_model(url, concurrency)

    def run() -> int:
        async def main() -> int:
            return sum(bool(one.completion) for one in await asyncio.gather(*(model.generate(q) for q in questions)))

        return asyncio.run(main())

    return run


def inspect_whole(url: str, questions: list[str], concurrency: int) -> Callable[[], int]:
    """`eval` of a task with these samples, without a scorer, its log written."""
    from inspect_ai import Task, eval
    from inspect_ai.dataset import Sample
    from inspect_ai.solver import generate

    model = _inspect_model(url, concurrency)
    task = Task(dataset=[Sample(input=text, id=number) for number, text in enumerate(questions)], solver=generate())

    def run() -> int:
        with tempfile.TemporaryDirectory() as folder:
            (log,) = eval(task, model=model, display="none", log_dir=folder, max_samples=concurrency)
            return sum(bool(one.output.completion) for one in log.samples or [])

    return run


SIDES = {
    ("client", "evalkit"): evalkit_client,
    ("client", "inspect_ai"): inspect_client,
    ("whole", "evalkit"): evalkit_whole,
    ("whole", "inspect_ai"): inspect_whole,
}


def _measure(side: tuple[str, str], url: str, count: int, concurrency: int, out: Any) -> None:
    os.environ.setdefault("INSPECT_DISPLAY", "none")
    questions = [f"{number} {WORDS}" for number in range(count)]
    run = SIDES[side](url, questions, concurrency)
    before, began = _cpu_s(), time.monotonic()
    answered = run()
    wall, cpu = time.monotonic() - began, _cpu_s() - before
    assert answered == count, f"{side}: {answered} of {count} questions were answered"
    out.put((wall, cpu / count))


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def measured(side: tuple[str, str], url: str, count: int, concurrency: int) -> tuple[float, float]:
    """(wall seconds, CPU seconds a request) of one side in a process of its own."""
    context = multiprocessing.get_context("spawn")
    out = context.Queue()
    child = context.Process(target=_measure, args=(side, url, count, concurrency, out))
    child.start()
    child.join()
    if child.exitcode:
        sys.exit(f"{' '.join(side)}: ended with exit code {child.exitcode}")
    return out.get()


# --- the table --------------------------------------------------------------------------------------------------


def main(given: argparse.Namespace) -> None:
    load = os.getloadavg()[0]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    print(
        f"evalkit against inspect_ai {version('inspect_ai')} (openai {version('openai')}), {given.rounds} x concurrency "
        f"questions, medians of {given.repeats}; {cores} cores, {platform.machine()}, Python {platform.python_version()}"
        + (f"; NOT A QUIET MACHINE: load {load:.1f} before anything was started" if load > 0.5 * cores else "")
        + "\n"
    )
    print("| server | concurrency | layer | side | requests/s | of the ideal | CPU ms/request | all wall times, s |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for latency in given.latency or [0.2, 1.0]:
        with stub(latency) as url:
            table(f"stub, {latency:g} s", url, given, ideal_s=given.rounds * latency)
    if given.engine:
        with engine(given.engine) as url:
            table(f"vLLM, {given.engine.name}", url, given, ideal_s=None)


def table(server: str, url: str, given: argparse.Namespace, *, ideal_s: float | None) -> None:
    """A row for each concurrency, layer and side, printed as soon as it is known."""
    for concurrency in given.concurrency or [8, 64, 256]:
        count = given.rounds * concurrency
        sides = [side for side in SIDES if not given.layer or side[0] in given.layer]
        found: dict[tuple[str, str], list[tuple[float, float]]] = {side: [] for side in sides}
        for _ in range(given.repeats):
            for side, seen in found.items():
                seen.append(measured(side, url, count, concurrency))
        for (layer, who), seen in found.items():
            wall = statistics.median(one for one, _ in seen)
            cpu = statistics.median(one for _, one in seen)
            ideal = f"{ideal_s / wall:.0%}" if ideal_s is not None else "-"
            walls = ", ".join(f"{one:.1f}" for one, _ in seen)
            print(
                f"| {server} | {concurrency} | {layer} | {who} | {count / wall:.0f} | {ideal} | {1e3 * cpu:.2f} | {walls} |",
                flush=True,
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--latency", type=float, action="append", help="seconds; repeat for several (default 0.2 and 1)"
    )
    parser.add_argument("--concurrency", type=int, action="append", help="repeat for several (default 8, 64 and 256)")
    parser.add_argument("--layer", choices=("client", "whole"), action="append", help="default: both")
    parser.add_argument("--rounds", type=int, default=8, help="questions for each place in flight")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--engine", type=Path, metavar="MODEL_FOLDER", help="a real vLLM server as well")
    main(parser.parse_args())
