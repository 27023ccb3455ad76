"""What is looked for: the n-grams of the items, without the text that a task's template puts into many of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from evalkit.contamination.words import END, UNSPACED, Hashes, end, grams, normalised, word_hashes

ItemKey = tuple[str, str, str]
"""Suite, task and example id."""

SHORTEST = 8
"""Words below which a text is not looked up: GPT-3's own minimum, below it common phrases collide by chance."""

# A run of so many words in so large a share of a task's items is the task's wording and says nothing of one item: the
# prompt's (in most items), or that of a family of items written from one template (a few in a hundred).
_SHARED = {5: 0.5, 8: 0.03}
_SHARED_BY = 5  # items, at the least


class Sought:
    """The items' n-grams, which of them training text has shown so far, and the share of each item that makes.

    n: words in an n-gram. What is left of an item's text between template wording is looked up n words at a time, or
    whole from SHORTEST words on; shorter pieces do not count. In Chinese or Japanese a word is about two characters,
    and both lengths are doubled for items mostly written so.
    """

    def __init__(self, items: Mapping[ItemKey, Sequence[str]], n: int) -> None:
        self._keys = list(items)
        tasks: dict[tuple[str, str], list[int]] = {}
        for at, (suite, task, _) in enumerate(items):
            tasks.setdefault((suite, task), []).append(at)
        words, owners, scales = _read([items[key] for key in self._keys])
        for members in tasks.values():
            mine = np.flatnonzero(np.isin(owners, members))
            words[mine[_template(words[mine], owners[mine], len(members))]] = end()
        self._owners = owners
        starts, self._counted = _windows(words, scales[owners], n)
        hashes = dict(grams(words, starts))
        self._lengths = {length: _Length(at, hashes[length][at]) for length, at in starts.items()}

    def see(self, words: Hashes) -> None:
        """Look training text up. N-grams do not cross calls."""
        for length, hashes in grams(words, self._lengths):
            self._lengths[length].see(hashes)

    @property
    def longest(self) -> int:
        """Words in the longest n-gram sought; 0 where nothing can be."""
        return max(self._lengths, default=0)

    def shares(self) -> dict[ItemKey, float | None]:
        """For each item the share of its counted words that lie in an n-gram seen; None where no word counts."""
        edges = np.zeros(len(self._owners) + 1, np.int64)
        for length, sought in self._lengths.items():
            edges[sought.seen_at] += 1
            edges[sought.seen_at + length] -= 1
        covered = np.cumsum(edges[:-1]) > 0
        counted = np.bincount(self._owners[self._counted], minlength=len(self._keys))
        seen = np.bincount(self._owners[covered], minlength=len(self._keys))
        return {key: float(seen[at] / counted[at]) if counted[at] else None for at, key in enumerate(self._keys)}


class _Length:
    """The n-grams of one length, by the word at which they start."""

    def __init__(self, starts: NDArray[np.int64], hashes: Hashes) -> None:
        self._starts = starts
        self._sorted, self._of = np.unique(hashes, return_inverse=True)
        self._seen = np.zeros(len(self._sorted), bool)
        # Sixteen slots an n-gram: nearly all training text is turned away by one look here, without a search.
        bits = min(max((16 * len(self._sorted)).bit_length(), 10), 26)
        self._shift = np.uint64(64 - bits)
        self._maybe = np.zeros(1 << bits, bool)
        self._maybe[self._slots(self._sorted)] = True

    def _slots(self, hashes: Hashes) -> NDArray[np.int64]:
        return (hashes >> self._shift).view(np.int64)

    def see(self, hashes: Hashes) -> None:
        """Mark those of ours that are among `hashes`."""
        likely = hashes[self._maybe[self._slots(hashes)]]
        at = np.minimum(np.searchsorted(self._sorted, likely), len(self._sorted) - 1)
        self._seen[at[self._sorted[at] == likely]] = True

    @property
    def seen_at(self) -> NDArray[np.int64]:
        """Where the n-grams seen start. No two are equal."""
        return self._starts[self._seen[self._of]]


def _read(items: Sequence[Sequence[str]]) -> tuple[Hashes, NDArray[np.int64], NDArray[np.int64]]:
    """All items' words in one array with END after each text; the item of each word; 2 for unspaced items, else 1."""
    texts = [normalised(text.replace(END, " ")) for item in items for text in item]
    item_of_text = np.repeat(np.arange(len(items)), np.array([len(item) for item in items], np.int64))
    words = np.concatenate([np.zeros(0, np.uint64), *word_hashes(text + END for text in texts)])
    ends = words == end()
    owners = item_of_text[np.cumsum(ends) - ends]
    of_text = np.array([len(UNSPACED.findall(text)) for text in texts], np.int64)
    unspaced = np.bincount(item_of_text, weights=of_text, minlength=len(items))
    return words, owners, np.where(2 * unspaced > np.bincount(owners, minlength=len(items)), 2, 1)


def _template(words: Hashes, owners: NDArray[np.int64], items: int) -> NDArray[np.bool_]:
    """Which words belong to a run that many items of one task share."""
    edges = np.zeros(len(words) + 1, np.int64)
    ends = np.concatenate([[0], np.cumsum(words == end())])
    for length, hashes in grams(words, _SHARED):
        starts = np.flatnonzero(ends[length:] == ends[:-length])  # no END within
        starts = starts[np.lexsort((owners[starts], hashes[starts]))]
        runs, of = hashes[starts], owners[starts]
        again = np.concatenate([[False], (runs[1:] == runs[:-1]) & (of[1:] == of[:-1])])
        distinct, in_items = np.unique(runs[~again], return_counts=True)
        common = distinct[in_items >= max(_SHARED_BY, _SHARED[length] * items)]
        shared = starts[np.isin(runs, common)]
        edges[shared] += 1
        edges[shared + length] -= 1
    return np.cumsum(edges[:-1]) > 0


def _windows(
    words: Hashes, scales: NDArray[np.int64], n: int
) -> tuple[dict[int, NDArray[np.int64]], NDArray[np.bool_]]:
    """Where the n-grams start, by length, and which words lie in one. scales: by word."""
    text = np.concatenate([[False], words != end(), [False]])
    firsts, stops = np.flatnonzero(text[1:] & ~text[:-1]), np.flatnonzero(text[:-1] & ~text[1:])
    counted = np.zeros(len(words), bool)
    starts: dict[int, list[NDArray[np.int64]]] = {}
    for first, stop, scale in zip(firsts.tolist(), stops.tolist(), scales[firsts].tolist(), strict=True):
        if stop - first < min(SHORTEST, n) * scale:
            continue
        length = min(stop - first, n * scale)
        starts.setdefault(length, []).append(np.arange(first, stop - length + 1))
        counted[first:stop] = True
    return {length: np.concatenate(parts) for length, parts in starts.items()}, counted
