"""CR2: a cluster-robust standard error of a mean, or of a mean of tasks' means, for few or unequal clusters."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def cr2(residuals: NDArray[np.float64], clusters: NDArray[np.intp], tasks: NDArray[np.intp]) -> tuple[float, float]:
    """CR2 standard error of the mean of T tasks' means and its Bell-McCaffrey degrees of freedom, in closed form.

    residuals: shape (n,), of each item from its task's mean. clusters, tasks: shape (n,), numbers 0..G-1 and 0..T-1; a
    cluster may have items of several tasks. One task: the standard error of a mean.

    X holds an indicator a task, so the hat matrix is 11' / n_t within a task and 0 between tasks. Within cluster g it has, for
    each task, the eigenvector 1 over the m items that the cluster has of it, with eigenvalue p = m / n_t. So the CR2
    adjustment (I - H_gg)^(-1/2) multiplies the residual total S_gt of these items by (1 - p)^(-1/2); with
    w_gt = (1 - p)^(-1/2) / (T n_t),

        variance = sum_g (sum_t w_gt S_gt)^2.

    A cluster that is a whole task has no residual total there and adds nothing for it. Under the working model of independent
    errors with equal variance the variance estimate is a quadratic form with matrix B = D - W W', D diagonal with
    sum_t m w^2 and W_gt = m w / sqrt(n_t):  df = (tr B)^2 / tr(B^2), which is G - 1 for one task and clusters of equal size.

    Source: Bell and McCaffrey 2002, Survey Methodology 28:169-181; in this notation Pustejovsky and Tipton 2018, Journal of
    Business and Economic Statistics 36:672-683.
    """
    from scipy.sparse import csr_array

    sizes = np.bincount(tasks)
    count, kinds = int(clusters.max()) + 1, sizes.size
    cells, place = np.unique(clusters.astype(np.int64) * kinds + tasks, return_inverse=True)
    g, t = cells // kinds, cells % kinds
    m = np.bincount(place).astype(float)
    totals = np.bincount(place, weights=residuals)
    rest = 1 - m / sizes[t]
    w = np.divide(1.0, np.sqrt(rest), out=np.zeros_like(rest), where=rest > 0) / (kinds * sizes[t])
    variance = float(np.sum(np.bincount(g, weights=w * totals, minlength=count) ** 2))
    d = np.bincount(g, weights=m * w**2, minlength=count)
    loads = m * w / np.sqrt(sizes[t])
    between = csr_array((loads, (g, t)), shape=(count, kinds))
    trace = float(d.sum() - np.sum(loads**2))
    square = float(np.sum(d**2) - 2 * np.sum(d[g] * loads**2) + np.sum((between.T @ between).power(2)))
    return math.sqrt(variance), trace**2 / square
