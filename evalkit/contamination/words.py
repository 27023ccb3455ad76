"""Text -> one 64-bit hash a word -> one 64-bit hash an n-gram, a block at a time with numpy.

A word is a run of letters, marks and digits after NFKC and case folding; everything else only separates, so case,
punctuation and white space do not count. Chinese and Japanese put no space between words: there each character is one.

Two different n-grams share a hash with a probability of 2^-64 to 2^-58 (the same words in another order). At 2^-64, with
a billion words of training text and a million n-grams sought, one scan in 18,000 has a false match. Hashes are not made
to withstand crafted text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

# Stands between two texts. It counts as a word of its own that no n-gram sought contains, so none crosses it.
END = "\0"
# Characters hashed at once: the arrays of a block fit a processor's cache.
BLOCK = 1 << 18
# Kana, and Han with its extensions. Hangul is written with spaces; Thai and its like are not handled (see the docs).
UNSPACED = re.compile("[\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")

_SEPARATES, _JOINS, _ALONE = 0, 1, 2
# Odd, so that they have an inverse modulo 2^64; 5 modulo 8, so that their powers take long to repeat.
_OF_CHARACTERS = np.uint64(0x9E3779B97F4A7C15)
_OF_WORDS = np.uint64(0xD1342543DE82EF95)


def normalised(text: str) -> str:
    """NFKC with case folded: what is left of a text before it is cut into words."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()


def pieces(blocks: Iterable[str]) -> Iterator[str]:
    """One text, which arrives in blocks of any size, in pieces of about BLOCK characters that end where a word does."""
    held = ""
    for block in blocks:
        for start in range(0, len(block), BLOCK):
            held += block[start : start + BLOCK]
            cut = 1 + max(held.rfind(" "), held.rfind("\n"))
            if len(held) - cut > BLOCK:  # no white space for long: a cut anywhere costs the n-grams across it
                cut = len(held)
            yield held[:cut]
            held = held[cut:]
    yield held
    yield END


def word_hashes(texts: Iterable[str]) -> Iterator[Hashes]:
    """The words of all texts in order, in arrays of tens of thousands. Each of `texts` ends where a word does."""
    held: list[str] = []
    size = 0
    for text in texts:
        held.append(text)
        size += len(text)
        if size >= BLOCK:
            yield _hashed("".join(held))
            held, size = [], 0
    if held:
        yield _hashed("".join(held))


def grams(words: Hashes, lengths: Collection[int]) -> Iterator[tuple[int, Hashes]]:
    """For each of `lengths` in ascending order, the hash of the n-gram of that length that starts at each word."""
    rolled = np.zeros_like(words)
    for length in range(1, min(max(lengths, default=0), len(words)) + 1):
        rolled = rolled[: len(words) - length + 1] * _OF_WORDS + words[length - 1 :]
        if length in lengths:
            yield length, rolled


@cache
def end() -> np.uint64:
    """The hash of END."""
    return _hashed(END)[0]


def _hashed(text: str) -> Hashes:
    text = normalised(text)
    if text.isascii():
        codes = np.frombuffer(text.encode("ascii"), np.uint8)
    else:
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.dtype("<u4"))
    kinds, values = _alphabet()
    kind = kinds[codes]
    powers, inverses = _powers(1 << len(codes).bit_length())
    # A word is the difference of two running sums, shifted back to where it would begin at 0.
    sums = np.zeros(len(codes) + 1, np.uint64)
    np.cumsum(values[codes] * powers[: len(codes)], out=sums[1:])
    joins, alone = kind == _JOINS, kind == _ALONE
    begins, ends = joins.copy(), joins.copy()
    begins[1:] &= ~joins[:-1]
    ends[:-1] &= ~joins[1:]
    starts, stops = np.flatnonzero(begins | alone), np.flatnonzero(ends | alone) + 1
    return _mixed((sums[stops] - sums[starts]) * inverses[starts])


@cache
def _alphabet() -> tuple[NDArray[np.uint8], Hashes]:
    """Of each code point: whether it separates, joins or stands alone; and its 64-bit value."""
    points = range(0x110000)
    kinds = np.fromiter((unicodedata.category(chr(point))[0] in "LMN" for point in points), np.uint8, len(points))
    for first, last in re.findall("(.)-(.)", UNSPACED.pattern):
        kinds[ord(first) : ord(last) + 1] *= _ALONE
    kinds[ord(END)] = _ALONE
    return kinds, _mixed(np.arange(1, len(points) + 1, dtype=np.uint64))


@cache
def _powers(size: int) -> tuple[Hashes, Hashes]:
    inverse = np.uint64(pow(int(_OF_CHARACTERS), -1, 1 << 64))
    powers = [np.multiply.accumulate(np.full(size, base, np.uint64)) for base in (_OF_CHARACTERS, inverse)]
    return powers[0], powers[1]


def _mixed(values: Hashes) -> Hashes:
    """The finaliser of splitmix64: every bit of the input moves every bit of the output, one to one."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
