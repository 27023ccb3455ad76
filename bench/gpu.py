"""evalkit on real vLLM: against the bare engine, base and adapter in one engine, options from one distribution.

    python bench/gpu.py --out FOLDER [--parts bare,lora,whole,...] [--budget SECONDS] [--tiny]

One sitting on one machine. Models are made on the fly (`bench/on_gpu/models.py`): real shapes, random weights, so the
figures are of speed and of equality, never of quality. Each part runs in a process of its own, with a limit of its own;
every result is a line of FOLDER/gpu.jsonl as soon as it is known, and the table at the end is read from there. What a
part's process printed is in FOLDER/gpu.log; the next part's imports run beside the part at work. `--tiny` runs it all in minutes on vLLM's CPU build.

Whether the engine gets a process of its own, and which attention it uses, is settled first by loading a small model:
the first of `_WAYS` that answers is used for all parts; what the environment sets already is left alone.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

# Seconds each part may take on an H100, most wanted first.
LIMITS = {"bare": 300, "choice": 140, "lora": 170, "whole": 80, "exchange": 90, "exact": 60}
DEFAULT = "bare,choice,lora,whole,exchange,exact"
_LEAST_S = 15.0  # with less left no part is begun
_FIRST = {"info": 30, "models": 120, "smoke": 150}

_OWN, _SHARED = {"VLLM_ENABLE_V1_MULTIPROCESSING": "1"}, {"VLLM_ENABLE_V1_MULTIPROCESSING": "0"}
_WAYS: tuple[Mapping[str, str], ...] = (_OWN, _SHARED, {**_SHARED, "EVALKIT_BENCH_ATTENTION": "TRITON_ATTN"})

_ENVIRONMENT = {
    "VLLM_USE_FLASHINFER_SAMPLER": "0",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_ALLOW_INSECURE_SERIALIZATION": "1",  # functions handed to a loaded model, here only
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONUNBUFFERED": "1",
}


def _roomy() -> Path:
    """Where models of some gigabytes are written fastest: memory where it is large enough, else the temporary folder."""
    memory = Path("/dev/shm")
    free = shutil.disk_usage(memory).free if memory.is_dir() else 0
    return memory if free > 16e9 else Path(tempfile.gettempdir())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("OUT") or "gpu-results"))
    parser.add_argument("--work", type=Path, default=_roomy() / "evalkit-gpu")
    parser.add_argument("--parts", default=DEFAULT, help=f"of {', '.join(LIMITS)}")
    parser.add_argument("--budget", type=float, default=540.0, help="seconds for everything")
    parser.add_argument("--tiny", action="store_true", help="a handful of prompts, for the CPU build")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        work(given)
        return
    unknown = sorted(set(given.parts.split(",")) - set(LIMITS))
    if unknown:
        parser.error(f"--parts: unknown {unknown[0]!r}; known: {', '.join(LIMITS)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))  # parts are ended and the table printed
    Sitting(given).run()


class Sitting:
    """Runs the parts one after the other, each in a process group of its own."""

    def __init__(self, given: argparse.Namespace) -> None:
        self._given = given
        self._out = given.out.resolve()
        self._out.mkdir(parents=True, exist_ok=True)
        given.work.mkdir(parents=True, exist_ok=True)
        self._rows = self._out / "gpu.jsonl"
        self._rows.write_text("", "utf-8")
        self._until = time.monotonic() + (given.budget if not given.tiny else 3600)
        self._way: dict[str, str] = {}
        self._ahead: dict[str, subprocess.Popen[bytes]] = {}  # parts that import what they need and wait

    def run(self) -> None:
        """Everything asked for, then the table."""
        began = time.monotonic()
        with (self._out / "gpu.log").open("w", encoding="utf-8") as log:
            try:
                self._one("info", _FIRST["info"], log)
                self._one("models", _FIRST["models"], log)
                if self._settle(log):
                    parts = self._given.parts.split(",")
                    for part, following in zip(parts, [*parts[1:], None], strict=True):
                        self._one(part, LIMITS[part], log, following=following)
            finally:
                for process in self._ahead.values():
                    _end(process)
                self._say("total", time.monotonic() - began, "s")
                print(table(read(self._rows)), flush=True)

    def _settle(self, log: IO[str]) -> bool:
        """Whether vLLM answers here, in which way: the first that does is used from now on."""
        for way in _WAYS:
            # What the caller's environment settles is settled.
            self._way = {name: value for name, value in way.items() if name not in os.environ}
            if self._given.tiny:
                self._way |= _SHARED  # two processes on two cores spin against each other
            if self._one("smoke", _FIRST["smoke"], log):
                self._say("environment", json.dumps(self._way))
                return True
        return False

    def _start(self, part: str, log: IO[str]) -> subprocess.Popen[bytes]:
        """The process of a part, which imports what it needs and then waits to be told its seconds."""
        environment = {**_ENVIRONMENT, **os.environ, **self._way}
        if part == "exact":
            environment["VLLM_BATCH_INVARIANT"] = "1"
        command = [sys.executable, str(Path(__file__).resolve()), "--worker", part]
        command += ["--out", str(self._out), "--work", str(self._given.work.resolve())]
        command += ["--tiny"] if self._given.tiny else []
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )

    def _one(self, part: str, limit: float, log: IO[str], *, following: str | None = None) -> bool:
        """Run one part; whether its process ended well. A process that outlives its limit is killed with its children.

        following: the part whose imports may run meanwhile.
        """
        seconds = min(limit if not self._given.tiny else 1200, self._until - time.monotonic() - 5)
        if seconds < _LEAST_S:
            self._say(f"part {part}", None, "", "skipped: no time left")
            return False
        log.write(f"\n===== {part} {self._way}\n")
        log.flush()
        process = self._ahead.pop(part, None) or self._start(part, log)
        began = time.monotonic()
        status: int | None = None
        try:
            with contextlib.suppress(BrokenPipeError):  # it is dead already, and says why itself
                assert process.stdin is not None
                process.stdin.write(f"{seconds:.0f}\n".encode())
                process.stdin.close()
            if following and not self._given.tiny:
                self._ahead[following] = self._start(following, log)
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            pass
        finally:
            _end(process)
        note = "" if status == 0 else f"KILLED after {seconds:.0f} s" if status is None else f"FAILED, status {status}"
        self._say(f"part {part}", time.monotonic() - began, "s", note)
        if status != 0:
            log.flush()
            print("".join((self._out / "gpu.log").read_text("utf-8", "replace").splitlines(True)[-25:]), flush=True)
        return status == 0

    def _say(self, name: str, value: object, unit: str = "", note: str = "") -> None:
        row = {"part": "run", "name": name, "value": value, "unit": unit, "note": note}
        with self._rows.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        print(f"[run] {name}: {value} {unit} {note}".rstrip(), flush=True)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a part and whatever it left behind: its process group is its own, and holds nothing else."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, sign)
            time.sleep(1)
    if process.stdin is not None:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
    process.wait()


def work(given: argparse.Namespace) -> None:
    """One part, in a process of its own."""
    faulthandler.enable()
    from bench.on_gpu import setup as module

    if given.tiny:
        os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "2")
    _import(given.worker)
    told = sys.stdin.readline()
    if not told:
        return  # not wanted after all
    seconds = float(told)
    # Where it hangs is in the log before it is killed.
    faulthandler.dump_traceback_later(max(5.0, seconds - 4), exit=False)
    setup = module.Setup(
        part=given.worker,
        work=given.work,
        rows=given.out / "gpu.jsonl",
        tiny=given.tiny,
        sizes=module.TINY if given.tiny else module.FULL,
        until=time.monotonic() + seconds - 3,
        attention=os.environ.get("EVALKIT_BENCH_ATTENTION", ""),
    )
    try:
        _measure(setup)
    except BaseException as error:
        setup.emit("part ended early", None, "", f"{type(error).__name__}: {str(error)[:600]}")
        raise


def _import(part: str) -> None:
    """What every engine needs, before the clock runs; what is missing is said when it is used."""
    if part in ("info", "models"):
        return
    began = time.monotonic()
    with contextlib.suppress(Exception):
        from evalkit.backends.vllm import is_cpu_build
        from evalkit.backends.vllm_engine import settle_environment

        settle_environment(cpu=is_cpu_build())
        import transformers  # noqa: F401
        import vllm  # noqa: F401

        import evalkit.api  # noqa: F401
    print(f"[{part}] imports took {time.monotonic() - began:.1f} s", flush=True)


def _measure(setup: Any) -> None:
    if setup.part in ("info", "smoke"):
        from bench.on_gpu import info

        (info.measure if setup.part == "info" else info.smoke)(setup)
    elif setup.part == "models":
        from bench.on_gpu import models

        models.measure(setup)
    elif setup.part in ("lora", "exact"):
        from bench.on_gpu import lora

        (lora.measure if setup.part == "lora" else lora.exact)(setup)
    else:
        import importlib

        importlib.import_module(f"bench.on_gpu.{setup.part}").measure(setup)


def read(rows: Path) -> list[dict[str, Any]]:
    """The results so far."""
    return [json.loads(line) for line in rows.read_text("utf-8").splitlines() if line.strip()]


def table(rows: list[dict[str, Any]]) -> str:
    """All results, one a line, in three columns."""
    from bench.on_gpu.setup import shown

    lines: list[str] = []
    for row in rows:
        name, _, rest = shown(row).partition(": " if ": " not in row["name"] else f"{row['name']}: ")
        lines.append(f"{row['part']:<9} {(name or row['name']):<50} {rest}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
