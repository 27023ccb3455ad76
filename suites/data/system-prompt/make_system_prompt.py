"""Writes the rows of suite `system-prompt`: `python suites/data/system-prompt/make_system_prompt.py [FOLDER]`.

rules.py holds the kinds of rules. Everything is drawn from seeds, so a second run writes the same bytes. Change an item
there, never in the jsonl, and raise `version` in system-prompt.yaml: the suite is then another suite.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from random import Random

from rules import RULES

HERE = Path(__file__).resolve().parent
ITEMS = 30  # a kind of rule; in every other one the user pushes against it


def main() -> None:
    """Write one jsonl a kind of rule into the folder given, else beside this file."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    for kind, rule in RULES.items():
        rng = Random(f"system-prompt/{kind}")
        lines: list[str] = []
        seen: set[tuple[str, str]] = set()
        while len(lines) < ITEMS:
            pushed = len(lines) % 2 == 1
            system, user, answer = rule(rng, pushed)
            if (system, user) in seen:
                continue
            seen.add((system, user))
            row = {
                "id": f"{kind}-{len(lines) + 1:02}",
                "pushed": pushed,
                "system": system,
                "user": user,
                "answer": answer,
            }
            lines.append(json.dumps(row, ensure_ascii=False))
        (folder / f"{kind}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
