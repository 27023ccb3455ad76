"""IFEval: the reference's verdicts on GPT-4's answers, each instruction by hand, and texts meant to hurt."""

import json
import os
import subprocess
import sys
import time

import pytest

from evalkit import cli
from evalkit.config import TaskSpec
from evalkit.scorers import find_scorer, score
from evalkit.scorers.ifeval import readings, verdicts
from evalkit.scorers.instructions import bind
from evalkit.scorers.instructions.registry import _INSTRUCTIONS
from evalkit.types import Completion, Example

SCORERS = ("ifeval", "ifeval_loose", "ifeval_instructions", "ifeval_instructions_loose")


def item(*asked):
    """An example whose gold asks for the instructions, each a name with its settings."""
    names, settings = zip(*asked, strict=True)
    return Example("1", (), json.dumps({"instruction_id_list": names, "kwargs": settings}))


def mark(name, text, example):
    task = TaskSpec(name="t", data="d", prompt="p", answer="a", score=name)
    return score(task, example, Completion(text)).value


# --- against the reference ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def answered(recorded):
    """For each of GPT-4's answers: the key, the item, the text, the reference's strict and loose verdicts."""

    def rows(path):
        return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]

    asked = {row["key"]: row for row in rows(recorded / "tasks" / "ifeval.jsonl")}
    theirs = {row["key"]: row for row in json.loads((recorded / "ifeval_gpt4/expected.json").read_text())["verdicts"]}
    found = []
    for row in rows(recorded / "ifeval_gpt4" / "responses_even_rows.jsonl"):
        key = row["key"]
        gold = {name: asked[key][name] for name in ("instruction_id_list", "kwargs")}
        found.append((key, Example(str(key), (), json.dumps(gold)), row["response"], theirs[key]))
    return found


# Its prompt wants six `!`. The reference takes letters alone and counts one drawn at random in their place; so does 1122.
DRAWN = 1129


@pytest.mark.parametrize("reading", ["strict", "loose"])
def test_every_instruction_of_every_item_gets_the_references_verdict(answered, reading):
    assert len(answered) == 271
    for key, example, text, theirs in answered:
        if key != DRAWN:
            assert verdicts(text, example, loose=reading == "loose") == theirs[reading], key


@pytest.mark.parametrize(("reading", "whole", "share"), [("strict", *SCORERS[::2]), ("loose", *SCORERS[1::2])])
def test_the_scorers_give_the_references_totals(answered, recorded, reading, whole, share):
    totals = json.loads((recorded / "ifeval_gpt4/expected.json").read_text())["even_rows"][reading]
    prompts = instructions = 0
    for key, example, text, theirs in answered:
        followed = theirs[reading]
        if key == DRAWN:
            prompts, instructions = prompts + all(followed), instructions + sum(followed)
            assert mark(whole, text, example) == 1.0
            continue
        prompts += mark(whole, text, example)
        instructions += round(mark(share, text, example) * len(followed))
    assert (prompts, instructions) == (totals["prompt_correct"], totals["inst_correct"])


def test_where_the_reference_draws_a_letter_the_character_asked_for_is_counted():
    asked = {"letter": "#", "let_frequency": 4, "let_relation": "at least"}
    assert bind("keywords:letter_frequency", asked)("#a #b #c #d")
    assert not bind("keywords:letter_frequency", asked)("#a #b #c dddd")


def test_every_instruction_of_the_benchmark_is_known(recorded):
    rows = [json.loads(line) for line in (recorded / "tasks/ifeval.jsonl").read_text().split("\n") if line]
    asked = {name for row in rows for name in row["instruction_id_list"]}
    assert asked == set(_INSTRUCTIONS) and len(asked) == 25


# --- each instruction by hand: what follows it, what does not -------------------------------------------------------

ENGLISH = "The quick brown fox jumps over the lazy dog and then it goes home to sleep."
CASES = [
    ("keywords:existence", {"keywords": ["rain", "sun"]}, ["Sunny, then rainy."], ["Sunny all day."]),
    ("keywords:existence", {"keywords": ["c++ (17)"]}, ["In C++ (17)."], ["In ccc 17."]),
    (
        "keywords:frequency",
        {"keyword": "rain", "frequency": 2, "relation": "at least"},
        ["Rain, rain", "rainy terrain"],
        ["rain", ""],
    ),
    ("keywords:frequency", {"keyword": "rain", "frequency": 2, "relation": "less than"}, ["rain"], ["rain rain"]),
    ("keywords:forbidden_words", {"forbidden_words": ["rain"]}, ["It is rainy."], ["Rain!", "no rain."]),
    (
        "keywords:letter_frequency",
        {"letter": "E", "let_frequency": 3, "let_relation": "less than"},
        ["Eve"],
        ["Eve sees"],
    ),
    (
        "length_constraints:number_words",
        {"num_words": 3, "relation": "at least"},
        ["one two three", "don't go"],
        ["a b"],
    ),
    (
        "length_constraints:number_sentences",
        {"num_sentences": 2, "relation": "less than"},
        ["Dr. Smith of the U.S. Army left at 3 p.m. today."],
        ["He left. She stayed.", "Who? Me!"],
    ),
    (
        "length_constraints:number_paragraphs",
        {"num_paragraphs": 2},
        ["a\n***\nb", "***a***b***", "a *** b"],
        ["a\n\nb", "a ****** b", "a***b***c", "a***"],
    ),
    (
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "Rain"},
        ["a\n\nrain falls", "a\n\n'\"Rain, they said", "a\n\n  RAIN"],
        ["rain\n\na", "a\n\nrainy", "a\nrain", "a\n\n\n\nrain", "a\n\nrain\n\nb", "a\n\n" + '"'],
    ),
    ("detectable_content:number_placeholders", {"num_placeholders": 2}, ["[a] [b]", "[[a] []"], ["[a] [b", "[a\n] [b]"]),
    ("detectable_content:postscript", {"postscript_marker": "P.S."}, ["x\nP.S. y", "p. s. y"], ["PS: y", "P.S"]),
    ("detectable_content:postscript", {"postscript_marker": "P.P.S"}, ["P.P.S y", "P. P. S. y"], ["P.S. y"]),
    ("detectable_content:postscript", {"postscript_marker": "N.B."}, ["n.b. y"], ["nxb y"]),
    (
        "detectable_format:number_bullet_lists",
        {"num_bullets": 2},
        ["* a\n* b", "- a\n  - b", "text\n\n * a\n\n-b", "* a\n---"],
        ["* a", "** a\n** b", "a * b\n* c", "- a\n- b\n- c", "*\n* b"],
    ),
    (
        "detectable_format:number_highlighted_sections",
        {"num_highlights": 2},
        ["*a* and *b*", "**a** and *b*", "*a* *b* *c*"],
        ["*a*", "** ** * *", "*a\nb*", "*a* b*"],
    ),
    (
        "detectable_format:multiple_sections",
        {"section_spliter": "Section", "num_sections": 2},
        ["Section 1\na\nSection 2\nb", "Section1 Section\t22"],
        ["Section 1", "SECTION 1 SECTION 2", "Section one Section two"],
    ),
    ("detectable_format:title", {}, ["<<Joy>>", "x\n<<<Joy>>> y", "<<>> <<a>>"], ["<Joy>", "<<>>", "<< >>", "<<a\nb>>", ">><<"]),
    (
        "detectable_format:json_format",
        {},
        ['{"a": 1}', '```json\n{"a": 1}\n```', "```\n[]\n```", " 3 "],
        ["{'a': 1}", "Here: {}", "", '{"a": 1} done'],
    ),
    ("detectable_format:constrained_response", {}, ["So: My answer is maybe. Ok"], ["My answer is yes", "Yes."]),
    ("combination:repeat_prompt", {"prompt_to_repeat": "Say hi. "}, ["\n say hi. Hi!"], ["Hi! Say hi.", "Say  hi."]),
    (
        "combination:two_responses",
        {},
        ["a\n******\nb", "******\na******b\n******"],
        ["a", "a******a ", "a******b******c", "a************b", "a***b"],
    ),
    ("startend:end_checker", {"end_phrase": "The end."}, ["It was. the END.", '"The end."\n'], ["The end. Bye", "The end"]),
    ("startend:quotation", {}, ['"a"', ' "a" \n', '""'], ['"', '"a', "'a'", "“a”"]),
    ("punctuation:no_comma", {}, ["a; b", "a、b"], ["a, b"]),
    ("language:response_language", {"language": "de"}, ["Der schnelle braune Fuchs springt über den faulen Hund.", "12"], [ENGLISH]),
    ("language:response_language", {"language": "hi"}, ["मुझे यह किताब बहुत पसंद है और मैं इसे पढ़ता हूँ।"], ["मला हे पुस्तक खूप आवडते आणि मी ते वाचतो आहे।"]),
    ("change_case:english_capital", {}, [ENGLISH.upper()], [ENGLISH, "DER SCHNELLE BRAUNE FUCHS SPRINGT ÜBER DEN HUND", "1"]),
    ("change_case:english_lowercase", {}, [ENGLISH.lower()], [ENGLISH, "der schnelle braune fuchs springt über den hund"]),
    (
        "change_case:capital_word_frequency",
        {"capital_frequency": 2, "capital_relation": "at least"},
        ["I am NASA.", "DON'T go", "A B"],
        ["I am Bob.", "NaSa naSA", ""],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "settings", "follow", "fail"), CASES, ids=[case[0] for case in CASES])
def test_an_instruction_tells_what_follows_it_from_what_does_not(name, settings, follow, fail):
    followed = bind(name, settings)
    assert [text for text in follow if not followed(text)] == []
    assert [text for text in fail if followed(text)] == []


def test_every_instruction_has_a_case():
    assert {case[0] for case in CASES} == set(_INSTRUCTIONS)


# --- the four marks -----------------------------------------------------------------------------------------------

TWO = item(("punctuation:no_comma", {}), ("startend:quotation", {}))


@pytest.mark.parametrize(
    ("text", "marks"),
    [
        ('"Fine"', (1, 1, 1, 1)),
        ("Fine", (0, 0, 0.5, 0.5)),
        ('Sure, here:\n"Fine"', (0, 1, 0, 1)),
        ('"Fine"\nHope that helps, friend', (0, 1, 0, 1)),
        ('Sure, so:\n*"Fine"*\nBye, then', (0, 1, 0, 1)),
        ("a, b", (0, 0, 0, 0)),
    ],
)
def test_strict_reads_the_answer_as_it_is_and_loose_without_its_frame(text, marks):
    assert tuple(mark(name, text, TWO) for name in SCORERS) == marks


def test_each_instruction_may_be_followed_in_a_loose_reading_of_its_own():
    both = item(("startend:end_checker", {"end_phrase": "bye"}), ("startend:quotation", {}))
    assert mark("ifeval_loose", 'Hi\n"a"\nbye', both) == 1.0


def test_an_empty_answer_follows_nothing_though_it_has_no_comma():
    for name in SCORERS:
        assert [mark(name, text, item(("punctuation:no_comma", {}))) for text in ("", " \n")] == [0.0, 0.0]


def test_prompt_level_marks_are_binary_and_shares_are_not():
    assert [find_scorer(name).binary for name in SCORERS] == [True, True, False, False]


def test_loose_readings_are_the_answer_first_and_each_once():
    assert readings("a") == ["a", ""]
    assert readings("a\n*b*\nc") == ["a\n*b*\nc", "*b*\nc", "a\n*b*", "*b*", "a\nb\nc", "b\nc", "a\nb", "b"]


def test_the_language_of_a_text_depends_on_nothing_but_the_text():
    code = (
        "from evalkit.scorers.instructions.language import detected as d; print(d('no bueno'), d('a b c'), d('ok lol'))"
    )
    seen = set()
    for seed in ("0", "14"):
        done = subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        )
        seen |= {done.stdout}
    assert len(seen) == 1


# --- golds that cannot be marked by --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gold", "message"),
    [
        ("no commas", "the gold is not instruction_id_list and kwargs as JSON"),
        ('{"instruction_id_list": ["punctuation:no_comma"]}', "kwargs: Field required"),
        ('{"instruction_id_list": [], "kwargs": []}', "instruction_id_list: "),
        ('{"instruction_id_list": ["punctuation:no_comma"], "kwargs": []}', "1 in instruction_id_list, 0 in kwargs"),
        (item(("punctuation:no_coma", {})).answer, "unknown instruction 'punctuation:no_coma'; did you mean"),
        (item(("startend:end_checker", {})).answer, "startend:end_checker: end_phrase: Field required"),
        (item(("startend:quotation", {"marks": 2})).answer, "startend:quotation: marks: Extra inputs"),
        (
            item(("length_constraints:number_words", {"num_words": 3, "relation": "about"})).answer,
            "relation: Input should be 'less than' or 'at least'",
        ),
        (item(("language:response_language", {"language": "tlh"})).answer, "langdetect knows no language 'tlh'"),
        (item(("keywords:letter_frequency", {"letter": "ab"})).answer, "letter: "),
    ],
)
def test_a_gold_that_cannot_be_marked_by_says_why(gold, message):
    for name in SCORERS:
        with pytest.raises(ValueError) as told:
            find_scorer(name).check(Example("1", (), gold))
        assert message in str(told.value)


def test_the_hubs_nulls_and_floats_are_read_as_what_they_stand_for():
    settings = {"num_words": 2.0, "relation": "at least", "keywords": None, "letter": None}
    assert mark("ifeval", "one two", item(("length_constraints:number_words", settings))) == 1.0


def test_a_bad_gold_stops_a_run_before_an_engine_starts(tmp_path, capsys):
    row = {"id": "1", "q": "Hi", "instruction_id_list": ["punctuation:no_coma"], "kwargs": [{}]}
    (tmp_path / "items.jsonl").write_text(json.dumps(row))
    (tmp_path / "suite.yaml").write_text(
        "name: mine\ntasks:\n  - data: items.jsonl\n    prompt: '{{ q }}'\n    score: ifeval\n"
        "    answer: \"{{ {'instruction_id_list': instruction_id_list, 'kwargs': kwargs} | tojson }}\"\n"
    )
    (tmp_path / "model.jsonl").write_text('{"id": "1", "output": "x"}')
    (tmp_path / "model.yaml").write_text("name: m\nbackend: replay\noutputs: model.jsonl\n")
    words = ["run", str(tmp_path / "model.yaml"), "--suite", str(tmp_path / "suite.yaml")]
    assert cli._guarded(lambda: cli.app(words)) == cli.BAD_INPUT
    assert "item '1': unknown instruction 'punctuation:no_coma'" in capsys.readouterr().err


# --- texts meant to hurt ------------------------------------------------------------------------------------------

HOSTILE = {
    "one line": "word " * 200_000,
    "no space": "a" * 1_000_000,
    "line ends": "\n" * 1_000_000,
    "spaces": " " * 500_000 + "x",
    "points": "." * 1_000_000,
    "stars": "*" * 1_000_000,
    "star lines": "*\n" * 300_000,
    "open brackets": "[" * 1_000_000,
    "open titles": "<<" * 500_000,
    "open objects": '{"a":' * 200_000,
    "lists in lists": "[" * 100_000 + "]" * 100_000,
    "digits": "1" * 1_000_000,
    "quotation marks": "\"'" * 200_000,
    "capitals": "A.B " * 100_000,
    "postscripts": "p. p. " * 150_000,
    "a name at a place": "a.b@" * 250_000,
    "surrogates": "\ud800" * 1000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_no_answer_takes_long_or_brings_a_check_down(text):
    began = time.process_time()
    assert len(verdicts(text, item(*[(case[0], case[1]) for case in CASES]))) == len(CASES)
    assert (
        time.process_time() - began < 20
    )  # seconds of this process for thirty instructions; a quadratic one takes hours
