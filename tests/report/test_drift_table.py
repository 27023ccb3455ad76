from dataclasses import replace

import pytest
from example_run import Planned, make_run
from unbounded_run import unbounded_run

from evalkit.report.drift import change_text, drift_view, headline
from evalkit.report.html import render_html
from evalkit.report.markdown import summary_markdown
from evalkit.report.summary import summary
from evalkit.types import PROBES, Drift, Estimate, SuiteDrift


def measure(name="refusal_rate", value=0.1, low=0.05, high=0.15, unit="rate", base=0.1):
    estimate = Estimate(value, 0.02, low, high, 0.95, "Tango score", 200)
    return Drift(name, base, None if base is None else base + value, estimate, unit)


def view(run, *measures):
    return drift_view(replace(run.comparison, drift=(SuiteDrift("s", measures),)))


@pytest.mark.parametrize(
    ("name", "unit", "text"),
    [
        ("refusal_rate", "rate", "+10.0 pp [5.0, 15.0]"),
        ("length", "tokens", "+10.0 % [5.0, 15.0]"),
        ("brier", "score", "+0.100 [0.050, 0.150]"),
        ("bits_per_byte", "bits per byte", "+0.100 bits per byte [0.050, 0.150]"),
    ],
)
def test_a_change_reads_in_its_own_unit(name, unit, text):
    assert change_text(measure(name, unit=unit)) == text


def test_a_distance_has_no_sign_no_base_and_no_mark(run):
    found = view(run, measure("kl_per_token", unit="nats per token", base=None))
    (line,) = found.tables[0].lines
    assert (line.change, line.base, line.moved) == ("0.100 nats per token [0.050, 0.150]", "\u2013", "distance")
    assert found.tables[0].moved == 0


def test_a_change_is_marked_where_its_interval_leaves_zero_out(run):
    lines = (
        view(run, measure(), measure(value=-0.1, low=-0.15, high=-0.05, base=0.4), measure(low=-0.01)).tables[0].lines
    )
    assert [line.moved for line in lines] == ["up", "down", ""]


def test_a_change_without_an_interval_has_not_moved(run):
    (line,) = view(run, measure(low=None, high=None)).tables[0].lines
    assert (line.moved, line.change) == ("", "+10.0 pp no interval")


def test_rates_of_zero_on_both_sides_are_not_listed(run):
    assert view(run, measure(value=0.0, low=-0.01, high=0.01, base=0.0)) is None
    assert drift_view(replace(run.comparison, drift=())) is None


def test_the_first_line_names_what_moved_farthest_in_widths_of_its_interval():
    clear = measure("length", 0.4, 0.39, 0.41, unit="tokens", base=100)
    text = headline([SuiteDrift("a", (measure(),)), SuiteDrift("b", (clear, measure("ece", low=-0.1)))])
    assert text == (
        "2 of 3 measures moved, most clearly: length of an answer on b +40.0 % [39.0, 41.0]; "
        "declined on a +10.0 pp [5.0, 15.0]."
    )


def test_the_first_line_says_when_nothing_moved():
    assert headline([SuiteDrift("a", (measure(low=-0.1),))]).startswith("None of 1 measures moved")


def test_the_probes_stand_beside_the_suites():
    bits = measure("bits_per_byte", unit="bits per byte")
    assert "bits per byte of held-out text +0.100 bits per byte" in headline([SuiteDrift(PROBES, (bits,))])


def test_what_the_page_shows_is_what_was_measured(run):
    found = drift_view(run.comparison)
    assert found is not None and [table.suite for table in found.tables] == [one.name for one in run.comparison.suites]
    names = {line.name for line in found.tables[0].lines}
    assert names >= {
        "length of an answer",
        "no answer found",
        "cut off at the token limit",
        "answer in the form asked for",
    }
    page = render_html(*run)
    assert found.headline in page and '<span class="move down">down</span>' in page


def test_probe_rows_are_no_items_of_the_page():
    run = unbounded_run()
    page = render_html(*run)
    assert "All 240 items" in page  # of 2 suites; 120 texts and 120 continuations were measured beside them
    assert "beside the suites" in page and PROBES not in page


def test_a_name_is_text_in_the_drift_section():
    run = make_run((Planned("s", items=30),), judge=None)
    hostile = replace(run.comparison.drift[0], suite="</details><script>alert(1)</script>", cautions=("<img src=x>",))
    page = render_html(replace(run.comparison, drift=(hostile,)), run.decision, run.manifest, run.table)
    assert "<script>alert" not in page and "<img" not in page


def test_the_summary_holds_every_measure_by_its_own_name(run):
    (first, *_) = summary(run.comparison, run.decision, run.manifest)["drift"]
    assert first["suite"] == "arithmetic-json"
    length = first["measures"][0]
    assert length["name"] == "length" and length["moved"] and length["unit"] == "tokens"
    assert length["low"] < length["change"] < length["high"] < 0
    assert {one["name"] for one in first["measures"]} >= {"refusal_rate", "repetition_rate"}  # zeros are kept here


def test_the_markdown_says_it_in_a_line(run):
    (line,) = [one for one in summary_markdown(*list(run)[:3]).splitlines() if one.startswith("**Drift**")]
    assert "measures moved" in line
