"""Models of one base whose weights differ: what is loaded answers, the rest waits for its turn."""

import pytest

from evalkit.backends.in_turn import in_turn
from evalkit.types import Completion, Message, Prepared, Request, Sampling


def question(model, text):
    return Prepared(Request(model, "s", "t", text, (Message("user", text),), Sampling()), text, text)


class Engine:
    """Holds two requests at most and answers the oldest; None is passed by while it has something to answer."""

    def __init__(self, groups):
        self.groups, self.loads = groups, [next(iter(groups))]

    def is_loaded(self, model):
        return self.groups[model] == self.groups[self.loads[-1]]

    def answer(self, source):
        inside = []
        while True:
            one = next(source, "end")
            if isinstance(one, Prepared):
                assert self.is_loaded(one.request.model)
                inside.append(one)
            if inside and (not isinstance(one, Prepared) or len(inside) == 2):
                one_of_these = inside.pop(0)
                yield one_of_these, Completion(one_of_these.key.upper())
            if one == "end" and not inside:
                return


@pytest.fixture
def engine():
    return Engine({"base": 1, "also-base": 1, "tuned": 2, "third": 3})


def answered(engine, asked):
    answers = in_turn(asked, engine.is_loaded, engine.answer, engine.loads.append)
    return [completion.text for _, completion in answers]


def test_each_set_of_weights_is_loaded_once_however_questions_are_mixed(engine):
    asked = [question(model, f"{model}{i}") for i in range(3) for model in ("base", "tuned", "third", "also-base")]
    texts = answered(engine, asked)
    assert sorted(texts) == sorted(one.key.upper() for one in asked)
    assert engine.loads == ["base", "tuned", "third"]
    assert texts[:6] == [f"{model}{i}" for i in range(3) for model in ("BASE", "ALSO-BASE")]


def test_where_nothing_is_at_hand_the_weights_that_are_waited_for_are_loaded(engine):
    """The next question depends on an answer of the model that waits: it must not wait for the source to end."""
    texts = []

    def asked():
        yield question("base", "a")
        yield question("tuned", "b")
        while "B" not in texts:
            yield None
        yield question("base", "c")

    for _, completion in in_turn(asked(), engine.is_loaded, engine.answer, engine.loads.append):
        texts.append(completion.text)
    assert texts == ["A", "B", "C"] and engine.loads == ["base", "tuned", "base"]
