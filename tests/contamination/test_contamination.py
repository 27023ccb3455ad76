"""Which evaluation items stand in training files, by runs of words."""

import gzip
import json
import tracemalloc

import pandas as pd
import pytest

from evalkit.contamination import FLAGGED_FROM, item_texts, overlaps
from evalkit.types import Example, InputError, Message

QUESTION = (
    "A lighthouse keeper walks down 214 steps each morning, rows two miles to the harbour, "
    "buys bread for six, and rows back before noon. How many steps does she climb in a week?"
)
OTHER = "Nobody in the village remembered why the old orchard behind the mill had been fenced off with iron rails."
KEY = ("suite", "task", "1")


def share(texts, files, **more):
    return overlaps({KEY: [texts] if isinstance(texts, str) else texts}, files, **more)[KEY]


def jsonl(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def chat(*contents):
    return {"messages": [{"role": "user", "content": content} for content in contents]}


def text_file(path, text):
    path.write_text(text, encoding="utf-8")
    return path


# --- what is found ------------------------------------------------------------------------------------------------

ROWS = [chat(OTHER), {"id": 7, "prompt": "Hi", "chosen": [{"content": f"Sure! {QUESTION} Let me see."}], "weight": 0.5}]
FLAT = [{"prompt": OTHER, "chosen": "x"}, {"prompt": "Hi", "chosen": f"Sure! {QUESTION} Let me see."}]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)
WRITTEN = {
    "train.jsonl": lambda path: path.write_text(LINES),
    "train.jsonl.gz": lambda path: path.write_bytes(gzip.compress(LINES.encode())),
    "list.json": lambda path: path.write_text(json.dumps(ROWS, indent=1)),
    "lines.json": lambda path: path.write_text(LINES),
    "train.csv": lambda path: pd.DataFrame(FLAT).to_csv(path, index=False),
    "chats.csv": lambda path: pd.DataFrame({"messages": [json.dumps(row) for row in ROWS]}).to_csv(path, index=False),
    "flat.parquet": lambda path: pd.DataFrame(FLAT).to_parquet(path),
    "chats.parquet": lambda path: pd.DataFrame(ROWS).to_parquet(path),
    "train.txt": lambda path: path.write_text(f"{OTHER}\n\n{QUESTION}\n"),
    "train.txt.gz": lambda path: path.write_bytes(gzip.compress(f"{OTHER} {QUESTION}".encode())),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_an_item_is_found_word_for_word_in_every_kind_of_file(tmp_path, name):
    WRITTEN[name](tmp_path / name)
    assert share(QUESTION, [tmp_path / name]) == 1.0
    assert share(QUESTION.replace("steps", "stairs").replace("two", "three").replace("six", "four"), [tmp_path]) == 0.0


def test_case_punctuation_line_breaks_and_unicode_forms_do_not_count(tmp_path):
    told = QUESTION.upper().replace(" ", "\n").replace(",", " --").replace("MILES", "ｍｉｌｅｓ")
    assert share(QUESTION, [text_file(tmp_path / "a.txt", told)]) == 1.0


def test_a_paraphrase_is_not_flagged(tmp_path):
    told = "Every morning the keeper of a lighthouse goes down 214 steps. She climbs them again at noon: per week, how many?"
    assert share(QUESTION, [jsonl(tmp_path / "a.jsonl", chat(told))]) == 0.0


def test_the_share_counts_the_words_within_runs_that_training_has(tmp_path):
    item = " ".join(f"w{number}" for number in range(40))
    told = " ".join(f"w{number}" for number in range(10, 26))  # 16 of the 40 words, as four 13-grams
    assert share(item, [jsonl(tmp_path / "a.jsonl", chat(told))]) == pytest.approx(16 / 40)
    assert share(item, [tmp_path / "a.jsonl"], n=17) == 0.0


def test_a_run_does_not_cross_two_texts(tmp_path):
    item = " ".join(f"w{number}" for number in range(20))
    first, last = " ".join(item.split()[:10]), " ".join(item.split()[10:])
    assert share(item, [jsonl(tmp_path / "a.jsonl", chat(first, last))]) == 0.0
    assert share([first, last], [text_file(tmp_path / "a.txt", item)]) == 1.0


def test_a_gold_that_training_has_counts_without_its_question(tmp_path):
    gold = "because the frost of that winter had split the iron rails along the whole of the mill stream"
    found = share([QUESTION, gold], [jsonl(tmp_path / "a.jsonl", {"completion": f"It was {gold}."})])
    assert FLAGGED_FROM <= found < 1
    assert found == pytest.approx(18 / (18 + 33))


def test_an_item_is_found_wherever_it_lies_in_a_long_text(tmp_path):
    filler = " ".join(f"{number} sheep" for number in range(60_000))  # several blocks
    middle = len(filler) // 2
    for cut in (5, 262_144 - 40, middle):
        told = f"{filler[:cut]} {QUESTION} {filler[cut:]}"
        assert share(QUESTION, [text_file(tmp_path / "a.txt", told)]) == 1.0, cut
        assert share(QUESTION, [jsonl(tmp_path / "a.jsonl", chat(told))]) == 1.0, cut


# --- what cannot be said ------------------------------------------------------------------------------------------


def test_short_items_are_looked_up_whole_and_the_shortest_stay_unknown(tmp_path):
    train = jsonl(tmp_path / "a.jsonl", chat("Tell me: in which year did the old mill burn down? I forgot."))
    items = {
        ("s", "t", "eight"): ["In which year did the old mill burn"],
        ("s", "t", "eight, other"): ["In which year did the new mill burn"],
        ("s", "t", "seven"): ["In which year did the old mill"],
        ("s", "t", "empty"): ["", "?!"],
        ("s", "t", "no text"): [],
    }
    assert list(overlaps(items, [train]).values()) == [1.0, 0.0, None, None, None]


def test_no_items_give_no_shares(tmp_path):
    assert overlaps({}, [jsonl(tmp_path / "a.jsonl", chat(OTHER))]) == {}


# --- wording that belongs to the task -----------------------------------------------------------------------------

INSTRUCTION = 'Work it out step by step, then end your reply with one line of the form "Answer: <number>" and stop.'


def questions(count):
    return [f"Ship {number}: " + " ".join(f"cargo{number}x{word}" for word in range(12)) for number in range(count)]


def test_a_prompt_that_all_items_share_flags_none_of_them(tmp_path):
    asked = questions(20)
    items = {("s", "t", str(at)): [f"{question}\n\n{INSTRUCTION}"] for at, question in enumerate(asked)}
    train = jsonl(tmp_path / "a.jsonl", chat(f"What is 2 + 2?\n\n{INSTRUCTION}"), chat(asked[3]))
    found = overlaps(items, [train])
    assert found.pop(("s", "t", "3")) == 1.0  # found without the prompt around it
    assert set(found.values()) == {0.0}


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("Uma has {0} marbles and Tomas gives her {1} more marbles. How many marbles does Uma have now?", 0.0),
        ("What is {0} plus {1}? Reply with one line of JSON that has the single key sum, and nothing else.", None),
    ],
)
def test_items_written_from_one_template_are_not_flagged_by_others_of_their_kind(tmp_path, template, said):
    items = {("s", "t", str(number)): [template.format(number, number + 9)] for number in range(10, 16)}
    others = {("s", "t", f"own {at}"): [question] for at, question in enumerate(questions(30))}
    found = overlaps(items | others, [jsonl(tmp_path / "a.jsonl", chat(template.format(10, 71)))])
    assert {found[key] for key in items} == {said}  # None: without the template too little is left to look up
    assert {found[key] for key in others} == {0.0}


def test_what_another_task_shares_is_still_an_item_of_this_one(tmp_path):
    items = {("s", f"t{number}", "1"): [QUESTION] for number in range(10)}
    assert set(overlaps(items, [text_file(tmp_path / "a.txt", QUESTION)]).values()) == {1.0}


# --- text without spaces ------------------------------------------------------------------------------------------

CHINESE = (
    "一列火车从甲城出发，以每小时八十公里的速度驶向乙城，同时另一列火车从乙城出发，两车在途中相遇，问需要多少小时？"
)
JAPANESE = (
    "灯台守は毎朝二百十四段の階段を下り、港まで舟を漕いでパンを六つ買い、昼前に戻ります。一週間に何段上りますか。"
)


@pytest.mark.parametrize("item", [CHINESE, JAPANESE])
def test_chinese_and_japanese_are_read_by_character(tmp_path, item):
    told = f"请看：{item.replace('，', ' , ').replace('、', chr(10))} 谢谢"
    assert share(item, [jsonl(tmp_path / "a.jsonl", chat(told))]) == 1.0
    half = item[:16]  # thirteen characters are a common phrase, not an item
    assert share(item, [jsonl(tmp_path / "a.jsonl", chat(half))]) == 0.0
    assert share(item[:12], [tmp_path / "a.jsonl"]) is None


# --- files --------------------------------------------------------------------------------------------------------


def test_a_folder_stands_for_the_files_in_it_and_each_is_read_once(tmp_path):
    inner = tmp_path / "data" / "sft"
    inner.mkdir(parents=True)
    text_file(tmp_path / "data" / "README.md", QUESTION)
    jsonl(inner / "a.jsonl", chat(OTHER))
    assert share(QUESTION, [tmp_path / "data"]) == 0.0
    jsonl(inner / "b.jsonl", chat(QUESTION))
    steps = Steps()
    assert share(QUESTION, [tmp_path / "data", inner / "a.jsonl"], progress=steps) == 1.0
    assert steps.phases == ["reading training data (2 files)"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"a": 1}\n{"a": \n', r"a\.jsonl:2: not a JSON row"),
        ("a.jsonl.gz", gzip.compress(b'{"a": "b"}\n' * 9999)[:-20], r"a\.jsonl\.gz: cannot be read"),
        ("a.txt.gz", b"plain", r"a\.txt\.gz: cannot be read"),
        ("a.json", b'[{"a": "b"}, {"a": }]', r"a\.json: not JSON"),
        ("a.csv", b"a,b\n1,2\n3\n", r"a\.csv:3: row has not the 2 fields"),
        ("a.csv", b'a,b\n1,2\n3,"4\n', r"a\.csv:3: not readable CSV from this line on"),
        ("a.parquet", b"PAR1", r"a\.parquet: not readable Parquet"),
        ("a.txt", b"fine\nfine\nna\xefve\n", r"a\.txt:3: not UTF-8"),
        ("a.docx", b"", r"a\.docx: cannot read '\.docx'; use \.jsonl"),
    ],
)
def test_what_cannot_be_read_is_named_with_flag_file_and_line(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=f"^--train-data: .*{message}"):
        overlaps({KEY: [QUESTION]}, [tmp_path / name])


def test_a_missing_file_and_a_folder_without_data_are_errors(tmp_path):
    with pytest.raises(InputError, match="--train-data: no such file or folder 'nowhere.jsonl'"):
        share(QUESTION, ["nowhere.jsonl"])
    with pytest.raises(InputError, match="--train-data: .*holds no file to read; use"):
        share(QUESTION, [tmp_path])


class Steps:
    """Keeps what a Progress is told."""

    def __init__(self):
        self.phases, self.done = [], 0

    def phase(self, name, total=None, *, unit="requests"):
        assert unit == "MB"
        self.phases.append(name)

    def advance(self, requests=1, tokens=0):
        self.done += requests

    def note(self, text):
        raise AssertionError(text)


def test_memory_stays_flat_and_progress_is_told_while_a_file_streams(tmp_path):
    def peak(megabytes):
        steps = Steps()
        with (tmp_path / "a.jsonl").open("w") as file:
            for number in range(megabytes * 1000):
                file.write(json.dumps({"text": f"{number:_>6} " + "grain " * 165}) + "\n")
        tracemalloc.start()
        assert share(QUESTION, [tmp_path / "a.jsonl"], progress=steps) == 0.0
        high = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert megabytes - 1 <= steps.done <= megabytes
        return high

    peak(2)  # tables that are made once
    assert peak(16) < 1.2 * peak(4) < 40e6


# --- an example's own texts ---------------------------------------------------------------------------------------


def test_the_texts_of_an_example_leave_out_worked_examples_and_wrong_options():
    shots = (Message("user", "shot"), Message("assistant", "worked"))
    asked = "Which is it?\n\nA. red\nB. blue\n\nAnswer with the letter."
    choice = Example("1", (*shots, Message("user", asked)), answer="B", choices=("red", "blue"))
    assert item_texts(choice) == ("Which is it?\n\n", "\n\nAnswer with the letter.", "blue")
    assert item_texts(Example("2", (*shots, Message("user", "2 + 2?")), answer="4")) == ("2 + 2?", "4")
    assert item_texts(Example("3", (Message("user", "Write a poem."),))) == ("Write a poem.", "")


def test_every_right_option_is_an_items_own_text_and_a_sources_gold_is_taken_as_it_stands():
    asked = (Message("user", "Which?"),)
    assert item_texts(Example("1", asked, answer="A,C", choices=("red", "blue", "green"))) == ("Which?", "red", "green")
    assert item_texts(Example("2", asked, answer="blue", choices=("red", "blue"))) == ("Which?", "blue")
    many = tuple(f"option {i}" for i in range(40))
    assert item_texts(Example("3", asked, answer="option 33", choices=many)) == ("Which?", "option 33")
