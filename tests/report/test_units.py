"""A guard that is counted in bits per byte reads in that unit on every surface, and nowhere as points or percent."""

import io
import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from rich.console import Console
from unbounded_run import UNIT, unbounded_run

from evalkit.comparing.comparison import compare_records
from evalkit.config import ModelSpec, SuiteSpec
from evalkit.inputs import Inputs
from evalkit.report.charts import Row, span
from evalkit.report.console import print_summary
from evalkit.report.html import render_html
from evalkit.report.junit import junit_xml
from evalkit.report.markdown import summary_markdown
from evalkit.report.numbers import amount, bare_difference, difference, pp, size
from evalkit.report.plots import forest_groups
from evalkit.report.single import print_scores
from evalkit.report.summary import summary_json
from evalkit.report.view import suite_views
from evalkit.report.words import sentence
from evalkit.scorers import find_scorer
from evalkit.stored.records import samples_frame, verdicts_frame
from evalkit.types import Estimate, InputError
from evalkit.yamlfile import validate

RISE = Estimate(0.019, 0.004, 0.011, 0.027, 0.95, "t, paired", 120)


@pytest.fixture(scope="module")
def passed():
    return unbounded_run()


@pytest.fixture(scope="module")
def failed():
    return unbounded_run(rise=0.08)


@pytest.fixture(scope="module")
def undecided():
    return unbounded_run(rise=0.05)


def test_numbers_without_bounds_keep_three_decimals_and_their_unit():
    assert difference(RISE, UNIT) == "+0.019 bits per byte [0.011, 0.027]"
    assert bare_difference(RISE, UNIT) == "+0.019 [0.011, 0.027]"
    assert (pp(-0.0501, UNIT), size(-0.0501, UNIT)) == ("-0.050 bits per byte", "0.050 bits per byte")
    assert (pp(0.0001, UNIT), pp(float("nan"), UNIT)) == ("0.000 bits per byte", "n/a")
    assert (amount(0.8421, UNIT), amount(0.8421)) == ("0.842", "84.2 %")


def test_a_gates_rule_and_reason(passed):
    (gate,) = [gate for gate in passed.decision.gates if gate.subject == "prose"]
    assert gate.rule == "rises by less than 0.05 bits per byte"
    assert re.fullmatch(
        r"prose: rises by less than 0\.05 bits per byte: holds at \+0\.021 \[\+0\.017, \+0\.025\] bits per byte",
        gate.reason,
    )


def test_the_sentence_of_a_no_go(failed):
    text = sentence(failed.comparison, failed.decision)
    assert re.fullmatch(
        r"Tuned rose by 0\.08\d bits per byte on prose \[0\.0\d\d, 0\.0\d\d\], more than the 0\.050 bits per byte allowed\.",
        text,
    )


def test_the_sentence_and_the_remedy_of_an_open_outcome(undecided):
    text = sentence(undecided.comparison, undecided.decision)
    assert (
        "prose changed by +0.052 bits per byte [0.048, 0.056], and a rise of up to 0.050 bits per byte is allowed"
        in text
    )


def test_the_forest_plot_has_an_axis_of_its_own(passed):
    groups = forest_groups(passed.comparison, passed.decision)
    assert [group.heading for group in groups] == ["Retain: must not lose", "Guard: higher is worse, in bits per byte"]
    assert "(bits per byte)" in groups[1].wide and "(pp)" not in groups[1].wide
    assert "+0.021 [0.017, 0.025]" in groups[1].wide and "0.848 \u2192 0.869" in groups[1].narrow
    assert "(bits per byte)" not in groups[0].wide


def test_a_span_in_a_unit_of_its_own_is_not_stretched_to_points():
    row = Row("prose", "", 0.02, 0.01, 0.03, "", "", None, "", limit=0.05)
    low, high = span([row], 1.0)
    assert -0.01 < low < 0 and 0.05 < high < 0.06


def test_the_page(passed):
    page = render_html(*passed)
    suites = page[page.index('<section id="suites">') : page.index('<section id="flips">')]
    assert "0.848" in suites and "+0.021 bits per byte [0.017, 0.025]" in suites and "84.8 %" not in page
    flips = page[page.index('<section id="flips">') : page.index('<section id="samples"')]
    assert "<caption>facts</caption>" in flips and "<caption>prose</caption>" not in flips
    assert "rises by less than 0.05 bits per byte" in page
    assert 'data-unbounded="prose&#10;"' in page


def test_the_limit_beside_a_suite(passed):
    view = next(view for view in suite_views(passed.comparison, passed.decision) if view.result.name == "prose")
    assert view.limits == "limit +0.050 bits per byte"


def test_the_terminal(passed):
    console = Console(file=io.StringIO(), width=100)
    print_summary(passed.comparison, passed.decision, passed.manifest, console=console)
    line = next(line for line in console.file.getvalue().splitlines() if "prose" in line)
    assert line.split("  ")[0] == "" and re.sub(r"\s+", " ", line).strip() == (
        "prose, bits per byte 120 0.848 0.869 +0.021 [0.017, 0.025] n/a pass"
    )


def test_the_markdown(passed):
    text = summary_markdown(passed.comparison, passed.decision, passed.manifest)
    assert "| prose | guard | 120 | 0.848 | 0.869 | +0.021 bits per byte [0.017, 0.025] | n/a | pass |" in text
    assert "| +0.021 bits per byte [0.017, 0.025] | +0.050 bits per byte | pass |" in text


def test_junit(failed):
    root = ET.fromstring(junit_xml(failed.comparison, failed.decision, failed.manifest))
    assert "bits per byte [0.078, 0.086], limit +0.050 bits per byte" in root.find(".//failure").text


def test_the_summary(passed):
    data = json.loads(summary_json(passed.comparison, passed.decision, passed.manifest))
    units = {suite["name"]: suite["unit"] for suite in data["suites"]}
    assert units == {"facts": None, "prose": UNIT}
    assert data["suites"][1]["tasks"][0]["unit"] == UNIT
    assert {gate["subject"]: gate["unit"] for gate in data["gates"]} == {"tax": None, "facts": None, "prose": UNIT}
    assert data["suites"][1]["base"] == pytest.approx(0.848, abs=5e-4)


def test_one_model_alone(passed):
    find_scorer("bits_per_byte")  # as a run that asks for it does
    samples = samples_frame(passed.table)
    console = Console(file=io.StringIO(), width=100)
    print_scores(samples[samples["suite"] == "prose"], console=console)
    assert "0.858" in console.file.getvalue() and "%" not in console.file.getvalue()


def test_suites_in_different_units_are_no_pool(passed):
    table, manifest = passed.table, passed.manifest
    facts, prose = manifest.suites
    manifest = replace(manifest, suites=(replace(facts, role="guard"), prose))
    with pytest.raises(InputError, match="different units: accuracy, bits per byte"):
        compare_records(samples_frame(table), verdicts_frame(table), manifest, pools={"mixed": ["facts", "prose"]})


def test_one_suite_has_one_unit(tmp_path):
    (tmp_path / "texts.jsonl").write_text('{"text": "It rained."}\n')
    text = {"data": "texts.jsonl", "prompt": "{{ text }}"}
    tasks = [{**text, "name": "a", "kind": "loglikelihood"}, {**text, "name": "b", "score": "refusal"}]
    suite = validate(SuiteSpec, {"name": "s", "role": "guard", "tasks": tasks})
    model = ModelSpec(name="m", backend="replay", outputs="none.jsonl")
    with pytest.raises(InputError, match="different units: bits per byte, refusal rate; make it one suite a unit"):
        Inputs.read(model, [suite.model_copy(update={"folder": str(tmp_path)})], None, None)
