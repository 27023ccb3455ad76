"""The section on test-time compute, of a run whose models reason."""

from dataclasses import replace

import pytest
from example_run import REASONING, Planned, make_run

from evalkit.report.html import render_html
from evalkit.report.summary import summary
from evalkit.report.thinking import views


@pytest.fixture(scope="module")
def reasoning():
    return make_run((REASONING,), judge=None)


def test_a_run_without_samples_or_reasoning_has_no_such_section(run):
    assert run.comparison.test_time == () and 'id="test-time"' not in render_html(*run)


def test_a_suite_has_its_plot_and_a_line_for_every_measure(reasoning):
    (view,) = views(reasoning.comparison)
    assert view.note == "60 items, 8 samples each" and view.wide and view.narrow
    assert [line.name for line in view.lines] == [
        "pass@1", "pass@2", "pass@4", "pass@8", "maj@2", "maj@4", "maj@8",
        "cut off at the token limit", "tokens an answer", "tokens a solved answer",
    ]  # fmt: skip
    page = render_html(*reasoning)
    assert page.count('<article class="compute">') == 1 and '<a href="#test-time">' in page
    for line in view.lines:
        assert line.change in page


def test_the_section_says_what_the_suite_table_says(reasoning):
    (suite,), (seen,) = reasoning.comparison.suites, reasoning.comparison.test_time
    assert seen.pass_at_k[1].delta.value == pytest.approx(suite.delta.value)
    assert seen.tuned_curve[-1] == pytest.approx(suite.tuned)


def test_recorded_outputs_have_a_table_and_no_plot(reasoning):
    (seen,) = reasoning.comparison.test_time
    recorded = replace(
        seen, budgets=(), base_curve=(), tuned_curve=(), tokens=None, tokens_per_solved=None, truncated=None
    )
    (view,) = views(replace(reasoning.comparison, test_time=(recorded,)))
    assert view.wide is None and len(view.lines) == 7
    page = render_html(replace(reasoning.comparison, test_time=(recorded,)), *list(reasoning)[1:])
    assert 'class="compute"' in page


def test_where_one_model_solved_nothing_the_other_still_has_its_number(reasoning):
    (seen,) = reasoning.comparison.test_time
    none = replace(seen.tokens_per_solved, base=None, delta=None)
    (view,) = views(replace(reasoning.comparison, test_time=(replace(seen, tokens_per_solved=none),)))
    assert (view.lines[-1].base, view.lines[-1].change) == ("n/a", "n/a") and view.lines[-1].tuned != "n/a"


def test_the_summary_holds_every_number_of_the_section(reasoning):
    (suite,) = summary(reasoning.comparison, reasoning.decision, reasoning.manifest)["test_time"]
    assert [one["k"] for one in suite["maj_at_k"]] == [1, 2, 4, 8]
    assert len(suite["curve"]["budgets"]) == len(suite["curve"]["tuned"]) == 24
    assert suite["tokens_per_solved"]["delta"] == pytest.approx(
        suite["tokens_per_solved"]["tuned"] - suite["tokens_per_solved"]["base"]
    )


def test_hostile_names_stay_text():
    run = make_run((replace(REASONING, name="<img src=x>\u202e", items=30),), judge=None)
    page = render_html(*run)
    assert "<img" not in page and "\u202e" not in page


def test_a_guard_is_not_solved_by_more_samples():
    run = make_run((REASONING, Planned("refused", "guard", 0.03, 0.04, 60)), judge=None)
    assert [suite.name for suite in run.comparison.test_time] == ["competition-maths"]
