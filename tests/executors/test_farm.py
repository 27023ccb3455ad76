"""A farm over scripted replicas: what is asked, put again, given up, said. Ray itself is in tests/e2e/test_ray.py."""

from collections import deque
from importlib import metadata

import pytest

from evalkit.backends import open_backends
from evalkit.config import ExecutorSpec, ModelSpec
from evalkit.executors import farmed
from evalkit.executors.cluster import Need, Room
from evalkit.executors.farm import Farm
from evalkit.executors.pool import Answered, Joined, Lost, Placed
from evalkit.executors.replica import Fault, Landed, Told
from evalkit.types import Completion, EngineError, InputError, Message, Request, Sampling, Silent

SPEC = ModelSpec(name="m", backend="fake", model="w1")
RAY = ExecutorSpec(kind="ray", shard=4, wait_s=0.05)


class Notes(Silent):
    def __init__(self):
        self.said = []

    def note(self, text):
        self.said.append(text)


class NoCluster:
    """What a farm asks of a cluster, of one with room for two."""

    words = "2 GPUs, 2 of them free, and 4 CPUs, 4 of them free, on 2 nodes"

    def __init__(self, executor):
        self.executor = executor

    def connect(self):
        pass

    def need(self, specs, records):
        return Need(1, 1)

    def make_room(self, asking, need):
        return Room(2, 2)

    def left(self, farm):
        pass

    def environment(self):
        return {}


class Scripted:
    """Replicas that answer a shard when they are asked the next time. lose: after how many shards each is lost; back: whether
    it joins again."""

    def __init__(self, count, lose=(), back=False, fault=None, placed=True):
        self.names = [f"replica {n}" for n in range(1, count + 1)]
        self.lose, self.back, self.fault = dict(lose), back, fault
        self.events = deque()
        self.holds = {name: [] for name in self.names}
        self.asked = {name: 0 for name in self.names}
        self.ready, self.busy = set(), set()
        self.placing, self.loading = (0, 0) if placed else (count, 0)
        self.sent, self.forgotten, self.closed = [], False, False
        for name in self.names if placed else ():
            self.join(name)

    def join(self, name):
        told = Told("b", f"node-of-{name[-1]}", "ready", True, None, {}, "a GPU")
        self.events += [Placed(name, told), Joined(name, told)]
        self.ready.add(name)

    @property
    def idle(self):
        return [name for name in self.names if name in self.ready and name not in self.busy]

    def ask(self, replica, shard, low, wait_s):
        self.sent.append((replica, [one.request.example_id for _, one in shard], low))
        self.busy.add(replica)
        self.asked[replica] += bool(shard)
        self.holds[replica] += shard
        if self.asked[replica] == self.lose.get(replica):
            self.ready.discard(replica)
            self.busy.discard(replica)
            self.holds[replica] = []
            self.events.append(Lost(replica, "its node died", not self.back, self.fault))
            if self.back:
                self.join(replica)

    def wait(self, timeout_s):
        events = list(self.events)
        self.events.clear()
        for name in list(self.busy):
            answers = tuple((number, Completion(f"{name}: {one.prompt}")) for number, one in self.holds[name])
            self.holds[name] = []
            self.busy.discard(name)
            events.append(Answered(name, Landed(answers, 0)))
        return events

    def forget(self):
        self.forgotten = True

    def close(self):
        self.closed = True


@pytest.fixture
def farm(fake, tmp_path):
    """(farm, progress) over the given pool."""

    def make(pool, executor=RAY):
        (local,) = open_backends({"base": SPEC}, tmp_path)
        made = Farm(local, {"base": SPEC}, NoCluster(executor), lambda *_: pool)  # type: ignore[arg-type]
        notes = Notes()
        return made, notes

    return make


def asked(farm, count):
    prepared = [
        farm.prepare(Request("base", "s", "t", str(n), (Message("user", f"q{n}"),), Sampling())) for n in range(count)
    ]
    return prepared, {one.request.example_id for one in prepared}


def answered(farm, notes, count):
    prepared, ids = asked(farm, count)
    farm.start(notes)
    landed = list(farm.stream(iter(prepared)))
    assert sorted(one.request.example_id for one, _ in landed) == sorted(ids)  # each exactly once
    return landed


def test_all_replicas_work_and_every_request_is_answered_once(farm):
    made, notes = farm(Scripted(2))
    landed = answered(made, notes, 50)
    by = [completion.text.split(":")[0] for _, completion in landed]
    assert 20 <= by.count("replica 1") <= 30
    assert (
        made.record("base").notes[-1]
        == f"answered on Ray {metadata.version('ray')} by 2 replicas on node-of-1, node-of-2 (a GPU)"
    )
    assert notes.said[0].startswith("base: 2 replicas of 1 GPU and 1 CPU each; the cluster has 2 GPUs, 2 of them free")
    assert "base: replica 1 of 2 is placed on node-of-1" in notes.said


def test_no_engine_starts_on_this_machine(farm, fake):
    made, notes = farm(Scripted(2))
    answered(made, notes, 10)
    assert fake.started == [] and fake.generated == []


def test_what_a_lost_replica_had_is_answered_by_the_others(farm):
    made, notes = farm(Scripted(2, lose={"replica 1": 2}))
    landed = answered(made, notes, 50)
    assert not [completion for _, completion in landed if completion.failure]
    assert "base: replica 1 on node-of-1 is lost: its node died" in notes.said
    assert "base: 4 requests of replica 1 are put again, to whichever is free" in notes.said
    assert made.record("base").notes[-1].endswith("; 1 loss, 4 requests put again")


def test_a_replica_that_comes_back_is_asked_again(farm):
    pool = Scripted(1, lose={"replica 1": 2}, back=True)
    made, notes = farm(pool)
    answered(made, notes, 30)
    assert "base: replica 1 of 2 is placed again on node-of-1" in notes.said


def test_a_request_that_is_lost_every_time_is_a_row_with_its_reason(farm):
    class Deadly(Scripted):
        def ask(self, replica, shard, low, wait_s):
            self.lose = (
                {replica: self.asked[replica] + 1} if "3" in [one.request.example_id for _, one in shard] else {}
            )
            super().ask(replica, shard, low, wait_s)

    made, notes = farm(Deadly(2, back=True), RAY.model_copy(update={"shard": 1}))
    landed = answered(made, notes, 20)
    (failed,) = [(one, completion.failure) for one, completion in landed if completion.failure]
    assert failed[0].request.example_id == "3"
    assert (failed[1].kind, failed[1].retryable) == ("lost", True)
    assert failed[1].message == "each of the 3 replicas that were asked was lost: its node died"


def test_a_replica_that_says_nothing_any_more_is_taken_for_lost(farm):
    class Hung(Scripted):
        def wait(self, timeout_s):
            if "replica 1" in self.busy:
                self.busy.discard("replica 1")  # it is in a call that never ends
                self.ready.discard("replica 1")
            return super().wait(timeout_s)

        def give_up(self, replica, why):
            self.holds[replica] = []
            return Lost(replica, why, True)

    made, notes = farm(Hung(2), RAY.model_copy(update={"answer_s": 0.05}))
    landed = answered(made, notes, 30)
    assert {completion.text.split(":")[0] for _, completion in landed} == {"replica 2"}
    assert "base: replica 1 on node-of-1 is lost: it has answered nothing for 0.05 s" in notes.said


def test_when_all_are_lost_the_engine_is_gone_and_what_had_landed_is_not(farm):
    made, notes = farm(Scripted(2, lose={"replica 1": 2, "replica 2": 3}))
    prepared, _ = asked(made, 50)
    made.start(notes)
    landed = []
    with pytest.raises(EngineError, match="all 2 replicas were lost; the last one: its node died") as raised:
        landed.extend(made.stream(iter(prepared)))
    assert raised.value.kind == "replicas_lost"
    with pytest.raises(EngineError, match="all 2 replicas were lost"):
        made.start(notes)  # for the next part of the run, without waiting for a cluster again


def test_the_reason_that_a_replica_gave_is_the_runs_reason(farm):
    fault = Fault("node-of-1: out of memory", "out_of_memory", "lower engine.max_model_len")
    made, notes = farm(Scripted(1, lose={"replica 1": 1}, fault=fault))
    prepared, _ = asked(made, 5)
    made.start(notes)
    with pytest.raises(EngineError, match="node-of-1: out of memory") as raised:
        list(made.stream(iter(prepared)))
    assert (raised.value.kind, raised.value.hint) == ("out_of_memory", "lower engine.max_model_len")


def test_a_node_with_other_weights_stops_the_run_though_others_could_go_on(farm):
    fault = Fault("node-of-1: base is another model here: fingerprint a, and b ...", "model_differs", differs=True)
    made, notes = farm(Scripted(2, lose={"replica 1": 1}, fault=fault))
    prepared, _ = asked(made, 5)
    made.start(notes)
    with pytest.raises(EngineError, match="another model here"):
        list(made.stream(iter(prepared)))


def test_a_mistake_in_a_file_that_only_the_engine_finds_is_the_users(farm):
    fault = Fault("m.yaml: engine: this vLLM has no option 'x'", "input", usage=True)
    made, notes = farm(Scripted(1, lose={"replica 1": 1}, fault=fault))
    prepared, _ = asked(made, 5)
    made.start(notes)
    with pytest.raises(InputError, match="no option 'x'"):
        list(made.stream(iter(prepared)))


def test_a_cluster_without_room_is_an_error_in_numbers_after_the_stated_time(farm):
    made, notes = farm(Scripted(2, placed=False))
    with pytest.raises(
        EngineError, match=r"no replica could be placed in 0\.05 s: each replica takes 1 GPU and 1 CPU"
    ) as raised:
        made.start(notes)
    assert raised.value.kind == "no_resources" and "the cluster has 2 GPUs, 2 of them free" in str(raised.value)


def test_a_stream_that_is_given_up_is_forgotten_by_its_replicas(farm):
    pool = Scripted(2)
    made, notes = farm(pool)
    prepared, _ = asked(made, 50)
    made.start(notes)
    stream = made.stream(iter(prepared))
    next(stream)
    stream.close()
    assert pool.forgotten
    made.close()
    assert pool.closed


def test_nothing_is_pulled_that_could_still_be_withheld(farm):
    made, notes = farm(Scripted(2))
    prepared, _ = asked(made, 500)
    pulled = []
    made.start(notes)
    stream = made.stream(pulled.append(one) or one for one in prepared)
    next(stream)
    assert len(pulled) <= 4 * 4 * 2
    stream.close()


def test_only_what_loads_weights_is_farmed_out(fake, tmp_path):
    replay = tmp_path / "o.jsonl"
    replay.write_text('{"id": "1", "output": "x"}\n')
    models = {"base": ModelSpec(name="r", backend="replay", outputs=str(replay)), "tuned": SPEC}
    backends = open_backends(models, tmp_path)
    assert farmed(backends, models, RAY) == backends
