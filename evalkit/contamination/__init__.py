"""Do evaluation items stand in the training data? A hint by n-grams; `overlaps` is the door."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from evalkit.contamination.items import SHORTEST, ItemKey, Sought
from evalkit.contamination.training import FLAG, training_texts
from evalkit.contamination.words import word_hashes
from evalkit.tasks.task import LETTERS
from evalkit.types import FLAGGED_FROM, Example, Progress, Silent

__all__ = ["FLAGGED_FROM", "SHORTEST", "ItemKey", "item_texts", "overlaps"]


def overlaps(
    items: Mapping[ItemKey, Sequence[str]],
    files: Sequence[str | Path],
    *,
    n: int = 13,
    progress: Progress | None = None,
    asked_by: str = FLAG,
) -> dict[ItemKey, float | None]:
    """For each item the share of its words, in [0, 1], that lie in a run of `n` words that training text also has.

    items: the texts of each item, such as `item_texts` gives; runs cross neither them nor the texts of a training file.
    Wording that many items of a task share does not count, and of what remains pieces of SHORTEST to n - 1 words are
    looked up whole. None: the item has no such piece. That is unknown, and not clean.
    files: what `training_texts` reads; read once, in a stream. asked_by: how an error begins.

    Raises InputError naming file and line.
    Sources: n-grams of 8 to 13 words, case, punctuation and spacing apart: Brown et al. 2020, arXiv:2005.14165, appendix
    C. The share of covered words: Touvron et al. 2023, arXiv:2307.09288, appendix A.6.
    """
    sought = Sought(items, n)
    kept = np.zeros(0, np.uint64)
    for words in word_hashes(training_texts(files, progress or Silent(), asked_by=asked_by)):
        words = np.concatenate([kept, words])  # an n-gram may begin in the array before
        sought.see(words)
        kept = words[max(0, len(words) - sought.longest + 1) :]
    return sought.shares()


def item_texts(example: Example) -> tuple[str, ...]:
    """What is an item's own: the last user turn without its lettered options, and the gold (the right option's text).

    Wrong options are left out: training data in another layout has the question without them.
    """
    asked = next((message.content for message in reversed(example.messages) if message.role == "user"), "")
    if not example.choices:
        return (asked, example.answer or "")
    options = dict(zip(LETTERS, example.choices, strict=False))
    lettered = "\n".join(f"{letter}. {text}" for letter, text in options.items())
    # Letters, several joined by commas; or, from a task source, the option's text itself.
    letters = (example.answer or "").split(",")
    golds = [options[one] for one in letters] if options.keys() >= set(letters) else [example.answer or ""]
    return (*asked.split(lettered), *golds)
