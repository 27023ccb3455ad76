"""The harness's filters and metrics on evalkit's completions: a scripted engine, recorded outputs, what goes wrong."""

import json
import math

import pytest

from evalkit import api
from evalkit.backends.openai import OpenAIBackend
from evalkit.config import ModelSpec
from evalkit.running.requests import draw, requests_for
from evalkit.scorers import marking
from evalkit.types import Completion, Failure
from tests.harness_tasks import CHOICE, COLOURS, GENERATE, ROLLING, SUMS, lm_eval, load, suite, write_task

MODEL = ModelSpec(name="m", backend="fake", model="m")
TAKE_FIRST = {"function": "take_first"}


def run(folder, entry, model=MODEL, role="retain"):
    """Samples of one model, by item."""
    samples = api.run_one(model, suites=[suite(folder, entry, role=role)])
    samples["cause"] = samples["cause"].astype(object).fillna("")
    return samples.sort_values(["id", "sample"]).reset_index()


def values(samples):
    return dict(zip(samples["id"], samples["value"], strict=True))


def scored(*logprobs):
    likeliest = max(logprobs)
    return Completion("", logprobs=logprobs, greedy=tuple(value == likeliest for value in logprobs))


# --- filters --------------------------------------------------------------------------------------------------------


def filters(**named):
    return [
        {"name": name, "filter": [{"function": "regex", "group_select": place, "regex_pattern": r"(\d+)"}, TAKE_FIRST]}
        for name, place in named.items()
    ]


def test_one_of_several_filters_gives_the_score(harness, fake):
    write_task(harness, "sums", SUMS[:1], filter_list=filters(last=-1, first=0), **GENERATE)
    fake.answer = lambda request: "Is it 2? No, 3."
    first, last = run(harness, lm_eval("sums", filter="first")), run(harness, lm_eval("sums"))
    assert (first["value"][0], first["answer"][0]) == (1.0, "2")
    assert (last["value"][0], last["answer"][0], last["cause"][0]) == (0.0, "3", "wrong")


VOTE = [
    {"name": "first", "filter": [TAKE_FIRST]},
    {"name": "maj@3", "filter": [{"function": "take_first_k", "k": 3}, {"function": "majority_vote"}, TAKE_FIRST]},
    {"name": "maj@5", "filter": [{"function": "majority_vote"}, TAKE_FIRST]},
]


@pytest.mark.parametrize(("filter_", "voted"), [("first", "9"), ("maj@3", "2"), ("maj@5", "9")])
def test_a_vote_is_taken_over_all_samples_of_an_item(harness, fake, filter_, voted):
    sampled = {**GENERATE, "generation_kwargs": {"until": [], "do_sample": True, "temperature": 0.7}}
    write_task(harness, "sums", SUMS[:1], repeats=5, filter_list=VOTE, **sampled)
    fake.answer = lambda request: ["9", "2", "2", "9", "9"][request.sample]
    samples = run(harness, lm_eval("sums", filter=filter_))
    assert list(samples["text"]) == ["9", "2", "2", "9", "9"]
    assert set(samples["answer"]) == {voted}
    assert set(samples["value"]) == {float(voted == "2")}
    assert len({request.sampling.seed for request in fake.generated}) == 5


def test_more_votes_than_samples_are_a_failure(harness, fake):
    write_task(harness, "sums", SUMS[:1], filter_list=VOTE, **GENERATE)
    samples = run(harness, lm_eval("sums", filter="maj@3", repeats=2))
    assert samples["value"].isna().all()
    assert "Need at least 3 responses" in samples["failure_message"][0]


# --- metrics --------------------------------------------------------------------------------------------------------


def own(folder, body, **fields):
    """A task whose marks come from a function of its own."""
    (folder / "own.py").write_text(f"def marks(doc, results):\n    {body}\n")
    metric = {"metric": "share", "aggregation": "mean", "higher_is_better": True}
    task = {**GENERATE, "metric_list": [metric], "process_results": "!function own.marks", **fields}
    write_task(folder, "sums", SUMS[:2], **task)


def test_a_function_of_the_tasks_own_gives_graded_marks(harness, fake):
    own(harness, "return {'share': len(results[0]) / 4}")
    fake.answer = lambda request: "abc" if request.example_id == "0" else "abcd"
    loaded = load(harness, lm_eval("sums"))
    samples = run(harness, lm_eval("sums"))
    assert values(samples) == {"0": 0.75, "1": 1.0}
    assert list(samples["cause"]) == ["wrong", ""]
    assert set(samples["metric"]) == {"share"}
    assert marking(loaded.tasks[0]).binary, "nothing was marked yet in this one"


def test_a_task_is_graded_once_a_mark_between_was_seen(harness, fake):
    own(harness, "return {'share': 0.5}")
    run_ = api.run_comparison(MODEL, MODEL, suites=[suite(harness, lm_eval("sums"))])
    assert [task.binary for task in run_.manifest.suites[0].tasks] == [False]
    own(harness, "return {'share': True}")
    run_ = api.run_comparison(MODEL, MODEL, suites=[suite(harness, lm_eval("sums"))])
    assert [task.binary for task in run_.manifest.suites[0].tasks] == [True]


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        ("raise RuntimeError('no such judge')", "metric_failed", "RuntimeError: no such judge"),
        ("return {'share': 7.0}", "out_of_range", "the harness gave 7.0; marks lie in"),
        ("return {'share': float('nan')}", "out_of_range", "the harness gave nan"),
        ("return {'one': 1, 'two': 2}", "metric_failed", "it gives one, two, and no share"),
        ("return {'share': [1, 0]}", "metric_failed", "TypeError"),
    ],
)
def test_a_metric_that_goes_wrong_is_a_failure_and_no_crash(harness, fake, body, kind, message):
    own(harness, body)
    samples = run(harness, lm_eval("sums"))
    assert samples["value"].isna().all()
    assert set(samples["failure"]) == {kind}
    assert all(message in said for said in samples["failure_message"])


def test_a_metric_may_give_its_mark_under_another_name(harness, fake):
    # As humaneval's pass_at_k gives pass@1.
    own(harness, "return {'share@1': 1.0}")
    assert values(run(harness, lm_eval("sums"))) == {"0": 1.0, "1": 1.0}


def test_a_metric_that_changes_the_document_finds_it_whole_for_the_other_model(harness, fake):
    own(harness, "return {'share': float(doc.pop('sum') == results[0])}")
    fake.answer = lambda request: "2"
    run_ = api.run_comparison(
        MODEL, ModelSpec(name="n", backend="fake", model="n"), suites=[suite(harness, lm_eval("sums"))]
    )
    assert [list(run_.samples.query("arm == @arm")["value"]) for arm in ("base", "tuned")] in (
        [[1.0, 0.0]] * 2,
        [[0.0, 1.0]] * 2,
    )
    assert run_.samples["failure"].isna().all()


def test_a_metric_that_draws_marks_the_same_text_the_same(harness, fake):
    import random

    own(harness, "import random, numpy; return {'share': (random.random() + numpy.random.rand()) / 2}")
    before = random.getstate()
    other = ModelSpec(name="n", backend="fake", model="n")
    samples = api.run_comparison(MODEL, other, suites=[suite(harness, lm_eval("sums"))]).samples
    assert random.getstate() == before
    marks = [list(samples.query("arm == @arm").sort_values("id")["value"]) for arm in ("base", "tuned")]
    assert marks[0] == marks[1]


def test_what_a_metric_prints_does_not_show(harness, fake, capfd):
    own(harness, "print('marking'); return {'share': 1.0}")
    run(harness, lm_eval("sums"))
    assert capfd.readouterr().out == ""


# By sum the short option wins, by character and by byte another one each.
LENGTHS = {"q": "Say", "options": ["a", "bbbb", "ßßß"], "gold": 0}
BY_LENGTH = (-2.0, -4.0, -3.5)  # by character: -2, -1, -1.17; by byte: -2, -1, -0.58


@pytest.mark.parametrize(("metric", "best"), [("acc", 0), ("acc_norm", 1), ("acc_bytes", 2)])
def test_each_length_normalised_accuracy_has_its_own_favourite(harness, fake, metric, best):
    metrics = [{"metric": name} for name in ("acc", "acc_norm", "acc_bytes")]
    write_task(harness, "lengths", [{**LENGTHS, "gold": best}], **{**CHOICE, "metric_list": metrics})
    fake.answer = lambda request: scored(*BY_LENGTH)
    assert {
        name: run(harness, lm_eval("lengths", metric=name))["value"][0] for name in ("acc", "acc_norm", "acc_bytes")
    } == {name: float(name == metric) for name in ("acc", "acc_norm", "acc_bytes")}


def test_mutual_information_asks_each_option_without_the_question_too(harness, fake):
    write_task(harness, "sky", COLOURS[:1], **{**CHOICE, "metric_list": [{"metric": "acc_mutual_info"}]})
    # "red" is likely whatever is asked; "blue" gains by the question.
    fake.answer = lambda request: scored(-3.0, -9.0, -2.0) if request.plain.prompt else scored(-8.0, -9.0, -2.0)
    samples = run(harness, lm_eval("sky"))
    assert samples["value"][0] == 1.0
    assert list(samples["logprobs"][0]) == [-3.0, -9.0, -2.0, -8.0, -9.0, -2.0]
    assert [request.plain.prompt for request in fake.generated] == ["Q: The sky is\nA:", ""]


def test_any_of_several_right_options_is_right(harness, fake):
    write_task(harness, "either", [{**COLOURS[0], "gold": [0, 1]}], **CHOICE)
    for logprobs, value in (((-1.0, -2.0, -3.0), 1.0), ((-2.0, -1.0, -3.0), 1.0), ((-2.0, -3.0, -1.0), 0.0)):
        fake.answer = lambda request, logprobs=logprobs: scored(*logprobs)
        model = ModelSpec(name="m", backend="fake", model=str(logprobs))  # another answer, so another model
        assert run(harness, lm_eval("either"), model)["value"][0] == value


def test_bits_per_byte_is_the_texts_negative_log2_likelihood_by_its_bytes(harness, fake):
    write_task(harness, "texts", [{"q": "süß"}], **ROLLING)  # 5 bytes
    fake.answer = lambda request: Completion("", logprobs=(-math.log(2), -9 * math.log(2)))  # two windows
    samples = run(harness, lm_eval("texts"), role="guard")
    assert samples["value"][0] == pytest.approx(2.0)
    assert (samples["metric"][0], samples["cause"][0]) == ("bits per byte", "")


def test_a_cut_off_answer_that_is_wrong_is_lost_to_its_limit(harness, fake):
    write_task(harness, "sums", SUMS[:2], **GENERATE)
    fake.answer = lambda request: Completion("2" if request.example_id == "0" else "I think", finish_reason="length")
    assert list(run(harness, lm_eval("sums"))["cause"]) == ["", "truncated"]


def test_in_a_guard_a_low_rate_is_no_loss(harness, fake):
    bad = {"metric": "exact_match", "aggregation": "mean", "higher_is_better": False}
    write_task(harness, "sums", SUMS[:1], **{**GENERATE, "metric_list": [bad]})
    samples = run(harness, lm_eval("sums"), role="guard")
    assert (samples["value"][0], samples["cause"][0]) == (0.0, "")


def test_a_model_that_could_not_be_asked_is_unscored(harness, fake):
    write_task(harness, "sky", COLOURS[:1], **{**CHOICE, "metric_list": [{"metric": "acc_mutual_info"}]})
    long = Failure("m", "prompt_too_long", "the prompt has 900 tokens")
    fake.refuse = lambda request: long if request.plain.prompt else None
    fake.answer = lambda request: scored(-1.0, -2.0, -3.0)
    samples = run(harness, lm_eval("sky"))
    assert samples["value"].isna().all()
    assert "900 tokens" in samples["failure_message"][0]


# --- engines without log-probabilities --------------------------------------------------------------------------------


def replay(folder, *outputs):
    path = folder / "outputs.jsonl"
    path.write_text(
        "".join(json.dumps({"id": str(id_), "output": output}) + "\n" for id_, output in enumerate(outputs))
    )
    return ModelSpec(name="recorded", backend="replay", outputs=str(path))


def test_recorded_answers_are_filtered_and_marked(harness):
    write_task(harness, "sums", SUMS[:2], filter_list=filters(last=-1), **GENERATE)
    assert values(run(harness, lm_eval("sums"), replay(harness, "So: 2", "So: 5"))) == {"0": 1.0, "1": 0.0}


def test_recorded_samples_are_voted_on(harness):
    write_task(harness, "sums", SUMS[:1], repeats=3, filter_list=VOTE, **GENERATE)
    samples = run(harness, lm_eval("sums", filter="maj@3"), replay(harness, ["1", "2", "2"]))
    assert list(samples["value"]) == [1.0] * 3


@pytest.mark.parametrize("metric", ["acc", "acc_norm", "acc_bytes"])
def test_a_recorded_choice_is_a_letter_a_text_or_an_index(harness, metric):
    write_task(harness, "sky", COLOURS, **{**CHOICE, "metric_list": [{"metric": metric}]})
    samples = run(harness, lm_eval("sky"), replay(harness, "A", "green", 2, "black"))
    assert values(samples) == {"0": 1.0, "1": 1.0, "2": 1.0, "3": 0.0}


def test_a_recorded_text_that_names_no_option_is_wrong_and_says_so(harness):
    write_task(harness, "sky", COLOURS[:1], **CHOICE)
    samples = run(harness, lm_eval("sky"), replay(harness, "the usual one"))
    assert (samples["value"][0], samples["cause"][0]) == (0.0, "unparsed")


@pytest.mark.parametrize(
    ("name", "rows", "fields", "role"),
    [
        ("sky", COLOURS[:1], {**CHOICE, "metric_list": [{"metric": "acc_mutual_info"}]}, "retain"),
        ("texts", SUMS[:1], ROLLING, "guard"),
        (
            "cloze",
            SUMS[:1],
            {"output_type": "loglikelihood", "doc_to_text": "{{q}}", "doc_to_target": " {{sum}}"},
            "retain",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_recorded_texts_cannot_tell_is_a_failure_with_the_way_out(harness, name, rows, fields, role):
    write_task(harness, name, rows, **{"metric_list": [{"metric": "acc"}], **fields})
    samples = run(harness, lm_eval(name), replay(harness, "A"), role)
    assert samples["value"].isna().all()
    assert "gave no log-probabilities of texts" in samples["failure_message"][0]


@pytest.mark.parametrize(("name", "rows", "fields"), [("sky", COLOURS[:1], CHOICE), ("texts", SUMS[:1], ROLLING)])
def test_an_api_is_not_asked_for_what_it_does_not_tell(harness, name, rows, fields):
    write_task(harness, name, rows, **fields)
    spec = ModelSpec(name="api", backend="openai", model="m", base_url="http://127.0.0.1:1/v1")
    (item,) = draw([load(harness, lm_eval(name), role="guard")], seed=0)
    (request,) = requests_for(item, "base", spec)
    refused = OpenAIBackend("base", spec).prepare(request)
    assert isinstance(refused, Failure)
    assert (refused.kind, "vllm or transformers" in refused.hint) == ("scoring_unsupported", True)
