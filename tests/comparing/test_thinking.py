"""Test-time compute from a stored table."""

import dataclasses

import pytest

from evalkit.comparing.thinking import at_test_time
from evalkit.stored.records import Records, samples_frame
from evalkit.types import Completion, Example, Failure, Manifest, ModelRecord, Score, SuiteRecord, TaskRecord, Usage

PLAIN = ModelRecord("m", "vllm", "m", "f")
REASONER = dataclasses.replace(PLAIN, reasoning=True)


def manifest(*suites, base=PLAIN, tuned=PLAIN):
    return Manifest(1, "r", "now", "", base, tuned, suites, (), {}, {}, {})


def suite(samples=4, *, tasks=("t",), **fields):
    own = {
        key: fields.pop(key) for key in ("binary", "clustered", "separate", "votes", "kind", "metric") if key in fields
    }
    own = {"kind": "generate", "metric": "accuracy", "votes": "answer", **own}
    records = tuple(TaskRecord(name=name, items=9, available=9, samples=samples, **own) for name in tasks)
    return SuiteRecord("s", fields.pop("role", "retain"), "h", records, **fields)


def frame(items, task="t"):
    """items: for each the answers of base and of tuned; an answer is (text, is right, tokens) or None where it failed."""
    kept = Records()
    add(kept, items, task)
    return samples_frame(kept.table())


def add(kept, items, task):
    for place, sides in enumerate(items):
        for arm, answers in zip(("base", "tuned"), sides, strict=True):
            for sample, answer in enumerate(answers):
                example = Example(f"{task}{place}", (), "7", group=f"g{place // 2}")
                text, right, tokens = answer or ("", None, 0)
                failure = Failure(arm, "timeout", "no reply") if answer is None else None
                finish = "length" if text is None else "stop"
                completion = Completion(text or "", finish_reason=finish, usage=Usage(5, tokens), failure=failure)
                score = Score("accuracy", None if right is None else float(right), text, failure=failure)
                kept.add("s", task, arm, sample, example, completion, score)


RIGHT, WRONG, OTHER, CUT = ("7", 1, 100), ("9", 0, 200), ("8", 0, 200), (None, 0, 400)
ITEMS = [
    ([RIGHT, WRONG, OTHER, CUT], [RIGHT, RIGHT, WRONG, OTHER]),
    ([WRONG, WRONG, WRONG, WRONG], [RIGHT, WRONG, WRONG, CUT]),
]


def test_passes_votes_and_tokens_by_hand():
    (got,) = at_test_time(frame(ITEMS), manifest(suite()))
    assert (got.n, got.samples) == (2, 4)
    assert [(k, one.base, one.tuned) for k, one in got.pass_at_k.items()] == [
        (1, 0.125, 0.375),
        (2, 0.25, pytest.approx((5 / 6 + 1 / 2) / 2)),
        (4, 0.5, 1.0),
    ]
    # base: three answers tie, then nothing but nines. tuned: two sevens, then two nines against a seven.
    assert (got.maj_at_k[4].base, got.maj_at_k[4].tuned) == (pytest.approx((1 / 3) / 2), 0.5)
    assert (got.truncated.base, got.truncated.tuned) == (1 / 8, 1 / 8)
    assert (got.tokens.base, got.tokens.tuned) == (1700 / 8, 1500 / 8)
    assert (got.tokens_per_solved.base, got.tokens_per_solved.tuned) == (1700, 500)
    assert got.tokens_per_solved.delta.value == pytest.approx(-1200)


def test_a_difference_is_tuned_less_base_with_items_as_the_unit():
    (got,) = at_test_time(frame([*ITEMS * 30, ([RIGHT] * 4, [RIGHT] * 4)]), manifest(suite()))
    delta = got.pass_at_k[1].delta
    assert (delta.value, delta.n, delta.method) == (pytest.approx(0.25 * 60 / 61), 61, "t, paired")
    assert delta.low < 0.25 * 60 / 61 < delta.high


def test_the_curve_rises_to_the_suites_own_score():
    (got,) = at_test_time(frame(ITEMS), manifest(suite()))
    assert (got.budgets[0], got.budgets[-1], len(got.budgets)) == (100, 400, 24)
    assert got.tuned_curve[0] == 3 / 8 and got.tuned_curve[-1] == got.pass_at_k[1].tuned
    slow = [([("7", 1, 50)], [("7", 1, 800)])]
    (got,) = at_test_time(frame(slow), manifest(suite(1), tuned=REASONER))
    assert (got.base_curve[0], got.tuned_curve[0], got.base_curve[-1], got.tuned_curve[-1]) == (1, 0, 1, 1)


def test_one_greedy_sample_is_shown_only_of_a_model_that_reasons():
    items = [([RIGHT], [WRONG])]
    assert at_test_time(frame(items), manifest(suite(1))) == ()
    for models in ({"base": REASONER}, {"tuned": REASONER}):
        (got,) = at_test_time(frame(items), manifest(suite(1), **models))
        assert list(got.pass_at_k) == [1] and got.budgets


@pytest.mark.parametrize(
    "left_out",
    [{"role": "guard"}, {"kind": "choice"}, {"separate": False}, {"metric": "judge only"}],
    ids=lambda fields: next(iter(fields)),
)
def test_what_has_no_success_of_its_own_a_sample_is_left_out(left_out):
    assert at_test_time(frame(ITEMS), manifest(suite(**left_out))) == ()


def test_without_extracted_answers_there_is_no_vote_and_without_right_and_wrong_no_pass():
    (got,) = at_test_time(frame(ITEMS), manifest(suite(votes=None)))
    assert got.maj_at_k == {} and got.pass_at_k
    (got,) = at_test_time(frame(ITEMS), manifest(suite(binary=False)))
    assert (got.maj_at_k, got.pass_at_k, got.tokens_per_solved) == ({}, {}, None) and got.budgets


def test_boxes_vote_where_the_scorer_reads_whole_replies():
    long = [(rf"Since {i} fits, \boxed{{7}}", 1, 9) for i in range(3)] + [(r"\boxed{8}", 0, 9)]
    (got,) = at_test_time(frame([(long, long)]), manifest(suite(votes="box")))
    assert got.maj_at_k[4].tuned == 1.0


def test_an_item_that_lacks_a_sample_on_one_side_counts_on_neither():
    (got,) = at_test_time(frame([*ITEMS, ([RIGHT] * 4, [RIGHT, RIGHT, RIGHT, None])]), manifest(suite()))
    assert (got.n, got.pass_at_k[1].base) == (2, 0.125)
    assert at_test_time(frame([([None] * 4, [RIGHT] * 4)]), manifest(suite())) == ()


def test_where_one_model_wrote_more_samples_both_are_seen_up_to_what_they_share():
    (got,) = at_test_time(frame([([RIGHT, WRONG], [RIGHT] * 4)]), manifest(suite()))
    assert (got.samples, list(got.pass_at_k)) == (2, [1, 2])


def test_recorded_outputs_have_passes_and_votes_but_no_tokens_and_no_ends():
    table = frame(ITEMS).assign(completion_tokens=0, finish_reason="recorded")
    (got,) = at_test_time(table, manifest(suite()))
    assert got.pass_at_k and got.maj_at_k
    assert (got.tokens, got.tokens_per_solved, got.truncated, got.budgets) == (None, None, None, ())
    single = frame([([RIGHT], [RIGHT])]).assign(completion_tokens=0, finish_reason="recorded")
    assert at_test_time(single, manifest(suite(1), tuned=REASONER)) == ()


def test_where_nothing_is_solved_there_are_no_tokens_a_solved_item():
    (got,) = at_test_time(frame([([WRONG] * 4, [RIGHT] * 4)]), manifest(suite()))
    assert (got.tokens_per_solved.base, got.tokens_per_solved.tuned, got.tokens_per_solved.delta) == (None, 100, None)


def test_tasks_count_by_their_items_or_alike_as_the_suite_says():
    kept = Records()
    add(kept, [([WRONG] * 2, [RIGHT] * 2)] * 3, "a")
    add(kept, [([WRONG] * 2, [WRONG] * 2)], "b")
    table = samples_frame(kept.table())
    (pooled,) = at_test_time(table, manifest(suite(2, tasks=("a", "b"))))
    (macro,) = at_test_time(table, manifest(suite(2, tasks=("a", "b"), aggregate="macro")))
    for got, mean in ((pooled, 0.75), (macro, 0.5)):
        assert (got.pass_at_k[1].tuned, got.pass_at_k[1].delta.value) == (mean, mean)
        assert got.tuned_curve[-1] == pytest.approx(mean)


def test_clusters_are_the_unit_where_the_task_has_them():
    varied = [*ITEMS * 20, *[([RIGHT] * 4, [WRONG] * 4)] * 8]
    (got,) = at_test_time(frame(varied), manifest(suite(clustered=True)))
    assert got.pass_at_k[2].delta.method == "t, cluster-robust (24 clusters)"


def test_the_order_of_rows_does_not_matter():
    table = frame(ITEMS * 5)
    assert at_test_time(table, manifest(suite())) == at_test_time(table.iloc[::-1], manifest(suite()))
