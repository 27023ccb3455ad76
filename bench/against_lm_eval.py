"""evalkit against lm-evaluation-harness: the same task files, models, engine and settings; wall times and every score.

    python bench/against_lm_eval.py [--choice 500] [--generate 200] [--repeats 3] [--out FOLDER]

Three sides, each in cold processes with empty caches: `lm_eval` twice, once a model, as its users run it; one `evalkit
compare` with its report (no judge, no probes); and the floor, one process in which the bare engine answers the same
token ids, imports and both loads included. Asked are a task of four options (MMLU) and a few-shot generate task (GSM8K)
together, and the first alone. The order of the sides turns round with each repeat. `--choice 40 --generate 16 --repeats
1` is a quick look; the full size takes over an hour on two cores. Every time is a line of FOLDER/against_lm_eval.jsonl
as soon as it is known. A side that fails is said to have failed, and the others go on.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.harness import asked as tasks  # noqa: E402
from bench.harness import models, sides  # noqa: E402
from bench.harness.asked import Asked  # noqa: E402
from bench.harness.scores import Scores, compared  # noqa: E402
from bench.machine import load_note, machine  # noqa: E402

MODEL = ROOT / "examples" / "models" / "SmolLM2-135M-Instruct"
LABELS = {"lm_eval": "lm_eval, twice", "evalkit": "evalkit compare", "bare": "bare engine, one process"}
TARGETS = {"whole": 0.45, "choice": 0.33}

Side = Callable[[Path], tuple[float, Scores]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path(os.environ.get("EVALKIT_TEST_MODEL") or MODEL))
    parser.add_argument("--adapter", type=Path, default=ROOT / "examples" / "adapter")
    parser.add_argument("--choice", type=int, default=500, help="questions of four options")
    parser.add_argument("--generate", type=int, default=200, help="problems to be worked out")
    parser.add_argument("--new-tokens", type=int, default=128, help="at most, for each problem")
    parser.add_argument("--dtype", default="float32", help="on all sides (default: float32, evalkit's on a CPU)")
    parser.add_argument("--parts", default="whole,choice", help="whole (both tasks), choice (the first alone)")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--timeout", type=float, default=5400, help="seconds that one process may take")
    parser.add_argument("--out", type=Path, default=Path("against-lm-eval"), help="for times and logs")
    given = parser.parse_args()
    unknown = sorted(set(given.parts.split(",")) - set(TARGETS))
    if unknown:
        parser.error(f"--parts: unknown {unknown[0]!r}; known: {', '.join(TARGETS)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))  # the table is printed all the same
    Meeting(given).run()


class Meeting:
    """Runs the sides in turn and keeps what they took."""

    def __init__(self, given: argparse.Namespace) -> None:
        self._given = given
        self._out = given.out.resolve()
        self._out.mkdir(parents=True, exist_ok=True)
        self._rows = self._out / "against_lm_eval.jsonl"
        self._rows.write_text("", "utf-8")
        self._seconds: dict[tuple[str, str], list[float]] = {}
        self._failed: dict[tuple[str, str], str] = {}
        self._scores: dict[tuple[str, str], Scores] = {}
        self._notes: list[str] = []

    def run(self) -> None:
        """Everything, then the table, whatever happened."""
        given = self._given
        print(machine(), load_note(), sep="\n", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder)
            asked = tasks.write(
                work / "tasks", choice=given.choice, generate=given.generate, new_tokens=given.new_tokens
            )
            pair = models.write(work, given.model, given.adapter, dtype=given.dtype)
            try:
                for part in given.parts.split(","):
                    self._part(part, asked[part], pair, work)
            finally:
                print("\n" + self.table(), flush=True)

    def _part(self, part: str, asked: Asked, pair: models.Pair, work: Path) -> None:
        requests = work / f"requests-{part}.json"
        some: dict[str, Side] = {
            "lm_eval": lambda folder: sides.lm_eval(asked, pair, folder, self._given.timeout),
            "evalkit": lambda folder: sides.evalkit(asked, pair, folder, self._given.timeout),
            "bare": lambda folder: sides.bare(requests, pair, folder, self._given.timeout),
        }
        try:
            sides.prepare(asked, pair, requests)
            self._describe(part, asked, requests)
        except Exception as error:
            self._failed[part, "bare"] = str(error)
            del some["bare"]
        for repeat in range(self._given.repeats):
            for side in list(some) if repeat % 2 == 0 else reversed(list(some)):
                self._one(part, side, some[side], repeat)

    def _describe(self, part: str, asked: Asked, requests: Path) -> None:
        """What the engine is asked: one request an item of four options means one distribution, not four prompts."""
        arm = json.loads(requests.read_text("utf-8"))["base"]["requests"]
        each = {task: sum(one["task"] == task for one in arm) for task in asked.tasks}
        tokens = sum(len(one["ids"]) for one in arm)
        counts = ", ".join(f"{n} for {task}" for task, n in each.items())
        self._notes.append(
            f"{part}: {asked.source}. evalkit's engine requests a model: {counts}; {tokens:,} prompt tokens"
        )
        print(self._notes[-1], flush=True)

    def _one(self, part: str, side: str, run: Side, repeat: int) -> None:
        folder = self._out / f"{part}-{side}-{repeat + 1}"
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with tempfile.TemporaryDirectory() as scratch:
                try:
                    seconds, scores = run(Path(scratch))
                finally:
                    for log in Path(scratch).glob("*.log"):
                        shutil.copy(log, folder / log.name)
                if side == "evalkit":
                    self._say(part, "evalkit's phases", sides.phases(Path(scratch)))
        except Exception as error:  # the other sides are still worth having
            if not isinstance(error, sides.Failed):
                traceback.print_exc()
            self._failed[part, side] = f"{type(error).__name__}: {error}"
            self._say(part, side, None, self._failed[part, side])
            return
        self._seconds.setdefault((part, side), []).append(seconds)
        if scores:
            self._scores[part, side] = scores
        self._say(part, side, seconds, f"repeat {repeat + 1}")

    def _say(self, part: str, name: str, value: object, note: str = "") -> None:
        with self._rows.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"part": part, "name": name, "value": value, "note": note}) + "\n")
        shown = f"{value:.1f} s" if isinstance(value, float) else value
        print(f"[{part}] {name}: {shown} {note}".rstrip(), flush=True)

    def table(self) -> str:
        """What is known: medians, ratios, floors, scores, failures."""
        given = self._given
        lines = [
            f"{machine()}",
            f"{given.dtype}, medians of up to {given.repeats} (each in brackets)",
            *self._notes,
            "",
        ]
        for part in given.parts.split(","):
            medians = {side: self._median(part, side) for side in LABELS}
            for side, label in LABELS.items():
                each = ", ".join(f"{one:.1f}" for one in self._seconds.get((part, side), ()))
                known = medians[side]
                shown = (
                    f"{known:8.1f} s  ({each})"
                    if known is not None
                    else f"       -    {self._failed.get((part, side), 'not run')}"
                )
                lines.append(f"{part:<8}{label:<26}{shown}")
            target = TARGETS[part]
            lines.append(
                f"{part:<8}{'evalkit / lm_eval':<26}{_ratio(medians, 'evalkit', 'lm_eval')}  (target {target})"
            )
            lines.append(f"{part:<8}{'bare / lm_eval':<26}{_ratio(medians, 'bare', 'lm_eval')}")
            lines.append(f"{part:<8}{'evalkit / bare':<26}{_ratio(medians, 'evalkit', 'bare')}")
            theirs, ours = self._scores.get((part, "lm_eval")), self._scores.get((part, "evalkit"))
            if theirs and ours:
                lines += [f"{part:<8}{line}" for line in compared(theirs, ours)]
            lines.append("")
        return "\n".join(lines)

    def _median(self, part: str, side: str) -> float | None:
        values = self._seconds.get((part, side))
        return statistics.median(values) if values else None


def _ratio(medians: dict[str, float | None], one: str, other: str) -> str:
    a, b = medians[one], medians[other]
    return "       -" if a is None or b is None else f"{a / b:8.2f} x"


if __name__ == "__main__":
    main()
