"""A whole `evalkit compare` of a base and its adapter, as a user runs it: drift probes on, engine of its own, report.

Small and eager: what is asked here is whether every step works on this vLLM, and where the time goes.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections import Counter
from pathlib import Path

from bench.on_gpu import workload
from bench.on_gpu.setup import Setup


def measure(setup: Setup) -> None:
    from evalkit.api import run_comparison
    from evalkit.config import PolicySpec

    options = {**workload.engine_options(setup, "small"), "enforce_eager": True}
    base = workload.spec(setup, "base", "small", engine=options)
    tuned = workload.spec(setup, "tuned", "small", engine=options, adapter=str(setup.work / "adapter"))
    prompts, questions = (4, 6) if setup.tiny else (128, 570)
    suites = [workload.generate_suite(setup, prompts, 4 if setup.tiny else 64), workload.choice_suite(setup, questions)]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EVALKIT_CACHE"] = folder
        began = time.monotonic()
        run = run_comparison(base, tuned, suites=[str(one) for one in suites], judge="none", policy=PolicySpec())
        setup.emit("compare base with adapter", time.monotonic() - began, "s", f"decided: {run.decision.outcome}")
        for phase in run.manifest.phases:
            tokens = phase.prompt_tokens + phase.completion_tokens
            setup.emit(phase.name, phase.seconds, "s", f"{phase.requests} requests, {tokens} tokens")
        setup.emit("adapter", run.manifest.tuned.adapter_mode, "", "; ".join(run.manifest.tuned.notes))
        setup.emit("cautions", len(run.manifest.cautions), "", "; ".join(run.manifest.cautions)[:600])
        samples = run.samples
        failed = Counter(samples["failure"].dropna().astype(str)) if "failure" in samples else Counter()
        setup.emit("samples", len(samples), "", f"failed: {dict(failed.most_common(3)) or 'none'}")
        same = _same_texts(samples)
        setup.emit(
            "texts that base and tuned share", same, "of the generated", "an adapter that is applied shares none"
        )
        began = time.monotonic()
        if setup.attempt("report (needs altair and vl-convert)", lambda: run.write(Path(folder) / "out")):
            setup.emit("report written in", time.monotonic() - began, "s")


def _same_texts(samples) -> float:
    texts = samples[samples["suite"].str.startswith("words")].pivot(index="id", columns="arm", values="text")
    return float((texts["base"] == texts["tuned"]).mean())
