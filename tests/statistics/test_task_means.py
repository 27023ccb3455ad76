from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import linalg

from evalkit.statistics import clusters_span, macro_average, mean_over_tasks, paired_difference, retention

NAN = math.nan


def by_definition(d: np.ndarray, tasks: np.ndarray, groups: np.ndarray) -> tuple[float, float]:
    """CR2 and Bell-McCaffrey degrees of freedom with whole matrices, as Pustejovsky and Tipton 2018 define them."""
    n, kinds = d.size, np.unique(tasks)
    x = (tasks[:, None] == kinds).astype(float)
    bread = np.linalg.inv(x.T @ x)
    hat = x @ bread @ x.T
    contrast = np.full(kinds.size, 1 / kinds.size)
    residual = (np.eye(n) - hat) @ d
    variance, columns = 0.0, []
    for group in np.unique(groups):
        inside = np.flatnonzero(groups == group)
        adjust = linalg.fractional_matrix_power(np.eye(inside.size) - hat[np.ix_(inside, inside)], -0.5).real
        row = contrast @ bread @ x[inside].T @ adjust
        variance += float(row @ residual[inside]) ** 2
        columns.append((np.eye(n) - hat)[inside].T @ row)
    p = np.array(columns)
    quadratic = p @ p.T
    return math.sqrt(variance), float(np.trace(quadratic) ** 2 / np.sum(quadratic**2))


def drawn(seed: int, n: int, tasks: int, clusters: int) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    return rng.random(n), rng.random(n), rng.integers(0, tasks, n), rng.integers(0, clusters, n)


@pytest.mark.parametrize(("n", "tasks", "clusters"), [(60, 3, 7), (90, 5, 30), (40, 1, 9)])
def test_against_cr2_and_bell_mccaffrey_by_definition(n, tasks, clusters):
    base, tuned, task, group = drawn(n, n, tasks, clusters)
    se, df = by_definition(tuned - base, task, group)
    found = mean_over_tasks(base, tuned, task, group)
    means = [(tuned - base)[task == one].mean() for one in np.unique(task)]
    assert (found.value, found.se, found.df) == pytest.approx((np.mean(means), se, df), rel=1e-9)
    assert found.method == f"mean of tasks, CR2, Bell-McCaffrey ({np.unique(group).size} clusters)"


def test_hand_worked_every_problem_once_in_each_task():
    # Each cluster is a whole problem with one item of each task: the mean over tasks is that of the problems' means.
    base, tuned, *_ = drawn(1, 75, 1, 1)
    problem, task = np.tile(np.arange(25), 3), np.repeat(list("abc"), 25)
    found = mean_over_tasks(base, tuned, task, problem)
    by_problem = paired_difference(*(arm.reshape(3, 25).mean(axis=0) for arm in (base, tuned)))
    assert (found.value, found.se, found.df) == pytest.approx((by_problem.value, by_problem.se, 24))
    assert (found.low, found.n) == (pytest.approx(by_problem.low), 75)


def test_without_common_clusters_it_is_the_mean_of_independent_tasks():
    base, tuned, task, _ = drawn(2, 300, 3, 1)
    found = mean_over_tasks(base, tuned, task)
    alone = macro_average([paired_difference(base[task == one], tuned[task == one]) for one in range(3)])
    assert (found.value, found.se) == pytest.approx((alone.value, alone.se), rel=1e-9)
    assert found.df == pytest.approx(alone.df, rel=0.05)


def test_a_cluster_that_is_a_whole_task_adds_nothing_but_its_mean():
    base, tuned, *_ = drawn(3, 40, 1, 1)
    task = np.r_[np.zeros(30), np.ones(10)]
    group = np.r_[np.arange(30), np.full(10, 99)]
    found = mean_over_tasks(base, tuned, task, group)
    assert found.se == pytest.approx(paired_difference(base[:30], tuned[:30]).se / 2)


def test_true_losses_at_the_margin_pass_at_most_one_time_in_forty():
    """Five tasks of the same 200 problems, all five versions of a problem alike: independent tasks would pass 15 %."""
    rng = np.random.default_rng(4)
    problem, task = np.tile(np.arange(200), 5), np.repeat(np.arange(5), 200)
    passed, runs = 0, 800
    for _ in range(runs):
        d = rng.choice([-1.0, 0, 1], 200, p=[0.125, 0.8, 0.075])[problem]
        found = mean_over_tasks(np.maximum(-d, 0), np.maximum(d, 0), task, problem)
        passed += found.low > -0.05
    assert passed / runs <= 0.025 + 3 * math.sqrt(0.025 * 0.975 / runs)


def test_what_differs_is_counted_by_cluster_between_the_models_themselves():
    problem, task = np.tile(np.arange(30), 2), np.repeat([0, 1], 30)
    base = np.ones(60)
    tuned = np.where((problem < 19), 0.0, 1.0)
    found = mean_over_tasks(base, tuned, task, problem, share=0.9)
    assert found.differing == 19 and found.cautions[0].startswith("too few differences: 19 clusters")
    assert found.value == pytest.approx(tuned.mean() - 0.9)
    lone = mean_over_tasks(base, base, task, problem, share=0.9)
    assert lone.low is None and lone.differing == 0


def test_few_clusters_give_no_interval_and_no_item_is_refused():
    assert mean_over_tasks([0.0] * 8, [0, 1.0] * 4, [0, 1] * 4, [0, 1, 2, 3] * 2).low is None
    with pytest.raises(ValueError, match="no item"):
        mean_over_tasks([], [], [])


def test_clusters_span_tasks_where_a_label_comes_back():
    assert clusters_span([["a", "b"], ["c", "a"]])
    assert not clusters_span([["a", "a", None], ["b", None, NAN], None])
    assert clusters_span([np.array([1, 2]), None, np.array([2, 3])])


def test_what_is_retained_knows_of_clusters_that_span_tasks():
    """Fieller's set is where tuned - theta base, averaged over tasks with the clusters that they share, is not rejected."""
    rng = np.random.default_rng(5)
    problem, task = np.tile(np.arange(40), 2), np.repeat(["a", "b"], 40)
    base = rng.uniform(0.5, 1, 80)
    tuned = base - rng.uniform(0, 0.4, 40)[problem]
    found = retention(base, tuned, problem, strata=task)
    assert mean_over_tasks(found.low * base, tuned, task, problem).low == pytest.approx(0, abs=1e-9)
    assert found.low < retention(base, tuned, np.arange(80), strata=task).low
