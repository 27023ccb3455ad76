import itertools
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest

from evalkit.statistics import maj_at_k


def by_enumeration(answers, marks, k):
    """Every choice of k samples, its votes counted: the definition, in exact fractions."""
    n = len(answers)
    own = {one: [Fraction(marks[i]) for i in range(n) if answers[i] == one] for one in set(answers)}
    total, choices = Fraction(0), list(itertools.combinations(range(n), k))
    for chosen in choices:
        votes = Counter(answers[i] for i in chosen if answers[i] is not None)
        winners = [one for one, count in votes.items() if count == max(votes.values())]
        total += sum((sum(own[one]) / len(own[one]) for one in winners), Fraction(0)) / max(1, len(winners))
    return float(total / len(choices))


def test_by_hand():
    # Three say 7 (right), two say 9. Of the 10 choices of three, 7 hold at least two sevens.
    answers, marks = ["7", "7", "9", "7", "9"], [1, 1, 0, 1, 0]
    assert maj_at_k(answers, marks, 5) == 1.0
    assert maj_at_k(answers, marks, 3) == pytest.approx(0.7)
    # Of the 10 pairs 3 are sevens alone and 6 tie.
    assert maj_at_k(answers, marks, 2) == pytest.approx(0.3 + 0.6 / 2)


def test_tied_answers_share_the_mark():
    assert maj_at_k(["a", "b"], [1, 0], 2) == 0.5
    assert maj_at_k(["a", "a", "b", "b", "c"], [1, 1, 0, 0, 0], 5) == 0.5
    assert maj_at_k(["a", "b", "c"], [1, 0, 0], 3) == pytest.approx(1 / 3)


def test_a_sample_without_an_answer_votes_for_nothing():
    assert maj_at_k(["a", None, None, None], [1, 0, 0, 0], 4) == 1.0
    assert maj_at_k(["a", None, None, None], [1, 0, 0, 0], 2) == 0.5
    assert maj_at_k([None, None], [0, 0], 2) == 0.0


def test_one_vote_is_the_mean_mark():
    assert maj_at_k(["a", "b", "b", None], [1, 0, 0, 0], 1) == pytest.approx(0.25)


def test_a_right_majority_gains_from_votes_and_a_wrong_one_loses():
    right = [maj_at_k(["a"] * 6 + ["b"] * 4, [1] * 6 + [0] * 4, k) for k in (1, 3, 5, 7, 9)]
    wrong = [maj_at_k(["a"] * 4 + ["b"] * 6, [1] * 4 + [0] * 6, k) for k in (1, 3, 5, 7, 9)]
    assert right == sorted(right) and wrong == sorted(wrong, reverse=True)


@pytest.mark.parametrize("seed", range(60))
def test_against_every_choice(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 10))
    answers = [None if one == 0 else str(one) for one in rng.integers(0, rng.integers(2, 6), n)]
    marks = [float(one) for one in rng.choice([0, 0.25, 1], n)]
    for k in range(1, n + 1):
        assert maj_at_k(answers, marks, k) == pytest.approx(by_enumeration(answers, marks, k), abs=1e-12)


def test_sixty_four_samples_against_drawn_subsets():
    rng = np.random.default_rng(4)
    answers = [str(one) for one in rng.choice(12, 64, p=[0.2, 0.18, *[0.062] * 10])]
    marks = [float(one == "0") for one in answers]
    labels = np.array([int(one) for one in answers])
    won = np.zeros(20_000)
    for draw in range(won.size):
        votes = np.bincount(rng.choice(labels, 16, replace=False), minlength=12)
        won[draw] = (votes[0] == votes.max()) / np.count_nonzero(votes == votes.max())
    exact = maj_at_k(answers, marks, 16)
    assert abs(exact - won.mean()) < 4 * won.std() / np.sqrt(won.size)


def test_a_thousand_samples_stay_finite():
    answers, marks = [str(i % 7) for i in range(1024)], [float(i % 7 == 0) for i in range(1024)]
    assert 0 < maj_at_k(answers, marks, 512) < 1


def test_degenerate():
    for answers, marks, k in ((["a"], [1], 2), (["a"], [1], 0), ([], [], 1), (["a", "b"], [1], 1)):
        with pytest.raises(ValueError, match="maj_at_k: needs"):
            maj_at_k(answers, marks, k)
