import random
import xml.etree.ElementTree as ET

import pytest

from evalkit.catalog import builtin_folder
from evalkit.report import charts
from evalkit.report.charts import NARROW, WIDE, Row, forest, plane, span

ODD = ["العربية", "日本語", "👩\u200d👩\u200d👧", "e\u0301", "a" * 300, "\ufffe", "\uffff", "\U0010ffff", "\t", "\n", "\u200b",
       "<&>\"'", "{{x}}", "\\u0000", "\x00", "\ud800", "\u202e", "null", "datum.x"]  # fmt: skip


def row(name="gsm8k", value=-0.064, low=-0.083, high=-0.046, limit=-0.05, **more):
    return Row(
        name,
        "93.0 → 86.6 %",
        value,
        low,
        high,
        "-6.4 pp",
        "fail",
        "fail",
        f"{name} n = 1319",
        "#samples",
        limit,
        **more,
    )


@pytest.mark.parametrize("layout", [WIDE, NARROW], ids=["wide", "narrow"])
def test_no_name_breaks_the_renderer(layout):
    """A name that the renderer cannot read ends the whole process, not only the chart."""
    rng = random.Random(0)
    rows = [row("".join(rng.choice(ODD) for _ in range(rng.randint(1, 5)))) for _ in range(60)]
    rows += [row(name) for name in ODD] + [row("👩\u200d👩\u200d👧" * 60)]
    assert forest(rows, span(rows), layout, "change").startswith("<svg")


def test_a_span_shows_every_interval_every_limit_and_zero():
    low, high = span([row(), row(low=None, high=None, limit=0.2)])
    assert low < -8.3 and high > 20
    assert span([row(0, 0, 0, 0, 0)])[0] < 0 < span([row(0, 0, 0, 0, 0)])[1]


def test_a_mark_has_a_shape_for_its_verdict_and_a_title_with_its_n():
    chart = forest([row()], span([row()]), WIDE, "change")
    assert "<title>gsm8k n = 1319</title>" in chart
    assert "#d55e00" in chart and "#009e73" not in chart


def test_a_pooled_row_is_a_diamond_as_wide_as_its_interval():
    rows = [row(), row("pooled tax", pooled=True)]
    chart = forest(rows, span(rows), WIDE, "change")
    assert chart.count("<title>pooled tax n = 1319</title>") >= 1
    assert "mark-area" in chart


def test_a_point_beyond_the_scale_stays_at_its_edge():
    assert "NaN" not in forest([row(value=0.9, low=0.8, high=0.95)], (-10, 10), WIDE, "change")


def test_the_plane_draws_a_pair_without_intervals():
    chart = plane((0.3, None, None), (0.01, None, None), (0.0, 0.02), "pass", "gain and tax")
    assert "<title>gain and tax</title>" in chart and "allowed" in chart


def test_a_limit_that_no_gate_states_is_not_drawn():
    ends = ((0.3, 0.2, 0.4), (0.01, -0.01, 0.03))
    without = plane(*ends, (None, None), None, "gain and tax")
    assert "allowed" not in without and "stroke-dasharray" not in without
    tax_alone = plane(*ends, (None, 0.02), "pass", "gain and tax")
    assert "allowed" in tax_alone and tax_alone.count("stroke-dasharray") == 1


@pytest.mark.parametrize("layout", [WIDE, NARROW], ids=["wide", "narrow"])
def test_a_row_is_one_link_with_one_title_as_wide_as_the_plot(layout):
    chart = forest([row(), row("mmlu", pooled=True)], span([row()]), layout, "change")
    assert chart.count("<a ") == 2 and chart.count("<title>mmlu n = 1319</title>") == 1
    root = ET.fromstring(chart)
    hits = [path for path in root.iter("{http://www.w3.org/2000/svg}path") if path.get("fill-opacity") == "0"]
    assert [path.get("d") for path in hits] == [
        f"M0,{top}h{layout.width}v{layout.row}h-{layout.width}Z" for top in (0, layout.row)
    ]


def test_every_colour_of_a_chart_has_its_twin_on_dark_paper():
    style = (builtin_folder("reports") / "report.css").read_text(encoding="utf-8")
    named = [charts.INK, charts.MUTED, charts.TUNED, *charts.COLOURS.values(), *charts.EDGES.values()]
    for colour in named:
        for attribute in ("fill", "stroke"):
            assert f'.chart [{attribute}="{colour}"]' in style, (attribute, colour)
    assert f'[stroke="{charts.RULE}"]' in style and f'[fill="{charts.BAND}"]' in style
