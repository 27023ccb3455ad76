import math

import pytest

from evalkit.report.numbers import (
    count,
    counted_difference,
    difference,
    duration,
    interval,
    percent,
    pp,
    rate,
    rounded,
    size,
)
from evalkit.types import Estimate


def estimate(value, low, high):
    return Estimate(value, 0.01, low, high, 0.95, "t", 100)


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (1786.4, 1555, 2016, "+1\u202f786 [1\u202f555, 2\u202f016]"),
        (-312, -374.2, 20, "-312 [-374, 20]"),
        (0.2, -1, 1.4, "0 [-1, 1]"),
        (41, None, None, "+41, no interval"),
        (math.nan, None, None, "n/a"),
    ],
)
def test_a_difference_of_counts_is_said_in_whole_numbers(value, low, high, text):
    assert counted_difference(estimate(value, low, high)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(-0.0637, "-6.4 pp"), (0.312, "+31.2 pp"), (0.0, "0.0 pp"), (-0.0001, "0.0 pp"), (None, "n/a"), (math.nan, "n/a")],
)
def test_a_difference_has_a_sign_one_decimal_and_its_unit(value, text):
    assert pp(value) == text


def test_an_interval_keeps_the_decimals_of_its_point():
    assert difference(estimate(-0.0637, -0.0825, -0.046)) == "-6.4 pp [-8.2, -4.6]"
    assert difference(estimate(0.312, 0.249, 0.371)) == "+31.2 pp [24.9, 37.1]"


def test_no_interval_is_said_in_words():
    assert interval(None, 0.1) == "no interval"
    assert interval(-math.inf, math.inf) == "no interval"


def test_a_rate_has_no_sign():
    assert percent(0.93) == "93.0 %"
    assert rate(estimate(0.41, 0.382, 0.439)) == "41.0 % [38.2, 43.9]"


def test_a_size_leaves_the_direction_to_the_words():
    assert size(-0.0637) == "6.4 pp"


def test_thousands_are_set_apart_by_thin_spaces():
    assert count(1319) == "1\u202f319"
    assert count(999) == "999"


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0"), (812.4, "812"), (48211, "48\u202f200"), (1_312_000, "1.31 million")]
)
def test_tokens_are_rounded_to_what_matters(number, text):
    assert rounded(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(7.6, "8 s"), (192, "3 min 12 s"), (7500, "2 h 05 min"), (59.7, "1 min 00 s")]
)
def test_a_duration_reads_as_a_person_says_it(seconds, text):
    assert duration(seconds) == text
