"""What is scored rather than answered: where options begin, how a text is cut, and in how few passes an engine is asked."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("transformers")

from evalkit.backends.local import Tally, parts_of
from evalkit.backends.rendering import Renderer
from evalkit.types import Failure, Message, Plain, Prepared, Request, Sampling, Span
from tests.backends.test_rendering import CHATML, tokenizer, words


def request(*turns: tuple[str, str], **more) -> Request:
    return Request("base", "s", "t", "1", tuple(Message(*turn) for turn in turns), Sampling(), **more)


def test_a_verbatim_option_is_tokenised_with_its_prompt_and_takes_over_the_space_at_its_end():
    renderer = Renderer(tokenizer(bos=False), format="completion")
    rendered = renderer.render(request(plain=Plain("Answer: ", ("A", "B")), options=("A", "B"), verbatim=True))
    assert [words(span.ids) for span in rendered.spans] == [["Answer", ":", " A"], ["Answer", ":", " B"]]
    assert [span.start for span in rendered.spans] == [2, 2]
    assert rendered.option_ids == ()


def test_where_prompt_and_option_melt_into_one_token_that_token_is_the_options():
    renderer = Renderer(tokenizer(bos=False), format="completion")
    (span,) = renderer.render(request(plain=Plain("Q A", ("X",)), options=("X",), verbatim=True)).spans
    assert words(span.ids) == ["Q", "<unk>"]  # ` AX` is no token of this vocabulary, `AX` without a space is
    assert span.start == 1


def test_an_option_after_nothing_follows_the_beginning_of_text_once():
    for bos in (True, False):
        renderer = Renderer(tokenizer(bos=bos), format="completion")
        (span,) = renderer.render(request(plain=Plain("", (" A",)), options=(" A",), verbatim=True)).spans
        assert words(span.ids) == ["<s>", " A"] and span.start == 1


def test_in_chat_the_turns_are_rendered_and_the_chat_options_follow():
    renderer = Renderer(tokenizer(CHATML), format="chat")
    asked = request(("user", "Hi"), plain=Plain("Hi Q", (" B",)), options=("A",), verbatim=True)
    (span,) = renderer.render(asked).spans
    assert words(span.ids) == ["<s>", "<u>", "Hi", "<a>", "A"] and span.start == 4


def test_a_last_turn_of_the_assistant_stays_open():
    renderer = Renderer(tokenizer(CHATML + "{% if not add_generation_prompt %}</s>{% endif %}"), format="chat")
    rendered = renderer.render(request(("user", "Hi"), ("assistant", "Answer:")))
    assert words(rendered.ids) == ["<s>", "<u>", "Hi", "<a>", "Answer", ":"]


def test_a_models_system_prompt_stands_before_a_plain_prompt():
    renderer = Renderer(tokenizer(bos=False), format="completion", system="be brief")
    assert renderer.render(request(plain=Plain("Hi"))).text == "be brief\n\nHi"


@given(length=st.integers(1, 60), limit=st.integers(3, 12))
def test_every_token_of_a_text_is_scored_once_within_the_context(length, limit):
    renderer = Renderer(tokenizer(), format="completion", limit=limit)
    rendered = renderer.render(request(text=" A" * length))
    assert not isinstance(rendered, Failure)
    assert sum(len(span.ids) - span.start for span in rendered.spans) == length
    assert max(len(span.ids) for span in rendered.spans) <= limit - 1
    assert rendered.spans[0].ids[0] == 1 and rendered.spans[0].start == 1
    # After the first window, each token is scored after as many as fit, and after one at least.
    assert all(span.start >= 1 for span in rendered.spans)


def test_given_tokens_are_scored_after_the_prompt_as_they_are():
    renderer = Renderer(tokenizer(), format="completion")
    (span,) = renderer.render(request(("user", "Hi"), tokens=(10, 12))).spans
    assert words(span.ids) == ["<s>", "Hi", "A", "B"] and span.start == 2


def prepared(**more) -> Prepared:
    return Prepared(request(("user", "Hi"), options=("A", "B")), "Hi", "key", (1, 16), **more)


def test_options_that_differ_in_their_last_token_need_one_pass_between_them():
    parts = parts_of(prepared(option_ids=((10,), (12,), (5, 10), (5, 12))))
    assert [(part.ids, part.scored, part.lasts) for part in parts] == [
        ((1, 16), (), ((0, 10), (1, 12))),
        ((1, 16, 5), (5,), ((2, 10), (3, 12))),
    ]


def test_spans_are_passes_of_their_own_with_the_last_token_read_after_them():
    (part,) = parts_of(prepared(spans=(Span((1, 16, 5, 10), 2),)))
    assert (part.ids, part.scored, part.lasts) == ((1, 16, 5), (5,), ((0, 10),))


def test_with_a_prefix_cache_the_prompt_is_read_once_and_what_follows_begins_after_it():
    asked = prepared(option_ids=((10,), (12,), (5, 10), (5, 12), (6, 7, 8)))
    parts = parts_of(asked, block=2)
    assert [(part.ids, part.scored, part.lasts, part.shares) for part in parts] == [
        ((1, 16), (), ((0, 10), (1, 12), (2, 5), (3, 5), (4, 6)), False),
        ((1, 16, 5), (), ((2, 10), (3, 12)), True),
        ((1, 16, 6, 7), (7,), ((4, 8),), True),
    ]
    assert parts_of(asked, block=3) == parts_of(asked), "the prompt fills no block: there is nothing to find"
    alone = prepared(option_ids=((5, 6, 10), (5, 6, 12)))
    assert parts_of(alone, block=2) == parts_of(alone), "one pass answers both already"


_OPTION = st.lists(st.integers(2, 4), min_size=1, max_size=5).map(tuple)


@given(options=st.lists(_OPTION, min_size=1, max_size=6), block=st.sampled_from([None, 1, 2, 3]), spans=st.booleans())
def test_every_token_of_every_option_is_answered_once_in_whatever_passes(options, block, spans):
    """Each token's log-probability made to depend on all before it: the sums come out whichever way it is cut."""
    asked = request(("user", "Hi"), options=tuple(map(str, range(len(options)))))
    if spans:
        one = Prepared(asked, "Hi", "key", (1, 16), spans=tuple(Span((1, 16, *ids), 2) for ids in options))
    else:
        one = Prepared(asked, "Hi", "key", (1, 16), option_ids=tuple(options))

    def logprob(ids, place):
        return -math.log(2 + sum((at + 1) * id for at, id in enumerate(ids[: place + 1])))

    tally = Tally(one)
    for part in parts_of(one, block=block):
        before = sum(logprob(part.ids, place) for place in range(part.first, len(part.ids)))
        for place, last in part.lasts:
            after = logprob((*part.ids, last), len(part.ids))
            tally.add(place, before + after, greedy=True, tokens=len(part.scored) + 1)
    expected = [sum(logprob((1, 16, *ids), place + 2) for place in range(len(ids))) for ids in options]
    assert tally.completion().logprobs == pytest.approx(expected)


def test_what_no_pass_answered_stays_unknown():
    tally = Tally(prepared(option_ids=((10,), (12,))))
    tally.add(1, -0.5, greedy=True)
    done = tally.completion()
    assert math.isnan(done.logprobs[0]) and done.logprobs[1] == -0.5
    assert (done.text, done.greedy) == ("B", (False, True))


def test_an_option_that_was_answered_in_part_is_unknown():
    tally = Tally(prepared(option_ids=((10,), (12, 5, 6))))
    tally.add(0, -3.0, greedy=False)
    tally.add(1, -0.5, greedy=True)
    assert tally.completion().text == "A" and math.isnan(tally.completion().logprobs[1])
    tally.add(1, -1.0, greedy=False, tokens=2)
    done = tally.completion()
    assert (done.text, done.logprobs, done.greedy) == ("B", (-3.0, -1.5), (False, False))
