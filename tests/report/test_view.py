from dataclasses import replace

import pytest
from example_run import Planned, make_run

from evalkit.report.origins import commands, policy_text, when
from evalkit.report.plots import forest_groups, gain_tax_plane
from evalkit.report.view import suite_views, tally


def command(run, text, base="models/base.yaml", tuned="my tuned.yaml"):
    manifest = run.manifest
    named = replace(
        manifest, command=text, base=replace(manifest.base, file=base), tuned=replace(manifest.tuned, file=tuned)
    )
    return commands(named)


def test_an_item_is_asked_again_with_the_files_the_comparison_named(run):
    again = command(
        run, "evalkit compare models/base.yaml 'my tuned.yaml' --suite gsm8k --suite mine/knowledge.yaml --out x"
    )
    assert again["base"]["gsm8k"] == "evalkit run models/base.yaml --suite gsm8k"
    assert again["tuned"]["knowledge"] == "evalkit run 'my tuned.yaml' --suite mine/knowledge.yaml"


def test_without_named_suites_the_models_own_defaults_are_asked(run):
    assert command(run, "evalkit compare base.yaml tuned.yaml")["base"]["gsm8k"] == "evalkit run models/base.yaml"


def test_a_suite_that_no_command_named_is_asked_by_its_own_file(run):
    """As where the comparison was a function's, or a test's."""
    suites = tuple(replace(suite, file=f"evals/{suite.name}.yaml") for suite in run.manifest.suites)
    told = command(replace(run, manifest=replace(run.manifest, suites=suites)), "pytest, session 1")
    assert told["base"]["gsm8k"] == "evalkit run models/base.yaml --suite evals/gsm8k.yaml"


@pytest.mark.parametrize("before", ["--policy p.yaml", "--incumbent i.yaml", "--policy=p.yaml"])
def test_another_file_of_the_command_is_not_taken_for_a_model(run, before):
    again = command(run, f"evalkit compare {before} models/base.yaml 'my tuned.yaml' --suite=gsm8k")
    assert again["base"]["gsm8k"] == "evalkit run models/base.yaml --suite gsm8k"


@pytest.mark.parametrize("text", ["", "evalkit.compare(...)", "evalkit compare 'unclosed"])
def test_a_model_without_a_file_leaves_a_blank_to_fill(run, text):
    assert command(run, text, base="")["base"]["gsm8k"] == "evalkit run BASE.yaml"


def test_a_guards_rise_is_the_harm(run):
    guard = next(view for view in suite_views(run.comparison, run.decision) if view.result.role == "guard")
    assert [(cell.word, cell.tone) for cell in guard.cells] == [
        ("still seen", "none"),
        ("cleared", "gain"),
        ("newly seen", "harm"),
        ("never seen", "none"),
    ]


def test_suites_stand_by_role_and_the_worst_first(run):
    names = [view.result.name for view in suite_views(run.comparison, run.decision)]
    assert names[0] == "arithmetic-json" and names[1] == "gsm8k" and names[-1] == "refused-harmless-requests"


def test_missing_items_are_a_caution_beside_the_suite():
    run = make_run((Planned("b", "retain", 0.9, 0.8, 40, missing=6),), judge=None, complete=False)
    assert "6 items missing" in suite_views(run.comparison, run.decision)[0].cautions[0]


def test_every_row_of_the_forest_plot_opens_its_samples(run):
    for group in forest_groups(run.comparison, run.decision):
        for chart in (group.wide, group.narrow):
            for suite in run.comparison.suites:
                if suite.role == group.role:
                    assert f'href="#samples?suite={suite.name}"' in chart
                    assert f"n = {suite.n}" in chart
            assert "style=" not in chart and "://" not in chart.replace("http://www.w3.org/2000/svg", "")


def test_names_are_text_in_a_chart(run):
    hostile = replace(run.comparison.suites[1], name="</svg><script>alert(1)</script>")
    groups = forest_groups(replace(run.comparison, suites=(hostile,)), run.decision)
    assert "<script" not in groups[0].wide


def test_a_suite_without_an_interval_is_drawn_as_a_point(run):
    bare = replace(run.comparison.suites[1], delta=replace(run.comparison.suites[1].delta, low=None, high=None))
    groups = forest_groups(
        replace(run.comparison, suites=(bare,), tax=None, gain=None), replace(run.decision, gates=())
    )
    assert "no interval" in groups[0].wide


def test_there_is_no_plane_without_both_of_its_sides(run):
    assert gain_tax_plane(replace(run.comparison, gain=None), run.decision) is None
    assert gain_tax_plane(run.comparison, run.decision) is not None


def test_the_tally_counts_every_gate(run):
    assert tally(run.decision) == "8 gates: 3 undecided, 5 passed"
    assert tally(replace(run.decision, gates=())) == "no gate applied"


def test_a_policy_reads_as_its_file(run):
    assert "tax:\n  max: 0.02" in policy_text(run.manifest)


def test_times_read_as_a_person_writes_them():
    assert when("2026-09-23T14:15:02+00:00") == "23 September 2026, 14:15 UTC"
    assert when("not a time") == "not a time"
