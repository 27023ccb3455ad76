import json

import pytest

from evalkit.config import SuiteSpec
from evalkit.tasks import load_suite
from evalkit.types import InputError
from evalkit.yamlfile import validate

MMLU = [
    {"q": "0+1?", "choices": ["0", "1", "2", "3"], "answer": 1},
    {"q": "2+1?", "choices": ["3", "5", "6", "7"], "answer": 0},
]


def suite(tmp_path, rows, **task):
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    fields = {"data": "d.jsonl", "prompt": "{{ q }}", "answer": "{{ answer }}", "score": "exact", **task}
    spec = validate(SuiteSpec, {"name": "s", "tasks": [{k: v for k, v in fields.items() if v is not None}]})
    return load_suite(spec.model_copy(update={"folder": str(tmp_path), "file": "s.yaml"}))


def choice(tmp_path, rows, **task):
    return suite(tmp_path, rows, kind="choice", choices="choices", score=None, **task).tasks[0].examples


def test_ids_are_the_rows_own_else_by_content_and_occurrence(tmp_path):
    rows = [{"q": "a", "answer": "1", "id": 7}, {"q": "b", "answer": "1"}, {"q": "b", "answer": "1"}]
    ids = [example.id for example in suite(tmp_path, rows).tasks[0].examples]
    assert ids[0] == "7" and ids[2] == f"{ids[1]}-2"


def test_a_duplicate_explicit_id_names_both_lines(tmp_path):
    rows = [{"q": "a", "answer": "1", "id": "x"}, {"q": "b", "answer": "1", "id": "x"}]
    with pytest.raises(InputError, match=r"d\.jsonl:2: id 'x' stands at .*d\.jsonl:1 already"):
        suite(tmp_path, rows)


def test_a_column_that_a_template_names_and_a_row_lacks_is_named_with_its_line(tmp_path):
    rows = [{"q": "a", "answer": "1"}, {"question": "b", "answer": "1"}]
    with pytest.raises(
        InputError, match=r"d\.jsonl:2: s\.yaml: tasks\[0\]\.prompt: 'q' is undefined; the row has: answer, question"
    ):
        suite(tmp_path, rows)


def test_templates_are_sandboxed(tmp_path):
    with pytest.raises(InputError, match="SecurityError|unsafe|undefined"):
        suite(tmp_path, [{"q": "a", "answer": "1"}], prompt="{{ q.__class__.__mro__[1].__subclasses__() }}")


def test_an_integer_answer_is_an_index_though_the_options_are_numbers(tmp_path):
    assert [example.answer for example in choice(tmp_path, MMLU)] == ["B", "A"]


def test_text_answers_are_read_in_the_one_way_that_fits_every_row(tmp_path):
    # As digits in a string, row 1 alone could be read as the option "1"; row 2 has no option "0".
    rows = [{**row, "answer": str(row["answer"])} for row in MMLU]
    assert [example.answer for example in choice(tmp_path, rows)] == ["B", "A"]
    texts = [{**MMLU[0], "answer": "3"}, {**MMLU[1], "answer": "3"}]
    assert [example.answer for example in choice(tmp_path, texts)] == ["D", "A"]


def test_an_answer_that_names_no_option_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"d\.jsonl:1: .*answer: 9 names no option; use an index 0 to 3"):
        choice(tmp_path, [{**MMLU[0], "answer": 9}])


def test_options_are_shown_with_letters_unless_the_template_shows_them(tmp_path):
    content = choice(tmp_path, MMLU)[0].messages[0].content
    assert content == "0+1?\n\nA. 0\nB. 1\nC. 2\nD. 3\n\nAnswer with the letter of the correct option only.\nAnswer:"
    own = choice(tmp_path, MMLU, prompt="{{ q }} {{ options }} Letter?")[0].messages[0].content
    assert own == "0+1? A. 0\nB. 1\nC. 2\nD. 3 Letter?"


def test_worked_examples_are_turns_and_never_the_item_itself(tmp_path):
    rows = [{"q": f"q{i}", "answer": f"a{i}"} for i in range(4)]
    first, _, third, _ = suite(tmp_path, rows, shots=2).tasks[0].examples
    assert [m.content for m in first.messages] == ["q1", "a1", "q2", "a2", "q0"]
    assert [m.content for m in third.messages] == ["q0", "a0", "q1", "a1", "q2"]
    assert [m.role for m in first.messages] == ["user", "assistant"] * 2 + ["user"]


def test_a_system_turn_stands_before_the_worked_examples_and_only_there(tmp_path):
    prompt = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "{{ q }}"}]
    rows = [{"q": f"q{i}", "answer": f"a{i}"} for i in range(3)]
    first = suite(tmp_path, rows, prompt=prompt, shots=1).tasks[0].examples[0]
    assert [m.role for m in first.messages] == ["system", "user", "assistant", "user"]
    assert [m.content for m in first.messages] == ["Be brief.", "q1", "a1", "q0"]


def test_options_may_lie_deeper_in_a_row_than_a_column(tmp_path):
    rows = [{"q": "a", "mc": {"choices": ["x", "y"], "labels": [0, 1]}}]
    task = {"kind": "choice", "choices": "{{ mc.choices }}", "answer": "{{ mc.labels.index(1) }}", "score": None}
    example = suite(tmp_path, rows, **task).tasks[0].examples[0]
    assert (example.choices, example.answer) == (("x", "y"), "B")
    with pytest.raises(InputError, match=r"d\.jsonl:1: .*choices: '{{ q }}' is not a list of options"):
        suite(tmp_path, rows, **{**task, "choices": "{{ q }}"})
    with pytest.raises(InputError, match=r"d\.jsonl:1: .*choices: .*no attribute 'options'"):
        suite(tmp_path, rows, **{**task, "choices": "{{ mc.options }}"})


def test_only_the_right_option_may_not_stand_there_twice_where_texts_are_compared(tmp_path):
    rows = [{"q": "a", "choices": ["x", "y", "y"], "answer": 0}]
    assert choice(tmp_path, rows, options="text")[0].answer == "A"
    twice = [{**rows[0], "answer": 1}]
    assert choice(tmp_path, twice)[0].answer == "B"  # by letter the two are told apart
    with pytest.raises(InputError, match=r"d\.jsonl:1: .*the right option stands there twice; use options: letters"):
        choice(tmp_path, twice, options="text")


def test_too_few_rows_for_the_worked_examples_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"tasks\[0\]\.shots: 5 worked examples wanted, and there are 1 rows"):
        suite(tmp_path, [{"q": "a", "answer": "b"}], shots=5)


def test_the_hash_follows_content_and_not_policy(tmp_path):
    rows = [{"q": "a", "answer": "1"}]
    one = suite(tmp_path, rows)
    other_margin = load_suite(one.spec.model_copy(update={"margin": 0.5}))
    assert one.hash == other_margin.hash
    assert one.hash != suite(tmp_path, [{"q": "a", "answer": "2"}]).hash
    assert one.hash != suite(tmp_path, rows, extract=["last_line"]).hash


PETS = [{"q": f"q{i}", "answer": f"a{i}", "kind": kind, "n": i} for i, kind in enumerate(["cat", "dog", "cat", "cat"])]


def test_only_rows_for_which_where_is_true_are_asked_and_shown_as_worked_examples(tmp_path):
    found = suite(tmp_path, PETS, where="{{ kind == 'cat' and n < 3 }}").tasks[0].examples
    assert [example.messages[0].content for example in found] == ["q0", "q2"]
    shown = suite(tmp_path, PETS, where="{{ kind == 'cat' }}", shots=2).tasks[0].examples
    assert [[m.content for m in example.messages[::2]] for example in shown][0] == ["q2", "q3", "q0"]
    assert all("q1" not in [m.content for m in example.messages] for example in shown)
    blocks = "{% if kind.startswith('d') %}True{% else %}False{% endif %}"
    assert len(suite(tmp_path, PETS, where=blocks).tasks[0].examples) == 1


def test_a_where_that_holds_for_no_row_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"s\.yaml: tasks\[0\]\.where: holds for none of 4 rows"):
        suite(tmp_path, PETS, where="{{ kind == 'cow' }}")


@pytest.mark.parametrize(
    ("where", "gives"), [("{{ kind }}", "'cat'"), ("kind == 'cat'", "\"kind == 'cat'\""), ("{{ n }}", "0")]
)
def test_a_where_that_is_no_comparison_is_an_error_and_keeps_nothing_by_chance(tmp_path, where, gives):
    with pytest.raises(InputError, match=rf"d\.jsonl:1: .*where: gives {gives}, which is neither true nor false"):
        suite(tmp_path, PETS, where=where)


def test_a_where_names_the_column_that_a_row_lacks(tmp_path):
    with pytest.raises(InputError, match=r"d\.jsonl:1: .*where: 'label' is undefined; the row has: answer, kind, n, q"):
        suite(tmp_path, PETS, where="{{ label == 'cat' }}")
