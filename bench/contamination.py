"""How fast training data is searched for evaluation items, and what is found: items planted, reworded, absent.

    python bench/contamination.py [--megabytes 200] [--format jsonl]

Training text is generated: chats of words drawn as often as words are in suite `quick`. Into it go a third of the suite's
items, in another layout, case and punctuation; another third with every sixth word replaced; and, beside the last third,
which is left out, word problems by the suite's own templates with other numbers. Prints MB/s on one core (of the file,
reading included) and, by group, how many items are flagged. A right tool flags the planted and nothing else.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import pandas as pd

from evalkit.catalog import find_suite
from evalkit.contamination import FLAGGED_FROM, ItemKey, item_texts, overlaps
from evalkit.tasks import load_suite

QUICK = Path(__file__).resolve().parent.parent / "suites" / "data" / "quick"
GROUPS = ("planted", "reworded", "absent")
WORDS_A_TEXT = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=200, help="of generated text")
    parser.add_argument("--format", choices=["jsonl", "csv", "parquet", "txt"], default="jsonl")
    given = parser.parse_args()
    items = quick()
    groups = {key: GROUPS[at % len(GROUPS)] for at, key in enumerate(items)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"train.{given.format}")
        texts = [*planted(items, groups), *siblings(), *filler(items, given.megabytes)]
        Random("bench/order").shuffle(texts)
        write(path, texts)
        size = path.stat().st_size / 1e6
        started = time.perf_counter()
        found = overlaps(items, [path])
        spent = time.perf_counter() - started
    print(f"{size:.0f} MB of {given.format}, {len(items)} items: {spent:.1f} s, {size / spent:.0f} MB/s\n")
    print(f"{'group':<10}{'items':>7}{'unknown':>9}{'flagged':>9}{'of known':>10}")
    for group in GROUPS:
        shares = [found[key] for key in items if groups[key] == group]
        known = [share for share in shares if share is not None]
        flagged = sum(share >= FLAGGED_FROM for share in known)
        print(f"{group:<10}{len(shares):>7}{len(shares) - len(known):>9}{flagged:>9}{flagged / len(known):>10.1%}")


def quick() -> dict[ItemKey, tuple[str, ...]]:
    suite = load_suite(find_suite("quick"))
    return {(suite.name, task.name, one.id): item_texts(one) for task in suite.tasks for one in task.examples}


def planted(items: dict[ItemKey, tuple[str, ...]], groups: dict[ItemKey, str]) -> Iterator[str]:
    """The items as a training set may hold them: other words before and after, capitals and commas otherwise."""
    rng = Random("bench/reword")
    vocabulary = sorted({word for texts in items.values() for text in texts for word in text.split()})
    for key, texts in items.items():
        words = texts[0].split()
        if groups[key] == "reworded":
            words[::6] = [rng.choice(vocabulary) for _ in words[::6]]
        if groups[key] != "absent":
            yield f"Here is one for you:\n{'  '.join(words).upper().replace(',', ' -')}\nThink first. "


def siblings() -> list[str]:
    """Ten word problems a template, drawn as the suite's own are, from another seed."""
    sys.path.insert(0, str(QUICK))
    import word_problems  # pyright: ignore[reportMissingImports]

    rng = Random("bench/siblings")
    return [template(rng)[0] for template in word_problems.TEMPLATES for _ in range(10)]


def filler(items: dict[ItemKey, tuple[str, ...]], megabytes: int) -> Iterator[str]:
    rng = Random("bench/filler")
    vocabulary = [word for texts in items.values() for text in texts for word in text.split()]
    size = 0
    while size < megabytes * 1e6:
        text = " ".join(rng.choices(vocabulary, k=WORDS_A_TEXT))
        size += len(text)
        yield text


def write(path: Path, texts: Sequence[str]) -> None:
    match path.suffix:
        case ".jsonl":
            rows = [{"messages": [{"role": "user", "content": text}]} for text in texts]
            path.write_text("\n".join(map(json.dumps, rows)))
        case ".csv":
            pd.DataFrame({"prompt": texts}).to_csv(path, index=False)
        case ".parquet":
            pd.DataFrame({"prompt": texts}).to_parquet(path)
        case ".txt":
            path.write_text("\n\n".join(texts))


if __name__ == "__main__":
    main()
