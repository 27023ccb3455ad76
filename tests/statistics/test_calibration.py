from __future__ import annotations

import math

import numpy as np
import pytest

from evalkit.statistics import (
    brier_scores,
    calibration_gaps,
    expected_calibration_error,
    option_probabilities,
    paired_difference,
)


def drawn(n, rng, *, sure=0.0):
    """Confidences, whether the answer was right at exactly those odds, and confidences that claim `sure` more."""
    p = rng.uniform(0.3, 0.9, n)
    return p, rng.random(n) < p, np.minimum(p + sure, 1.0)


def test_four_items_in_two_bins_by_hand():
    # bins {.5, .6} and {.8, .9}: |(.5 - 1) + (.6 - 0)| = .1 and |(.8 - 1) + (.9 - 0)| = .7; together .8 / 4
    assert expected_calibration_error([0.5, 0.6, 0.8, 0.9], [1, 0, 1, 0], bins=2) == pytest.approx(0.2)


def test_against_scikit_learns_calibration_curve():
    calibration = pytest.importorskip("sklearn.calibration")
    rng = np.random.default_rng(0)
    for n in (137, 1000):
        p, right, _ = drawn(n, rng)
        share, mean = calibration.calibration_curve(right, p, n_bins=10, strategy="quantile")
        edges = np.quantile(p, np.linspace(0, 1, 11))[1:-1]
        sizes = np.bincount(np.searchsorted(edges, p), minlength=10)
        assert expected_calibration_error(p, right) == pytest.approx(float(np.abs(share - mean) @ sizes) / n)


def test_brier_by_hand_and_at_its_ends():
    scores = brier_scores([[0.7, 0.2, 0.1], [0.7, 0.2, 0.1], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]], [0, 2, 0, 1])
    assert scores == pytest.approx([0.09 + 0.04 + 0.01, 0.49 + 0.04 + 0.81, 0.0, 2.0])


def test_brier_against_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(1)
    p = rng.dirichlet([1, 1, 1, 1], 300)
    right = rng.integers(0, 4, 300)
    expected = metrics.brier_score_loss(right, p, labels=[0, 1, 2, 3], scale_by_half=False)
    assert float(brier_scores(p, right).mean()) == pytest.approx(expected)


def test_probabilities_are_a_softmax_and_absent_options_have_none():
    p = option_probabilities([[math.log(0.2), math.log(0.1), -math.inf], [-1000.0, -1000.0, -1000.0]])
    assert p == pytest.approx(np.array([[2 / 3, 1 / 3, 0], [1 / 3, 1 / 3, 1 / 3]]))


def test_the_order_of_items_does_not_matter_even_where_confidences_are_equal():
    p, right = np.array([0.5, 0.5, 0.5, 0.9] * 20), np.array([1, 0, 0, 1] * 20)
    turned = np.random.default_rng(2).permutation(80)
    assert expected_calibration_error(p[turned], right[turned]) == pytest.approx(expected_calibration_error(p, right))


def test_a_calibrated_model_reads_a_few_points_at_300_items_and_near_zero_at_many():
    rng = np.random.default_rng(3)
    few = np.mean([expected_calibration_error(*drawn(300, rng)[:2]) for _ in range(50)])
    assert 0.04 < few < 0.08
    assert expected_calibration_error(*drawn(200_000, rng)[:2]) < 0.01


def test_the_change_between_two_models_is_covered():
    """Both over-confident, tuned by .1 more: the truth is .1, in at least the share of runs that the level says."""
    rng = np.random.default_rng(4)
    covered = 0
    for _ in range(400):
        p, right, _ = drawn(500, rng)
        base, tuned = (calibration_gaps(np.minimum(p + more, 1.0), right) for more in (0.15, 0.25))
        truth = float(np.mean(np.minimum(p + 0.25, 1.0) - np.minimum(p + 0.15, 1.0)))
        estimate = paired_difference(base, tuned)
        covered += estimate.low is None or estimate.low <= truth <= estimate.high
    assert covered / 400 >= 0.94


def test_without_items_there_is_no_error():
    assert math.isnan(expected_calibration_error([], []))


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match="one an item"):
        calibration_gaps([0.5, 0.6], [1])
