import pytest

from evalkit.scorers.agreement import last_box, vote_of


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("18", "18.0"),
        ("1,234", "$1234"),
        ("1/2", "0.5"),
        ("-3", "\u22123"),
        ("Billing", "billing "),
        ("42.", "42"),
        (r"\dfrac{1}{2}", r"\frac{1}{2}"),
        (r"\left( 1, 2 \right)", "(1,2)"),
    ],
)
def test_answers_that_differ_only_in_their_look_agree(one, other):
    assert vote_of(one) == vote_of(other) is not None


@pytest.mark.parametrize(
    ("one", "other"), [("18", "81"), ("A", "B"), (r"\frac{1}{2}", r"\frac{2}{1}"), ("x+1", "x-1"), ("18 apples", "18")]
)
def test_answers_that_say_something_else_do_not(one, other):
    assert vote_of(one) != vote_of(other)


@pytest.mark.parametrize("answer", [None, "", "  ", "$", "1/0"])
def test_what_says_nothing_votes_for_nothing(answer):
    assert vote_of(answer) is None


def test_of_a_whole_reply_the_last_box_votes():
    reply = r"First \boxed{3}. No: \(x = \frac{1}{2}\), so \boxed{ \frac{1}{2} }."
    assert vote_of(reply, boxed=True) == vote_of(r"\boxed{\dfrac{1}{2}}", boxed=True)
    assert vote_of("The answer is 3, I think.", boxed=True) is None


def test_a_box_that_never_closes_is_no_box():
    assert last_box(r"\boxed{3} and \boxed{\frac{1}{2}") == "3"
    assert last_box(r"\boxed{" * 100_000) is None
