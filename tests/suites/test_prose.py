"""The rows of suite `prose`: as many registers as it says, passages of a like length, and nothing said twice."""

import json
import re
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest

FILE = Path(__file__).resolve().parents[2] / "suites" / "data" / "prose" / "prose.jsonl"
ROWS = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]
TEXTS = [row["text"] for row in ROWS]


def grams(text, size):
    """Runs of `size` words; in Chinese, which puts no spaces between them, runs of twice as many characters."""
    if re.search("[\u4e00-\u9fff]", text):
        units, size = list(re.sub(r"\W", "", text)), 2 * size
    else:
        units = re.findall(r"\w+", text.casefold())
    return {tuple(units[at : at + size]) for at in range(len(units) - size + 1)}


def test_ids_are_unique_and_name_the_register():
    assert len({row["id"] for row in ROWS}) == len(ROWS) == 66
    assert all(re.fullmatch(rf"{row['register']}-\d\d", row["id"]) for row in ROWS)
    assert all(row.keys() == {"id", "register", "text"} for row in ROWS)


def test_the_registers_are_many_and_none_is_most_of_the_text():
    sizes = Counter()
    for row in ROWS:
        sizes[row["register"]] += len(row["text"].encode())
    assert len(sizes) == 18
    assert max(sizes.values()) < 0.12 * sum(sizes.values())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_a_passage_has_the_length_that_the_suite_says_and_clean_edges(row):
    text = row["text"]
    if row["register"] == "chinese":
        assert 200 <= len(text) <= 400  # characters
    else:
        assert 80 <= len(text.split()) <= 200
    assert text == text.strip() and text.isprintable() == ("\n" not in text)
    assert "\ufffd" not in text


def test_languages_are_written_in_their_own_letters():
    signs = {"german": "[äöüß]", "french": "[éèàç]", "spanish": "[áéíóúñ¿]", "chinese": "[\u4e00-\u9fff]"}
    for row in ROWS:
        if row["register"] in signs:
            assert len(re.findall(signs[row["register"]], row["text"])) >= 8, row["id"]
        else:
            assert row["text"].isascii(), row["id"]


def test_no_passage_repeats_another_nor_itself():
    assert len(set(TEXTS)) == len(TEXTS)
    for one, other in combinations(ROWS, 2):
        assert not grams(one["text"], 7) & grams(other["text"], 7), (one["id"], other["id"])
    for row in ROWS:
        if row["register"] != "code":
            sentences = [part for part in re.split(r"(?<=[.!?。！？])\s*", row["text"]) if len(part) > 25]
            assert len(set(sentences)) == len(sentences), row["id"]


def test_a_bit_a_byte_is_measured_on_enough_text():
    assert 40_000 < sum(len(text.encode()) for text in TEXTS) < 60_000
