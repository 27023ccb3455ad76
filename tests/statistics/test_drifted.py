from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import fisher_exact

from evalkit.statistics import more_changed


@pytest.mark.parametrize("noise", [0, 1, 4, 20, 50])
def test_against_scipy_fisher_exact(noise):
    for changed in range(3, 51):
        counts = [[changed, 50 - changed], [noise, 50 - noise]]
        p = float(fisher_exact(counts, alternative="greater").pvalue)
        assert more_changed(changed, 50, noise, 50) == (p <= 0.01), (changed, p)


def test_seven_of_fifty_against_none_hand_worked():
    # C(50, k) / C(100, k): .0133 at k = 6, .0062 at k = 7
    assert not more_changed(6, 50, 0, 50)
    assert more_changed(7, 50, 0, 50)


def test_two_changes_are_never_a_drift():
    assert not more_changed(2, 2, 0, 10_000)
    assert more_changed(3, 3, 0, 10_000)


def test_without_pairs_nothing_is_claimed():
    assert not more_changed(0, 0, 0, 0)
    assert not more_changed(40, 50, 0, 0)


def test_impossible_counts_are_refused():
    with pytest.raises(ValueError, match="changed=4 of 3"):
        more_changed(4, 3, 0, 3)
    with pytest.raises(ValueError, match="noise=-1"):
        more_changed(1, 3, -1, 3)


N, RUNS = 50, 40_000
DRIFTED = np.array([[more_changed(changed, N, noise, N) for noise in range(N + 1)] for changed in range(N + 1)])


def share_called_drifted(unsure, chance, drift, *, seed):
    """Runs of N pairs; a share `unsure` of them comes out otherwise with `chance` in each reading; `drift` flips for good."""
    rng = np.random.default_rng(seed)
    flips = np.where(rng.random((RUNS, N)) < unsure, chance, 0.0)
    first, second, now = (rng.random((RUNS, N)) < flips for _ in range(3))
    now ^= rng.random((RUNS, N)) < drift
    return DRIFTED[(first != now).sum(axis=1), (first != second).sum(axis=1)].mean()


@pytest.mark.parametrize(("unsure", "chance"), [(0, 0), (0.1, 0.5), (0.3, 0.5), (0.3, 0.2), (1, 0.05), (1, 0.5)])
def test_a_judge_that_stays_the_same_is_called_drifted_in_at_most_one_run_of_a_hundred(unsure, chance):
    """Measured: 0.6 % where every verdict is a coin toss, 0.05 % and less elsewhere."""
    assert share_called_drifted(unsure, chance, 0, seed=3) <= 0.01


def test_power():
    """Measured with 50 pairs, for a judge without noise: a drift on 10, 15, 20 and 30 % of them is seen in 23, 64, 90 and
    99.7 % of runs; where 10 % of the pairs are coin tosses in 9, 28, 53 and 88 %. With 20 pairs a drift on 30 % is seen in 39 %.
    """
    found = [share_called_drifted(0, 0, drift, seed=4) for drift in (0.10, 0.15, 0.20, 0.30)]
    assert found == pytest.approx([0.232, 0.638, 0.898, 0.997], abs=0.02)
    noisy = [share_called_drifted(0.1, 0.5, drift, seed=5) for drift in (0.10, 0.15, 0.20, 0.30)]
    assert noisy == pytest.approx([0.091, 0.281, 0.526, 0.880], abs=0.02)
