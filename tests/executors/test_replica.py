"""A replica in this very process: shards in, answers out, faults as words."""

import time

import pytest

from evalkit.backends import open_backends
from evalkit.config import ModelSpec
from evalkit.executors.replica import Replica
from evalkit.types import Completion, EngineError, Failure, Request
from tests.executors.test_shards import prepared

SPEC = ModelSpec(name="m", backend="fake", model="w1")


@pytest.fixture
def replica(fake, tmp_path):
    """A way to make one; all of them end with the test."""
    made = []

    def make(spec=SPEC, expected=None):
        (backend,) = open_backends({"base": SPEC}, tmp_path)
        made.append(Replica({"base": spec}, expected or {"base": backend.record("base")}))
        return made[-1]

    yield make
    for one in made:
        one.end(5)


def told(replica):
    """What it says once it is ready or failed."""
    doing = ""
    for _ in range(20):
        said = replica.describe(doing, 5)
        doing = said.doing
        if said.ready or said.fault:
            return said
    raise AssertionError("neither ready nor failed")


def exchange(replica, shard=(), low=0, wait_s=5):
    return replica.exchange(shard, low, 0.0, wait_s)


def gathered(replica, count, *shards):
    """All that lands of these shards."""
    answers = [answer for shard in shards for answer in exchange(replica, shard, low=1_000_000).answers]
    while len(answers) < count:
        answers += exchange(replica).answers
    return answers


def numbered(count, first=0):
    return [(first + number, prepared(number)) for number in range(count)]


def test_it_loads_by_itself_and_says_who_answers(replica, fake):
    said = told(replica())
    assert said.ready and said.fault is None and said.records["base"].fingerprint == "w1"
    assert said.hardware and fake.started == ["base"]


def test_answers_come_back_under_their_numbers(replica, fake):
    fake.answer = lambda request: f"answer to {request.example_id}"
    one = replica()
    answers = gathered(one, 5, numbered(5, first=70))
    assert {number: completion.text for number, completion in answers} == {70 + n: f"answer to {n}" for n in range(5)}


def test_it_asks_for_more_as_soon_as_little_is_left_to_take_in(replica, fake):
    def slow(request: Request) -> Completion | str:
        time.sleep(0.5)
        return "42"

    fake.answer = slow
    one = replica()
    told(one)
    landed = exchange(one, numbered(3), low=4)
    assert landed.answers == () and landed.queued == 3  # at once: fewer than four wait
    assert {number for number, _ in gathered(one, 3)} == {0, 1, 2}


def test_one_shard_after_the_other_reaches_one_engine(replica, fake):
    one = replica()
    answers = gathered(one, 12, *(numbered(4, first) for first in (0, 10, 20)))
    assert len(answers) == 12 and fake.started == ["base"]


def test_what_is_to_be_forgotten_is_not_answered_and_the_next_is(replica, fake):
    def slow(request: Request) -> Completion | str:
        time.sleep(0.05)
        return "42"

    fake.answer = slow
    one = replica()
    exchange(one, numbered(50), low=51)
    one.forget()
    late = {number for number, _ in gathered(one, 2, numbered(2, first=100))}
    assert late == {100, 101} and len(fake.generated) < 50


def test_an_engine_that_dies_is_a_fault_beside_what_had_landed(replica, fake):
    fake.die_after = 3
    one = replica()
    landed = exchange(one, numbered(5))
    answers = list(landed.answers)
    while landed.fault is None:
        landed = exchange(one)
        answers += landed.answers
    assert len(answers) == 3
    error = landed.fault.error()
    assert isinstance(error, EngineError) and str(error).endswith("the engine died") and error.hint == "run again"


def test_an_engine_that_does_not_start_says_why_and_where(replica, fake):
    fake.cannot_start = True
    said = told(replica())
    assert not said.ready and said.fault.kind == "out_of_memory"
    assert said.fault.message.startswith(f"{said.host}: out of memory") and said.fault.hint == "use a smaller model"


def test_another_model_at_the_same_place_is_not_loaded(replica, fake):
    said = told(replica(spec=ModelSpec(name="m", backend="fake", model="w2")))
    assert said.fault.differs and fake.started == []
    assert (
        said.fault.message
        == f"{said.host}: base is another model here: fingerprint w2, and w1 where the run was started"
    )


def test_weights_that_do_not_lie_on_this_node_are_named(replica, fake):
    said = told(replica(spec=ModelSpec(name="m", backend="fake", model="/no/such/folder")))
    assert said.fault.kind == "not_reachable" and "no folder /no/such/folder, the `model` of m" in said.fault.message
    assert "same path on every node" in said.fault.hint


def test_a_request_that_fails_alone_is_an_answer_like_others(replica, fake):
    failure = Failure("base", "refused", "no")
    fake.answer = lambda request: Completion("", finish_reason="error", failure=failure)
    one = replica()
    ((_, completion),) = gathered(one, 1, numbered(1))
    assert completion.failure == failure
