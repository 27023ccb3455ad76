"""The machine: GPUs, memory, disk, the journal, the sandbox."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from evalkit.doctor.finding import Finding
from evalkit.stored.cache import CACHE_VARIABLE, Journal, cache_folder
from evalkit.types import InputError

GIB = 2**30

_LEAST_DISK, _GOOD_DISK = 1.0, 20.0  # GiB: a journal of a large run; a merged copy of an adapter's base
_LEAST_MEMORY, _GOOD_MEMORY = 1.0, 4.0
_BUSY = 0.1  # the share of a GPU's memory from which on somebody else is at work there


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU as its driver tells of it. total, used: GiB."""

    name: str
    total: float
    used: float
    driver: str


def read_gpus() -> tuple[list[Gpu], str]:
    """The GPUs, and why they cannot be read; both empty where there is no NVIDIA driver."""
    if shutil.which("nvidia-smi") is None:
        return [], ""
    asked = ["nvidia-smi", "--query-gpu=name,memory.total,memory.used,driver_version", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(asked, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.SubprocessError) as error:
        return [], str(error)
    if answer.returncode:
        return [], " ".join((answer.stdout + answer.stderr).split())[:200] or f"exit {answer.returncode}"
    found: list[Gpu] = []
    for line in answer.stdout.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) == 4:
            found.append(Gpu(cells[0], _gib(cells[1]), _gib(cells[2]), cells[3]))
    return found, ""


def _gib(mib: str) -> float:
    """GPUs that share the machine's memory tell none: NaN."""
    try:
        return float(mib) / 1024
    except ValueError:
        return float("nan")


def gpus() -> Iterator[Finding]:
    """Name, memory, driver; and whether somebody else is using it."""
    found, trouble = read_gpus()
    if trouble:
        fix = "reinstall the driver or reboot, so that `nvidia-smi` works by itself"
        yield Finding("gpu", "fail", f"nvidia-smi does not work: {trouble}", fix)
    elif not found:
        fix = "none is needed for API models, recorded answers and small models; larger ones need an NVIDIA GPU"
        yield Finding("gpu", "warn", "none (no nvidia-smi on the PATH): local models run on the CPU", fix)
    for number, gpu in enumerate(found):
        told = f"{gpu.name}, {gpu.total:.0f} GiB, driver {gpu.driver}"
        name = "gpu" if len(found) == 1 else f"gpu {number}"
        if gpu.used > _BUSY * gpu.total:
            fix = "end what runs there (`nvidia-smi` names it), choose another with CUDA_VISIBLE_DEVICES, or lower "
            fix += "`engine: {gpu_memory_utilization: ...}` in the model file"
            yield Finding(name, "warn", f"{told}; {gpu.used:.1f} GiB of it in use by others", fix)
        else:
            yield Finding(name, "ok", told)


def available_memory() -> float | None:
    """GiB that can be had, with the limit of a container; None where the system does not tell."""
    found: list[float] = []
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                found.append(int(line.split()[1]) * 1024 / GIB)
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
        used = int(Path("/sys/fs/cgroup/memory.current").read_text(encoding="ascii"))
        if limit != "max":
            found.append((int(limit) - used) / GIB)
    except (OSError, ValueError, IndexError):
        pass
    return min(found) if found else None


def memory() -> Iterator[Finding]:
    """Main memory that can still be had."""
    free = available_memory()
    if free is None:
        return
    told, fix = f"{free:.1f} GiB available, {os.cpu_count() or 1} cores", "end other programs, or take a larger machine"
    status = "fail" if free < _LEAST_MEMORY else "warn" if free < _GOOD_MEMORY else "ok"
    yield Finding("memory", status, told, "" if status == "ok" else fix)


def disk() -> Iterator[Finding]:
    """Room where journal and merged adapters go."""
    folder = cache_folder()
    there = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    free = shutil.disk_usage(there).free / GIB
    status = "fail" if free < _LEAST_DISK else "warn" if free < _GOOD_DISK else "ok"
    fix = f"free some, or set {CACHE_VARIABLE} to a folder on a larger disk; an adapter that is merged needs room for its base"
    yield Finding("disk", status, f"{free:.1f} GiB free in {folder}", "" if status == "ok" else fix)


def journal() -> Iterator[Finding]:
    """Whether the journal can be opened, and how much it holds."""
    path = cache_folder() / "journal.sqlite"
    try:
        with Journal(path) as opened:
            answers = len(opened)
    except InputError as error:
        found, _, fix = str(error).partition("; ")
        yield Finding("journal", "fail", found, fix)
        return
    yield Finding("journal", "ok", f"{path}: {answers:,} answers, {path.stat().st_size / 2**20:.0f} MiB")


def sandbox() -> Iterator[Finding]:
    """Whether programs that a model wrote can be held; a trial program is run."""
    from evalkit.scorers.sandbox import check_sandbox, is_sandboxed

    if is_sandboxed():
        yield Finding("sandbox", "ok", "bubblewrap holds programs that a model wrote (score: code)")
        return
    try:
        check_sandbox(asked_by="sandbox")
        why = "switched off by EVALKIT_ALLOW_UNSANDBOXED_CODE: programs that a model wrote can do whatever you can"
        fix = "unset it where the machine holds anything of value; install bubblewrap instead"
    except InputError as error:
        why, _, fix = str(error).removeprefix("sandbox: ").partition("; ")
    yield Finding("sandbox", "warn", f"only code suites need it: {why}", fix or "install bubblewrap")
