import pytest

from evalkit.config import TaskSpec
from evalkit.scorers import check_golds, find_scorer
from evalkit.types import Example, InputError

CALL = '{"tool": "book", "arguments": {"seats": 3, "price": 0.1, "rows": [1, 2], "window": true, "note": null}}'


def mark(answer, gold=CALL):
    return find_scorer("json_equal").mark(answer, Example("1", (), gold))


@pytest.mark.parametrize(
    "answer",
    [
        CALL,
        f"  {CALL}\n",
        '{"arguments": {"note": null, "window": true, "rows": [1,2], "price": 0.10, "seats": 3.0},\n "tool": "book"}',
        CALL.replace("3", "3e0").replace("[1", "[1.00"),
    ],
)
def test_order_of_keys_white_space_and_the_way_a_number_is_written_do_not_count(answer):
    assert mark(answer) == 1


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('"seats": 3', '"seats": 4'),
        ('"seats": 3', '"seats": "3"'),
        ("0.1", "0.1000000000000000000001"),
        ("[1, 2]", "[2, 1]"),
        ("[1, 2]", "[1, 2, 2]"),
        ("[1, 2]", '{"0": 1, "1": 2}'),
        ("true", "1"),
        ("true", "false"),
        (', "note": null', ""),
        ('"note": null', '"note": null, "more": 1'),
        ("null", "NaN"),
        ('"book"', '"Book"'),
        ("{", "Here you are: {"),
        ("}}", "}"),
        (CALL, ""),
        (CALL, "[" * 100_000),
        ("3", "1e99999999999999999999"),
        ("3", "9" * 5_000),
    ],
)
def test_any_other_value_and_what_a_program_cannot_parse_earn_nothing(right, wrong):
    assert mark(CALL.replace(right, wrong, 1)) == 0


def test_one_is_not_true_in_the_gold_either():
    assert mark("true", "1") == 0
    assert mark("1.0", "1") == 1
    assert mark("-0", "0") == 1


def test_a_gold_that_is_not_json_stops_the_run_before_it_starts():
    task = TaskSpec.model_validate({"name": "t", "data": "d", "prompt": "p", "answer": "a", "score": "json_equal"})
    with pytest.raises(
        InputError, match=r"s.yaml: tasks\[0\].answer: item 'b': the gold is not JSON: .* needs `. tojson`"
    ):
        check_golds(task, [Example("a", (), CALL), Example("b", (), "{'tool': 1}")], asked_by="s.yaml: tasks[0]")
