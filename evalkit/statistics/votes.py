"""maj@k: whether the answer that most of several samples give is right."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from functools import lru_cache
from math import comb

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def maj_at_k(answers: Sequence[Hashable | None], marks: Sequence[float], k: int) -> float:
    """The expected mark of the answer that most of k samples give, over every choice of k of the n without replacement.

    answers: n, what each sample says; None votes for nothing. marks: n, in [0, 1]. Answers that tie for the most votes
    share the mark evenly. The same answer marked differently from sample to sample counts with its samples' mean mark,
    and a choice in which nobody votes counts 0. Exact for every k, however many choices there are.

    Raises ValueError where the lengths differ, or unless 1 <= k <= n.
    Source: Wang et al. 2023, Self-Consistency Improves Chain of Thought Reasoning, arXiv:2203.11171, section 2.
    """
    n = len(answers)
    if len(marks) != n or not 1 <= k <= n:
        raise ValueError(f"maj_at_k: needs as many marks as answers and 1 <= k <= n, got n={n}, {len(marks)}, k={k}")
    sizes = Counter(answer for answer in answers if answer is not None)
    totals: defaultdict[Hashable, float] = defaultdict(float)
    for answer, mark in zip(answers, marks, strict=True):
        totals[answer] += float(mark)
    parties = tuple(sorted((size, totals[answer] / size) for answer, size in sizes.items()))
    return _expected_mark(parties, n - sum(sizes.values()), k)


@lru_cache(maxsize=4096)  # items of a task that are split alike are many
def _expected_mark(parties: tuple[tuple[int, float], ...], silent: int, k: int) -> float:
    """parties: (samples, mark) of each answer that was given. silent: samples without an answer."""
    most = min(k, max((size for size, _ in parties), default=0))
    total = sum(_marks_won_with(top, parties, silent, k) for top in range(1, most + 1))
    return float(total / comb(silent + sum(size for size, _ in parties), k))


def _marks_won_with(top: int, parties: Sequence[tuple[int, float]], silent: int, k: int) -> float:
    """Sum over the choices of k samples in which the winners have `top` votes, of the winners' mean mark.

    Counted answer by answer. ways[t, x]: choices of x samples so far in which t answers have `top` votes and no other
    has as many; marks[t, x]: the marks of those t, summed over these choices.
    """
    rivals = [(size, mark) for size, mark in parties if size >= top]
    free = silent + sum(size for size, _ in parties if size < top)  # these cannot reach `top`, whatever is drawn
    shape = (min(len(rivals), k // top) + 1, k + 1)
    ways, marks = np.zeros(shape), np.zeros(shape)
    ways[0] = [comb(free, x) for x in range(k + 1)]
    for size, mark in rivals:
        fewer = [comb(size, votes) for votes in range(top)]
        next_ways, next_marks = _drawn(ways, fewer), _drawn(marks, fewer)
        before = np.s_[:-1, : k + 1 - top]
        next_ways[1:, top:] += comb(size, top) * ways[before]
        next_marks[1:, top:] += comb(size, top) * (marks[before] + mark * ways[before])
        ways, marks = next_ways, next_marks
    return float(np.sum(marks[1:, k] / np.arange(1, shape[0])))


def _drawn(table: Floats, choices: Sequence[int]) -> Floats:
    """The table after i more samples were drawn, in choices[i] ways each."""
    after = np.zeros_like(table)
    for i, count in enumerate(choices):
        after[:, i:] += count * table[:, : table.shape[1] - i]
    return after
