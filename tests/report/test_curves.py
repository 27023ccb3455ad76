import re

import pytest

from evalkit.report.curves import NARROW, WIDE, budget_curves, ticks

BUDGETS = (50, 100, 400, 1600)
BASE, TUNED = (0.1, 0.3, 0.35, 0.35), (0.0, 0.05, 0.4, 0.6)


def labels(svg):
    """The lines' names with their places down."""
    found = re.findall(r'<text[^>]*transform="translate\(([\d.]+),([\d.]+)\)"[^>]*>((?:base|tuned) [^<]*)<', svg)
    return {text.split()[0]: (float(down), text) for _, down, text in found}


@pytest.mark.parametrize("frame", [WIDE, NARROW], ids=["wide", "narrow"])
def test_both_models_stand_in_one_plot_named_at_their_ends(frame):
    svg = budget_curves(BUDGETS, BASE, TUNED, "accuracy", frame)
    named = labels(svg)
    assert (named["base"][1], named["tuned"][1]) == ("base 35.0 %", "tuned 60.0 %")
    assert named["tuned"][0] < named["base"][0]
    assert svg.count("<title>tuned: 40.0 % within 400 tokens</title>") == 1
    assert "legend" not in svg and "stroke-dasharray" in svg and 'style="' not in svg


@pytest.mark.parametrize("end", [0.0, 0.5, 1.0])
def test_lines_that_end_together_keep_their_names_apart(end):
    named = labels(budget_curves(BUDGETS, (0, 0, 0, end), (0, 0, 0, end), "accuracy", WIDE))
    assert abs(named["base"][0] - named["tuned"][0]) >= 17
    below_middle = 4  # a text is placed by its base line
    assert all(-1 <= down - below_middle <= WIDE.height + 1 for down, _ in named.values())


@pytest.mark.parametrize("budgets", [(7,), (7, 8)])
def test_answers_of_one_length_still_draw(budgets):
    svg = budget_curves(budgets, (0.5,) * len(budgets), (0.0,) * len(budgets), "accuracy", NARROW)
    assert "NaN" not in svg and svg.startswith("<svg")


@pytest.mark.parametrize(
    ("low", "high", "most", "expected"),
    [
        (40, 8000, 8, [50, 100, 200, 500, 1000, 2000, 5000]),
        (40, 8000, 4, [100, 300, 1000, 3000]),
        (1, 10_000_000, 8, [10**power for power in range(8)]),
        (70, 90, 8, [70, 90]),
        (7, 7, 4, [7]),
    ],
)
def test_ticks_are_round_and_few(low, high, most, expected):
    assert ticks(low, high, most) == expected
