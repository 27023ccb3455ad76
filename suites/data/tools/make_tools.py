"""Writes the rows of suite `tools`: `python suites/data/tools/make_tools.py [FOLDER]`.

signatures.py holds the tools, wishes.py the requests. Everything is drawn from seeds, so a second run writes the same
bytes. Change an item here, never in the jsonl, and raise `version` in tools.yaml: the suite is then another suite.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from random import Random
from typing import Any

from signatures import NEAR, SIGNATURES
from wishes import WISHES

HERE = Path(__file__).resolve().parent
CALLS_PER_TOOL = {"call": 11, "schema": 4}
NO_TOOL_FITS = 20  # items of task `call`, the only one in which that can be right
NO_CALL: dict[str, Any] = {"tool": None, "arguments": {}}


def main() -> None:
    """Write one jsonl a task into the folder given, else beside this file."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    asked: set[str] = set()  # no request comes twice, in either task
    for task, count in CALLS_PER_TOOL.items():
        rng = Random(f"tools/{task}")
        rows = [fitting(rng, name, at, asked) for at in range(count) for name in WISHES]
        if task == "call":
            rows += [unfitting(rng, name, at, asked) for at, name in enumerate(list(WISHES)[:NO_TOOL_FITS])]
            rng.shuffle(rows)
        text = "\n".join(
            json.dumps({"id": f"{task}-{at:03}", **row}, ensure_ascii=False, separators=(",", ":"))
            for at, row in enumerate(rows, start=1)
        )
        (folder / f"{task}.jsonl").write_text(text + "\n", encoding="utf-8")


def fitting(rng: Random, name: str, at: int, asked: set[str]) -> dict[str, Any]:
    """A request that one of two to four tools grants; every other time one of the others is near to it."""
    request, arguments = new_wish(rng, name, asked)
    near = sorted(near_to(name) - {name})
    others = [rng.choice(near)] if near and at % 2 else []
    rest = [other for other in WISHES if other not in (name, *others)]
    others += rng.sample(rest, 1 + at % 3 - len(others))
    return row(rng, [name, *others], request, {"tool": name, "arguments": arguments})


def unfitting(rng: Random, name: str, at: int, asked: set[str]) -> dict[str, Any]:
    """A request whose tool is not on offer, nor any that might pass for it."""
    request, _ = new_wish(rng, name, asked)
    others = rng.sample([other for other in WISHES if other not in near_to(name)], 2 + at % 3)
    return row(rng, others, request, NO_CALL)


def near_to(name: str) -> set[str]:
    """The tool and those that might pass for it."""
    return {name}.union(*(group for group in NEAR if name in group))


def new_wish(rng: Random, name: str, asked: set[str]) -> tuple[str, dict[str, Any]]:
    """A request not drawn before, with its arguments."""
    while True:
        request, arguments = WISHES[name](rng)
        if request not in asked:
            asked.add(request)
            return request, arguments


def row(rng: Random, offered: list[str], request: str, call: dict[str, Any]) -> dict[str, Any]:
    """One row, the tools on offer in random order."""
    tools = [SIGNATURES[name] for name in rng.sample(offered, len(offered))]
    return {"request": request, "call": call, "tools": tools}


if __name__ == "__main__":
    main()
