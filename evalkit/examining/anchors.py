"""Anchor pairs: stored requests with a better and a worse answer, read anew in every run by a judge behind an API.

A name behind an API stays while the model changes. What a judge says of the same pairs does not, so its first reading is
kept, with a second one of the same moment that tells how often it changes its mind anyway, and each run is held against it.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from evalkit.catalog import builtin_folder
from evalkit.config import JudgeSpec
from evalkit.judging import Pair, compare_readings, read_winners
from evalkit.judging.anchored import Read
from evalkit.running.reading import Reading, read_pairs
from evalkit.stored.cache import Journal
from evalkit.types import Anchors, Completion, Example, Message, Phase, Progress

SUITE = "anchors"
_FEWEST_READ = 0.5
"""Share of the pairs that a first reading must have read to be held against later ones."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """A request with a better and a worse answer. gap: whether anyone would see it, or only one who looks closely."""

    id: str
    subject: str
    gap: Literal["clear", "close"]
    prompt: str
    better: str
    worse: str

    @property
    def key(self) -> str:
        """The id with a hash of the texts: what another version of evalkit words otherwise is another pair."""
        content = json.dumps([self.prompt, self.better, self.worse])
        return f"{self.id} {hashlib.sha256(content.encode()).hexdigest()[:8]}"

    def pair(self) -> Pair:
        """As a judge is asked about it. Which of the two plays tuned is drawn by the id."""
        answers = Completion(self.worse), Completion(self.better)
        if hashlib.sha256(self.id.encode()).digest()[0] % 2:
            answers = answers[::-1]
        return Pair(SUITE, self.subject, Example(self.key, (Message("user", self.prompt),)), *answers)


def read_anchors() -> list[Anchor]:
    """All stored pairs, in a fixed order."""
    path = builtin_folder("judges") / "anchors.jsonl"
    return [Anchor(**json.loads(line)) for line in path.read_text("utf-8").splitlines()]


def first_anchors(number: int) -> list[Anchor]:
    """So many of the stored pairs, spread over subjects and gaps however few: in the order of a hash of their ids."""
    by_hash = sorted(read_anchors(), key=lambda anchor: hashlib.sha256(anchor.id.encode()).hexdigest())
    return by_hash[:number]


def check_anchors(
    judge: JudgeSpec, journal: Journal, folder: Path, progress: Progress, *, today: str
) -> tuple[Anchors | None, list[Phase]]:
    """Have a judge behind an API read `judge.anchors` stored pairs anew, and hold that against its first reading.

    folder: the cache folder; the first two readings are kept in `anchors/<judge hash>.json` there. A judge that has none
    yet reads the pairs twice, and the second reading stands for now. today: the date, kept with a first reading.
    None where there is nothing to watch (a local judge's weights are in its hash; no anchors asked for), and where too
    little could be read. Raises InputError as `read_pairs` does; a dead engine leaves pairs unread.
    """
    if judge.model.backend != "openai" or not judge.anchors:
        return None, []
    pairs = [anchor.pair() for anchor in first_anchors(judge.anchors)]
    repeat = _unused_repeat()
    reading = read_pairs(judge, pairs, journal, folder, progress, repeat=repeat)
    phases, now = reading.phases, read_winners(reading.verdicts)
    path = folder / "anchors" / f"{reading.judge_hash}.json"
    stored = _load(path)
    if stored is None:
        if not _enough(reading, now, pairs, progress, judge.name):
            return None, phases
        again = read_pairs(judge, pairs, journal, folder, progress, repeat=repeat + 1)
        phases, first, now = phases + again.phases, now, read_winners(again.verdicts)
        if not _enough(again, now, pairs, progress, judge.name):
            return None, phases
        stored = _Stored(today, first, now)
        _save(path, stored, judge.name)
    anchors = compare_readings(stored.first, stored.second, now, since=stored.since)
    if not anchors.n:
        progress.note(f"judge {judge.name}: none of the stored pairs could be read; whether it has drifted is unknown")
        return None, phases
    return anchors, phases


def _unused_repeat() -> int:
    """A repeat that the journal cannot hold: by the clock, above any that a run would use, within 32 bits."""
    return 1001 + time.time_ns() // 1000 % (2**31 - 2000)


def _enough(reading: Reading, read: Read, pairs: Sequence[Pair], progress: Progress, name: str) -> bool:
    if len(read) >= _FEWEST_READ * len(pairs) and not any(
        verdict.failure and verdict.failure.retryable for verdict in reading.verdicts
    ):
        return True
    progress.note(
        f"judge {name}: read {len(read)} of {len(pairs)} stored pairs; too few to see later whether it has drifted"
    )
    return False


@dataclass(frozen=True, slots=True)
class _Stored:
    since: str
    first: Read
    second: Read


def _load(path: Path) -> _Stored | None:
    """What was kept; None where nothing is, or nothing that can be read: the judge then starts anew."""
    try:
        fields = json.loads(path.read_text("utf-8"))
        return _Stored(str(fields["since"]), dict(fields["first"]), dict(fields["second"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _save(path: Path, stored: _Stored, name: str) -> None:
    """Written beside the target, then renamed: a reader sees a whole file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    fields = {"judge": name, "since": stored.since, "first": stored.first, "second": stored.second}
    try:
        temporary.write_text(json.dumps(fields, indent=1), "utf-8")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
