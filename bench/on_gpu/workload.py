"""What is asked: a GSM8K-shaped and an MMLU-shaped suite, as files that evalkit reads, and its own requests for them."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.on_gpu.models import sentences
from bench.on_gpu.setup import Setup

if TYPE_CHECKING:
    from evalkit.config import ModelSpec
    from evalkit.types import Request

_SUBJECTS = 57


def engine_options(setup: Setup, model: str) -> dict[str, Any]:
    """`engine:` of a model file. The small model takes little memory, since engines follow each other in a process."""
    from evalkit.backends.vllm import is_cpu_build

    options: dict[str, Any] = {"dtype": "bfloat16", "max_model_len": 2048, "seed": 0}
    if model == "big":
        options["load_format"] = "dummy"
    if setup.tiny:
        options["max_num_seqs"] = 16
    if setup.attention:
        options["attention_backend"] = setup.attention
    if not is_cpu_build():
        options["gpu_memory_utilization"] = 0.9 if model == "big" else 0.4
    return options


def spec(setup: Setup, name: str, model: str, **fields: object) -> ModelSpec:
    """A model file over one of the made folders."""
    from evalkit.config import ModelSpec
    from evalkit.yamlfile import validate

    content = {
        "name": name,
        "backend": "vllm",
        "model": str(setup.work / model),
        "format": "completion",
        "engine": engine_options(setup, model),
        **fields,
    }
    return validate(ModelSpec, content)


def generate_suite(setup: Setup, prompts: int, new_tokens: int) -> Path:
    """GSM8K-shaped: about 200 tokens of prompt, half of it shared by all, up to `new_tokens` of answer."""
    shared = sentences(1, 100, seed=1)[0]
    rows = [
        {"id": str(place), "question": text, "answer": place % 97}
        for place, text in enumerate(sentences(prompts, 80, seed=2))
    ]
    task = {
        "prompt": f"{shared}\n\nQuestion: {{{{ question }}}}\nAnswer:",
        "answer": "{{ answer }}",
        "sampling": {"max_tokens": new_tokens},
        "extract": ["last_number"],
        "score": "number",
    }
    return _suite(setup, f"words-{prompts}-{new_tokens}", rows, task)


def choice_suite(setup: Setup, questions: int) -> Path:
    """MMLU-shaped: 57 subjects with 400 shared tokens each, about 100 tokens of one's own, four lettered options."""
    draw = random.Random(3)
    subjects = sentences(_SUBJECTS, 40 if setup.tiny else 380, seed=4)
    rows = [
        {
            "id": str(place),
            "subject": subjects[place * _SUBJECTS // questions],
            "question": text,
            "choices": sentences(4, 6, seed=place),
            "answer": draw.randrange(4),
        }
        for place, text in enumerate(sentences(questions, 50, seed=5))
    ]
    task = {
        "kind": "choice",
        "prompt": "{{ subject }}\n\n{{ question }}\n{{ options }}\nAnswer:",
        "choices": "choices",
        "answer": "{{ answer }}",
    }
    return _suite(setup, f"letters-{questions}", rows, task)


def _suite(setup: Setup, name: str, rows: list[dict[str, Any]], task: Mapping[str, Any]) -> Path:
    import yaml

    folder = setup.work / "suites"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    suite = {
        "name": name,
        "role": "retain",
        "version": "1",
        "judge": False,
        "tasks": [{"data": f"{name}.jsonl", **task}],
    }
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(suite, sort_keys=False), "utf-8")
    return path


def requests(suite: Path, models: Mapping[str, ModelSpec]) -> list[Request]:
    """What a run asks of these models, in its order: each item of every model in turn."""
    from evalkit.inputs import read_suite_by_name
    from evalkit.running.requests import draw, requests_for

    items = draw(read_suite_by_name(str(suite)), seed=0)
    return [request for item in items for name, model in models.items() for request in requests_for(item, name, model)]
