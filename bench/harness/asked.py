"""What is asked: a four-option task and a few-shot generate task, as task files of lm-evaluation-harness over local rows.

evalkit runs the very same files through its adapter, so that prompts, filters and marks are the harness's own on both
sides. Rows are real ones (MMLU and GSM8K) where EVALKIT_TEST_DATA names a folder that holds them, else made here.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CHOICE, GENERATE = "bench_choice", "bench_generate"
METRICS = {CHOICE: "acc", GENERATE: "exact_match"}
FILTERS = {CHOICE: "none", GENERATE: "flexible-extract"}
SHOTS = 4

_TASKS: dict[str, dict[str, Any]] = {
    CHOICE: {
        "output_type": "multiple_choice",
        "doc_to_text": "{{question.strip()}}\nA. {{choices[0]}}\nB. {{choices[1]}}\nC. {{choices[2]}}\nD. {{choices[3]}}\nAnswer:",
        "doc_to_choice": ["A", "B", "C", "D"],
        "doc_to_target": "{{answer}}",
        "num_fewshot": 0,
        "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
    },
    # As the harness's own gsm8k, with fewer tokens and the same worked examples before each question.
    GENERATE: {
        "output_type": "generate_until",
        "doc_to_text": "Question: {{question}}\nAnswer:",
        "doc_to_target": "{{answer}}",
        "num_fewshot": SHOTS,
        "fewshot_config": {"sampler": "first_n"},
        "generation_kwargs": {"until": ["Question:", "<|im_end|>"], "do_sample": False, "temperature": 0.0},
        "filter_list": [
            {
                "name": "flexible-extract",
                "filter": [
                    {"function": "regex", "group_select": -1, "regex_pattern": r"(-?[$0-9.,]{2,})|(-?[0-9]+)"},
                    {"function": "take_first"},
                ],
            }
        ],
        "metric_list": [
            {
                "metric": "exact_match",
                "aggregation": "mean",
                "higher_is_better": True,
                "ignore_case": True,
                "ignore_punctuation": False,
                "regexes_to_ignore": [",", r"\$", r"(?s).*#### ", r"\.$"],
            }
        ],
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """Task files and the suites that name them. tasks: of this part. source: where the rows come from, in words."""

    folder: Path
    suite: Path
    tasks: tuple[str, ...]
    source: str


def write(folder: Path, *, choice: int, generate: int, new_tokens: int) -> dict[str, Asked]:
    """The task files, and a suite for each part: `whole` with both tasks, `choice` with the first alone."""
    folder.mkdir(parents=True, exist_ok=True)
    questions, questions_source = _questions(choice)
    problems, examples, problems_source = _problems(generate)
    _write_task(folder, CHOICE, {"test": questions})
    _write_task(folder, GENERATE, {"test": problems, "train": examples}, max_gen_toks=new_tokens)
    parts = {
        "whole": ((CHOICE, GENERATE), f"{questions_source}; {problems_source}"),
        "choice": ((CHOICE,), questions_source),
    }
    asked: dict[str, Asked] = {}
    for part, (tasks, source) in parts.items():
        suite = folder / f"suite-{part}.yaml"
        entries = [{"lm_eval": {"task": task, "include_path": str(folder), "filter": FILTERS[task]}} for task in tasks]
        suite.write_text(
            yaml.safe_dump({"name": f"bench-{part}", "role": "retain", "tasks": entries}, sort_keys=False), "utf-8"
        )
        asked[part] = Asked(folder, suite, tasks, source)
    return asked


def _write_task(folder: Path, name: str, splits: dict[str, Sequence[dict[str, Any]]], **generation: int) -> None:
    files: dict[str, str] = {}
    for split, rows in splits.items():
        path = folder / f"{name}-{split}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        files[split] = str(path)
    task: dict[str, Any] = {
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": files},
        "test_split": "test",
        "metadata": {"version": 1},
        **_TASKS[name],
    }
    if "train" in splits:
        task["fewshot_split"] = "train"
    if generation:
        task["generation_kwargs"] = {**task["generation_kwargs"], **generation}
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(task, sort_keys=False), "utf-8")


def _questions(n: int) -> tuple[list[dict[str, Any]], str]:
    rows = _rows("mmlu_test.jsonl")
    if rows:
        some = random.Random(0).sample(rows, min(n, len(rows)))
        kept = [{key: row[key] for key in ("question", "choices", "answer")} for row in some]
        return kept, f"{len(kept)} of MMLU's test questions, no examples"
    draw = random.Random(0)
    made: list[dict[str, Any]] = []
    for _ in range(n):
        a, b = draw.randrange(100), draw.randrange(100)
        options = draw.sample(range(a + b - 9, a + b + 10), 4)
        place = draw.randrange(4)
        options[place] = a + b
        made.append({"question": f"What is {a} + {b}?", "choices": [str(one) for one in options], "answer": place})
    return made, f"{n} made questions of four options (no EVALKIT_TEST_DATA)"


def _problems(n: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]], str]:
    rows, examples = _rows("gsm8k_test.jsonl"), _rows("gsm8k_train_first200.jsonl")
    if rows and examples:
        some = random.Random(0).sample(rows, min(n, len(rows)))
        kept = [{key: row[key] for key in ("question", "answer")} for row in some]
        shown = [{key: row[key] for key in ("question", "answer")} for row in examples[:SHOTS]]
        return kept, shown, f"{len(kept)} of GSM8K's test problems, {SHOTS} examples"
    draw = random.Random(1)

    def made() -> dict[str, Any]:
        a, b = draw.randrange(2, 60), draw.randrange(2, 60)
        question = f"Ann has {a} apples and buys {b} more. How many apples does she have?"
        return {"question": question, "answer": f"She has {a} + {b} = {a + b} apples.\n#### {a + b}"}

    return [made() for _ in range(n)], [made() for _ in range(SHOTS)], f"{n} made problems (no EVALKIT_TEST_DATA)"


def _rows(name: str) -> list[dict[str, Any]]:
    folder = os.environ.get("EVALKIT_TEST_DATA")
    path = Path(folder, "tasks", name) if folder else None
    if path is None or not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]
