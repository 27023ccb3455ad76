"""What the differences are with items set aside: those lost to form, and those that stand in training data. In words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath

from evalkit.report.numbers import THIN_SPACE, count, difference, rounded
from evalkit.report.view import samples_link
from evalkit.types import ARMS, Comparison, Estimate, Manifest, SuiteResult, TrainingFile


@dataclass(frozen=True, slots=True)
class Counted:
    """A number of items, and the samples behind it."""

    items: int
    link: str

    @property
    def words(self) -> str:
        """1 item, 31 items."""
        return _items(self.items)


@dataclass(frozen=True, slots=True)
class FormLine:
    """A suite's difference as measured, and what is left of it without the items whose answer was out of form.

    by_arm: whose answers those were, only of arms that lost any.
    """

    suite: str
    measured: str
    left: str
    either: Counted
    by_arm: dict[str, Counted]


@dataclass(frozen=True, slots=True)
class OverlapLine:
    """A suite's items in training data; without: the difference on the others, "" where none was found."""

    suite: str
    n: int
    flagged: Counted
    unknown: Counted
    measured: str
    without: str
    left: int


def form_lines(comparison: Comparison) -> list[FormLine]:
    """The suites in which an answer was lost to its form, those with the most such items first."""
    lines = [_form_line(suite, suite.without_format) for suite in comparison.suites if suite.without_format]
    return sorted(lines, key=lambda line: (-line.either.items, line.suite))


def _form_line(suite: SuiteResult, left: Estimate) -> FormLine:
    def counted(whose: str, items: int) -> Counted:
        return Counted(items, samples_link(suite=suite.name, form=whose))

    by_arm = {arm: counted(arm, items) for arm, items in suite.lost_to_form.items() if items}
    either = counted("either", suite.n - left.n)
    return FormLine(suite.name, difference(suite.delta, suite.unit), _left(left, suite.unit), either, by_arm)


def overlap_lines(comparison: Comparison) -> list[OverlapLine]:
    """Every suite, those with the most items in training data first; none where no training data was given."""
    lines = [
        OverlapLine(
            suite.name,
            suite.overlap.n,
            Counted(suite.overlap.flagged, samples_link(suite=suite.name, overlap="yes")),
            Counted(suite.overlap.unknown, samples_link(suite=suite.name, overlap="unknown")),
            difference(suite.delta, suite.unit),
            _left(suite.overlap.delta_without, suite.unit) if suite.overlap.delta_without else "",
            suite.overlap.delta_without.n if suite.overlap.delta_without else 0,
        )
        for suite in comparison.suites
        if suite.overlap.checked
    ]
    return sorted(lines, key=lambda line: (-line.flagged.items, line.suite))


def training_data(comparison: Comparison, manifest: Manifest) -> str:
    """What looking the items up has shown, in a sentence."""
    overlaps = [suite.overlap for suite in comparison.suites]
    if not manifest.train_data:
        return "Unknown: no training data was given, so nothing says whether items stand in it."
    flagged, unknown = sum(one.flagged for one in overlaps), sum(one.unknown for one in overlaps)
    n = sum(one.n for one in overlaps)
    where = searched(manifest.train_data)
    short = f"; {count(unknown)} too short to tell" if unknown else ""
    if n == unknown:
        return f"Unknown: none of {_items(unknown)} is long enough to be looked up in {where}."
    if not flagged:
        return f"No overlap found in {where} for {_items(n - unknown)}{short}."
    return f"{count(flagged)} of {_items(n)} overlap with {where}{short}."


def overlap_notes(comparison: Comparison) -> list[str]:
    """A line for each suite with items in training data, with the difference on the others."""
    return [
        f"{line.suite}: {count(line.flagged.items)} of {_items(line.n)} in training data; {line.without} on the "
        f"{count(line.left)} known to be free of it, {line.measured} on all"
        for line in overlap_lines(comparison)
        if line.flagged.items
    ]


def searched(files: Iterable[TrainingFile]) -> str:
    """Whose training data was searched: tuned's a.jsonl and b.jsonl; 12 files of base."""
    parts: list[str] = []
    for arm in ARMS:
        names = [PurePath(file.path).name for file in files if file.arm == arm]
        if len(names) > 3:
            parts.append(f"{count(len(names))} files of {arm}")
        elif names:
            parts.append(f"{arm}'s {' and '.join([', '.join(names[:-1]), names[-1]] if names[1:] else names)}")
    return " and ".join(parts)


def megabytes(size: int) -> str:
    """A file's size: 812 bytes, 48.2 MB."""
    return f"{size / 1e6:,.1f} MB".replace(",", THIN_SPACE) if size >= 100_000 else f"{rounded(size)} bytes"


def _left(estimate: Estimate, unit: str | None) -> str:
    return difference(estimate, unit) if estimate.n else "no item left"


def _items(number: int) -> str:
    return f"{count(number)} {'item' if number == 1 else 'items'}"
