"""How large is the page of 100,000 pairs, how soon does it show, and how fast does it sort, filter and search?

A run of two recorded models over real texts is compared once by `evalkit compare`, from the folder of data that EVALKIT_TEST_DATA names:
answers of a dozen systems to six sets of questions, paired in every order and repeated under new ids until there are enough.
Its page is held beside two that one would write by hand of the same data: a plain table (pandas' `to_html`), and an altair chart with
its data and its scripts inline (a dot a pair, its texts as the hover title).

    EVALKIT_TEST_DATA=DIR python bench/report.py [--pairs 100000] [--times 3] [--run KEPT] [--patience 120]

Each page is written in a process of its own (evalkit's so many times, the others once; time and peak of resident memory as the kernel counts them) and opened in headless Chromium,
each time in a new browser: first contentful paint; ready, when the list can be used (the others: when the page has loaded and the chart
is drawn); sort, filter and search from the call to the frame after. Targets are printed and asserted nowhere; that the page asks
the network nothing, and its size, are.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from machine import load_note, machine

TARGETS = {"size": "25 MB", "paint": "1 s", "ready": "2 s", "sort": "100 ms", "filter": "100 ms"}
MOST = 25_000_000
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]
Pair = tuple[str, str, str, str]  # prompt, gold, one answer, the other

READY = {
    "evalkit": "performance.getEntriesByName('explorer ready').length",
    "plain": "document.readyState === 'complete'",
    "altair": "document.querySelector('#vis .marks') !== null",
}
SORTED = """async (sort) => { const began = performance.now(); go({ sort });
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done))); return performance.now() - began; }"""
FILTERED = """async (change) => { const began = performance.now(); go({ ...blank(), ...change });
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done))); return performance.now() - began; }"""
SEARCHED = """async (q) => { const began = performance.now(); let first = 0, worst = 0, last = began; go({ ...blank(), q });
  while (!search.done) { await new Promise((done) => requestAnimationFrame(done)); const now = performance.now();
    worst = Math.max(worst, now - last); last = now; }
  return [performance.now() - began, worst, matching.length]; }"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=3, help="each figure is the median of so many")
    parser.add_argument("--run", type=Path, help="keep the run and the pages here, and use a run that lies here")
    parser.add_argument("--patience", type=int, default=120, help="seconds until a page counts as not opening")
    parser.add_argument("--write", nargs=3, metavar=("PAGE", "RUN", "OUT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        kind, run, out = options.write
        return {"plain": write_plain, "altair": write_altair}[kind](Path(run), Path(out))
    if not os.environ.get("EVALKIT_TEST_DATA"):
        parser.error("EVALKIT_TEST_DATA names no folder of real texts")
    with tempfile.TemporaryDirectory() as folder:
        measure(options.run or Path(folder), options.pairs, options.times, options.patience)


def measure(folder: Path, pairs: int, times: int, patience: int) -> None:
    """Write all three pages, open all three, print a table."""
    print(machine())
    print(f"load {os.getloadavg()[0]:.1f} at the start. {load_note()}")
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "run" / "samples.parquet").exists():
        began = time.perf_counter()
        unique = write_run(folder, pairs)
        print(f"evalkit compare: {time.perf_counter() - began:.0f} s for {pairs:,} pairs, {unique:,} of them different")
    run = folder / "run"
    print(f"samples.parquet: {(run / 'samples.parquet').stat().st_size / 1e6:.0f} MB")
    commands = {
        "evalkit": ["-m", "evalkit", "report", str(run), "--out", str(folder / "evalkit")],
        "plain": [__file__, "--write", "plain", str(run), str(folder / "plain.html")],
        "altair": [__file__, "--write", "altair", str(run), str(folder / "altair.html")],
    }
    pages = {name: folder / f"{name}.html" for name in commands} | {"evalkit": folder / "evalkit" / "report.html"}
    rows = {}
    for name, command in commands.items():
        rows[name] = written(command, times if name == "evalkit" else 1)
        if rows[name]:
            rows[name] |= {"size": pages[name].stat().st_size, **opened(pages[name], name, times, patience)}
    table(rows)
    assert pages["evalkit"].stat().st_size <= MOST, "the page is larger than 25 MB"
    print(f"load {os.getloadavg()[0]:.1f} at the end")


# --- the run -----------------------------------------------------------------------------------------------------


def write_run(folder: Path, pairs: int) -> int:
    """A run folder of so many pairs, by `evalkit compare` over recorded answers; how many pairs differ."""
    kinds = {name: list(found) for name, found in real_pairs(Path(os.environ["EVALKIT_TEST_DATA"])).items()}
    unique = sum(map(len, kinds.values()))
    lines: dict[str, list[str]] = {"base": [], "tuned": []}
    for name, found in kinds.items():
        mine = itertools.islice(itertools.cycle(found), round(pairs * len(found) / unique))
        with (folder / f"{name}.jsonl").open("w", encoding="utf-8") as items:
            for at, (prompt, gold, one, other) in enumerate(mine):
                key = f"{name}-{at}"
                items.write(json.dumps({"id": key, "q": prompt, "a": gold}) + "\n")
                for model, output in (("base", one), ("tuned", other)):
                    lines[model].append(json.dumps({"id": key, "task": name, "output": output}))
        extract, score = ("[last_number]", "number") if name.startswith("gsm8k") else ("[whole]", "contains")
        (folder / f"{name}.yaml").write_text(
            f"name: {name}\ntasks: [{{name: {name}, data: {name}.jsonl, id: '{{{{ id }}}}', prompt: '{{{{ q }}}}', answer: '{{{{ a }}}}', "
            f"extract: {extract}, score: {score}}}]\n"
        )
    for model, rows in lines.items():
        (folder / f"{model}.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
        (folder / f"{model}.yaml").write_text(f"name: {model}\nbackend: replay\noutputs: {model}.jsonl\n")
    suites = [part for name in kinds for part in ("--suite", f"{name}.yaml")]
    command = [sys.executable, "-m", "evalkit", "compare", "base.yaml", "tuned.yaml", *suites, "--out", "run"]
    environment = {**os.environ, "EVALKIT_CACHE": str(folder / "cache")}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode in (0, 1, 3), done.stderr
    return unique


def real_pairs(data: Path) -> dict[str, Iterator[Pair]]:
    """By source, two systems' answers to one question, in every order of two systems."""

    def rows(name: str) -> list[dict[str, Any]]:
        with (data / name).open(encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def answers(folder: str, key: str, field: str, *models: str) -> list[dict[Any, str]]:
        return [{row[key]: row[field] for row in rows(f"{folder}/{model}.jsonl")} for model in models]

    def paired(asked: dict[Any, tuple[str, str]], said: list[dict[Any, str]]) -> Iterator[Pair]:
        for one, other in itertools.permutations(said, 2):
            for key, (prompt, gold) in asked.items():
                if key in one and key in other:
                    yield prompt, gold, one[key], other[key]

    found = {}
    for task in ("gsm", "math-l5", "crux"):
        asked = {row["id"]: (row["prompt"], str(row["answer"])) for row in rows(f"zeroeval/{task}/items.jsonl")}
        said = answers(f"zeroeval/{task}", "id", "output", "Athene-70B", "Meta-Llama-3-70B-Instruct")
        found["gsm8k-json" if task == "gsm" else task] = paired(asked, said)
    asked = {
        row["id"]: (row["question"], row["answer"].split("####")[-1].strip()) for row in rows("tasks/gsm8k_test.jsonl")
    }
    found["gsm8k"] = paired(asked, answers("gsm8k_openai", "id", "solution", "6b_finetuning", "6b_verification"))
    asked = {}
    for row in rows("tasks/mmlu_test.jsonl"):
        options = "\n".join(f"{letter}. {choice}" for letter, choice in zip("ABCD", row["choices"], strict=True))
        asked[row["id"]] = (f"{row['question']}\n{options}\nAnswer:", "ABCD"[row["answer"]])
    said = answers("mmlu_llama2_7b_sft", "id", "prediction", "llama-2-7b-base", "llama-2-7b-sft-step200")
    found["mmlu"] = itertools.islice(paired(asked, said), len(said[0]))
    asked = {row["id"]: (row["input"], str(row["target"])) for row in rows("tasks/bbh.jsonl")}
    found["bbh"] = paired(asked, answers("bbh_codex", "id", "prediction", "cot", "direct"))
    # An open question has no gold answer: the longest word of the reference counts as found or not.
    reference = rows("alpaca_eval/baseline_gpt4_1106_preview.jsonl")
    asked = {row["i"]: (row["instruction"], max(row["output"].split(), key=len, default="")) for row in reference}
    models = (
        "alpaca-7b",
        "alpaca-farm-ppo-human",
        "oasst-rlhf-llama-33b",
        "oasst-sft-llama-33b",
        "baseline_gpt4_1106_preview",
    )
    found["open-questions"] = paired(asked, answers("alpaca_eval", "i", "output", *models))
    return found


# --- the two other pages -----------------------------------------------------------------------------------------


def frame(run: Path) -> Any:
    """A row a pair."""
    import pandas as pd

    rows = pd.read_parquet(
        run / "samples.parquet", columns=["suite", "task", "id", "arm", "prompt", "text", "value", "gold"]
    )
    rows = rows.astype({name: str for name in ("suite", "task", "arm")})
    sides = [rows[rows["arm"] == arm].set_index(["suite", "task", "id"]) for arm in ("base", "tuned")]
    both = sides[0].join(sides[1][["text", "value"]], lsuffix="_base", rsuffix="_tuned").reset_index()
    return both.drop(columns="arm")


def write_plain(run: Path, out: Path) -> None:
    """A table of all pairs."""
    frame(run).to_html(out, index=False)


def write_altair(run: Path, out: Path) -> None:
    """A dot a pair by the lengths of both answers, coloured by suite; data and scripts inline."""
    import altair as alt

    alt.data_transformers.disable_max_rows()
    rows = frame(run)
    for arm in ("base", "tuned"):
        rows[f"characters_{arm}"] = rows[f"text_{arm}"].str.len()
    chart = (
        alt.Chart(rows)
        .mark_point()
        .encode(
            x="characters_base",
            y="characters_tuned",
            color="suite",
            tooltip=["id", "prompt", "text_base", "text_tuned", "value_base", "value_tuned"],
        )
        .interactive()
    )
    out.write_text(chart.to_html(inline=True), encoding="utf-8")


# --- measuring ---------------------------------------------------------------------------------------------------


def written(command: list[str], times: int) -> dict[str, float]:
    """Seconds and the peak of memory in MB of a process that writes a page; empty where it fails."""
    took, peaks = [], []
    for _ in range(times):
        began = time.perf_counter()
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen([sys.executable, *command], stdout=said, stderr=said)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                said.seek(0)
                print(f"{command}: exit {process.returncode}: {said.read().decode()[-500:]}")
                return {}
        took.append(time.perf_counter() - began)
        peaks.append(usage.ru_maxrss / 1024)
    return {"written": statistics.median(took), "peak": statistics.median(peaks)}


def opened(path: Path, name: str, times: int, patience: int) -> dict[str, float]:
    """Milliseconds in the browser. Missing where the page did not come in time."""
    from playwright.sync_api import Error, sync_playwright

    seen: dict[str, list[float]] = {}
    with sync_playwright() as playwright:
        for turn in range(times):
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
            try:
                found = look(browser, path, name, patience * 1000)
                for what, value in found.items():
                    seen.setdefault(what, []).append(value)
                if "ready" not in found:
                    break
            except Error as error:
                print(f"{name}: {str(error).splitlines()[0]}")
                if not turn:
                    break
            finally:
                browser.close()
    return {what: statistics.median(values) for what, values in seen.items()}


def look(browser: Any, path: Path, name: str, patience: int) -> dict[str, float]:
    """Open the page once."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(patience)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri(), wait_until="commit", timeout=patience)
    found: dict[str, float] = {}
    try:
        come(page, "performance.getEntriesByName('first-contentful-paint').length", patience)
        found["paint"] = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        come(page, READY[name], patience)
        mark = "performance.getEntriesByName('explorer ready')[0].startTime"
        found["ready"] = page.evaluate(mark if name == "evalkit" else "performance.now()")
    except TimeoutError:
        print(f"{name}: not there after {patience / 1000:.0f} s: {'paint' if not found else 'ready'}")
        return found
    if name == "evalkit":
        sorts = [page.evaluate(SORTED, sort) for sort in ("loss", "-longer", "id", "cause")]
        filters = [{"cell": "regressed"}, {"suite": "mmlu", "cell": "fixed"}, {"score": "zero"}, {}]
        found["sort"] = max(sorts)
        found["filter"] = max(page.evaluate(FILTERED, change) for change in filters)
        found["search"], found["pause"], _ = page.evaluate(SEARCHED, "the Pythagorean theorem")
        found["again"], _, _ = page.evaluate(SEARCHED, "the Pythagorean theorem to")
        assert asked == [path.as_uri()], f"asked for {asked[:3]}"
    return found


def come(page: Any, expression: str, patience: int) -> None:
    """Wait until that is true. Asked from outside: the page's own policy lets it evaluate nothing."""
    began = time.monotonic()
    while not page.evaluate(expression):
        if time.monotonic() - began > patience / 1000:
            raise TimeoutError(expression)
        time.sleep(0.05)


def table(rows: dict[str, dict[str, float]]) -> None:
    """As Markdown."""
    names = {"evalkit": "evalkit", "plain": "plain table", "altair": "altair, inline"}
    lines = [
        ("size", "size of the page", lambda value: f"{value / 1e6:.1f} MB"),
        ("written", "writing it, from the shell", lambda value: f"{value:.1f} s"),
        ("peak", "peak memory of writing it", lambda value: f"{value:,.0f} MB"),
        ("paint", "first contentful paint", lambda value: f"{value / 1000:.2f} s"),
        ("ready", "ready", lambda value: f"{value / 1000:.2f} s"),
        ("sort", "sort all (slowest of 4 orders)", lambda value: f"{value:.0f} ms"),
        ("filter", "filter (slowest of 4)", lambda value: f"{value:.0f} ms"),
        ("search", "search all texts on the page", lambda value: f"{value / 1000:.2f} s"),
        ("pause", "longest pause meanwhile", lambda value: f"{value:.0f} ms"),
        ("again", "search on from there", lambda value: f"{value:.0f} ms"),
    ]
    print(f"\n| | target | {' | '.join(names[name] for name in rows)} |\n|---|---|{'---|' * len(rows)}")
    for key, label, shown in lines:
        cells = [
            shown(one[key])
            if key in one
            else "none"
            if key in ("sort", "filter", "search", "pause", "again")
            else "did not come"
            for one in rows.values()
        ]
        print(f"| {label} | {TARGETS.get(key, '')} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
