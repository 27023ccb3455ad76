import base64
import gzip
import json
import re

import numpy as np
import pyarrow as pa
import pytest
from example_run import Planned, make_run

from evalkit.report import shards
from evalkit.report.embed import PAGE_BYTES, chosen, embed, pack
from evalkit.report.items import disagreement, item_frame
from evalkit.report.shards import pack_texts, shorten
from evalkit.stored.records import Samples

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\u2028\u2029\u202e\x00\x1b[31m"


def unpack(block):
    return json.loads(gzip.decompress(base64.b64decode(block)))


def texts_of(packed):
    return {key: entry for block in packed.shards for key, entry in unpack(block).items()}


@pytest.fixture(scope="module")
def large():
    run = make_run((Planned("a", "target", 0.5, 0.7, 1500), Planned("b", "retain", 0.8, 0.79, 1500)))
    return run.table, item_frame(run.table)


def test_every_item_has_its_numbers_on_the_page(run):
    items = item_frame(run.table)
    columns = unpack(embed(run.table, items).columns)
    assert columns["id"] == items["id"].tolist()
    assert [columns["cells"][code] for code in columns["cell"]] == items["cell"].tolist()
    words = columns["suite"]["words"]
    assert [words[code] for code in columns["suite"]["codes"]] == items["suite"].tolist()


def test_no_character_of_a_models_output_is_markup():
    run = make_run((Planned("s", items=10),), prompt=HOSTILE, output=HOSTILE)
    packed = embed(run.table, item_frame(run.table))
    for block in (packed.columns, packed.places, *packed.shards):
        assert re.fullmatch("[A-Za-z0-9+/=]*", block)
    assert texts_of(packed)["0"]["tuned"][0]["text"] == HOSTILE


def test_flips_are_read_first_then_what_the_judge_contradicts(large):
    _, items = large
    order = chosen(items, seed=0)
    assert sorted(order) == list(range(len(items)))
    flips = items["cell"].isin(["regressed", "fixed"]).to_numpy()
    odd = disagreement(items).to_numpy() & ~flips
    assert flips[order[: flips.sum()]].all()
    assert odd[order[flips.sum() : flips.sum() + odd.sum()]].all()


def test_every_suite_and_cell_has_its_turn_in_the_rest(large):
    _, items = large
    flips = int(items["cell"].isin(["regressed", "fixed"]).sum())
    kinds = items.iloc[chosen(items, seed=0)[: flips + 600]].groupby(["suite", "cell"]).size()
    rest = kinds[kinds.index.get_level_values("cell").isin(["kept", "both_wrong"])]
    assert len(rest) == 4 and rest.min() > 20


def test_the_choice_is_seeded(large):
    _, items = large
    assert (chosen(items, 1) == chosen(items, 1)).all()
    assert (chosen(items, 1) != chosen(items, 2)).any()


def test_a_run_of_some_thousand_items_has_all_its_texts_on_the_page(large):
    table, items = large
    packed = embed(table, items)
    assert packed.items == packed.with_text == len(texts_of(packed)) == 3000
    assert len(packed.shards) > 5


def test_each_items_texts_are_in_the_shard_that_its_place_names(large):
    table, items = large
    packed = embed(table, items, room=200_000)
    places = unpack(packed.places)
    assert len(places) == 3000
    for number, block in enumerate(packed.shards):
        assert [str(at) for at, place in enumerate(places) if place == number] == list(unpack(block))


@pytest.mark.parametrize("room", [60_000, 150_000])
def test_texts_fill_the_room_and_never_more_and_the_ones_most_worth_reading_are_there(large, room):
    table, items = large
    order = chosen(items, seed=0)
    packed = pack_texts(Samples.of(table), len(items), order, room)
    assert 0.85 * room < packed.size <= room
    there = packed.place[order] >= 0
    assert 0 < there.sum() < 3000
    assert there[: there.sum()].all()


def test_without_room_there_are_numbers_and_no_texts(large):
    table, items = large
    packed = embed(table, items, room=0)
    assert packed.shards == () and set(unpack(packed.places)) == {-1} and packed.with_text == 0


def test_a_table_in_another_order_gives_the_same_shards(large):
    table, items = large
    shuffled = table.take(pa.array(np.random.default_rng(0).permutation(table.num_rows)))
    once, again = (texts_of(embed(one, items)) for one in (table, shuffled))
    assert once == again


def test_every_judges_verdicts_are_on_the_page():
    run = make_run((Planned("s", items=40),))
    twice = [
        row if row["verdicts"] is None else {**row, "verdicts": [*row["verdicts"], {**row["verdicts"][0], "judge": "a-second", "winner": "tie"}]}
        for row in run.table.to_pylist()
    ]  # fmt: skip
    table = pa.Table.from_pylist(twice, schema=run.table.schema)
    columns = unpack(embed(table, item_frame(table)).columns)
    assert [reader["name"] for reader in columns["readers"]] == ["a-second", "pairwise-general"]
    assert {columns["judges"][code] for code in columns["readers"][0]["codes"]} == {"tie"}
    assert "tuned" in {columns["judges"][code] for code in columns["readers"][1]["codes"]}


def test_one_endless_line_is_shortened():
    run = make_run((Planned("s", items=8),), judge=None, output="x" * 1_000_000)
    packed = embed(run.table, item_frame(run.table))
    assert packed.with_text == 8 and packed.shortened == 16
    assert sum(map(len, packed.shards)) < 20_000


def test_a_page_of_the_largest_room_stays_below_25_megabytes():
    assert PAGE_BYTES <= 24_000_000 and shards.SHARD_CHARS < 1_000_000


def test_a_shortened_text_keeps_its_two_ends_and_says_where_the_rest_is():
    text = shorten("a" * 10_000 + "END", 300)
    assert text.startswith("aaa") and text.endswith("END")
    assert "9\u202f703 characters left out; whole in samples.parquet" in text
    assert shorten("short", 300) == "short"


def test_packing_is_reproducible():
    assert pack({"a": [1, None]}) == pack({"a": [1, None]})
