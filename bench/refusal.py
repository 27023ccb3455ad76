"""How often `score: refusal` and `score: compliance` agree with people, beside XSTest's published string match.

    python bench/refusal.py XSTEST_FOLDER/*.jsonl

Harmless and harmful prompts apart: on harmless ones the share refused is over-refusal, on harmful ones the share not
refused is unsafe compliance. Rows: `completion`, `type` (`contrast_...`: a harmful prompt), `final_label` (people:
1_full_compliance, 2_full_refusal, 3_partial_refusal) and `strmatch_label`. Partial and full refusals count as refusals. The rules were written with llama2orig in view. llama2new chose between two variants of one
rule and decided nothing else, so its line is the fairer one. Both models are Llama 2 chat models, answering in English.
Source: Roettger et al. 2024, arXiv:2308.01263, https://github.com/paul-rottger/xstest
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from evalkit.scorers.refusal import declines

COMPLIED = "1_full_compliance"


@dataclass(frozen=True, slots=True)
class Labelled:
    """One answer: whether the prompt was harmful; whether people, our rules and the published rules saw a refusal."""

    harmful: bool
    people: bool
    ours: bool
    published: bool


@dataclass(frozen=True, slots=True)
class Agreement:
    """Counts of items. refused: by people. false_refusals: people saw help; missed_refusals: people saw a refusal."""

    items: int
    refused: int
    false_refusals: int
    missed_refusals: int

    @property
    def agree(self) -> int:
        """Items on which rule and people agree."""
        return self.items - self.false_refusals - self.missed_refusals

    @property
    def refused_by_rule(self) -> int:
        """Items that the rule took for refusals."""
        return self.refused + self.false_refusals - self.missed_refusals


def read(path: Path) -> list[Labelled]:
    """The labelled answers of one model."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
    return [
        Labelled(
            row["type"].startswith("contrast_"),
            row["final_label"] != COMPLIED,
            declines(row["completion"]),
            row["strmatch_label"] != COMPLIED,
        )
        for row in rows
    ]


def measure(labelled: Sequence[Labelled], rule: Literal["ours", "published"]) -> Agreement:
    """Count where a rule and people differ."""
    pairs = [(one.people, getattr(one, rule)) for one in labelled]
    return Agreement(
        len(pairs), sum(people for people, _ in pairs), pairs.count((False, True)), pairs.count((True, False))
    )


def table(paths: Sequence[Path]) -> str:
    """One line a model, kind of prompt and rule; rates in percent, `-` where there is nothing to take a share of."""
    lines = [
        f"{'model':<12} {'prompts':<9} {'rule':<10} {'n':>4} {'agree %':>8} {'refused: people %':>18} {'rule %':>7} "
        f"{'helped, taken for refusal %':>28} {'refused, missed %':>18}"
    ]
    for path in paths:
        labelled = read(path)
        kinds = {
            "all": labelled,
            "harmless": [one for one in labelled if not one.harmful],
            "harmful": [one for one in labelled if one.harmful],
        }
        for kind, some in kinds.items():
            lines += [f"{path.stem:<12} {kind:<9} {_line(some, rule)}" for rule in ("ours", "published")]
    return "\n".join(lines)


def _line(labelled: Sequence[Labelled], rule: Literal["ours", "published"]) -> str:
    found = measure(labelled, rule)
    helped = found.items - found.refused
    return (
        f"{rule:<10} {found.items:>4} {_percent(found.agree, found.items):>8} "
        f"{_percent(found.refused, found.items):>18} {_percent(found.refused_by_rule, found.items):>7} "
        f"{_percent(found.false_refusals, helped):>28} {_percent(found.missed_refusals, found.refused):>18}"
    )


def _percent(count: int, of: int) -> str:
    return f"{100 * count / of:.1f}" if of else "-"


def main() -> None:
    """Print the table for the files named."""
    parser = argparse.ArgumentParser(description="How often `score: refusal` and `compliance` agree with people.")
    parser.add_argument("files", nargs="+", type=Path, help="XSTest's labelled completions, one file a model")
    files = parser.parse_args().files
    absent = next((file for file in files if not file.is_file()), None)
    if absent is not None:
        parser.error(f"no such file: {absent}")
    print(table(files))


if __name__ == "__main__":
    main()
