"""Pure functions: arrays in, an `Estimate` out. Nothing here knows of files, models or policies."""

from evalkit.statistics.agreement import agreement_between, agreement_rate, agreement_with, cohens_kappa
from evalkit.statistics.alpaca_eval import alpaca_eval_length_controlled
from evalkit.statistics.bradley_terry import bradley_terry
from evalkit.statistics.budgets import log_spaced, score_within
from evalkit.statistics.calibration import (
    brier_scores,
    calibration_gaps,
    expected_calibration_error,
    option_probabilities,
)
from evalkit.statistics.cautions import ENOUGH, TOO_FEW, rests_on_too_few, too_few
from evalkit.statistics.diversity import distinct_difference, distinct_n
from evalkit.statistics.drawing import drawing_order, drawing_shares, inclusion_probabilities
from evalkit.statistics.drifted import more_changed
from evalkit.statistics.judging import win_rate
from evalkit.statistics.length_control import length_controlled
from evalkit.statistics.missing import widened_difference, worst_case
from evalkit.statistics.noise import repeat_noise
from evalkit.statistics.paired import paired_difference
from evalkit.statistics.passes import pass_at_k
from evalkit.statistics.planning import detectable_difference, more_items_needed, sample_size
from evalkit.statistics.pooling import macro_average, pooled
from evalkit.statistics.prediction_powered import ppi_mean, ppi_mean_drawn
from evalkit.statistics.rates import clopper_pearson, mcnemar_exact
from evalkit.statistics.ratios import linearised_ratio, ratio_difference, ratio_of_totals
from evalkit.statistics.tango import tango_interval
from evalkit.statistics.votes import maj_at_k

__all__ = [
    "ENOUGH",
    "TOO_FEW",
    "agreement_between",
    "agreement_rate",
    "agreement_with",
    "alpaca_eval_length_controlled",
    "bradley_terry",
    "brier_scores",
    "calibration_gaps",
    "clopper_pearson",
    "cohens_kappa",
    "detectable_difference",
    "distinct_difference",
    "distinct_n",
    "drawing_order",
    "drawing_shares",
    "expected_calibration_error",
    "inclusion_probabilities",
    "length_controlled",
    "linearised_ratio",
    "log_spaced",
    "macro_average",
    "maj_at_k",
    "mcnemar_exact",
    "more_changed",
    "more_items_needed",
    "option_probabilities",
    "paired_difference",
    "pass_at_k",
    "pooled",
    "ppi_mean",
    "ppi_mean_drawn",
    "ratio_difference",
    "ratio_of_totals",
    "repeat_noise",
    "rests_on_too_few",
    "sample_size",
    "score_within",
    "tango_interval",
    "too_few",
    "widened_difference",
    "win_rate",
    "worst_case",
]
