"""What Ray costs the driver: answers a second, and its own CPU time for each, with replicas that answer at once.

    python bench/ray_rate.py [--answers 20000] [--replicas 2 8 16] [--node-ip ADDRESS]

Starts Ray on this machine, unless RAY_ADDRESS names a cluster. A prompt has 208 tokens, an answer 100 words. No engine, no
journal and no scoring: those are what `bench/driver.py` measures, and the two times of an answer add up.
"""

from __future__ import annotations

import argparse
import functools
import time
from collections.abc import Iterable, Iterator

from evalkit.backends import Backend
from evalkit.config import ExecutorSpec, ModelSpec
from evalkit.executors.cluster import Cluster
from evalkit.executors.farm import Farm
from evalkit.executors.pool import RayPool
from evalkit.executors.replica import Replica
from evalkit.types import (
    Completion,
    Failure,
    Message,
    ModelRecord,
    Prepared,
    Progress,
    Request,
    Sampling,
    Silent,
    Usage,
)


class AtOnce:
    """A backend that answers whatever it is asked as it is asked."""

    is_continuous = True
    models = ("base",)

    def record(self, model: str) -> ModelRecord:
        """Nobody."""
        return ModelRecord("at-once", "none", "none", "none")

    def prepare(self, request: Request) -> Prepared | Failure:
        """Not used: prompts are made beforehand."""
        raise NotImplementedError

    def start(self, progress: Progress) -> None:
        """Nothing to load."""

    def stream(self, prepared: Iterable[Prepared | None]) -> Iterator[tuple[Prepared, Completion]]:
        """The same answer to everything."""
        for one in prepared:
            if one is not None:
                yield one, Completion("word " * 100, usage=Usage(208, 128))

    def close(self) -> None:
        """Nothing to give back."""


class ReplicaAtOnce(Replica):
    """A replica without an engine."""

    def _open(self) -> Backend:
        return AtOnce()


def prompts(count: int) -> Iterator[Prepared]:
    for number in range(count):
        text = "word " * 160 + str(number)
        request = Request("base", "s", "t", str(number), (Message("user", text),), Sampling())
        yield Prepared(request, text, f"key {number}", tuple(range(number % 1000, number % 1000 + 208)))


def measure(count: int, replicas: int, node_ip: str | None) -> None:
    executor = ExecutorSpec(kind="ray", replicas=replicas, cpus=0.1, node_ip=node_ip)
    spec = ModelSpec(name="at-once", backend="transformers", model="none", engine={"device": "cpu"})
    farm = Farm(AtOnce(), {"base": spec}, Cluster(executor), functools.partial(RayPool, kind=ReplicaAtOnce))
    farm.start(Silent())
    asked = list(prompts(count))
    began, worked = time.monotonic(), time.process_time()
    answered = sum(1 for _ in farm.stream(asked))
    wall, cpu = time.monotonic() - began, time.process_time() - worked
    farm.close()
    print(f"| {replicas} | {answered / wall:,.0f} | {cpu / answered * 1e6:.0f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=int, default=20_000)
    parser.add_argument("--replicas", type=int, nargs="+", default=[2, 8, 16])
    parser.add_argument("--node-ip")
    asked = parser.parse_args()
    print("| replicas | answers/s | driver CPU, us an answer |\n|---|---|---|")
    for replicas in asked.replicas:
        for _ in range(3):
            measure(asked.answers, replicas, asked.node_ip)


if __name__ == "__main__":
    main()
