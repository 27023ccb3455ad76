"""What `bench/length_control.py` prints of whose standard error is right, on fewer repetitions."""

import numpy as np
import pytest

from bench.length_control import NULL_RAW, alpaca_eval, chances, constant_answer, ours, read, simulate

pytest.importorskip("sklearn")


def test_our_standard_error_is_the_spread_of_the_estimate_and_alpaca_evals_is_far_below_it(recorded):
    data = read(recorded / "alpaca_eval", "oasst-rlhf-llama-33b")
    chance = chances(data)
    mine = simulate(ours(100), data, chance, 60, np.random.default_rng(0))
    theirs = simulate(alpaca_eval, data, chance, 60, np.random.default_rng(0))
    assert 0.75 < mine.claimed / mine.sd < 1.35 and mine.covered >= 0.85
    assert theirs.claimed < 0.7 * theirs.sd and theirs.covered < 0.85


def test_a_constant_answers_published_error_is_a_tenth_of_the_spread(recorded):
    data, chance = constant_answer(read(recorded / "alpaca_eval", "alpaca-7b"))
    assert chance.mean() == pytest.approx(NULL_RAW, abs=1e-3)
    theirs = simulate(alpaca_eval, data, chance, 40, np.random.default_rng(0))
    mine = simulate(ours(100), data, chance, 40, np.random.default_rng(0))
    assert theirs.claimed < 0.25 * theirs.sd
    assert 0.7 < mine.claimed / mine.sd < 1.5
