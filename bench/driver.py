"""What does evalkit itself cost, an engine apart, and in how much memory?

    python bench/driver.py [--sizes 10000,100000,1000000] [--rounds 1] [--profile] [--beside CHECKOUT]

A backend that answers at once is registered as a plugin would be, and `run_comparison` runs as ever: two suites of our own data (a number,
a word; prompts of about 400 and answers of about 600 characters, no two alike), journal, scoring, table, statistics, report. Sizes are
records: half are base's. Each run has a process, a cache and a folder of its own. Then the same again with every answer in the journal,
and `evalkit gate` on what was stored. Peaks are resident memory as the kernel counts it, the whole process's and by phase.

--beside: another checkout of evalkit, measured by turns with this one. --profile: where the time of one run goes, function by function.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import importlib.util
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TARGET = 5000
_WORDS = (
    "river stone lantern market engine valley copper winter garden signal harbour letter bridge summer iron forest "
    "window paper silver mountain kitchen sailor thunder basket meadow castle orchard ribbon compass needle shadow "
    "barrel anchor feather candle mirror hammer pocket saddle velvet"
).split()


# --- what is asked, and the engine that answers it ---------------------------------------------------------------


def write_task(folder: Path, records: int) -> None:
    """The suite files and their data, half of the items for each scorer."""
    draw = random.Random(records)
    for kind, items in (("number", records // 4), ("word", records // 2 - records // 4)):
        with (folder / f"{kind}.jsonl").open("w", encoding="utf-8") as file:
            for i in range(items):
                a, b, c = draw.randint(2, 999), draw.randint(2, 99), draw.randint(2, 999)
                story = " ".join(draw.choices(_WORDS, k=50))
                asked = f"Crate {i}. {story}. There are {a} shelves of {b} parts, and {c} parts lie beside them."
                answer = str(a * b + c) if kind == "number" else draw.choice(_WORDS)
                file.write(json.dumps({"id": f"{kind}-{i:07d}", "question": asked, "answer": answer}) + "\n")
        extract = "[{last_number: true}]" if kind == "number" else "[{last_line: true}]"
        score = "number" if kind == "number" else "exact"
        (folder / f"{kind}.yaml").write_text(
            f"name: {kind}\nrole: retain\ntasks:\n  - name: {kind}\n    data: {kind}.jsonl\n    prompt: '{{{{ question }}}}'\n"
            f"    answer: '{{{{ answer }}}}'\n    kind: generate\n    sampling: {{max_tokens: 256}}\n    extract: {extract}\n"
            f"    score: {score}\n"
        )
    for arm in ("base", "tuned"):
        (folder / f"{arm}.yaml").write_text(f"name: {arm}\nbackend: instant\nmodel: {arm}\n")


class Instant:
    """Answers at once, right or wrong by a coin of its own: tuned a little less often."""

    def __init__(self, name: str, model: str, golds: Mapping[str, int]) -> None:
        self.models = (name,)
        self._model = model
        self._wrong = 26 if model == "tuned" else 25
        draw = random.Random(7)
        self._sentences = [" ".join(draw.choices(_WORDS, k=14)) + "." for _ in range(5000)]

    def record(self, model: str) -> Any:
        """Who answers."""
        from evalkit.types import ModelRecord

        return ModelRecord(self._model, "instant", self._model, hashlib.sha256(self._model.encode()).hexdigest()[:16])

    def prepare(self, request: Any) -> Any:
        """The prompt as chat turns, and its key."""
        from evalkit.types import Prepared

        prompt = "\n".join(f"<|{turn.role}|>{turn.content}" for turn in request.messages) + "<|assistant|>"
        key = hashlib.sha256(f"{self._model} {request.sampling.seed} {prompt}".encode()).hexdigest()
        return Prepared(request, prompt, key)

    def start(self, progress: Any) -> None:
        """Nothing to load."""

    def stream(self, prepared: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        """Answer each at once."""
        from evalkit.types import Completion, Usage

        usage = Usage(110, 150)
        for one in prepared:
            coin = int(one.key[:12], 16)
            picked = [self._sentences[(coin >> shift) % 5000] for shift in (0, 3, 7, 11, 16, 21)]
            ending = self._ending(one.prompt, coin, wrong=coin % 100 < self._wrong)
            yield one, Completion(f"Step {coin % 9973}. {' '.join(picked)}\n{ending}", usage=usage)

    def _ending(self, prompt: str, coin: int, *, wrong: bool) -> str:
        if wrong:
            return f"{coin % 100000}" if coin % 3 else "so it stays open"
        numbers = [int(word) for word in prompt.rsplit("There are", 1)[-1].split() if word.isdigit()]
        return f"{numbers[0] * numbers[1] + numbers[2]}" if len(numbers) == 3 else _WORDS[coin % len(_WORDS)]

    def close(self) -> None:
        """Nothing to close."""


# --- one run, in a process of its own ----------------------------------------------------------------------------


class Timed:
    """A Progress that notes of each phase how long it took, how much memory it held at most, in MB, and its CPU seconds."""

    def __init__(self) -> None:
        self.phases: dict[str, list[float]] = {}
        self._name, self._began, self._cpu = "", 0.0, 0.0

    def phase(self, name: str, total: int | None = None, *, unit: str = "requests") -> None:
        """End the phase before; begin another."""
        self.end()
        self._name, self._began, self._cpu = name, time.monotonic(), time.process_time()

    def end(self) -> None:
        """End the last one."""
        if self._name:
            seen = self.phases.setdefault(self._name, [0.0, 0.0, 0.0])
            seen[0] += time.monotonic() - self._began
            seen[1] = max(seen[1], _peak_mb())
            seen[2] += time.process_time() - self._cpu
            _forget_peak()
        self._name = ""

    def advance(self, requests: int = 1, tokens: int = 0) -> None:
        """Ignore."""

    def note(self, text: str) -> None:
        """Ignore."""


def _peak_mb() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


def _forget_peak() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return  # then every phase shows the peak so far


def run_once(folder: Path, out: Path, *, profile: bool) -> dict[str, Any]:
    """One comparison of the files in `folder`, timed."""
    import evalkit.api as api
    from evalkit.backends import backend
    from evalkit.report import files

    @backend("instant")
    def open_instant(models: Mapping[str, Any], cache: Path) -> list[Any]:
        return [Instant(name, spec.model, {}) for name, spec in models.items()]

    progress = Timed()
    spent: dict[str, float] = {}

    def timed(owner: Any, name: str, called: str) -> None:
        act = getattr(owner, name, None)
        if act is None:
            return

        def wrapped(*args: Any, **options: Any) -> Any:
            began = time.monotonic()
            try:
                return act(*args, **options)
            finally:
                spent[called] = spent.get(called, 0.0) + time.monotonic() - began

        setattr(owner, name, wrapped)

    records = _first_of("evalkit.stored.records", "evalkit.records").Records
    timed(records, "samples" if hasattr(records, "samples") else "table", "table")
    timed(_first_of("evalkit.run", "evalkit.api"), "compare_records", "statistics")
    timed(files, "write_table", "samples.parquet")
    began = time.monotonic()
    act = _profiled if profile else (lambda do: do())
    act(
        lambda: api.run_comparison(
            folder / "base.yaml",
            folder / "tuned.yaml",
            suites=[str(folder / "number.yaml"), str(folder / "word.yaml")],
            out=out,
            probes=False,
            progress=progress,
        )
    )
    progress.end()
    whole = time.monotonic() - began
    size = {name: (out / name).stat().st_size for name in ("report.html", "samples.parquet")}
    peak = max(mb for _, mb, _ in progress.phases.values())
    return {"seconds": whole, "phases": progress.phases, "within": spent, "peak_mb": peak, "size": size}


def _first_of(*names: str) -> Any:
    """The first of these modules that there is: another checkout may have it elsewhere."""
    return importlib.import_module(next(name for name in names if importlib.util.find_spec(name)))


def _profiled(do: Any) -> None:
    import cProfile
    import pstats

    seen = cProfile.Profile()
    seen.runcall(do)
    pstats.Stats(seen, stream=sys.stderr).sort_stats("tottime").print_stats(45)


def _child(checkout: Path, cache: Path, *words: str) -> dict[str, Any]:
    """Run this file again in a process of its own; what it measured."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "EVALKIT_CACHE": str(cache)}
    done = subprocess.run(
        [sys.executable, __file__, "--child", *words], env=environment, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        return {"failed": done.returncode}
    return json.loads(done.stdout.splitlines()[-1])


def _gate(checkout: Path, run: Path) -> float:
    """Seconds that `evalkit gate RUN --policy P` takes, start-up and all."""
    policy = run.parent / "policy.yaml"
    policy.write_text("retain: {margin: 0.04}\n")
    began = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "evalkit", "gate", str(run), "--policy", str(policy)],
        env={**os.environ, "PYTHONPATH": str(checkout)},
        stdout=subprocess.DEVNULL,
        check=False,
    )
    return time.monotonic() - began


def measure(checkout: Path, records: int, *, profile: bool, again: bool) -> dict[str, Any]:
    """A run, the same from the journal, and the gate."""
    with tempfile.TemporaryDirectory(prefix="evalkit-driver-") as name:
        folder = Path(name)
        write_task(folder, records)
        words = [str(folder), str(folder / "out"), *(["--profile"] if profile else [])]
        found = {"first": _child(checkout, folder / "cache", *words)}
        if "failed" in found["first"]:
            return found
        if again:
            found["again"] = _child(checkout, folder / "cache", str(folder), str(folder / "out2"))
        found["gate"] = {"seconds": _gate(checkout, folder / "out")}
        return found


# --- the table ---------------------------------------------------------------------------------------------------


def _generating(run: Mapping[str, Any], at: int = 0) -> float:
    return sum(one[at] for name, one in run["phases"].items() if name.endswith(": generating"))


def _row(label: str, records: int, rounds: Sequence[Mapping[str, Any]]) -> list[str]:
    """Medians over the rounds."""

    def middle(of: Any) -> float:
        return statistics.median(of(one) for one in rounds)

    def phases(one: Mapping[str, Any], *ends: str) -> float:
        named = one["first"]["phases"].items()
        return sum(seen[0] for name, seen in named if name.endswith(ends) or name.startswith(ends))

    within = lambda name: middle(lambda one: one["first"]["within"].get(name, 0.0))  # noqa: E731
    return [
        label,
        f"{records:,}",
        f"{middle(lambda one: phases(one, 'reading suites', 'tuned: ', 'base: ') - _generating(one['first'])):.1f}",
        f"{middle(lambda one: _generating(one['first'])):.1f}",
        f"{records / max(1e-9, middle(lambda one: _generating(one['first']))):,.0f}",
        f"{records / max(1e-9, middle(lambda one: _generating(one['first'], 2))):,.0f}",
        f"{within('table'):.1f}",
        f"{within('statistics'):.1f}",
        f"{middle(lambda one: phases(one, 'writing the report')):.1f}",
        f"{middle(lambda one: one['first']['seconds']):.1f}",
        f"{middle(lambda one: sum(seen[2] for seen in one['first']['phases'].values())):.1f}",
        f"{records / middle(lambda one: one['first']['seconds']):,.0f}",
        f"{middle(lambda one: one['first']['peak_mb']):,.0f}",
        f"{middle(lambda one: one['again']['seconds']):.1f}" if all("again" in one for one in rounds) else "",
        f"{middle(lambda one: one['gate']['seconds']):.1f}",
        f"{middle(lambda one: one['first']['size']['report.html']) / 1e6:.1f}",
    ]


_COLUMNS = (
    "evalkit", "records", "prepare s", "journal + scoring s", "records/s", "records/CPU s", "table s", "statistics s", "report s", "whole s", "whole CPU s",
    "records/s, whole", "peak MB", "from the journal s", "gate s", "page MB",
)  # fmt: skip


def main(sizes: Sequence[int], rounds: int, *, profile: bool, beside: Path | None, again: bool) -> None:
    """Measure every size, print a row each as it is there."""
    checkouts = {"this": ROOT} | ({"beside": beside.resolve()} if beside else {})
    print(
        f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}; target {TARGET:,} records/s"
    )
    print(" | ".join(_COLUMNS))
    for records in sizes:
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in checkouts}
        for _ in range(rounds):
            for name, checkout in checkouts.items():
                found[name].append(measure(checkout, records, profile=profile, again=again))
        for name, mine in found.items():
            if any("failed" in one["first"] for one in mine):
                print(f"{name} | {records:,} | failed: {[one['first'].get('failed') for one in mine]}")
                continue
            print(" | ".join(_row(name, records, mine)))
            for phase, (seconds, mb, cpu) in mine[-1]["first"]["phases"].items():
                print(f"    {phase}: {seconds:.1f} s ({cpu:.1f} s of CPU), {mb:,.0f} MB", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="10000,100000,1000000", help="records, base's and tuned's together")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each size; medians are shown")
    parser.add_argument("--profile", action="store_true", help="print where the time of each run goes")
    parser.add_argument("--beside", type=Path, metavar="CHECKOUT", help="another checkout, measured by turns")
    parser.add_argument("--once", action="store_true", help="do not run again from the journal")
    parser.add_argument("--child", nargs=2, metavar=("FOLDER", "OUT"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        folder, out = map(Path, given.child)
        print(json.dumps(run_once(folder, out, profile=given.profile)))
    else:
        sizes = [int(one) for one in given.sizes.split(",")]
        main(sizes, given.rounds, profile=given.profile, beside=given.beside, again=not given.once)
