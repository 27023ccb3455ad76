"""Label files: what people may write, and what is refused with its line."""

import json

import pytest

from evalkit.examining import read_labels
from evalkit.types import InputError

PAIR = {"id": 1, "prompt": "p", "first": "a", "second": "b", "label": "first"}
ANSWER = {"id": 1, "prompt": "p", "response": "a", "label": "pass"}


@pytest.fixture
def file(tmp_path):
    def write(*rows, name="labels.jsonl"):
        path = tmp_path / name
        path.write_text(rows[0] if name.endswith(".csv") else "".join(json.dumps(row) + "\n" for row in rows))
        return path

    return write


def test_pairs_with_one_label_or_several_and_a_reference(file):
    several = {**PAIR, "id": 2, "label": None, "labels": ["second", "Second", "tie"], "reference": "r"}
    read = read_labels(file(PAIR, several))
    assert (read.form, read.name, len(read.hash)) == ("pairs", "labels.jsonl", 32)
    one, two = read.items
    assert (one.id, one.texts, one.labels, one.people, one.probability) == ("1", ("a", "b"), ("first",), "first", None)
    assert (two.labels, two.people, two.reference) == (("second", "second", "tie"), "second", "r")


@pytest.mark.parametrize(
    ("labels", "people"),
    [(["first", "second"], "tie"), (["tie", "tie", "first"], "tie"), (["first", "second", "first", "tie"], "first")],
)
def test_most_votes_win_and_people_who_are_split_tie(file, labels, people):
    (item,) = read_labels(file({**PAIR, "label": "", "labels": labels})).items
    assert item.people == people


@pytest.mark.parametrize(
    ("labels", "read"),
    [
        (["pass", "FAIL"], ["pass", "fail"]),
        ([1, 0, True, False], ["pass", "fail", "pass", "fail"]),
        ([1, 2, 3, 5], ["fail", "fail", "pass", "pass"]),  # on the judge's scale of 1 to 5, from its middle on
    ],
)
def test_answers_pass_or_fail_by_word_number_or_grade(file, labels, read):
    rows = [{**ANSWER, "id": place, "label": label} for place, label in enumerate(labels)]
    assert [item.people for item in read_labels(file(*rows), (1, 5)).items] == read


def test_a_csv_of_drawn_pairs_keeps_places_and_probabilities_and_skips_what_is_not_labelled_yet(file):
    text = (
        "suite,task,id,prompt,first,second,label,probability\n"
        's,t,1,"what, now?",a,b,second,0.5\n'
        "s,t,2,p,a,b,,0.25\n"
        "s,u,1,p,a,b,tie,1\n"
    )
    read = read_labels(file(text, name="drawn.csv"))
    assert [(one.task, one.id, one.people, one.probability) for one in read.items] == [
        ("t", "1", "second", 0.5),
        ("u", "1", "tie", 1.0),
    ]
    assert read.unlabelled == 1
    several = "id,prompt,first,second,labels\n1,p,a,b,first; tie;first\n"
    assert read_labels(file(several, name="several.csv")).items[0].labels == ("first", "tie", "first")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{**PAIR, "label": "A"}], r"labels.jsonl:1: label: 'A': say first, second or tie"),
        ([{**ANSWER, "label": "good"}], r":1: label: 'good': say pass or fail"),
        ([{**ANSWER, "label": 7}], r"outside the judge's scale, 1 to 5"),
        ([PAIR, {**PAIR, "label": "tie"}], r":2: id '1' stands at .*:1 already"),
        ([{key: value for key, value in PAIR.items() if key != "id"}], "no `id`"),
        ([{key: value for key, value in PAIR.items() if key != "prompt"}], "no `prompt`"),
        ([{key: value for key, value in PAIR.items() if key != "label"}], "no `label`"),
        ([{key: value for key, value in PAIR.items() if key != "second"}], "neither a pair .* nor an answer"),
        ([{**PAIR, "first": 3}], "first: 3: expected text"),
        ([{**PAIR, "labels": ["tie"]}], "say one of them"),
        ([{**PAIR, "label": ""}], "no row has a label yet"),
        ([{**PAIR, "probability": 0}], "above 0 and at most 1"),
        ([{**PAIR, "probability": 0.5}, {**PAIR, "id": 2}], "item '2' has none"),
        ([], "holds no labels"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_line(file, rows, said):
    with pytest.raises(InputError, match=said):
        read_labels(file(*rows))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_labels(tmp_path / "nothing.jsonl")
