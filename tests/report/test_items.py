import math

from example_run import Planned, make_run

from evalkit.report.items import disagreement, item_frame, length_unit
from evalkit.stored.records import Records, with_overlaps
from evalkit.types import Completion, Example, Failure, Message, Score, Usage, Verdict

EXAMPLE = Example("q1", (Message("user", "2 + 2?"),), answer="4")


def records(base, tuned, *, verdicts=()):
    """One item; base and tuned are lists of (value, cause), a sample each."""
    held = Records()
    for arm, samples in (("base", base), ("tuned", tuned)):
        for sample, (value, cause) in enumerate(samples):
            failure = Failure("engine", "out_of_memory", "no memory") if cause == "failed" else None
            score = Score("number", value, None, None if failure else cause, failure)
            held.add("s", "t", arm, sample, EXAMPLE, Completion("4", usage=Usage(5, 7), failure=failure), score)
    for order, winner in zip(("base_first", "tuned_first"), verdicts, strict=False):
        held.add_verdict(Verdict("q1", "judge", order, winner, suite="s", task="t"))
    return held.table()


def only(table):
    frame = item_frame(table)
    assert len(frame) == 1
    return frame.iloc[0]


def test_cells_agree_with_the_counts_of_the_comparison(run):
    frame = item_frame(run.table)
    for suite in run.comparison.suites:
        cells = frame[frame["suite"] == suite.name]["cell"].value_counts()
        assert cells.get("kept", 0) == suite.kept
        assert cells.get("regressed", 0) == suite.regressed
        assert cells.get("fixed", 0) == suite.fixed
        assert cells.get("both_wrong", 0) == suite.both_wrong


def test_several_samples_are_one_item_with_their_mean():
    item = only(records([(1, None), (1, None)], [(1, None), (0, "wrong")]))
    assert (item["base"], item["tuned"], item["cell"], item["cause"]) == (1.0, 0.5, "regressed", "wrong")


def test_an_item_is_out_of_form_by_any_of_its_samples():
    def form(base, tuned):
        return only(records(base, tuned))["form"]

    lost, right = (0, "unparsed"), (1, None)
    assert form([right], [right]) == form([right], [(0, "wrong")]) == form([right], [(0, "truncated")]) == ""
    assert form([right, right], [right, (0, "unextracted")]) == "tuned"
    assert form([lost, right], [right, right]) == "base"
    assert form([lost], [lost]) == "both"


def test_an_item_that_counts_in_no_difference_is_not_set_aside_from_one():
    assert only(records([(None, "failed")], [(0, "unparsed")]))["form"] == ""


def test_an_item_overlaps_when_either_arm_was_trained_on_it():
    def overlap(base, tuned):
        shares = {arm: {("s", "t", "q1"): share} for arm, share in (("base", base), ("tuned", tuned))}
        return only(with_overlaps(records([(1, None)], [(1, None)]), shares))["overlap"]

    assert overlap(None, None) == "unknown"
    assert overlap(0.1, None) == overlap(0.1, 0.19) == "no"
    assert overlap(0.9, 0.0) == overlap(None, 0.2) == "yes"


def test_an_unanswered_item_is_missing_and_not_lost():
    item = only(records([(1, None)], [(None, "failed")]))
    assert item["cell"] == "missing"
    assert math.isnan(item["tuned"])


def test_an_item_that_nothing_scores_is_unscored_and_not_missing():
    assert only(records([(None, None)], [(None, None)]))["cell"] == "unscored"


def test_two_orders_make_one_view_of_an_item():
    def seen(*verdicts):
        return only(records([(1, None)], [(1, None)], verdicts=verdicts))["judge"]

    assert seen("tuned", "tuned") == "tuned"
    assert seen("tie", "tie") == "tie"
    assert seen("base", "tuned") == "split"
    assert seen("tie", "tuned") == "split"
    assert seen("tuned", None) == "unreadable"
    assert seen(None, None) == "unreadable"
    assert seen() == ""


def test_a_judge_that_contradicts_the_scores_is_worth_reading():
    def contradicts(base, tuned, *verdicts):
        return bool(disagreement(item_frame(records([(base, None)], [(tuned, None)], verdicts=verdicts)))[0])

    assert contradicts(1, 0, "tuned", "tuned")
    assert contradicts(1, 1, "base", "tuned")
    assert not contradicts(1, 0, "base", "base")
    assert not contradicts(1, 1, "base", "base")


def test_an_empty_table_has_no_items():
    assert item_frame(Records().table()).empty


def test_one_arm_alone_is_missing_everywhere():
    table = make_run((Planned("s", items=20),), judge=None).table
    base = table.filter([arm == "base" for arm in table["arm"].to_pylist()])
    assert set(item_frame(base)["cell"]) == {"missing"}


def test_answers_recorded_without_token_counts_are_measured_in_characters(run):
    held = Records()
    for arm, text in (("base", "four"), ("tuned", "it is four")):
        held.add("s", "t", arm, 0, EXAMPLE, Completion(text, finish_reason="recorded"), Score("number", 1.0))
    table = held.table()
    item = only(table)
    assert (length_unit(table), item["base_length"], item["tuned_length"]) == ("characters", 4, 10)
    assert length_unit(run.table) == "tokens"
