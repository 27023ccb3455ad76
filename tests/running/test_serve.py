"""The request stream of one backend: rendered ahead of the engine, journalled and landed behind it."""

import threading
import time

import pytest

from evalkit.config import LimitsSpec
from evalkit.running.ahead import Ahead
from evalkit.running.behind import Behind, Landed
from evalkit.running.flow import Flow
from evalkit.running.serve import serve
from evalkit.running.side_by_side import side_by_side
from evalkit.stored.cache import Journal
from evalkit.types import (
    Completion,
    EngineError,
    Failure,
    InputError,
    Message,
    Phase,
    Prepared,
    Request,
    Sampling,
    Silent,
    Usage,
)


def ask(text, model="base", **fields):
    return Request(model, "s", "t", text, (Message("user", text),), Sampling(), **fields)


def prepared(request):
    return Prepared(request, request.messages[0].content, request.messages[0].content)


class Engine:
    """Holds up to `room` requests, and answers the oldest when it has no more to take."""

    is_continuous = True

    def __init__(self, room=2, dies_after=None, prepare=prepared):
        self.models = ("base",)
        self.prepare, self._room, self._dies_after = prepare, room, dies_after
        self.started = 0
        self.asked: list[str] = []
        self.most_inside = 0

    def start(self, progress):
        self.started += 1

    def stream(self, source):
        inside, source, more = [], iter(source), True
        while more or inside:
            while more and len(inside) < self._room:
                one = next(source, "end")
                if one is None:
                    break
                if one == "end":
                    more = False
                    break
                inside.append(one)
                self.asked.append(one.key)
            self.most_inside = max(self.most_inside, len(inside))
            if self._dies_after is not None and len(self.asked) >= self._dies_after:
                raise EngineError("the engine died", hint="run again")
            if inside:
                one = inside.pop(0)
                yield one, Completion(one.key.upper(), usage=Usage(3, 5))


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path / "journal.sqlite") as opened:
        yield opened


def answered(engine, requests, journal, **options):
    landed: list[tuple[str, str | Failure]] = []

    def land(request, completion, prepared):
        landed.append((request.example_id, completion.failure or completion.text))

    phases = serve(engine, requests, journal, land, Silent(), name="base", **options)
    return landed, {phase.name.removeprefix("base: "): phase for phase in phases}


def test_every_request_lands_once_and_the_engine_is_kept_full(journal):
    engine = Engine(room=3)
    landed, phases = answered(engine, [ask(f"q{i}") for i in range(300)], journal)
    assert sorted(landed) == sorted((f"q{i}", f"Q{i}") for i in range(300))
    assert engine.most_inside == 3 and engine.started == 1
    done = phases["generating"]
    assert (done.requests, done.prompt_tokens, done.completion_tokens, done.beside) == (300, 900, 1500, False)
    assert phases["scoring"].beside and phases["scoring"].seconds > 0


def test_what_the_journal_holds_is_not_asked_and_an_engine_with_nothing_to_do_is_not_started(journal):
    answered(Engine(), [ask("a"), ask("b")], journal)
    engine = Engine()
    landed, phases = answered(engine, [ask("a"), ask("new"), ask("b")], journal)
    assert engine.asked == ["new"] and len(landed) == 3 and phases["preparing"].cached == 2
    idle = Engine()
    landed, phases = answered(idle, [ask("a"), ask("b"), ask("new")], journal)
    assert (idle.started, len(landed), list(phases)) == (0, 3, ["preparing"])


def test_equal_questions_are_asked_once_whether_in_flight_landed_or_journalled(journal):
    engine = Engine(room=1)
    again = [ask("same", sample=n) for n in range(200)]  # more than are rendered at once
    landed, _ = answered(engine, [ask("other"), *again, ask("last"), ask("same", sample=999)], journal)
    assert sorted(engine.asked) == ["last", "other", "same"] and len(landed) == 203


def test_a_request_that_cannot_be_asked_lands_as_its_failure(journal):
    too_long = Failure("base", "prompt_too_long", "9000 tokens")
    engine = Engine(prepare=lambda request: too_long if request.example_id == "b" else prepared(request))
    landed, _ = answered(engine, [ask("a"), ask("b"), ask("c")], journal)
    assert dict(landed) == {"a": "A", "b": too_long, "c": "C"} and engine.asked == ["a", "c"]


def test_a_dead_engine_fails_what_is_left_and_what_the_journal_holds_still_lands(journal):
    answered(Engine(), [ask("known")], journal)
    engine = Engine(room=1, dies_after=3)
    landed, phases = answered(engine, [*(ask(f"q{i}") for i in range(200)), ask("known")], journal)
    failed = [one for one in landed if isinstance(one[1], Failure)]
    assert len(landed) == 201 and len(failed) == 198
    assert {one[1].kind for one in failed} == {"engine_died"} and dict(landed)["known"] == "KNOWN"
    assert phases["generating"].requests == 2


def test_a_spent_budget_holds_back_its_own_part_and_no_other(journal):
    def part(request):
        return "judge j" if request.model == "j" else "base"

    requests = [ask(f"{model}{i}", model) for i in range(20) for model in ("base", "j")]
    limits = {"judge j": LimitsSpec(max_tokens=24)}  # three answers of eight tokens
    landed, phases = answered(Engine(room=1), requests, journal, part_of=part, limits=limits)
    failed = {id for id, answer in landed if isinstance(answer, Failure)}
    assert len(landed) == 40 and len(failed) == 17 and all(id.startswith("j") for id in failed)
    assert phases["judge j: generating"].requests == 3 and phases["generating"].requests == 20


def test_prompts_are_rendered_while_the_engine_loads(journal):
    rendered = threading.Semaphore(0)

    def slowly(request):
        rendered.release()
        return prepared(request)

    engine = Engine(prepare=slowly)

    def start(progress):  # would wait in vain, were prompts rendered before and after
        for _ in range(100):
            assert rendered.acquire(timeout=60)

    engine.start = start
    landed, _ = answered(engine, [ask(f"q{i}") for i in range(100)], journal)
    assert len(landed) == 100


def test_an_engine_goes_on_while_an_answer_is_scored(journal):
    second_asked = threading.Event()
    engine = Engine(room=1)
    stream = engine.stream

    def watched(source):
        for one, completion in stream(source):
            if one.key == "b":
                second_asked.set()
            yield one, completion

    engine.stream = watched
    landed = []

    def land(request, completion, prepared):
        if request.example_id == "a":
            assert second_asked.wait(timeout=60)
        landed.append(request.example_id)

    serve(engine, [ask("a"), ask("b")], journal, land, Silent(), name="base")
    assert landed == ["a", "b"]


def test_what_landing_raises_is_raised_and_what_was_paid_for_is_journalled(journal):
    def land(request, completion, prepared):
        raise InputError("the rubric cannot be rendered")

    with pytest.raises(InputError, match="cannot be rendered"):
        serve(Engine(), [ask(f"q{i}") for i in range(3)], journal, land, Silent(), name="base")
    assert len(journal) >= 1


def test_what_landing_the_last_answer_raises_ends_a_flow_that_waits_for_it(journal):
    """The engine has nothing left by then, and everything sleeps until something comes of that answer."""

    def land(request, completion, prepared):
        time.sleep(0.1)
        raise InputError("the scorer itself is broken")

    flow = Flow([ask("a")], land)
    with pytest.raises(InputError, match="itself is broken"):
        serve(Engine(), flow.asked(), journal, flow.land, Silent(), name="base")


def test_a_journal_that_cannot_be_written_ends_a_flow_that_waits_for_the_answer(journal, monkeypatch):
    def full(key, completion):
        time.sleep(0.1)
        raise OSError("No space left on device")

    monkeypatch.setattr(journal, "put", full)
    flow = Flow([ask("a")], lambda *answer: None)
    with pytest.raises(OSError, match="No space left"):
        serve(Engine(), flow.asked(), journal, flow.land, Silent(), name="base")


def test_what_asking_raises_is_raised_and_no_thread_stays_behind(journal):
    def requests():
        yield ask("a")
        raise InputError("a template failed")

    before = set(threading.enumerate())
    with pytest.raises(InputError, match="a template failed"):
        answered(Engine(), requests(), journal)
    assert set(threading.enumerate()) <= before


def test_no_more_is_rendered_ahead_than_a_few_thousand_prompts():
    seen = []
    ahead = Ahead(lambda request: seen.append(request) or prepared(request), map(str_ask, range(100_000)), name="x")
    while len(seen) < 4096:
        time.sleep(0.001)
    time.sleep(0.05)
    assert len(seen) <= 4096 + 2 * 64
    ahead.close()


def str_ask(number):
    return ask(str(number))


def test_a_flow_ends_when_all_has_landed_and_nothing_further_comes_of_it(journal):
    """Each answer but the last makes another question askable, as turns do."""
    further = []
    landed = []

    def land(request, completion, prepared):
        landed.append(request.example_id)
        if len(request.example_id) < 4:
            further.append(ask(request.example_id + "x"))

    def taken():
        while further:
            yield further.pop()

    flow = Flow([ask("a"), ask("b")], land, taken)
    serve(Engine(), flow.asked(), journal, flow.land, Silent(), name="base")
    assert sorted(landed) == ["a", "ax", "axx", "axxx", "b", "bx", "bxx", "bxxx"]


def test_a_flow_whose_engine_dies_ends_as_well(journal):
    landed = []
    flow = Flow([ask(str(i)) for i in range(50)], lambda *answer: landed.append(answer), lambda: ())
    serve(Engine(dies_after=10), flow.asked(), journal, flow.land, Silent(), name="base")
    assert len(landed) == 50


def test_answers_land_in_the_order_in_which_they_came(journal):
    order = []
    behind = Behind(journal, lambda request, *_: order.append(request.example_id), name="x")
    for i in range(500):
        behind.put(Landed([(ask(str(i)), None)], Completion("x"), key=str(i)))
    behind.finish()
    assert order == [str(i) for i in range(500)] and len(journal) == 500
    assert behind.under_way("499") is None


class Elsewhere(Engine):
    streams_as_asked = True


def test_backends_elsewhere_are_asked_at_the_same_time_and_engines_here_in_turn():
    meeting = threading.Barrier(2, timeout=60)
    here = []

    def meet():
        meeting.wait()
        return [Phase("elsewhere: generating", 1.0)]

    def local(name):
        assert not here or here[-1].endswith("end")
        here.append(f"{name} begin")
        here.append(f"{name} end")
        return [Phase(f"{name}: generating", 1.0)]

    both = side_by_side([(Elsewhere(), meet), (Elsewhere(), meet)])
    assert [[phase.beside for phase in one] for one in both] == [[True], [False]]
    mixed = side_by_side([(Engine(), lambda: local("a")), (Elsewhere(), lambda: []), (Engine(), lambda: local("b"))])
    assert [len(one) for one in mixed] == [1, 0, 1] and here == ["a begin", "a end", "b begin", "b end"]


def test_what_one_of_several_raises_is_raised():
    def fail():
        raise InputError("no such model")

    with pytest.raises(InputError, match="no such model"):
        side_by_side([(Elsewhere(), fail), (Elsewhere(), list)])


def test_no_question_is_left_between_the_last_look_and_the_end(journal):
    """The last chunk may be handed over just after the engine looked and found nothing: it is asked all the same."""
    for _ in range(200):
        landed, _ = answered(Engine(room=1), (ask(f"q{i}") for i in range(3)), Nothing())
        assert len(landed) == 3


class Nothing:
    """A journal that holds nothing and keeps nothing."""

    def find(self, keys):
        return {}

    def put(self, key, completion):
        pass


def test_what_one_raises_ends_those_that_are_asked_at_the_same_time():
    stopped, closed = threading.Event(), threading.Event()

    class Remote(Elsewhere):
        streams_as_asked = True

        def close(self):
            closed.set()

    def waits():
        stopped.wait(30)
        return []

    def fails():
        raise InputError("the rubric cannot be rendered")

    with pytest.raises(InputError, match="cannot be rendered"):
        side_by_side([(Remote(), waits), (Engine(), fails)], stopped.set)
    assert closed.is_set() and not [one for one in threading.enumerate() if one.name.startswith("asking-")]


def test_what_went_wrong_elsewhere_is_raised_before_another_engine_is_loaded():
    def fails():
        raise InputError("a bad key")

    def loads():
        time.sleep(0.2)
        return []

    def never():
        raise AssertionError("hours later")

    with pytest.raises(InputError, match="a bad key"):
        side_by_side([(Elsewhere(), fails), (Engine(), loads), (Engine(), never)])
