"""Which files each arm was trained on, by flags and model files; and what of a run's items stands in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evalkit.backends.fingerprint import FileHashes
from evalkit.config import ModelSpec
from evalkit.contamination import ItemKey, item_texts, overlaps
from evalkit.contamination.training import FLAG, find_files
from evalkit.tasks import Suite
from evalkit.types import ARMS, InputError, Progress, TrainingFile


@dataclass(frozen=True, slots=True)
class Scan:
    """What came of looking items up. shares: by arm, of the arms that files were given of, then as `overlaps` gives them."""

    shares: Mapping[str, Mapping[ItemKey, float | None]]
    files: tuple[TrainingFile, ...]


def training_files(specs: Mapping[str, ModelSpec], said: Sequence[str | Path]) -> dict[str, list[Path]]:
    """The files of each arm that has any: those said by flag, and those of `train_data` in its model file.

    said: `FILE` or `DIR` of tuned, or with its arm as `base=FILE`. Raises InputError for one that cannot be read.
    """
    by_flag: dict[str, list[str]] = {arm: [] for arm in ARMS}
    for one in said:
        arm, equals, path = str(one).partition("=")
        if equals and arm in ARMS and not path:
            raise InputError(f"{FLAG}: {one!r} names no file; write {arm}=FILE")
        if equals and arm in ARMS:
            by_flag[arm].append(path)
        else:
            by_flag["tuned"].append(str(one))
    found: dict[str, list[Path]] = {}
    for arm in ARMS:
        spec = specs[arm]
        stated = [spec.path_of(path) for path in spec.train_data]
        files = find_files(by_flag[arm]) + find_files(stated, asked_by=f"{spec.file or spec.name}: train_data")
        if files:
            found[arm] = list(dict.fromkeys(files))
    return found


def scan(suites: Sequence[Suite], files: Mapping[str, Sequence[Path]], hashes: FileHashes, progress: Progress) -> Scan:
    """Look every item of the suites up in each arm's files. Raises InputError naming file and line.

    Whole tasks, whatever a limit draws of them: what is a task's own wording is told from all of its items.
    """
    if not files:
        return Scan({}, ())
    items = {
        (suite.name, task.name, example.id): item_texts(example)
        for suite in suites
        for task in suite.tasks
        for example in task.examples
    }
    shares = {
        arm: overlaps(items, mine, progress=progress, asked_by=f"training data of {arm}") for arm, mine in files.items()
    }
    records = tuple(
        TrainingFile(arm, str(path), path.stat().st_size, hashes.of(path))
        for arm, mine in files.items()
        for path in mine
    )
    return Scan(shares, records)
