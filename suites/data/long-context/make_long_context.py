"""Writes the rows of suite `long-context`: `python suites/data/long-context/make_long_context.py [FOLDER]`.

A row holds what is hidden, where, what is asked and the gold; the notes around it are written by the prompt's template in
long-context.yaml, from `seed` and `lines`. Everything is drawn from seeds, so a second run writes the same bytes. Change
an item here, never in the jsonl, and raise `version`: the suite is then another suite.

The kinds follow RULER (Hsieh et al. 2024, arXiv:2404.06654), in words of our own.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

HERE = Path(__file__).resolve().parent
ITEMS = 15
# Notes a prompt, so that it takes 80 to 90 % of its length: room for an answer, a chat template and for
# tokenizers that cut finer than the one this was measured with (tests/suites/test_long_context.py).
LINES = {"4k": 172, "8k": 348, "16k": 698, "32k": 1400}

# No word of these two stands in the template's notes.
MATERIALS = (
    "amber brass bronze copper cotton crystal ebony felt glass granite ivory leather linen oak pearl silver".split()
)
THINGS = (
    "anchor bell chalice compass drum flute globe goblet kite lantern mask medal shield statue sundial trumpet".split()
)
ALIASES = (
    "Avocet Bittern Curlew Dunlin Egret Fulmar Gannet Heron Ibis Jackdaw Kestrel Linnet Merlin Nightjar Osprey Plover "
    "Redwing Siskin Turnstone Whimbrel"
).split()


@dataclass(frozen=True, slots=True)
class Asked:
    """What is hidden, in the order of its notes, which of it the answer rests on, and what is asked."""

    hidden: list[str]
    needed: list[int]
    question: str
    answer: str


def single(rng: Random, grade: int) -> Asked:
    """One thing with a number among notes without any."""
    key, number = _keys(rng)[0], _numbers(rng, 1)[0]
    return Asked([_numbered(key, number)], [0], _ask(key), number)


def similar(rng: Random, grade: int) -> Asked:
    """3, 7 or 11 more things with numbers; two thirds of them share the material or the thing asked for."""
    keys = _keys(rng)[: 4 + 4 * grade]
    numbers = _numbers(rng, len(keys))
    told = [_numbered(key, number) for key, number in zip(keys, numbers, strict=True)]
    return _shuffled(rng, told, [0], _ask(keys[0]), numbers[0])


def values(rng: Random, grade: int) -> Asked:
    """2, 3 or 4 numbers of one thing, all asked for, among six of similar things."""
    key, *others = _keys(rng)[:7]
    wanted = 2 + grade
    numbers = _numbers(rng, wanted + len(others))
    hidden = [_one_of(key, number) for number in numbers[:wanted]]
    hidden += [_one_of(other, number) for other, number in zip(others, numbers[wanted:], strict=True)]
    order = rng.sample(range(len(hidden)), len(hidden))
    needed = [place for place, at in enumerate(order) if at < wanted]
    question = (
        f"The notes give {wanted} numbers of the {key}. What are they? Reply with these {wanted} numbers only, in the order "
        "in which they stand in the notes, separated by a comma and a space."
    )
    answer = ", ".join(numbers[order[place]] for place in needed)
    return Asked([hidden[at] for at in order], needed, question, answer)


def two_hop(rng: Random, grade: int) -> Asked:
    """A thing, the name it is kept under, and the number of that name, among 1, 3 or 5 more such pairs."""
    keys = _keys(rng)[: 2 + 2 * grade]
    names, numbers = rng.sample(ALIASES, len(keys)), _numbers(rng, len(keys))
    hidden = [f"The {key} is kept under the name {name}." for key, name in zip(keys, names, strict=True)]
    hidden += [f"The number of {name} is {number}." for name, number in zip(names, numbers, strict=True)]
    question = (
        f"Under which name is the {keys[0]} kept, and what is the number of that name? Reply with the number only."
    )
    return _shuffled(rng, hidden, [0, len(keys)], question, numbers[0])


KINDS: dict[str, Callable[[Random, int], Asked]] = {
    "single": single,
    "similar": similar,
    "values": values,
    "two-hop": two_hop,
}


def main() -> None:
    """Write one jsonl a kind and length into the folder given, else beside this file."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    for kind in KINDS:
        for length, lines in LINES.items():
            name = f"{kind}-{length}"
            rows = [{"id": f"{name}-{at + 1:02}", **row} for at, row in enumerate(items(kind, name, lines))]
            text = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
            (folder / f"{name}.jsonl").write_text(text + "\n", encoding="utf-8")


def items(kind: str, name: str, lines: int) -> list[dict[str, object]]:
    """The items of one task: three grades in turn, what is asked for at depths spread evenly over the notes."""
    rng = Random(f"long-context/{name}")
    depths = [(at + 0.5) / ITEMS for at in range(ITEMS)]
    rng.shuffle(depths)
    rows: list[dict[str, object]] = []
    for at, depth in enumerate(depths):
        asked = KINDS[kind](rng, at % 3)
        places = _places(rng, asked, lines, int(depth * lines))
        rows.append(
            {
                "seed": rng.randrange(10_000),
                "lines": lines,
                "hidden": [[place, note] for place, note in zip(places, asked.hidden, strict=True)],
                "question": asked.question,
                "answer": asked.answer,
            }
        )
    return rows


def _places(rng: Random, asked: Asked, lines: int, deep: int) -> list[int]:
    """Sorted places of the hidden notes, with one of those needed at `deep` or as near as the others leave room."""
    rank = rng.choice(asked.needed)
    after = len(asked.hidden) - 1 - rank
    deep = min(max(deep, rank), lines - 1 - after)
    return sorted([*rng.sample(range(deep), rank), deep, *rng.sample(range(deep + 1, lines), after)])


def _shuffled(rng: Random, hidden: list[str], needed: list[int], question: str, answer: str) -> Asked:
    order = rng.sample(range(len(hidden)), len(hidden))
    return Asked([hidden[at] for at in order], sorted(order.index(at) for at in needed), question, answer)


def _keys(rng: Random) -> list[str]:
    """Twelve keys; of the others, two of three share a word with the first: one the material, the next the thing."""
    material, *materials = rng.sample(MATERIALS, 9)
    thing, *things = rng.sample(THINGS, 9)
    keys = [f"{material} {thing}"]
    for at in range(4):
        keys += [f"{material} {things[at]}", f"{materials[at]} {thing}", f"{materials[at + 4]} {things[at + 4]}"]
    return keys[:12]


def _numbers(rng: Random, count: int) -> list[str]:
    return [str(number) for number in rng.sample(range(100_000, 1_000_000), count)]


def _numbered(key: str, number: str) -> str:
    return f"The number of the {key} is {number}."


def _one_of(key: str, number: str) -> str:
    return f"One number of the {key} is {number}."


def _ask(key: str) -> str:
    return f"What is the number of the {key}? Reply with the number only."


if __name__ == "__main__":
    main()
