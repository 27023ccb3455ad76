import sys

import pytest

from evalkit.config import TaskSpec
from evalkit.scorers import check_golds, find_scorer, score
from evalkit.scorers.choice import read_choice
from evalkit.types import Completion, Example, Failure, InputError

NAN = float("nan")


def task(**fields):
    return TaskSpec.model_validate({"name": "t", "data": "d", "prompt": "p", "answer": "a", **fields})


def mark(scorer, text, gold, finish="stop", **fields):
    return score(task(score=scorer, **fields), Example("1", (), gold), Completion(text, finish_reason=finish))


def choose(text="", logprobs=None, gold="B", choices=("red", "green", "1", "A")):
    example = Example("1", (), gold, choices)
    return score(task(kind="choice", choices="c"), example, Completion(text, logprobs=logprobs))


@pytest.mark.parametrize(
    ("scorer", "text", "gold", "value"),
    [
        ("exact", " Paris\n", "Paris", 1),
        ("exact", "paris", "Paris", 0),
        ("contains", "It is  PARIS, of course", "Paris", 1),
        ("contains", "Parisian", "Paris", 0),
        ("number", "so $1,234.50", "1234.5", 1),
        ("number", "it is 0.1", "1/10", 1),
        ("number", "it is 0.30000001", "0.3", 0),
        ("number", "2/4", "# 0.5", 1),
        ("number", "1/0", "1", 0),
    ],
)
def test_marks(scorer, text, gold, value):
    assert mark(scorer, text, gold).value == value


def test_number_compares_the_first_number_of_the_extracted_answer():
    assert mark("number", "Answer: 3 of 5", "3", extract=[{"after": "Answer:"}]).value == 1


@pytest.mark.parametrize(
    ("text", "finish", "cause"),
    [
        ("Answer: 5", "stop", "wrong"),
        ("I think it is 42, surely", "stop", "unextracted"),
        ("no idea", "stop", "unparsed"),
        ("well, let me", "length", "truncated"),
        ("I'm sorry, but I can't help with that.", "stop", "refused"),
        ("I cannot provide that. Answer: 7", "stop", "refused"),
    ],
)
def test_every_lost_item_has_a_cause(text, finish, cause):
    got = mark("number", text, "42", finish, extract=[{"regex": r"Answer: (\d+)"}])
    assert (got.value, got.cause) == (0, cause)


def test_a_right_answer_has_no_cause_even_when_truncated():
    assert mark("number", "Answer: 42 and", "42", "length").cause is None


def test_an_engine_failure_is_unknown_and_never_a_zero():
    failed = Completion("", finish_reason="error", failure=Failure("base", "timeout", "no reply"))
    got = score(task(score="exact"), Example("1", (), "x"), failed)
    assert got.value is None and got.failure is not None


def test_the_most_likely_option_is_the_choice():
    assert choose(logprobs=(-3.0, -0.1, -2.0, -5.0)).value == 1
    assert choose(logprobs=(NAN, -9.0, NAN, NAN)).value == 1
    assert choose(logprobs=(-1.0, -1.0, NAN, NAN)).answer == "A"  # equal: the first, always


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("B", "B"),
        ("b", "B"),
        ("(B) green", "B"),
        ("**B.** because", "B"),
        ("green", "B"),
        ("The answer is B.", "B"),
        ("First A seems right. But no. Answer: B", "B"),
        ("NOT_ATTEMPTED", None),
        ("A lovely day to you", None),
        ("Both B and C", None),
        ("I cannot say", None),
        ("E", None),
        ("", None),
    ],
)
def test_a_written_choice_is_read_strictly(text, letter):
    assert choose(text).answer == letter


def test_an_unknown_scorer_says_what_was_meant():
    with pytest.raises(InputError, match=r"s.yaml: tasks\[0\].score: unknown scorer 'numbr'; did you mean 'number'"):
        find_scorer("numbr", asked_by="s.yaml: tasks[0].score")


@pytest.mark.parametrize(("name", "module"), [("math", "math_verify"), ("rouge", "rouge_score"), ("chrf", "sacrebleu")])
def test_a_scorer_whose_library_is_missing_says_what_to_install(name, module, monkeypatch):
    monkeypatch.setattr("evalkit.scorers.registry._SCORERS", {})
    monkeypatch.delitem(sys.modules, f"evalkit.scorers.{name}", raising=False)
    for known in [one for one in sys.modules if one.split(".")[0] == module]:
        monkeypatch.delitem(sys.modules, known)
    monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    with pytest.raises(
        InputError, match=rf"score: scorer '{name}' needs {module}.*pip install 'evalkit-gate\[scorers\]'"
    ):
        find_scorer(name)


def test_a_scorer_that_marks_by_a_gold_needs_one():
    with pytest.raises(InputError, match=r"s.yaml: tasks\[0\]: score: exact needs `answer`"):
        check_golds(task(score="exact", answer=None), [], asked_by="s.yaml: tasks[0]")
    check_golds(task(score="refusal", answer=None), [], asked_by="s.yaml: tasks[0]")


def test_a_guard_on_truncation_stands_beside_mathematics():
    """The scorer named math is a module of the package, and must not hide Python's own from it."""
    pytest.importorskip("math_verify")
    assert find_scorer("math").name == "math"
    assert mark("truncated", "42", "42", finish="length").value == 1.0


def test_a_text_that_goes_round_in_circles_is_repetition_and_an_ordinary_or_a_short_one_is_not():
    circles = "I will say it again and then I will say it once more. " * 12
    prose = " ".join(f"On day {n} the crew of ship {n * 7} wrote line {n * 13} in the log." for n in range(12))
    assert mark("repetition", circles, None).value == 1.0
    assert mark("repetition", prose, None).value == 0.0
    assert mark("repetition", "yes " * 30, None).value == 0.0


def test_an_option_is_measured_in_characters_or_in_bytes():
    """Three characters of nine bytes against six of six: which is likelier for its length depends on the measure."""
    example = Example("1", (), "A", ("日本語", "letter"))
    done = Completion("", logprobs=(-6.0, -9.0))
    assert read_choice(done, example) == "A"
    assert read_choice(done, example, "characters") == "B"  # -2.0 against -1.5
    assert read_choice(done, example, "bytes") == "A"  # -0.67 against -1.5
