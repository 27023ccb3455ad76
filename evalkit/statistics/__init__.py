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
from evalkit.statistics.event_rate import event_rate
from evalkit.statistics.fieller import Moments, fieller_limits, retention
from evalkit.statistics.judging import win_rate
from evalkit.statistics.kept_share import kept_share_interval
from evalkit.statistics.length_control import length_controlled
from evalkit.statistics.missing import widened_difference, widened_rate, worst_case
from evalkit.statistics.multiplicity import benjamini_hochberg, holm, max_t_critical, worst_of
from evalkit.statistics.noise import repeat_noise
from evalkit.statistics.paired import paired_difference
from evalkit.statistics.pareto import pareto_front
from evalkit.statistics.passes import pass_at_k
from evalkit.statistics.planning import detectable_difference, more_items_needed, sample_size
from evalkit.statistics.pooling import macro_average, pooled
from evalkit.statistics.prediction_powered import ppi_mean, ppi_mean_drawn
from evalkit.statistics.rates import clopper_pearson, mcnemar_exact, p_of_no_difference
from evalkit.statistics.ratios import linearised_ratio, ratio_difference, ratio_of_totals
from evalkit.statistics.rise import rise_of_rate
from evalkit.statistics.sequential import conditional_power, crossing_probability, repeated_level, spending_bounds
from evalkit.statistics.simultaneous_candidates import pairwise_contributions, simultaneous_level
from evalkit.statistics.tango import tango_interval
from evalkit.statistics.task_means import clusters_span, mean_over_tasks
from evalkit.statistics.variance_components import VarianceComponents, variance_components
from evalkit.statistics.votes import maj_at_k

__all__ = [
    "ENOUGH",
    "Moments",
    "TOO_FEW",
    "VarianceComponents",
    "agreement_between",
    "agreement_rate",
    "agreement_with",
    "alpaca_eval_length_controlled",
    "benjamini_hochberg",
    "bradley_terry",
    "brier_scores",
    "calibration_gaps",
    "clopper_pearson",
    "clusters_span",
    "cohens_kappa",
    "conditional_power",
    "crossing_probability",
    "detectable_difference",
    "distinct_difference",
    "distinct_n",
    "drawing_order",
    "drawing_shares",
    "event_rate",
    "expected_calibration_error",
    "fieller_limits",
    "holm",
    "inclusion_probabilities",
    "kept_share_interval",
    "length_controlled",
    "linearised_ratio",
    "log_spaced",
    "macro_average",
    "maj_at_k",
    "max_t_critical",
    "mcnemar_exact",
    "mean_over_tasks",
    "more_changed",
    "more_items_needed",
    "option_probabilities",
    "p_of_no_difference",
    "paired_difference",
    "pairwise_contributions",
    "pareto_front",
    "pass_at_k",
    "pooled",
    "ppi_mean",
    "ppi_mean_drawn",
    "ratio_difference",
    "ratio_of_totals",
    "repeat_noise",
    "repeated_level",
    "rests_on_too_few",
    "retention",
    "rise_of_rate",
    "sample_size",
    "score_within",
    "simultaneous_level",
    "spending_bounds",
    "tango_interval",
    "too_few",
    "variance_components",
    "widened_difference",
    "widened_rate",
    "win_rate",
    "worst_case",
    "worst_of",
]
