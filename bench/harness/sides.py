"""The three sides, each in cold processes with caches of its own: lm_eval twice, one evalkit compare, the bare engine.

All are given the settings that make this engine fast on a CPU (no compiling, no processes of its own, idle threads that
sleep); without them lm_eval is slower than measured here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.harness.asked import Asked
from bench.harness.models import CONTEXT, Pair
from bench.harness.scores import Scores, of_evalkit, of_lm_eval

ROOT = Path(__file__).resolve().parents[2]


class Failed(Exception):
    """A side that did not end well, and the end of what it printed."""


def lm_eval(asked: Asked, pair: Pair, folder: Path, timeout_s: float) -> tuple[float, Scores]:
    """`lm_eval` once a model, as its users run it. Seconds of both, scores by (arm, task)."""
    seconds, scores = 0.0, Scores()
    for arm, model in pair.folders.items():
        args = f"pretrained={model},dtype={pair.dtype},max_model_len={CONTEXT}"
        args += ",enforce_eager=True" if _on_cpu() else ""
        command = [sys.executable, "-m", "lm_eval", "run", "--model", "vllm", "--model_args", args]
        command += ["--batch_size", "auto", "--tasks", *asked.tasks, "--include_path", str(asked.folder)]
        command += ["--output_path", str(folder / arm), "--log_samples"]
        more = {
            "HF_HOME": str(folder / f"hf-{arm}"),
            "PYTHONPATH": os.pathsep.join([str(_shim(folder)), os.environ.get("PYTHONPATH", "")]),
        }
        seconds += _timed(command, folder / f"lm_eval-{arm}.log", timeout_s, more)
        scores.update(of_lm_eval(folder / arm, arm, asked.tasks))
    return seconds, scores


def evalkit(asked: Asked, pair: Pair, folder: Path, timeout_s: float) -> tuple[float, Scores]:
    """One `evalkit compare` with its report; no judge, no probes."""
    command = [sys.executable, "-m", "evalkit", "compare", str(pair.files["base"]), str(pair.files["tuned"])]
    command += ["--suite", str(asked.suite), "--judge", "none", "--no-probes", "--out", str(folder / "run")]
    more = {"HF_HOME": str(folder / "hf"), "EVALKIT_CACHE": str(folder / "cache")}
    # GO, NO-GO and INCONCLUSIVE are all ends of a whole run.
    seconds = _timed(command, folder / "evalkit.log", timeout_s, more, ended_well=(0, 1, 3))
    return seconds, of_evalkit(folder / "run" / "samples.parquet")


def phases(folder: Path) -> str:
    """Where evalkit's own manifest says that the time went, unless the run left none."""
    path = folder / "run" / "manifest.json"
    if not path.is_file():
        return "unknown"
    manifest = json.loads(path.read_text("utf-8"))
    found = [f"{one['name']} {one['seconds']:.1f}" for one in manifest.get("phases", ()) if one["seconds"] >= 0.05]
    return ", ".join(found) + " s"


def bare(requests: Path, pair: Pair, folder: Path, timeout_s: float) -> tuple[float, Scores]:
    """One process: import, load, `LLM.generate` over one list, for one model and then the other."""
    command = [sys.executable, str(ROOT / "bench" / "harness" / "bare.py"), str(requests), pair.dtype, str(CONTEXT)]
    return _timed(command, folder / "bare.log", timeout_s, {}), Scores()


def prepare(asked: Asked, pair: Pair, target: Path) -> None:
    """What reaches the engine, as token ids, for the bare side; untimed, in a process of its own."""
    command = [sys.executable, "-m", "bench.harness.prepared", str(asked.suite), str(target)]
    command += [str(pair.files["base"]), str(pair.files["tuned"])]
    _timed(command, target.with_suffix(".log"), 1800, {"EVALKIT_CACHE": str(target.parent / "prepared-cache")})


def _timed(
    command: Sequence[str], log: Path, timeout_s: float, more: Mapping[str, str], ended_well: Sequence[int] = (0,)
) -> float:
    """Seconds from the start of a process to its end. Raises Failed where it does not end well."""
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, **_settings(), **more}
    if "PYTHONPATH" not in more:
        environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    began = time.monotonic()
    with log.open("wb") as file:
        try:
            done = subprocess.run(
                command, stdout=file, stderr=subprocess.STDOUT, env=environment, cwd=log.parent, timeout=timeout_s
            )
        except subprocess.TimeoutExpired:
            raise Failed(f"{log.name}: not done after {timeout_s:.0f} s") from None
    seconds = time.monotonic() - began
    if done.returncode not in ended_well:
        lines = [line for line in log.read_text("utf-8", "replace").splitlines() if line.strip()]
        raise Failed(f"{log.name}: exit {done.returncode}: {' | '.join(lines[-4:])[:600]}")
    return seconds


def _settings() -> dict[str, str]:
    settings = {
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    if _on_cpu():
        settings |= {
            "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
            "VLLM_CPU_KVCACHE_SPACE": "2",
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
            "OMP_WAIT_POLICY": "PASSIVE",
        }
    return settings


def _on_cpu() -> bool:
    from evalkit.backends.vllm import is_cpu_build

    return is_cpu_build()


def _shim(folder: Path) -> Path:
    """The CPU build's distribution has another name, and the harness asks for `vllm`: metadata of that name."""
    from evalkit.backends.vllm import installed

    found = installed()
    shim = folder / "shim"
    if found is not None and found[0] != "vllm":
        info = shim / f"vllm-{found[1]}+cpu.dist-info"
        info.mkdir(parents=True, exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {found[1]}+cpu\n", "utf-8")
    return shim
