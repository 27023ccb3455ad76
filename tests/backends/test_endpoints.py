"""Several servers of one model: who is asked, who rests, what is lost (nothing). Over real HTTP on this machine."""

import re
import socket
import threading
import time
from collections import Counter
from contextlib import ExitStack

import pytest

from evalkit.backends import open_backends
from evalkit.backends.concurrency import START
from evalkit.types import EngineError, InputError, Prepared, Silent
from evalkit.yamlfile import validate
from tests.backends.openai_local_api import Api, api_error, ask, completion, request, serving, spec


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    """Pauses between attempts and rests are shortened; how many there are is not."""
    import tenacity

    from evalkit.backends import endpoints, openai_server

    monkeypatch.setattr(openai_server, "_backoff", tenacity.wait_random(0.02, 0.06))
    monkeypatch.setattr(endpoints, "_FIRST_REST_S", 0.05)


def answering(name, seconds=0.0):
    def reply(body, attempt):
        time.sleep(seconds)
        return 200, {}, completion(name)

    return Api(reply)


def asked_of(*apis, count=60, **fields):
    """(answers by text, notes of the record) of `count` questions put to these servers as one model."""
    (backend,) = open_backends({"base": spec(apis[0], base_url=[api.url for api in apis], **fields)}, None)  # type: ignore[arg-type]
    try:
        backend.start(Silent())
        prepared = [
            one for one in (backend.prepare(request(f"q{n}")) for n in range(count)) if isinstance(one, Prepared)
        ]
        landed = list(backend.stream(prepared))
    finally:
        backend.close()
    assert len({one.request.example_id for one, _ in landed}) == len(landed) == count
    assert [answer.failure for _, answer in landed if answer.failure] == []
    return Counter(answer.text for _, answer in landed), backend.record("base").notes


def dead_url():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/v1"


def test_the_faster_of_two_endpoints_answers_more_and_each_question_is_asked_once():
    with serving(answering("slow", 0.2)) as slow, serving(answering("fast", 0.02)) as fast:
        texts, notes = asked_of(slow, fast, count=120, concurrency=8)
        assert len(slow.calls) + len(fast.calls) == 120
    assert texts["fast"] > 2 * texts["slow"] > 0
    (told,) = [note for note in notes if note.startswith("asked at 2 endpoints")]
    assert f"{fast.url}: {texts['fast']} answers at concurrency" in told


def test_the_bound_holds_over_all_endpoints_together():
    now = most = 0
    lock = threading.Lock()

    def reply(body, attempt):
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.02)
        with lock:
            now -= 1
        return 200, {}, completion("ok")

    with ExitStack() as stack:
        asked_of(*(stack.enter_context(serving(Api(reply))) for _ in range(3)), count=90, concurrency=5)
    assert 3 <= most <= 5


def test_an_endpoint_that_is_not_there_is_said_and_the_others_are_asked():
    with serving(answering("here")) as here:
        gone = Api(lambda body, attempt: (200, {}, None))
        gone.url = dead_url()
        said = []

        class Notes(Silent):
            def note(self, text):
                said.append(text)

        model = spec(here, base_url=[gone.url, here.url], max_retries=0)
        (backend,) = open_backends({"base": model}, None)  # type: ignore[arg-type]
        backend.start(Notes())
        prepared = [one for one in (backend.prepare(request(f"q{n}")) for n in range(40)) if isinstance(one, Prepared)]
        texts = [answer.text for _, answer in backend.stream(prepared)]
        backend.close()
    assert texts == ["here"] * 40, "even though no question may be asked again"
    assert any(gone.url in text and "left alone for a while" in text for text in said)


def test_an_endpoint_that_dies_midway_costs_nothing_and_is_asked_again_when_it_is_back():
    dead = threading.Event()

    def reply(body, attempt):
        if dead.is_set():
            return 0, {}, None
        return 200, {}, completion("moody")

    def steady(body, attempt):
        number = len(good.calls)
        if number == 10:
            dead.set()
        if number == 120:
            dead.clear()
        time.sleep(0.01)
        return 200, {}, completion("steady")

    with serving(Api(reply)) as moody, serving(Api(steady)) as good:
        texts, _ = asked_of(moody, good, count=400, concurrency=6, max_retries=0)
    assert texts["moody"] + texts["steady"] == 400 and texts["moody"] > 0
    assert len(moody.calls) - texts["moody"] < 40, "while it is dead it is asked now and then only"


def test_when_all_endpoints_are_gone_the_engine_is():
    apis = [Api(lambda body, attempt: (200, {}, None)) for _ in range(2)]
    for api in apis:
        api.url = dead_url()
    (backend,) = open_backends({"base": spec(apis[0], base_url=[api.url for api in apis], max_retries=0)}, None)  # type: ignore[arg-type]
    with pytest.raises(EngineError) as caught:
        backend.start(Silent())
    assert caught.value.kind == "unreachable"


def ended(*apis, count, **fields):
    """The error with which the stream ends, and the answers that came before."""
    (backend,) = open_backends({"base": spec(apis[0], base_url=[api.url for api in apis], **fields)}, None)  # type: ignore[arg-type]
    landed: list = []
    try:
        backend.start(Silent())
        prepared = [one for one in (backend.prepare(request(f"q{n}")) for n in range(count))]
        with pytest.raises(EngineError) as caught:
            landed.extend(backend.stream(prepared))
    finally:
        backend.close()
    return caught.value, landed


def test_endpoints_that_all_die_midway_end_the_stream_soon_however_much_waits(monkeypatch):
    from evalkit.backends import endpoints

    monkeypatch.setattr(endpoints, "_LONGEST_REST_S", 0.1)
    dead = threading.Event()

    def reply(body, attempt):
        if len(one.calls) + len(other.calls) > 20:
            dead.set()
        return (0, {}, None) if dead.is_set() else (200, {}, completion("x"))

    with serving(Api(reply)) as one, serving(Api(reply)) as other:
        error, _ = ended(one, other, count=500, concurrency=64, max_retries=8)
        assert error.kind == "unreachable" and f"{one.url}, {other.url} stopped answering" in str(error)
        assert len(one.calls) + len(other.calls) < 150, "each is tried a few times more, whatever waits"


def test_a_server_that_answers_nothing_in_time_is_given_up_after_some_waves():
    def reply(body, attempt):
        time.sleep(1.0)
        return 200, {}, completion("late")

    with serving(Api(reply)) as api:
        error, landed = ended(api, count=200, concurrency=4, timeout_s=0.1)
    assert error.kind == "unreachable" and "gave no answer within 0.1 s, 8 times in a row" in str(error)
    assert len(landed) < 20


def test_an_endpoint_that_serves_another_model_is_refused_at_the_start():
    with serving(answering("a")) as one, serving(answering("b")) as other:
        other.listed = [{"id": "large", "owned_by": "me"}]
        with pytest.raises(
            EngineError, match=re.escape(f"m.yaml: base_url: {other.url} does not serve 'tiny'; it lists 'large'")
        ):
            asked_of(one, other)
        assert not one.calls and not other.calls
        rows: list = [{"id": "tiny", "max_model_len": 4096}]
        one.listed, other.listed = rows, [{**rows[0], "max_model_len": 512}]
        with pytest.raises(EngineError, match="takes 4096 tokens and .* takes 512"):
            asked_of(one, other)


def test_an_endpoint_that_refuses_the_key_midway_is_left_out_and_its_questions_go_to_the_other():
    def reply(body, attempt):
        return (401, {}, api_error("no")) if len(strict.calls) > 5 else (200, {}, completion("strict"))

    with serving(Api(reply)) as strict, serving(answering("kind", 0.01)) as kind:
        texts, notes = asked_of(strict, kind, count=80, concurrency=4)
    assert texts["strict"] <= 5 and texts["kind"] == 80 - texts["strict"] and len(strict.calls) < 15
    assert any(strict.url in note and "then left out (m.yaml: api_key" in note for note in notes)


def test_when_every_endpoint_refuses_the_key_the_engine_ends():
    refusing = [Api(lambda body, attempt: (401, {}, api_error("no"))) for _ in range(2)]
    with serving(refusing[0]) as one, serving(refusing[1]) as other, pytest.raises(EngineError) as caught:
        asked_of(one, other)
    assert "api_key" in str(caught.value)


def test_keys_and_identity_do_not_depend_on_which_endpoint_answers_or_how_many_there_are():
    api = Api(lambda body, attempt: (200, {}, completion("ok")))
    api.url = "http://127.0.0.1:9/v1"

    def opened(urls):
        (backend,) = open_backends({"base": spec(api, base_url=urls)}, None)  # type: ignore[arg-type]
        prepared = backend.prepare(request())
        assert isinstance(prepared, Prepared)
        return prepared.key, backend.record("base").fingerprint

    alone = opened(api.url)
    assert alone == opened([api.url]) == opened([api.url, "http://127.0.0.1:10/v1"])
    assert alone != opened(["http://127.0.0.1:10/v1", api.url]), "the first address stands for the model"


@pytest.mark.parametrize("urls", [[], ["http://a/v1", "http://a/v1"]])
def test_a_list_names_each_address_once(urls):
    from evalkit.config import ModelSpec

    with pytest.raises(InputError, match="base_url: a list names at least one address, each once"):
        validate(ModelSpec, {"name": "m", "backend": "openai", "model": "x", "base_url": urls}, file="m.yaml")


# --- as much at a time as the server takes ----------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_refuses_more_than_it_can_do_is_asked_about_as_much_and_nothing_is_lost(status):
    takes, now, lock = 6, 0, threading.Lock()
    refused = []

    def reply(body, attempt):
        nonlocal now
        with lock:
            if now >= takes:
                refused.append(body)
                return status, {}, api_error("too many requests at a time")
            now += 1
        time.sleep(0.03)
        with lock:
            now -= 1
        return 200, {}, completion("ok")

    with serving(Api(reply)) as api:
        (backend,) = open_backends({"base": spec(api, concurrency=64, max_retries=30)}, None)  # type: ignore[arg-type]
        prepared = [one for one in (backend.prepare(request(f"q{n}")) for n in range(400)) if isinstance(one, Prepared)]
        landed = list(backend.stream(prepared))
        backend.close()
    assert [answer.text for _, answer in landed] == ["ok"] * 400
    (told,) = [note for note in backend.record("base").notes if "concurrency settled" in note]
    settled = int(re.findall(r"settled at (\d+) of at most 64", told)[0])
    assert 3 <= settled <= 9 and len(refused) < 200


def test_answers_that_come_as_fast_however_many_are_asked_bring_more():
    with serving(answering("ok", 0.3)) as api:
        ask(spec(api, concurrency=40), *(request(f"q{n}") for n in range(200)))
    assert START < api.most <= 40
