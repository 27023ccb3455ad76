"""What the page says of its numbers beside them: only what it shows, and all of it."""

from dataclasses import replace

from example_run import REASONING, Planned, make_run

from evalkit.report.drift import NAMES
from evalkit.report.glossary import DRIFT, terms
from evalkit.report.html import render_html


def test_every_measure_of_drift_has_a_meaning():
    assert DRIFT.keys() == NAMES.keys()


def test_a_judged_run_with_a_guard_explains_both(run):
    told = {term.name: term.meaning for term in terms(make_run(judge="passed").comparison)}
    assert {
        "Win rate",
        "Verdict flips with the order",
        "Same answer when asked again",
        "Exam error rates",
        "Guard rate",
        "Length of an answer",
    } <= told.keys()
    assert "pass@k" not in told
    assert all(meaning.endswith(".") for meaning in told.values())


def test_what_a_run_does_not_show_is_not_explained():
    told = {term.name for term in terms(make_run((Planned("s", items=40),), judge=None).comparison)}
    assert not told & {"Win rate", "Guard rate", "Tokens a solved answer", "Exam error rates", "KL(tuned || base)"}
    assert "Tokens a solved answer" in {term.name for term in terms(make_run((REASONING,), judge=None).comparison)}


def test_p_values_stand_in_the_method_alone(run):
    page = render_html(replace(run.comparison, losses_found={"gsm8k": 0.00004, "knowledge": 0.02}), *list(run)[1:])
    before, method = page.split('<section id="method"')
    assert "gsm8k p &lt; 0.001, knowledge p = 0.020" in method
    assert "(p " not in before and "gsm8k, knowledge" in before


def test_training_data_that_was_not_given_takes_one_line(run):
    page = render_html(*run)
    assert '<details id="overlap">' in page and "<h2>Training data" not in page and '<a href="#overlap">' not in page
