"""How long `evalkit gate RUN --policy P` takes on a stored run of 100,000 samples, as a user waits for it.

A run of two recorded models over ten suites is written once, with texts of the length of real answers; then the command is started
several times as a process of its own, and the median and the fastest are printed, with the processor's time (which a busy machine
changes little) and with what `evalkit --help` takes beside them.

    python bench/gate_again.py [--samples 100000] [--times 5]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SUITES = 10
WORDS = "the of and to in is that it was for on are as with his they at be this from have or by one had not but what".split()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=100_000, help="rows of samples.parquet, both models together")
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--words", type=int, default=150, help="of an answer")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = write_run(Path(folder), options.samples, options.words)
        size = (run / "samples.parquet").stat().st_size / 2**20
        (Path(folder) / "policy.yaml").write_text("tax: {max: 0.01}\nretain: {margin: 0.02}\n")
        print(f"{options.samples:,} samples in {SUITES} suites, {size:.0f} MiB of Parquet")
        told("evalkit gate RUN --policy P", ["gate", str(run), "--policy", f"{folder}/policy.yaml"], options.times)
        told("evalkit gate RUN --json", ["gate", str(run), "--json"], options.times)
        told("evalkit --help", ["--help"], options.times)


def write_run(folder: Path, samples: int, words: int) -> Path:
    """A run folder, by `evalkit compare` over recorded answers."""
    draw = random.Random(0)
    each = samples // 2 // SUITES
    rows = {"base": [], "tuned": []}
    for suite in range(SUITES):
        items = [{"id": f"{suite}-{i}", "q": " ".join(draw.choices(WORDS, k=40)), "a": i} for i in range(each)]
        (folder / f"s{suite}.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
        (folder / f"s{suite}.yaml").write_text(
            f"name: s{suite}\ntasks: [{{data: s{suite}.jsonl, prompt: '{{{{ q }}}}', answer: '{{{{ a }}}}', score: number, "
            "extract: [last_number]}]\n"
        )
        for model, right in (("base", 0.8), ("tuned", 0.79)):
            for item in items:
                answer = item["a"] if draw.random() < right else -1
                text = f"{' '.join(draw.choices(WORDS, k=words))} {answer}"
                rows[model].append(json.dumps({"id": item["id"], "output": text}))
    for model, lines in rows.items():
        (folder / f"{model}.jsonl").write_text("\n".join(lines) + "\n")
        (folder / f"{model}.yaml").write_text(f"name: {model}\nbackend: replay\noutputs: {model}.jsonl\n")
    suites = [part for suite in range(SUITES) for part in ("--suite", f"s{suite}.yaml")]
    command = [sys.executable, "-m", "evalkit", "compare", "base.yaml", "tuned.yaml", *suites, "--out", "run"]
    environment = {**os.environ, "EVALKIT_CACHE": str(folder / "cache")}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode in (0, 1, 3), done.stderr
    return folder / "run"


def told(name: str, arguments: list[str], times: int) -> None:
    """Run it so many times and print what it took."""
    took, busy = [], []
    for _ in range(times):
        began, before = time.perf_counter(), os.times()
        done = subprocess.run([sys.executable, "-m", "evalkit", *arguments], capture_output=True, text=True)
        took.append(time.perf_counter() - began)
        after = os.times()
        busy.append(after.children_user + after.children_system - before.children_user - before.children_system)
        assert done.returncode in (0, 1, 3), done.stderr
    print(
        f"{name:<30} median {statistics.median(took):5.2f} s   fastest {min(took):5.2f} s   processor {min(busy):5.2f} s"
    )


if __name__ == "__main__":
    main()
