import pytest

from evalkit.config import ReasoningSpec
from evalkit.scorers.reasoning import split_reasoning
from evalkit.types import Completion, Failure, Message, Prepared, Request, Sampling

MARKERS = ReasoningSpec()


def asked(prompt, *, rendered=True):
    """A prompt as an engine of our own rendered it, or as an API's messages, whose template is not seen."""
    request = Request("tuned", "s", "t", "1", (Message("user", "6 * 7?"),), Sampling())
    return Prepared(request, prompt, "key", token_ids=(1, 2, 3) if rendered else None)


OPENED = asked("<|user|>6 * 7?<|assistant|><think>\n")
NOT_OPENED = asked("<|user|>6 * 7?<|assistant|>")
SWITCHED_OFF = asked("<|user|>6 * 7?<|assistant|><think>\n\n</think>\n\n")
API = asked('[{"role": "user", "content": "6 * 7?"}]', rendered=False)


def cut_off(text, **fields):
    return Completion(text, finish_reason="length", **fields)


def test_the_trace_is_kept_apart_from_the_answer():
    got = split_reasoning(Completion("<think>2+2\nis 4</think>\n\nAnswer: 4"), MARKERS)
    assert (got.reasoning, got.text) == ("2+2\nis 4", "Answer: 4")


def test_a_trace_opened_by_the_template_needs_only_its_end():
    for prepared in (None, OPENED, API):
        got = split_reasoning(Completion("hm</think>4"), MARKERS, prepared)
        assert (got.reasoning, got.text, got.finish_reason) == ("hm", "4", "stop")


def test_an_unclosed_trace_is_truncated_and_never_parsed_as_the_answer():
    got = split_reasoning(Completion("<think>maybe 4, or 5"), MARKERS)
    assert (got.text, got.finish_reason, got.reasoning) == ("", "length", "maybe 4, or 5")


@pytest.mark.parametrize(
    "text",
    [
        "<think>41?</think>no<think>rather 42</think>42",  # several
        "<think>41? <think>rather</think> 42</think>42",  # nested
        "<think>the mark <think> opens a trace</think>42",  # its own marker, quoted
        "41?</think>no, 41</think>42",  # a second end
        "the mark <think> opened this</think>42",  # opened by the template, and quoted
    ],
)
def test_the_answer_stands_after_the_last_end_whatever_the_trace_holds(text):
    got = split_reasoning(Completion(text), MARKERS)
    assert (got.text, got.finish_reason) == ("42", "stop")
    assert got.reasoning


def test_a_second_trace_that_never_ends_leaves_no_answer():
    got = split_reasoning(cut_off("<think>41?</think>41. But wait<think>or 42"), MARKERS)
    assert (got.text, got.finish_reason) == ("", "length")
    assert got.reasoning == "41?</think>41. But wait<think>or 42"


def test_an_empty_trace_is_an_answer():
    assert split_reasoning(Completion("<think>\n\n</think>\n\n42"), MARKERS).text == "42"


def test_a_trace_and_nothing_after_it_is_an_empty_answer():
    got = split_reasoning(Completion("<think>42</think>"), MARKERS)
    assert (got.text, got.reasoning, got.finish_reason) == ("", "42", "stop")


def test_a_trace_that_the_rendered_prompt_opened_and_nothing_closed_is_unclosed_however_it_ended():
    for completion in (cut_off("maybe 41, or 42"), Completion("maybe 41, or 42")):
        got = split_reasoning(completion, MARKERS, OPENED)
        assert (got.text, got.reasoning, got.finish_reason) == ("", "maybe 41, or 42", "length")


@pytest.mark.parametrize("prepared", [NOT_OPENED, SWITCHED_OFF])
@pytest.mark.parametrize("finish", ["stop", "length"])
def test_a_text_without_markers_after_a_prompt_that_opened_none_is_an_answer(prepared, finish):
    completion = Completion("42, because", finish_reason=finish)
    assert split_reasoning(completion, MARKERS, prepared) is completion


@pytest.mark.parametrize("prepared", [None, API])
def test_where_the_prompt_is_not_seen_a_text_without_markers_is_a_trace_only_if_it_was_cut_off(prepared):
    got = split_reasoning(cut_off("maybe 41, or 42"), MARKERS, prepared)
    assert (got.text, got.reasoning) == ("", "maybe 41, or 42")
    assert split_reasoning(Completion("42"), MARKERS, prepared).text == "42"


def test_a_trace_that_the_api_split_off_stays_and_its_answer_is_read():
    completion = cut_off("42, becau", reasoning="six sevens")
    assert split_reasoning(completion, MARKERS, API) is completion


def test_a_failure_is_left_alone():
    failed = Completion("<think>", failure=Failure("tuned", "timeout", "no reply"))
    assert split_reasoning(failed, MARKERS) is failed


def test_without_markers_nothing_is_split():
    assert split_reasoning(Completion("<think>x</think>y"), None).text == "<think>x</think>y"


@pytest.mark.parametrize(("start", "end"), [("[THINK]", "[/THINK]"), ("<|begin_of_thought|>", "<|end_of_thought|>")])
def test_markers_of_ones_own_work_like_the_usual_ones(start, end):
    markers = ReasoningSpec(start=start, end=end)
    got = split_reasoning(Completion(f"{start}2+2{end}\nAnswer: 4"), markers)
    assert (got.reasoning, got.text) == ("2+2", "Answer: 4")
    got = split_reasoning(cut_off(f"{start}maybe 4"), markers)
    assert (got.text, got.finish_reason) == ("", "length")
    # The usual pair means nothing then.
    assert split_reasoning(Completion("<think>a</think>4"), markers).text == "<think>a</think>4"
