"""How close does the judge client come to the ideal time?

    python bench/judge_client.py [--questions 2000] [--latency 2 --latency 0.2]

A server of its own process on 127.0.0.1 answers each verdict after a fixed latency. The questions go through a judge as in a run
(`evalkit.running.reading.read_pairs`), at concurrency 256, with each HTTP transport that is installed, three times each by turns; the ideal is
ceil(questions / concurrency) x latency. Medians and ratios of one sitting on this machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import multiprocessing
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from evalkit.backends import openai_server
from evalkit.config import JudgeSpec
from evalkit.judging import Pair
from evalkit.running.reading import read_pairs
from evalkit.stored.cache import Journal
from evalkit.types import Completion, Example, Message, Silent
from evalkit.yamlfile import validate

CONCURRENCY = 256
REPLY = {
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": '{"choice": "tie"}'}, "finish_reason": "stop"}
    ],
    "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
}


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


def _serve(port, latency: float) -> None:
    async def main() -> None:
        server = await asyncio.start_server(lambda r, w: _answer(r, w, latency), "127.0.0.1", 0, backlog=1024)
        port.value = server.sockets[0].getsockname()[1]
        await server.serve_forever()

    asyncio.run(main())


def _seconds(url: str, questions: int) -> float:
    judge = validate(
        JudgeSpec,
        {
            "name": "j",
            "model": {"backend": "openai", "model": "tiny", "base_url": url, "api_key": "k" * 12},
            "rubric": "{{ prompt }} {{ first }} {{ second }}",
            "limits": {"concurrency": CONCURRENCY},
        },
    )
    judge = judge.model_copy(update={"model": judge.model.model_copy(update={"concurrency": CONCURRENCY})})
    text = "word " * 200
    pairs = [
        Pair(
            "s",
            "t",
            Example(str(i), (Message("user", f"{i} {text}"),)),
            Completion(f"a {text}"),
            Completion(f"b {text}"),
        )
        for i in range(questions // 2)
    ]
    with tempfile.TemporaryDirectory() as folder, Journal(Path(folder) / "journal.sqlite") as journal:
        began = time.monotonic()
        reading = read_pairs(judge, pairs, journal, Path(folder), Silent())
        spent = time.monotonic() - began
    assert sum(verdict.winner == "tie" for verdict in reading.verdicts) == 2 * (questions // 2)
    return spent


def main(questions: int, latencies: list[float]) -> None:
    table = Table(
        title=f"{questions} verdicts at concurrency {CONCURRENCY}, {os.cpu_count()} cores, {platform.machine()}"
    )
    for name in ("latency", "transport", "ideal", "median", "times the ideal", "all"):
        table.add_column(name, justify="right")
    for latency in latencies:
        port = multiprocessing.Value("i", 0)
        server = multiprocessing.Process(target=_serve, args=(port, latency), daemon=True)
        server.start()
        while not port.value:
            time.sleep(0.05)
        ideal = math.ceil(questions / CONCURRENCY) * latency
        found: dict[str, list[float]] = {name: [] for name in openai_server.transports()}
        for _ in range(3):
            for name, spent in found.items():
                openai_server.TRANSPORT = name
                spent.append(_seconds(f"http://127.0.0.1:{port.value}/v1", questions))
        server.terminate()
        for name, spent in found.items():
            middle = statistics.median(spent)
            seen = ", ".join(f"{one:.1f}" for one in spent)
            table.add_row(f"{latency:g} s", name, f"{ideal:.1f} s", f"{middle:.1f} s", f"{middle / ideal:.2f}", seen)
    Console(width=110).print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=2000)
    parser.add_argument(
        "--latency", type=float, action="append", help="seconds; repeat for several (default 2 and 0.2)"
    )
    given = parser.parse_args()
    main(given.questions, given.latency or [2.0, 0.2])
