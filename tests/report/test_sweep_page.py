"""What a sweep's page says of its candidates' judges and of its intervals."""

import pytest
from example_run import make_run

from evalkit.report.sweep_page import render_sweep
from evalkit.types import Candidate, Sweep


def page(exam):
    run = make_run(judge=exam)
    one = Candidate("a", "a.yaml", "a", comparison=run.comparison, decision=run.decision)
    return " ".join(render_sweep(Sweep("base-model", 0.95, (one,), best="a")).split())


@pytest.mark.parametrize(
    ("exam", "told"), [("none", " (advisory)</td>"), ("failed", " (advisory)</td>"), ("passed", "</td>")]
)
def test_a_win_rate_that_decides_nothing_is_marked_so(exam, told):
    assert f"pairwise-general 47.2 % [45.0, 49.4]{told}" in page(exam)


def test_the_page_says_what_its_intervals_do_not_cover():
    assert "It does not cover another training seed or other training data" in page(None)
