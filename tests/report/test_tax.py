"""Tax and gain in a few lines, and the parts of a suite under it."""

import re
from dataclasses import replace

import pytest
from example_run import Planned, make_run

from evalkit.report.charts import joint_region, plane
from evalkit.report.html import render_html
from evalkit.report.markdown import summary_markdown
from evalkit.report.tax import flagged_slices, retained, tax_lines, worst_suite
from evalkit.report.view import MOST_PARTS, suite_views
from evalkit.types import Estimate, Slice, Worst

LEVEL = 0.95


def slice_of(value, delta=-0.1, *, name="topic", flagged=False, n=40):
    interval = Estimate(delta, 0.02, delta - 0.04, delta + 0.04, LEVEL, "Tango score", n)
    return Slice(name, value, n, 0.8, 0.8 + delta, 5, 1, interval, 0.004, flagged)


@pytest.fixture(scope="module")
def told():
    """The usual run, with a worst suite, a loss found, retention and slices."""
    run = make_run(judge=None)
    kept = Estimate(0.931, 0.01, 0.91, 0.952, LEVEL, "Fieller", 400)
    slices = (slice_of("logic", 0.01), slice_of("algebra", flagged=True), slice_of("t1", -0.02, name="task"))
    suites = tuple(
        replace(suite, retention=kept, slices=slices, slices_left_out=2) if suite.name == "gsm8k" else suite
        for suite in run.comparison.suites
    )
    loss = Estimate(0.06, 0.01, 0.031, 0.089, LEVEL, "max-t over 3", 860)
    comparison = replace(run.comparison, suites=suites, worst_tax=Worst("gsm8k", loss), losses_found={"gsm8k": 0.00004})
    return replace(run, comparison=comparison, decision=replace(run.decision, error_rates=("GO errs so often.",)))


def test_each_number_of_the_run_stands_with_what_it_means(told):
    lines = {line.name: line for line in tax_lines(told.comparison, told.decision)}
    assert list(lines) == ["Pooled tax", "Worst suite", "Losses found", "Pooled gain", "Flagged"]
    assert lines["Worst suite"].value == "gsm8k 6.0 pp [3.1, 8.9]"
    assert "hold for all 3 at once" in lines["Worst suite"].meaning
    assert lines["Losses found"].value == "gsm8k"
    assert lines["Flagged"].value == "1 of 3" and "2 of fewer than 10 items left out" in lines["Flagged"].meaning
    assert "up to 2.0 pp is allowed" in lines["Pooled tax"].meaning


def test_one_retain_suite_has_no_worst_one():
    run = make_run((Planned("s", items=40),), judge=None)
    assert [line.name for line in tax_lines(run.comparison, run.decision)] == ["Pooled tax"]


def test_a_gain_in_the_worst_suite_keeps_its_sign():
    loss = Estimate(-0.02, 0.01, -0.04, 0.001, LEVEL, "max-t over 2", 80)
    assert worst_suite(Worst("s", loss)) == "s -2.0 pp [-4.0, 0.1]"


def test_what_is_retained_is_hidden_where_it_means_nothing(told):
    suite = next(one for one in told.comparison.suites if one.name == "gsm8k")
    assert retained(suite) == "retained 93.1 % [91.0, 95.2]"
    without = replace(suite.retention, low=None, high=None)
    assert retained(replace(suite, retention=without)) == "retained 93.1 % (no interval)"
    assert retained(replace(suite, retention=replace(without, value=float("nan")))) == ""
    assert retained(replace(suite, retention=None)) == ""


def test_flagged_slices_stand_first_then_tasks_then_by_harm(told):
    view = next(one for one in suite_views(told.comparison, told.decision) if one.result.name == "gsm8k")
    assert [part.label for part in view.parts] == ["topic: algebra", "t1", "topic: logic"]
    assert view.parts_title == "3 slices, 1 flagged"
    assert view.parts[1].link == "#samples?suite=gsm8k&task=t1"
    assert view.parts[0].link == "#samples?suite=gsm8k&slice=%5B%22topic%22%2C%22algebra%22%5D"
    assert view.parts[0].details == "n = 40, Tango score, p = 0.0040"


def test_tasks_too_small_to_be_slices_are_still_listed(told):
    view = next(one for one in suite_views(told.comparison, told.decision) if one.result.name == "knowledge")
    assert view.parts_title == "3 tasks" and len(view.parts) == 3


def test_a_thousand_slices_do_not_swell_the_page(told):
    many = tuple(slice_of(f"v{i}") for i in range(1000))
    suites = (replace(told.comparison.suites[0], slices=many),)
    (view,) = suite_views(replace(told.comparison, suites=suites), told.decision)
    assert len(view.parts) == MOST_PARTS and view.parts_title == "1\u202f000 slices, 100 listed"


def test_the_page_and_the_markdown_show_them(told):
    page = " ".join(re.sub(r"<[^>]+>", " ", render_html(*told)).split())
    for text in ("gsm8k 6.0 pp [3.1, 8.9]", "retained 93.1 % [91.0, 95.2]", "topic: algebra", "flagged",
                 "How often this rule errs GO errs so often."):  # fmt: skip
        assert text in page
    written = summary_markdown(told.comparison, told.decision, told.manifest)
    assert "| **worst suite** | retain | | | | gsm8k 6.0 pp" in written and "- GO errs so often." in written
    assert "gsm8k, topic algebra: -10.0 pp" in written
    assert flagged_slices(told.comparison) == ["gsm8k, topic algebra: -10.0 pp [-14.0, -6.0] on 40 items"]


def test_hostile_names_of_slices_stay_text(told):
    hostile = slice_of("</td><script>alert(1)</script>", flagged=True, name="<b>")
    suites = (replace(told.comparison.suites[0], slices=(hostile,)),)
    page = render_html(replace(told.comparison, suites=suites), told.decision, told.manifest, told.table)
    assert "<script>alert" not in page and "<b>:" not in page
    written = summary_markdown(replace(told.comparison, suites=suites), told.decision, told.manifest)
    assert "<script>" not in written


# --- the gain-tax plane ---------------------------------------------------------------------------------------------


def test_the_joint_region_of_equal_intervals_is_hand_worked():
    # chi2_2(.95) = 5.991465: half-axes of 2.447747 standard errors, against 1.959964 of each interval.
    edge = joint_region((0.0, -1.959964, 1.959964), (1.0, 1.0 - 0.1959964, 1.0 + 0.1959964), LEVEL)
    assert max(x for x, _ in edge) == pytest.approx(2.447747, abs=1e-5)
    assert min(y for _, y in edge) == pytest.approx(1 - 0.2447747, abs=1e-6)


def test_the_joint_region_holds_both_as_often_as_it_says():
    import numpy as np

    rng = np.random.default_rng(0)
    gain, tax = rng.normal(size=20_000), rng.normal(size=20_000) / 3
    edge = joint_region((0.0, -1.959964, 1.959964), (0.0, -1.959964 / 3, 1.959964 / 3), LEVEL)
    across, up = max(x for x, _ in edge), max(y for _, y in edge)
    assert ((gain / across) ** 2 + (tax / up) ** 2 <= 1).mean() == pytest.approx(0.95, abs=0.005)


def test_an_interval_that_is_wider_to_one_side_makes_the_region_so():
    edge = joint_region((0.0, -0.01, 0.03), (0.0, -0.02, 0.02), LEVEL)
    assert max(x for x, _ in edge) == pytest.approx(-3 * min(x for x, _ in edge))
    assert joint_region((0.0, None, None), (0.0, -0.02, 0.02), LEVEL) == []


def test_the_region_is_drawn_within_the_plane():
    chart = plane((0.1, 0.05, 0.15), (0.01, -0.01, 0.03), (0.0, 0.02), "pass", "both")
    assert 'fill-opacity="0.14"' in chart
    assert "NaN" not in chart
