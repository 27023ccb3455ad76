"""A result folder of the harness: which tasks it logged when, of which model."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evalkit.importers.scored import NO_FINGERPRINT
from evalkit.types import IMPORTED, InputError, ModelRecord

_SAMPLES = re.compile(r"samples_(?P<task>.+)_(?P<date>\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d[.\d]*)\.jsonl$")
_RESULTS = re.compile(r".+_(?P<date>\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d[.\d]*)\.json$")
_HOLDS_THE_MODEL = ("peft", "delta", "pretrained", "model", "path", "engine", "tokenizer", "revision", "token")


@dataclass(frozen=True, slots=True)
class SamplesFile:
    """One task's samples, and the results that were written with them. arm: whose they are."""

    arm: str
    task: str
    path: Path
    date: str
    results: Mapping[str, Any]

    @property
    def config(self) -> Mapping[str, Any]:
        """The task's own settings, as the harness had them."""
        return _mapping(self.results, "configs").get(self.task) or {}


@dataclass(frozen=True, slots=True)
class Folder:
    """What one model's runs left behind. samples: by task, the newest. groups: their leaf tasks, outermost first.

    tasks: all that were run, logged or not. others: how many older logs of a task there are.
    """

    arm: str
    path: Path
    samples: Mapping[str, SamplesFile]
    groups: Mapping[str, tuple[str, ...]]
    tasks: tuple[str, ...]
    others: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path, arm: str) -> Folder:
        """Look through a folder, or take one `results_*.json`. Raises InputError."""
        flag = f"{arm.upper()}_DIR"
        if not path.exists():
            raise InputError(f"{flag}: no such folder {path}; give the one that --output_path of lm_eval named")
        folder, only = path, None
        if path.is_file():
            named = _RESULTS.fullmatch(path.name)
            if not named:
                raise InputError(f"{flag}: {path}: give a folder, or a results_TIME.json that lm_eval wrote")
            folder, only = path.parent, named["date"]
        results: dict[tuple[Path, str], Mapping[str, Any]] = {}
        for file in sorted(folder.glob("*.json") if only else folder.rglob("*.json")):
            named = _RESULTS.fullmatch(file.name)
            if named and only in (None, named["date"]):
                data = _read(file)
                if "results" in data and "configs" in data:
                    results[file.parent, named["date"]] = data
        if not results:
            raise InputError(f"{flag}: {path}: holds no results_TIME.json of lm_eval; give the folder of --output_path")
        found: dict[str, list[SamplesFile]] = {}
        for file in sorted(folder.glob("samples_*.jsonl") if only else folder.rglob("samples_*.jsonl")):
            named = _SAMPLES.fullmatch(file.name)
            data = results.get((file.parent, named["date"])) if named else None
            if named and data is None and only is None:
                raise InputError(
                    f"{file}: no results_{named['date']}.json beside it, which says what was asked of which model; copy the whole folder"
                )
            if named and data is not None:
                found.setdefault(named["task"], []).append(SamplesFile(arm, named["task"], file, named["date"], data))
        _check_one_model(flag, path, results)
        newest = {task: max(files, key=lambda one: one.date) for task, files in found.items()}
        ordered = [data for _, data in sorted(results.items(), key=lambda one: one[0][1], reverse=True)]
        tasks = tuple(dict.fromkeys(task for data in ordered for task in _mapping(data, "configs")))
        self = cls(
            arm,
            path,
            newest,
            _groups(ordered, tasks),
            tasks,
            {task: len(files) - 1 for task, files in found.items() if len(files) > 1},
        )
        if not newest:
            self.check_logged(tasks)
        return self

    def check_logged(self, tasks: Sequence[str]) -> None:
        """Every one of these has its samples beside its results. Raises InputError."""
        lacking = [task for task in tasks if task not in self.samples]
        if lacking:
            some = ", ".join(lacking[:3]) + (", ..." if len(lacking) > 3 else "")
            raise InputError(
                f"{self.path}: holds results of {some} and no samples; pairs are made of samples: run lm_eval again with --log_samples"
            )

    def model(self, tasks: Sequence[str], name: str | None) -> ModelRecord:
        """Who answered these tasks, as far as the newest of their results say. name: another one than theirs."""
        newest = max((self.samples[task] for task in tasks), key=lambda one: one.date)
        data, config = newest.results, _mapping(newest.results, "config")
        arguments = _arguments(config.get("model_args"))
        of = str(data.get("model_name") or arguments.get("pretrained") or arguments.get("model") or "unknown")
        adapter = arguments.get("peft")
        hashes = [str(config[key]) for key in ("model_sha", "peft_sha", "delta_sha") if config.get(key)]
        chat = data.get("chat_template")
        notes = [f"{key} {data[key]}" for key in ("transformers_version",) if data.get(key)]
        length = data.get("max_length")
        return ModelRecord(
            name=name or Path(of.rstrip("/")).name or of,
            backend=IMPORTED,
            model=str(arguments.get("pretrained") or of),
            fingerprint="+".join(hashes) or NO_FINGERPRINT,
            revision=str(config.get("model_revision") or arguments.get("revision") or "") or None,
            adapter=str(adapter) if adapter else None,
            template_hash=str(data.get("chat_template_sha") or "") or None,
            format="chat" if chat else "completion",
            precision=str(config.get("model_dtype") or arguments.get("dtype") or "") or None,
            context_limit=length if isinstance(length, int) else None,
            engine=f"lm-eval, {data.get('model_source') or config.get('model') or 'unknown'}",
            engine_version=str(data.get("lm_eval_version") or ""),
            engine_options={key: value for key, value in arguments.items() if key not in _HOLDS_THE_MODEL},
            notes=tuple(notes),
        )

    def cautions(self, tasks: Sequence[str]) -> list[str]:
        """Which of several runs was taken."""
        return [
            f"{self.arm}: {task}: {self.others[task] + 1} runs in {self.path}; the newest counts, {self.samples[task].date}"
            for task in tasks
            if task in self.others
        ]


def _check_one_model(flag: str, path: Path, results: Mapping[tuple[Path, str], Mapping[str, Any]]) -> None:
    models = sorted({(str(data.get("model_name")), str(folder)) for (folder, _), data in results.items()})
    if len({name for name, _ in models}) > 1:
        some = ", ".join(f"{name} in {folder}" for name, folder in models[:3])
        raise InputError(f"{flag}: {path}: holds results of several models ({some}); give the folder of one")


def _groups(results: Sequence[Mapping[str, Any]], tasks: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Every group with the leaf tasks below it, the larger ones first."""
    children = {
        name: list(below) for data in reversed(results) for name, below in _mapping(data, "group_subtasks").items()
    }

    def leaves(name: str, above: frozenset[str] = frozenset()) -> list[str]:
        if name in above or not children.get(name):
            return [name] if name in tasks else []
        return list(dict.fromkeys(leaf for child in children[name] for leaf in leaves(child, above | {name})))

    found = {name: tuple(leaves(name)) for name in children if children[name]}
    return dict(sorted(((name, mine) for name, mine in found.items() if mine), key=lambda one: -len(one[1])))


def _arguments(said: object) -> dict[str, Any]:
    """The model's arguments; earlier versions kept them as they were typed."""
    if isinstance(said, Mapping):
        return {str(key): value for key, value in said.items()}
    if not isinstance(said, str):
        return {}
    pairs = (part.partition("=") for part in said.split(",") if "=" in part)
    return {key.strip(): value.strip() for key, _, value in pairs}


def _mapping(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = data.get(name)
    return found if isinstance(found, Mapping) else {}


def _read(path: Path) -> Mapping[str, Any]:
    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: is no JSON: {error}") from None
    return data if isinstance(data, dict) else {}
