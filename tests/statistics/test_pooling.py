from __future__ import annotations

import functools
import math

import numpy as np
import pytest
from scipy import stats

from evalkit.statistics import (
    macro_average,
    paired_difference,
    pooled,
    rests_on_too_few,
    tango_interval,
    widened_difference,
)
from evalkit.types import Estimate


def graded(rng: np.random.Generator, n: int, delta: float) -> Estimate:
    base = rng.uniform(0.2, 0.8, n)
    return paired_difference(base, base + delta + rng.uniform(-0.2, 0.2, n))


def test_hand_worked_with_satterthwaite():
    one = Estimate(-0.02, 0.01, -0.04, 0.0, 0.95, "t, paired", 101, df=100.0, differing=60)
    two = Estimate(0.04, 0.03, -0.02, 0.1, 0.95, "t, paired", 51, df=50.0, differing=20)
    tax = pooled([one, two], [3, 1], sign=-1)
    assert tax.value == pytest.approx(0.75 * 0.02 - 0.25 * 0.04)
    assert tax.se == pytest.approx(math.hypot(0.75 * 0.01, 0.25 * 0.03))
    df = tax.se**4 / (0.0075**4 / 100 + 0.0075**4 / 50)
    assert tax.df == pytest.approx(df) == pytest.approx(4 / (1 / 100 + 1 / 50))
    half = stats.t.ppf(0.975, df) * tax.se
    assert (tax.low, tax.high) == pytest.approx((tax.value - half, tax.value + half))
    assert (tax.n, tax.method) == (152, "pooled, Satterthwaite t")


def test_two_suites_of_equal_weight_against_welch():
    # mean(a) + mean(b) has the variance and degrees of freedom of Welch's mean(a) - mean(-b)
    rng = np.random.default_rng(2)
    a, b = rng.uniform(-1, 1, 60), rng.uniform(-0.3, 0.5, 90)
    gain = pooled([paired_difference(np.zeros(60), a), paired_difference(np.zeros(90), b)], [1, 1])
    reference = stats.ttest_ind(a, -b, equal_var=False).confidence_interval()
    assert (2 * gain.low, 2 * gain.high) == pytest.approx((reference.low, reference.high), rel=1e-9)


def test_binary_suites_with_many_flips_against_a_bootstrap():
    counts = [(119, 35, 1319), (60, 48, 800), (30, 41, 500)]
    tax = pooled([tango_interval(*c) for c in counts], [1, 1, 2], sign=-1)
    rng = np.random.default_rng(4)
    means = [
        rng.multinomial(n, [r / n, f / n, 1 - (r + f) / n], size=50_000)[:, :2] @ [1, -1] / n for r, f, n in counts
    ]
    drawn = np.average(means, axis=0, weights=[1, 1, 2])
    assert tax.method == "pooled, Satterthwaite t"
    assert (tax.low, tax.high) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])), abs=4e-4)


@pytest.mark.parametrize(("regressed", "fixed"), [(0, 0), (25, 0), (40, 30)])
def test_one_suite_alone_keeps_its_interval(regressed, fixed):
    """Turned: a loss counts positive. A t interval of the same flips would be another one, .171 for .178 at 25 of 200."""
    suite = tango_interval(regressed, fixed, 200)
    tax = pooled([suite], [2.5], sign=-1)
    assert (tax.value, tax.low, tax.high) == (-suite.value, -suite.high, -suite.low)
    assert (tax.method, tax.df, tax.differing) == ("Tango score", 199, regressed + fixed)
    assert pooled([suite], [2.5]) == suite


def test_suites_without_a_single_difference_do_not_give_an_interval_of_no_width():
    tax = pooled([tango_interval(0, 0, 100), tango_interval(0, 0, 100)], [1, 1], sign=-1)
    # hand-worked: each z^2 / (n + z^2) = .036993, halved and added in quadrature
    assert tax.high == pytest.approx(0.0369935 / math.sqrt(2), abs=1e-6)
    assert tax.low == -tax.high


def test_a_t_interval_is_never_wider_than_the_pool_where_few_items_differ():
    suites = [tango_interval(2, 1, 200), tango_interval(30, 30, 300)]
    tax = pooled(suites, [1, 1], sign=-1)
    half = stats.norm.ppf(0.975) * tax.se
    assert tax.low <= tax.value - half and tax.high >= tax.value + half


def test_scaling_all_weights_changes_nothing_and_the_sign_mirrors():
    suites = [tango_interval(5, 2, 200), tango_interval(40, 30, 300)]
    loss, gain = pooled(suites, [1, 3], sign=-1), pooled(suites, [10, 30])
    assert (loss.low, loss.high) == pytest.approx((-gain.high, -gain.low))


def test_worst_cases_of_missing_items_add_up_in_full():
    base, tuned = np.ones(400), np.ones(400)
    tuned[:8] = np.nan
    suite = widened_difference(base, tuned, binary=True)
    tax = pooled([suite] * 4, [1] * 4, sign=-1)
    assert tax.worst == pytest.approx((0.0, 8 / 400))
    # each suite loses 8 of 400 in the worst case; only the rest of its lower limit shrinks by sqrt(4)
    assert tax.high == pytest.approx(0.02 + (-0.02 - suite.low) / 2)
    assert tax.value == 0


def test_a_component_without_an_interval_leaves_none_and_is_named():
    blind = paired_difference([0.5], [0.6])
    tax = pooled([tango_interval(30, 30, 200), blind], [1, 1], names=["gsm", "poems"])
    assert (tax.low, tax.high) == (None, None)
    assert tax.cautions[0] == "no interval: there is none for poems"


def test_too_few_differences_in_a_t_component_stay_recognisable():
    few = paired_difference(np.zeros(100), np.r_[0.5, 0.2, np.zeros(98)])
    tax = pooled([tango_interval(30, 30, 200), few], [1, 1], names=["gsm", "poems"])
    assert rests_on_too_few(tax)
    assert any("poems" in caution for caution in tax.cautions)


def test_an_item_scored_once_still_has_limits_to_recover_from():
    tax = pooled([tango_interval(0, 0, 1), tango_interval(30, 30, 200)], [1, 1])
    assert tax.se is None
    assert tax.low < -0.39 < 0.39 < tax.high


def test_no_suites_give_none():
    assert pooled([], []) is None


def test_unusable_input_is_refused():
    one = tango_interval(1, 1, 10)
    with pytest.raises(ValueError, match="1 estimates, 2 weights"):
        pooled([one], [1, 2])
    with pytest.raises(ValueError, match="weight 0 of 1"):
        pooled([one], [0])
    with pytest.raises(ValueError, match="level 0.9,"):
        pooled([tango_interval(1, 1, 10, level=0.9)], [1])
    with pytest.raises(ValueError, match="sign"):
        pooled([one], [1], sign=2)


def test_macro_average_counts_every_task_the_same():
    rng = np.random.default_rng(8)
    tasks = [graded(rng, 40, 0.1), graded(rng, 400, -0.1)]
    mean = macro_average(tasks)
    assert mean.value == pytest.approx((tasks[0].value + tasks[1].value) / 2)
    assert mean.se == pytest.approx(math.hypot(tasks[0].se, tasks[1].se) / 2)
    assert mean.method == "mean of tasks, Satterthwaite t"


def test_macro_average_of_one_task_is_that_task():
    task = tango_interval(4, 1, 60)
    assert macro_average([task]) == task
    with pytest.raises(ValueError, match="no tasks"):
        macro_average([])


def test_a_pool_of_averages_knows_that_an_average_rests_on_few_differences():
    # The small task's one flip carries half the weight, so the variance alone would look like many flips.
    average = macro_average([tango_interval(1, 0, 10), tango_interval(0, 0, 1000)])
    assert pooled([average, tango_interval(40, 40, 400)], [1, 1]).method == "pooled, MOVER"


@pytest.mark.parametrize("shape", ["balanced", "losses", "one suite"])
@pytest.mark.parametrize("discordance", [0.005, 0.01, 0.03])
@pytest.mark.parametrize(("suites", "n"), [(2, 100), (3, 200), (5, 500)])
def test_a_true_loss_or_gain_lies_beyond_the_pool_at_most_one_time_in_forty(suites, n, discordance, shape):
    regressed = {
        "balanced": [discordance / 2] * suites,
        "losses": [discordance] * suites,
        "one suite": [discordance * suites] + [0.0] * (suites - 1),
    }[shape]
    fixed = [discordance / 2 if shape == "balanced" else 0.0] * suites
    truth = float(np.mean(np.subtract(regressed, fixed)))
    rng = np.random.default_rng(99)
    suite = functools.cache(lambda r, f: tango_interval(r, f, n))
    # Suites are alike, so their order does not matter and few distinct outcomes need an interval.
    draws = np.stack(
        [rng.multinomial(n, [r, f, 1 - r - f], size=4000)[:, :2] for r, f in zip(regressed, fixed, strict=True)], axis=1
    )
    pool = functools.cache(lambda counts: pooled([suite(*c) for c in counts], [1] * suites, sign=-1))
    taxes = [pool(tuple(sorted(map(tuple, draw)))) for draw in draws.tolist()]
    # .025, and three standard errors of 4,000 draws
    assert np.mean([tax.high < truth for tax in taxes]) <= 0.0325
    assert np.mean([tax.low > truth for tax in taxes]) <= 0.0325
