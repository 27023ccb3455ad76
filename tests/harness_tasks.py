"""Task files of lm-evaluation-harness over rows of one's own, for tests."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from evalkit.config import SuiteSpec
from evalkit.tasks import Suite, load_suite
from evalkit.yamlfile import validate

Row = Mapping[str, object]

COLOURS = [
    {"q": "The sky is", "options": ["blue", "green", "red"], "gold": 0},
    {"q": "Grass is", "options": ["blue", "green", "red"], "gold": 1},
    {"q": "Blood is", "options": ["blue", "green", "red"], "gold": 2},
    {"q": "Snow is", "options": ["white", "black", "red"], "gold": 0},
]
SUMS = [{"q": f"{n} + {n} =", "sum": str(2 * n)} for n in range(1, 13)]

CHOICE = {
    "output_type": "multiple_choice",
    "doc_to_text": "Q: {{q}}\nA:",
    "doc_to_choice": "{{options}}",
    "doc_to_target": "{{gold}}",
    "metric_list": [{"metric": "acc"}],
}
GENERATE = {
    "output_type": "generate_until",
    "doc_to_text": "{{q}}",
    "doc_to_target": "{{sum}}",
    "generation_kwargs": {"until": ["\n\n"], "do_sample": False},
    "metric_list": [{"metric": "exact_match"}],
}
ROLLING = {
    "output_type": "loglikelihood_rolling",
    "doc_to_text": "",
    "doc_to_target": "{{q}}",
    "metric_list": [{"metric": "word_perplexity"}, {"metric": "bits_per_byte"}],
}

# What a name in `functions` of a task file is replaced by: a function of `own.py` beside it.
FUNCTION = "!function "


def write_task(folder: Path, name: str, rows: Sequence[Row], *, train: Sequence[Row] = (), **fields: object) -> None:
    """A task file and its rows. fields: those of the file; a text that begins with `!function ` names a function."""
    files = {}
    for split, some in (("test", rows), ("train", train)):
        if some:
            path = folder / f"{name}-{split}.jsonl"
            path.write_text("".join(json.dumps(row) + "\n" for row in some), "utf-8")
            files[split] = str(path)
    task = {"task": name, "dataset_path": "json", "dataset_kwargs": {"data_files": files}, "test_split": "test"}
    if train:
        task["fewshot_split"] = "train"
    write_yaml(folder / f"{name}.yaml", {**task, "metadata": {"version": 1}, **fields})


def write_yaml(path: Path, content: Mapping[str, object]) -> None:
    """As the harness reads it, with its `!function` tag where a text begins with that."""
    path.write_text(yaml.dump(dict(content), Dumper=_Dumper, sort_keys=False), "utf-8")


def suite(folder: Path | None, *entries: Mapping[str, object], role: str = "retain", **fields: object) -> SuiteSpec:
    """A suite file with these entries; `lm_eval` of each is given `include_path`."""
    tasks = []
    for entry in entries:
        options = dict(entry["lm_eval"])  # type: ignore[call-overload]
        if folder is not None:
            options["include_path"] = str(folder)
        tasks.append({**entry, "lm_eval": options})
    return validate(SuiteSpec, {"name": "s", "role": role, "tasks": tasks, **fields})


def load(folder: Path | None, *entries: Mapping[str, object], **fields: object) -> Suite:
    """The loaded suite of these entries."""
    return load_suite(suite(folder, *entries, **fields).model_copy(update={"file": "s.yaml"}))


def lm_eval(task: str, **options: object) -> dict[str, object]:
    """An entry of `tasks`."""
    return {"lm_eval": {"task": task, **options}}


class _Dumper(yaml.SafeDumper):
    def represent_str(self, text: str) -> yaml.Node:
        if text.startswith(FUNCTION):
            return self.represent_scalar("!function", text.removeprefix(FUNCTION))
        return super().represent_str(text)


_Dumper.add_representer(str, _Dumper.represent_str)
