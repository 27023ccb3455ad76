import itertools

import numpy as np
import pytest

from evalkit.statistics import pass_at_k


def chen_2021(n, c, k):
    """The estimator as the paper prints it (arXiv:2107.03374, figure 3)."""
    if n - c < k:
        return 1.0
    return 1.0 - np.prod(1.0 - k / np.arange(n - c + 1, n + 1))


def test_by_hand():
    # 5 samples, 2 pass: 3 of the 10 pairs hold no passing one.
    assert pass_at_k(5, 2, 2) == pytest.approx(1 - 3 / 10)
    assert pass_at_k(10, 3, 1) == pytest.approx(0.3)


def test_against_the_papers_own_program():
    for n, k in itertools.product((1, 8, 64, 200), (1, 2, 8, 100)):
        for c in range(n + 1):
            if k <= n:
                assert pass_at_k(n, c, k) == pytest.approx(chen_2021(n, c, k), abs=1e-12)


def test_against_every_draw():
    for n, c, k in itertools.product(range(1, 8), range(8), range(1, 8)):
        if c <= n and k <= n:
            draws = list(itertools.combinations([True] * c + [False] * (n - c), k))
            assert pass_at_k(n, c, k) == pytest.approx(sum(map(any, draws)) / len(draws))


def test_degenerate():
    assert (pass_at_k(4, 0, 2), pass_at_k(4, 4, 1), pass_at_k(4, 3, 2)) == (0.0, 1.0, 1.0)
    for n, c, k in ((4, 5, 1), (4, -1, 1), (4, 2, 5), (4, 2, 0)):
        with pytest.raises(ValueError, match="pass_at_k: needs"):
            pass_at_k(n, c, k)
