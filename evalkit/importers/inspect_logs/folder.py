"""Logs of Inspect in a folder: which tasks were logged when, of which model."""

from __future__ import annotations

import importlib.util
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.importers.inspect_logs.own import LogNote, log_note
from evalkit.importers.scored import NO_FINGERPRINT
from evalkit.types import IMPORTED, InputError, ModelRecord

if TYPE_CHECKING:
    from inspect_ai.log import EvalLog


@dataclass(frozen=True, slots=True)
class LogFile:
    """One log, without its samples. arm: whose it is. note: what evalkit wrote into it, if it did."""

    arm: str
    path: Path
    header: EvalLog
    note: LogNote | None = None

    @property
    def place(self) -> tuple[str, str]:
        """Suite and task: of evalkit's own logs what they were, else the task's name without its package, twice."""
        if self.note is not None:
            return self.note.suite.name, self.note.task.name
        name = self.header.eval.task.rsplit("/", 1)[-1].strip() or "task"
        return name, name

    @property
    def name(self) -> str:
        """What the task is called on the command line."""
        suite, task = self.place
        return (
            suite if suite == task or (self.note is not None and len(self.note.suite.tasks) == 1) else f"{suite}/{task}"
        )


@dataclass(frozen=True, slots=True)
class LogFolder:
    """What one model's evaluations left behind. logs: by task, the newest. older: how many others of it there are."""

    arm: str
    path: Path
    logs: Mapping[str, LogFile]
    older: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path, arm: str) -> LogFolder:
        """Look through a folder, or take one log. Raises InputError."""
        flag = arm.upper()
        if importlib.util.find_spec("inspect_ai") is None:
            raise InputError(
                "import inspect: inspect_ai, whose reader reads its logs, is not installed; pip install 'evalkit-gate[inspect]'"
            )
        if not path.exists():
            raise InputError(f"{flag}: no such log or folder: {path}; give what --log-dir of inspect named")
        if path.is_file():
            found = [_header(path, arm)]
        else:
            files = sorted(file for kind in ("*.eval", "*.json") for file in path.rglob(kind))
            found = [_header(file, arm, beside_others=file.suffix == ".json") for file in files]
        logs = [one for one in found if one is not None]
        if not logs:
            raise InputError(f"{flag}: {path}: holds no log of Inspect (.eval or .json)")
        models = sorted({log.header.eval.model for log in logs})
        if len(models) > 1:
            raise InputError(
                f"{flag}: {path}: holds logs of several models ({', '.join(models[:3])}); give one model's"
            )
        by_task: dict[str, list[LogFile]] = {}
        for log in logs:
            by_task.setdefault(log.name, []).append(log)
        return cls(
            arm,
            path,
            {name: max(mine, key=lambda one: one.header.eval.created) for name, mine in by_task.items()},
            {name: len(mine) - 1 for name, mine in by_task.items() if len(mine) > 1},
        )

    def model(self, name: str | None, tasks: Collection[str]) -> ModelRecord:
        """Who answered these tasks, as far as the newest log says. name: another one than the log's."""
        newest = max((self.logs[task] for task in tasks), key=lambda one: one.header.eval.created)
        if newest.note is not None:
            known = newest.note.model
            return replace(known, backend=IMPORTED, name=name or known.name)
        spec = newest.header.eval
        provider, _, model = spec.model.partition("/")
        options: dict[str, object] = {key: value for key, value in spec.model_args.items() if key != "revision"}
        if spec.model_base_url:
            options["base_url"] = spec.model_base_url
        revision = spec.model_args.get("revision")
        return ModelRecord(
            name=name or Path(model or provider).name,
            backend=IMPORTED,
            model=model or provider,
            fingerprint=NO_FINGERPRINT,
            revision=str(revision) if revision else None,
            engine=f"inspect, {provider}",
            engine_version=str(spec.packages.get("inspect_ai", "")),
            engine_options=options,
        )

    def cautions(self, tasks: Collection[str]) -> list[str]:
        """Which of several logs was taken, and which are no finished ones."""
        told: list[str] = []
        for task, log in self.logs.items():
            if task not in tasks:
                continue
            if task in self.older:
                told.append(
                    f"{self.arm}: {task}: {self.older[task] + 1} logs in {self.path}; the newest counts, {log.path.name}"
                )
            if log.header.status != "success":
                told.append(
                    f"{self.arm}: {task}: the log's status is {log.header.status!r}; what it lacks counts as missing"
                )
            if log.header.invalidated:
                told.append(f"{self.arm}: {task}: samples of the log were invalidated; they count as missing")
        return told


def _header(path: Path, arm: str, *, beside_others: bool = False) -> LogFile | None:
    """A log's header. beside_others: the file may be something else, and then there is None."""
    from inspect_ai.log import read_eval_log

    try:
        header: Any = read_eval_log(path.as_posix(), header_only=True)
    except Exception as error:  # a boundary: a damaged log fails in many ways
        if beside_others:
            return None
        first = str(error).splitlines()[0] if str(error) else ""
        raise InputError(f"{path}: Inspect cannot read it as a log: {type(error).__name__}: {first}") from None
    return LogFile(arm, path, header, log_note(header.eval.metadata, str(path)))
