"""Which runs belong on one line."""

from dataclasses import replace

import pytest
from stored_runs import made, store, usual

from evalkit.browsing import Scanner, trends
from evalkit.browsing.trend import family
from evalkit.report import index_trend
from evalkit.report.index_trend import levels, panels, trend_chart


def trends_of(root):
    return trends(Scanner(root).index())


def test_a_base_has_a_trend_from_its_second_run_on(tmp_path):
    store(tmp_path / "a", made("a", "one-base"))
    store(tmp_path / "b", made("b", "other-base", hours=1))
    store(tmp_path / "c", made("c", "other-base", hours=2))
    [trend] = trends_of(tmp_path)
    assert (trend.base, trend.runs) == ("other-base", 2)
    assert [point.run.tuned.name for point in trend.gain] == ["b", "c"]  # oldest first


@pytest.mark.parametrize("other", [{"suites": "77"}, {"base_mark": "cc"}], ids=["other suites", "base retrained"])
def test_a_run_that_was_measured_otherwise_is_not_joined(tmp_path, other):
    store(tmp_path / "a", made("m-1", hours=0, **other))
    store(tmp_path / "b", made("m-2", hours=1))
    store(tmp_path / "c", made("m-3", hours=2))
    [trend] = trends_of(tmp_path)
    assert trend.others == 1
    for points in (trend.gain, trend.tax, trend.win_rate):
        assert [point.comparable for point in points] == [False, True, True]
    [(_, chart), *_] = panels([trend])[0][0].times
    assert "measured otherwise than the newest run" in chart


def test_checkpoints_of_one_training_share_a_line():
    assert family("lr1e4-ckpt-100") == family("lr1e4-ckpt-2000") != family("sft-ckpt-100")


def test_a_win_rate_is_one_judges(tmp_path):
    one, other = made("m-1", hours=0), made("m-2", hours=1)
    store(tmp_path / "a", one)
    judges = (other.manifest.judges[0].__class__("pairwise-general", "pairwise", "ff" * 16, None),)
    store(tmp_path / "b", made("m-2", hours=1, judges=judges))
    store(tmp_path / "c", made("m-3", hours=2))
    [trend] = trends_of(tmp_path)
    assert [point.run.tuned.name for point in trend.win_rate] == ["m-1", "m-3"]


def test_charts_over_steps_and_time_with_intervals_and_doors(tmp_path):
    [panel, _], undrawn = panels(trends_of(usual(tmp_path)))
    assert undrawn == 0 and [caption for caption, _ in panel.steps] == [
        "Gain (pp)",
        "Tax (pp)",
        "Win rate (%), pairwise-general (advisory)",
    ]
    assert panel.told == "16 runs, 1 measured otherwise than the newest"
    for _, chart in panel.steps:
        assert chart.count('href="#run-') == 8
        assert "lr1e4-ckpt-1000: GO, " in chart and "style=" not in chart
    assert "gain" not in panel.steps[0][1] and "pp [" in panel.steps[0][1]


def test_hostile_names_are_text_in_a_chart(tmp_path):
    hostile = "</title><script>alert(1)</script>\u202e\ud83d-1"
    for at in range(2):
        store(tmp_path / str(at), made(hostile.replace("\ud83d", "") + str(at), hours=at))
    [panel], _ = panels(trends_of(tmp_path))
    assert "<script" not in panel.times[0][1] and "\u202e" not in panel.times[0][1]


def test_too_many_runs_are_cut_and_the_page_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("evalkit.browsing.trend.MOST_POINTS", 3)
    for at in range(5):
        store(tmp_path / str(at), made(f"m{at}", hours=at))
    [trend] = trends_of(tmp_path)
    assert (trend.runs, trend.left_out, len(trend.gain)) == (5, 2, 3)
    assert trend.gain[-1].run.tuned.name == "m4"
    assert panels([trend])[0][0].told == "5 runs, the 2 oldest not drawn"


def test_a_chart_is_drawn_once(tmp_path):
    found = trends_of(usual(tmp_path))
    panels(found)
    before = trend_chart.cache_info().misses
    panels(found)
    assert trend_chart.cache_info().misses == before


def test_two_runs_of_one_moment_and_of_one_step_are_drawn(tmp_path):
    for at in range(2):
        store(tmp_path / str(at), made("m-ckpt-100", gain=0.1 * at))
    store(tmp_path / "c", made("m-ckpt-200"))
    [panel], _ = panels(trends_of(tmp_path))
    assert panel.times == [] and len(panel.steps) == 3
    dots = index_trend._dots(trends_of(tmp_path)[0].gain, 0.0, "step")
    assert {dot.line for dot in dots} == {""}


def test_the_page_says_at_which_level_the_intervals_of_what_is_drawn_hold(tmp_path):
    for at in range(2):
        store(tmp_path / str(at), made(f"m{at}", hours=at))
    [trend] = trends_of(tmp_path)
    assert levels([trend]) == "95 %"
    first, *others = trend.gain
    other = replace(first, value=replace(first.value, level=0.9))
    assert levels([replace(trend, gain=(other, *others))]) == "90 or 95 % (as each run's policy asks)"
