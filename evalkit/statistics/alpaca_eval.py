"""AlpacaEval's own length-controlled win rate, for standing beside published numbers. Not what evalkit reports by itself.

The same estimator step by step: scikit-learn's cross-validated l1 logistic regression without an intercept, each prompt
entered once as a win and once as a loss with its preference as weight, five folds by prompt, read at zero length difference.
Its standard error takes the fitted coefficients as known, and is too small: see `length_control`.
Source: Dubois et al. 2024, arXiv:2404.04475; alpaca_eval 0.6.6, `length_controlled_minimal` and `length_controlled_noreg`.
"""

from __future__ import annotations

import math
import warnings
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike

from evalkit.types import Estimate, InputError

_FOLDS = 5


def alpaca_eval_length_controlled(
    scores: ArrayLike, lengths_base: ArrayLike, lengths_tuned: ArrayLike, difficulty: ArrayLike | None = None
) -> Estimate:
    """Tuned's length-controlled win rate as AlpacaEval computes it, with its standard error and no interval.

    scores: shape (n,), in [0, 1]: preference - 1. lengths: characters, shape (n,). difficulty: of each instruction, as
    AlpacaEval publishes it; with it the number is `length_controlled_noreg`, without `length_controlled_minimal`.
    Lengths that do not vary, or fewer prompts than folds: no number, and a caution says so. Raises ValueError where shapes
    differ, InputError where scikit-learn is not installed.
    """
    y, base, tuned = (np.asarray(values, dtype=float) for values in (scores, lengths_base, lengths_tuned))
    given = [y, base, tuned] if difficulty is None else [y, base, tuned, np.asarray(difficulty, dtype=float)]
    if y.ndim != 1 or any(values.shape != y.shape for values in given):
        raise ValueError(f"shapes {[values.shape for values in given]}: must all be (n,), one a prompt")
    if not ((y >= 0) & (y <= 1)).all():
        raise ValueError("scores must lie in [0, 1]; leave unscored prompts out")
    try:
        import sklearn
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegressionCV
        from sklearn.metrics import make_scorer
        from sklearn.model_selection import GroupKFold
    except ImportError:
        raise InputError(
            "the AlpacaEval-compatible estimator needs scikit-learn: pip install 'evalkit-gate[judges]'"
        ) from None

    d, n = base - tuned, y.size
    method = f"AlpacaEval length_controlled_{'minimal' if difficulty is None else 'noreg'}"
    if n < _FOLDS or np.ptp(d) == 0:
        reason = f"{n} prompts, and {_FOLDS} are the least" if n < _FOLDS else "every length difference is the same"
        return Estimate(math.nan, None, None, None, 0.95, method, n, (f"no length-controlled win rate: {reason}",))
    columns = [np.tanh(d / d.std(ddof=1)), np.ones(n)]
    if difficulty is not None:
        columns.insert(1, given[3])
    x = np.stack(columns, axis=1)
    held = x.copy()
    held[:, 0] = 0.0

    labels = np.concatenate([np.ones(n), np.zeros(n)])
    chance = np.concatenate([y, 1 - y])

    def loss(truth: np.ndarray, predicted: np.ndarray, true_prob: np.ndarray) -> float:
        target = np.where(truth == 1, true_prob, 1 - true_prob)
        predicted = np.clip(predicted, 1e-15, 1 - 1e-15)
        return float(-np.mean(target * np.log(predicted) + (1 - target) * np.log(1 - predicted)))

    with sklearn.config_context(enable_metadata_routing=True), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of a fold on the weakest penalties: theirs do not either
        scorer: Any = cast(Any, make_scorer)(loss, response_method="predict_proba", greater_is_better=False)
        model = cast(Any, LogisticRegressionCV)(
            cv=GroupKFold(n_splits=_FOLDS),
            scoring=scorer.set_score_request(true_prob=True),
            random_state=123,
            l1_ratios=(1.0,),
            solver="liblinear",
            fit_intercept=False,
            use_legacy_attributes=False,
        ).set_fit_request(sample_weight=True)
        model.fit(
            np.concatenate([x, x]),
            labels,
            sample_weight=chance,
            groups=np.concatenate([np.arange(n), np.arange(n)]),
            true_prob=chance,
        )
    predicted = model.predict_proba(held)[:, 1]
    se = float(predicted.std(ddof=1) / np.sqrt(n))
    caution = "its standard error takes the fitted coefficients as known"
    return Estimate(float(predicted.mean()), se, None, None, 0.95, method, n, (caution,))
