"""Shards without a cluster: who is asked what, nothing lost, nothing used twice."""

import itertools
from collections import Counter

import pytest

from evalkit.executors.shards import Shards
from evalkit.types import Message, Prepared, Request, Sampling


def prepared(number, model="base"):
    request = Request(model, "s", "t", str(number), (Message("user", f"q{number}"),), Sampling())
    return Prepared(request, f"q{number}", f"key {number}")


def stream(count):
    return [prepared(number) for number in range(count)]


def ids(shard):
    return [one.request.example_id for _, one in shard]


def test_shards_are_handed_out_in_order_to_whoever_asks():
    shards = Shards(stream(1000), shard=10, tries=3)
    assert ids(shards.take("a", 2)) == [str(n) for n in range(10)]
    assert ids(shards.take("b", 2)) == [str(n) for n in range(10, 20)]
    assert (shards.held_by("a"), shards.held_by("b"), shards.held_by("c")) == (10, 10, 0)


def test_the_stream_is_read_two_shards_ahead_for_each_replica_and_no_further():
    read = []
    source = (read.append(one) or one for one in stream(1000))
    shards = Shards(source, shard=10, tries=3)
    shards.take("a", 3)
    assert len(read) == 60


def test_shards_get_smaller_towards_the_end_down_to_one():
    shards = Shards(stream(200), shard=32, tries=3)
    sizes = []
    while shard := [one for name in ("a", "b") for one in take_and_answer(shards, name, sizes)]:
        assert shard
    assert shards.done and sum(sizes) == 200
    assert sizes[0] == 32 and sizes[-1] == 1
    tail = sizes[sizes.index(max(sizes[1:])) :]
    assert max(tail[-6:]) <= 4


def take_and_answer(shards, name, sizes):
    shard = shards.take(name, 2)
    if shard:
        sizes.append(len(shard))
    for number, _ in shard:
        assert shards.land(number) is not None
    return shard


def test_what_is_left_is_shared_even_where_one_engine_has_room_for_all_of_it():
    shards = Shards(stream(40), shard=8, tries=3)
    taken = Counter()
    for _ in range(100):  # `a` asks far more often than `b`
        taken["a"] += len(shards.take("a", 2))
    assert taken["a"] == 20
    while shard := shards.take("b", 2):
        taken["b"] += len(shard)
    assert taken["b"] == 20


def test_answers_come_back_in_any_order_and_each_is_used_once():
    asked = stream(30)
    shards = Shards(asked, shard=30, tries=3)
    shard = shards.take("a", 1)
    while more := shards.take("a", 1):
        shard += more
    landed = [shards.land(number) for number, _ in reversed(shard)]
    assert landed == asked[::-1] and shards.done
    assert [shards.land(number) for number, _ in shard] == [None] * 30


def test_what_a_lost_replica_had_comes_first_again_in_its_order():
    shards = Shards(stream(100), shard=4, tries=3)
    first = shards.take("a", 2)
    shards.land(first[1][0])
    shards.take("b", 2)
    assert shards.lost("a") == []
    assert ids(shards.take("b", 1)) == ["0", "2", "3", "8"]


def test_an_answer_that_comes_after_its_replica_was_thought_lost_counts_and_the_second_does_not():
    shards = Shards(stream(8), shard=4, tries=3)
    shard = shards.take("a", 2)
    shards.lost("a")
    assert shards.land(shard[0][0]) is not None  # before it is put again: it is not put again
    again = shards.take("b", 1)
    assert ids(again) == ["1", "2", "3", "4"][: len(again)]
    assert shards.land(shard[1][0]) is not None  # after: the late one is used, ...
    assert shards.land(again[0][0]) is None  # ... and the other is not
    assert shards.held_by("b") == len(again) - 1


def test_a_request_whose_every_replica_is_lost_is_given_up_and_its_neighbours_are_not():
    shards = Shards(stream(2), shard=1, tries=2)
    (bad,) = shards.take("a", 2)
    (good,) = shards.take("b", 2)
    assert shards.lost("a") == []
    assert ids(shards.take("c", 2)) == ["0"]
    assert shards.lost("c") == [bad[1]]
    assert not shards.done and shards.land(good[0]) is good[1]
    assert shards.done and shards.land(bad[0]) is None


def test_the_last_try_is_made_alone_so_that_nothing_is_lost_beside_it():
    shards = Shards(stream(12), shard=6, tries=3)
    ended, given_up, deadly = [], [], "2"
    while not shards.done:
        for name in ("a", "b"):
            shard = shards.take(name, 2)
            if deadly in ids(shard):
                given_up += shards.lost(name)
            else:
                ended += [shards.land(number) for number, _ in shard]
    assert [one.request.example_id for one in given_up] == [deadly]
    assert len(ended) == 11


def test_who_has_a_last_try_is_given_nothing_else_and_who_has_something_no_last_try():
    shards = Shards(stream(40), shard=2, tries=2)
    shards.take("a", 2)
    busy = shards.take("b", 2)
    shards.lost("a")
    assert ids(shards.take("b", 2)) == ["4", "5"]
    (alone,) = shards.take("c", 2)
    assert alone[1].request.example_id == "0" and shards.take("c", 2) == []
    shards.land(alone[0])
    assert ids(shards.take("c", 2)) == ["1"]
    assert shards.land(busy[0][0]) is busy[0][1]


def test_a_pause_in_the_stream_is_no_end():
    source = iter([prepared(0), None, prepared(1)])
    shards = Shards(source, shard=4, tries=3)
    ((number, _),) = shards.take("a", 1)
    assert shards.paused
    shards.land(number)
    assert not shards.done
    assert ids(shards.take("a", 1)) == ["1"]
    assert not shards.paused


def test_what_is_left_is_shared_as_well_where_the_stream_pauses():
    """It ends only when everything is answered, since an answer may bring the next question."""
    shards = Shards(iter([*stream(40), *[None] * 1000]), shard=64, tries=3)
    taken = {"a": [], "b": []}
    for _ in range(30):
        taken["a"] += shards.take("a", 2)
    for _ in range(30):
        taken["b"] += shards.take("b", 2)
    assert len(taken["a"]) == len(taken["b"]) == 20 and not shards.done


def test_numbers_are_not_used_again_by_the_next_stream():
    first = Shards(stream(4), shard=4, tries=3).take("a", 1)
    second = Shards(stream(4), shard=4, tries=3)
    second.take("a", 1)
    assert [second.land(number) for number, _ in first] == [None] * len(first)


def test_by_model_asks_all_of_one_before_the_next():
    mixed = [prepared(n, model) for n, model in zip(range(12), itertools.cycle(("base", "tuned")), strict=False)]
    shards = Shards(mixed, shard=4, tries=3, by_model=True)
    models = []
    while shard := shards.take("a", 1):
        models += [one.request.model for _, one in shard]
        for number, _ in shard:
            shards.land(number)
    assert models == ["base"] * 6 + ["tuned"] * 6


@pytest.mark.parametrize("seed", range(5))
def test_whatever_is_lost_and_however_late_every_request_ends_exactly_once(seed):
    import random

    chance = random.Random(seed)
    asked = stream(300)
    shards = Shards(iter(asked), shard=16, tries=4)
    inside = {name: [] for name in "abcd"}
    late, ended = [], []
    while not shards.done:
        name = chance.choice("abcd")
        inside[name] += shards.take(name, 4)
        if chance.random() < 0.1:
            late += inside[name]
            inside[name] = []
            ended += shards.lost(name)
        for pile in (inside[name], late):
            for number, _ in [pile.pop(chance.randrange(len(pile))) for _ in range(min(3, len(pile)))]:
                landed = shards.land(number)
                ended += [landed] if landed is not None else []
    assert sorted(ended, key=lambda one: int(one.request.example_id)) == asked
