import numpy as np
import pytest

from evalkit.statistics import log_spaced, score_within


def test_by_hand():
    # Ended after 10 (right), 20 (wrong), 30 (right), 40 (right) tokens.
    curve = score_within([1, 0, 1, 1], [10, 20, 30, 40], [9, 10, 29, 30, 39, 40, 1000])
    assert curve == pytest.approx([0, 0.25, 0.25, 0.5, 0.5, 0.75, 0.75])


def test_against_cutting_every_answer_off_one_by_one():
    rng = np.random.default_rng(2)
    scores, tokens = rng.random(300), rng.integers(1, 4000, 300)
    budgets = log_spaced(1, 4000, 24)
    cut = [np.mean([s if t <= budget else 0.0 for s, t in zip(scores, tokens, strict=True)]) for budget in budgets]
    assert score_within(scores, tokens, budgets) == pytest.approx(cut)


def test_more_tokens_never_cost_accuracy_and_all_of_them_give_the_mean_score():
    rng = np.random.default_rng(3)
    scores, tokens = rng.integers(0, 2, 500), rng.geometric(0.01, 500)
    curve = score_within(scores, tokens, log_spaced(1, int(tokens.max()), 24))
    assert np.all(np.diff(curve) >= 0) and curve[-1] == pytest.approx(scores.mean())


def test_weights_are_those_of_the_mean():
    assert score_within([1, 0], [5, 5], [5], weights=[3, 1]) == pytest.approx([0.75])


def test_degenerate():
    assert np.isnan(score_within([], [], [1, 2])).all()
    with pytest.raises(ValueError, match=r"scores \(2,\), tokens \(1,\)"):
        score_within([1, 0], [5], [5])


def test_budgets_are_a_constant_ratio_apart_and_reach_both_ends():
    assert log_spaced(1, 1024, 11) == tuple(2**i for i in range(11))
    assert log_spaced(3, 5, 24) == (3, 4, 5) and log_spaced(7, 7, 24) == (7,)
    with pytest.raises(ValueError, match="log_spaced: needs"):
        log_spaced(0, 5, 24)
