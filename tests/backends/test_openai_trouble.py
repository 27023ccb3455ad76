"""Rate limits, dead servers, slow replies, bad keys and unknown models, against a real HTTP server on this machine."""

import logging
import socket
import time
import traceback
from email.utils import formatdate

import openai
import pytest

from evalkit.backends import open_backends
from evalkit.backends.openai_errors import Endpoint, explain, is_transient, public_url, retry_after_s
from evalkit.types import EngineError, Failure, Prepared, Silent
from tests.backends.openai_local_api import (
    BODY,
    KEY,
    Api,
    api_error,
    ask,
    ask_one,
    completion,
    kind,
    request,
    serving,
    spec,
)

TENANT = "tenant-secret-77"
REPLY = tuple[int, dict[str, str], BODY | str | None]


def first_then_ok(*replies: REPLY) -> Api:
    return Api(lambda body, n: replies[n - 1] if n <= len(replies) else (200, {}, completion("ok")))


def status_error(status: int, headers: dict[str, str] | None = None, **body: object) -> openai.APIStatusError:
    raw = openai.AsyncOpenAI(api_key="none", base_url="http://127.0.0.1:9/v1")
    kinds = {429: openai.RateLimitError, 400: openai.BadRequestError, 403: openai.PermissionDeniedError}
    library = __import__(openai.DefaultHttpxClient.__mro__[1].__module__.split(".")[0])
    response = library.Response(status, headers=headers, request=library.Request("POST", str(raw.base_url)))
    return kinds[status](str(body.get("message", "no")), response=response, body=body or None)


# --- asked again -----------------------------------------------------------------------------------------------


def test_retry_after_is_waited_for_and_the_answer_still_comes():
    with serving(first_then_ok((429, {"retry-after": "1"}, api_error("slow down")))) as api:
        answer = ask_one(spec(api), request())
    assert answer.text == "ok"
    assert api.times[1] - api.times[0] >= 1.0


def test_a_pause_asked_of_one_request_holds_the_others_back():
    def reply(body: BODY, attempt: int) -> REPLY:
        if body["messages"][0]["content"] == "limited" and attempt == 1:  # type: ignore[index]
            return 429, {"retry-after": "1"}, api_error("slow down")
        time.sleep(0.1)
        return 200, {}, completion("ok")

    with serving(Api(reply)) as api:
        ask(spec(api, concurrency=2), request("limited"), *(request(str(i)) for i in range(4)))
    limited = api.times[[b["messages"][0]["content"] for b in api.bodies].index("limited")]  # type: ignore[index]
    assert not [at for at in api.times if limited + 0.3 < at < limited + 1.0]


@pytest.mark.parametrize("status", [500, 502, 503, 529])
def test_a_server_error_is_asked_again(status: int):
    with serving(first_then_ok((status, {}, api_error("oops")))) as api:
        assert ask_one(spec(api), request()).text == "ok"
    assert len(api.calls) == 2


def test_a_cut_connection_is_asked_again():
    with serving(first_then_ok((200, {}, None))) as api:
        assert ask_one(spec(api), request()).text == "ok"


def test_an_error_page_with_status_200_is_asked_again_and_then_a_failure():
    with serving(Api(lambda body, attempt: (200, {}, "<html>Bad gateway</html>"))) as api:
        answer = ask_one(spec(api, max_retries=2), request())
    assert len(api.calls) == 3
    assert kind(answer) == "not_json" and answer.failure is not None and answer.failure.retryable
    assert answer.finish_reason == "error"


def test_a_json_reply_without_choices_is_a_failure():
    with serving(Api(lambda body, attempt: (200, {}, {"hello": 1}))) as api:
        assert kind(ask_one(spec(api, max_retries=0), request())) == "not_a_completion"


def test_retries_end_and_leave_a_retryable_failure():
    with serving(Api(lambda body, attempt: (429, {"retry-after-ms": "10"}, api_error("slow down")))) as api:
        answer = ask_one(spec(api, max_retries=3), request())
    assert len(api.calls) == 4
    assert kind(answer) == "rate_limited" and answer.failure is not None and answer.failure.retryable


def test_a_server_that_says_not_to_retry_is_believed():
    with serving(Api(lambda body, attempt: (500, {"x-should-retry": "false"}, api_error("no")))) as api:
        assert kind(ask_one(spec(api), request())) == "server_error"
    assert len(api.calls) == 1


def test_retry_after_is_read_as_seconds_milliseconds_and_date():
    assert retry_after_s(status_error(429, {"retry-after": "90"})) == 90
    assert retry_after_s(status_error(429, {"retry-after": "7", "retry-after-ms": "1500"})) == 1.5
    assert retry_after_s(status_error(429, {"retry-after": "soon"})) is None
    assert retry_after_s(status_error(429)) is None
    date = retry_after_s(status_error(429, {"retry-after": formatdate(time.time() + 100, usegmt=True)}))
    assert date is not None and 97 <= date <= 101


def test_a_pause_of_minutes_is_waited_for_and_one_of_hours_is_not():
    assert is_transient(status_error(429, {"retry-after": "300"}))
    assert not is_transient(status_error(429, {"retry-after": "7200"}))
    told = explain(status_error(429, {"retry-after": "7200"}), Endpoint("m.yaml", "tiny", "http://x/v1"), timeout_s=1)
    assert isinstance(told, Failure) and told.retryable and "7200 s" in told.message


# --- this request fails, the others go on ----------------------------------------------------------------------


def test_a_slow_reply_times_out_while_others_go_on():
    def reply(body: BODY, attempt: int) -> REPLY:
        if body["messages"][0]["content"] == "slow":  # type: ignore[index]
            time.sleep(2)
        return 200, {}, completion("ok")

    with serving(Api(reply)) as api:
        landed = ask(spec(api, timeout_s=0.5), request("slow"), *(request(str(i)) for i in range(5)))
    by_id = {one.request.example_id: answer for one, answer in landed}
    slow = by_id.pop("slow")
    assert [answer.text for answer in by_id.values()] == ["ok"] * 5
    assert kind(slow) == "timeout" and slow.failure is not None and slow.failure.retryable
    assert "timeout_s" in slow.failure.hint and "m.yaml" in slow.failure.hint
    assert (
        len(api.calls) == 8
    )  # a reply that was too slow may be paid for again, so it is asked for twice more and no further


def test_a_prompt_that_is_too_long_fails_alone():
    def reply(body: BODY, attempt: int) -> REPLY:
        if len(body["messages"][0]["content"]) > 100:  # type: ignore[index]
            return 400, {}, api_error("This model's maximum context length is 64 tokens.", "context_length_exceeded")
        return 200, {}, completion("ok")

    with serving(Api(reply)) as api:
        landed = ask(spec(api), request("x" * 200), request("short"))
    assert {one.request.example_id: kind(answer) for one, answer in landed} == {
        "x" * 200: "prompt_too_long",
        "short": None,
    }


def test_a_refused_parameter_is_a_failure_that_quotes_the_server():
    with serving(Api(lambda body, attempt: (400, {}, api_error("temperature must be 1")))) as api:
        answer = ask_one(spec(api), request())
    assert kind(answer) == "rejected" and answer.failure is not None
    assert "temperature must be 1" in answer.failure.message and not answer.failure.retryable


def test_a_prompt_that_the_provider_flags_does_not_end_the_run():
    reply = api_error("Your input was flagged by moderation")
    with serving(Api(lambda body, attempt: (403, {}, reply) if attempt == 1 else (200, {}, completion("ok")))) as api:
        assert kind(ask_one(spec(api), request())) == "content_filter"


# --- the endpoint is of no use ---------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403])
def test_a_bad_key_ends_the_engine_at_once_and_is_never_shown(status: int, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    quoting = api_error(f"Incorrect API key provided: {KEY[:8]}*** ({KEY})", "invalid_api_key")
    with serving(Api(lambda body, attempt: (status, {}, quoting))) as api:
        with pytest.raises(EngineError) as caught:
            ask(spec(api, headers={"x-tenant": TENANT}), *(request(str(i)) for i in range(50)))
    assert len(api.calls) < 50  # not every request was tried
    assert caught.value.kind == "bad_key"
    told = "".join(traceback.format_exception(caught.value)) + caught.value.hint + caplog.text
    assert KEY not in told and TENANT not in told and KEY[:8] not in str(caught.value)
    assert "m.yaml: api_key" in str(caught.value) and api.url in str(caught.value)


def test_a_key_that_the_server_refuses_at_the_door_stops_before_any_question():
    api = Api(lambda body, attempt: (200, {}, completion("ok")))
    api.door = 401
    with serving(api), pytest.raises(EngineError) as caught:
        ask(spec(api), request())
    assert caught.value.kind == "bad_key" and not api.calls
    assert KEY not in "".join(traceback.format_exception(caught.value))


def test_an_unknown_model_ends_the_engine_and_names_file_field_and_address():
    reply = api_error("The model 'tiny' does not exist", "model_not_found")
    with serving(Api(lambda body, attempt: (404, {}, reply))) as api:
        with pytest.raises(EngineError, match="m.yaml: model: .*'tiny'") as caught:
            ask(spec(api), request())
    assert caught.value.kind == "bad_model" and api.url in str(caught.value)


def test_an_address_without_the_route_points_at_base_url():
    with serving(Api(lambda body, attempt: (404, {}, "<h1>Not found</h1>"))) as api:
        with pytest.raises(EngineError, match="m.yaml: base_url: ") as caught:
            ask(spec(api), request())
    assert "/v1" in caught.value.hint


def test_a_spent_quota_ends_the_engine_instead_of_being_waited_for():
    reply = {
        "error": {"message": "You exceeded your quota", "code": "insufficient_quota", "type": "insufficient_quota"}
    }
    with serving(Api(lambda body, attempt: (429, {}, reply))) as api, pytest.raises(EngineError) as caught:
        ask(spec(api), request())
    assert caught.value.kind == "quota_spent" and len(api.calls) == 1


def test_a_server_that_is_not_there_is_said_at_start():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    api = Api(lambda body, attempt: (200, {}, completion("ok")))
    api.url = f"http://127.0.0.1:{port}/v1"
    (backend,) = open_backends({"base": spec(api, max_retries=1)}, None)  # type: ignore[arg-type]
    with pytest.raises(EngineError, match="m.yaml: base_url: ") as caught:
        backend.start(Silent())
    assert caught.value.kind == "unreachable"


def test_a_server_that_dies_in_the_middle_ends_the_engine_and_keeps_what_landed():
    with serving(
        Api(lambda body, attempt: (200, {}, completion("ok")) if len(api.calls) <= 3 else (0, {}, None))
    ) as api:
        (backend,) = open_backends({"base": spec(api, concurrency=2, max_retries=0)}, None)  # type: ignore[arg-type]
        asked = [backend.prepare(request(str(i))) for i in range(99)]
        landed = []
        with pytest.raises(EngineError) as caught:
            for _, answer in backend.stream(one for one in asked if isinstance(one, Prepared)):
                landed.append(answer)
        backend.close()
    assert caught.value.kind == "unreachable"
    assert sum(answer.text == "ok" for answer in landed) == 3
    assert len(landed) < 15


def test_a_server_without_a_models_route_is_used_all_the_same():
    api = Api(lambda body, attempt: (200, {}, completion("ok")))
    api.listed = None
    with serving(api):
        assert ask_one(spec(api), request()).text == "ok"


# --- identity and secrets --------------------------------------------------------------------------------------


def test_records_and_reprs_hold_no_secret():
    api = Api(lambda body, attempt: (200, {}, completion("ok")))
    api.url = "http://user:pass-word-9@127.0.0.1:9/v1?token=query-secret"
    (backend,) = open_backends({"base": spec(api, headers={"authorization": "Bearer hdr-secret-42"})}, None)  # type: ignore[arg-type]
    shown = repr(backend.record("base")) + repr(backend) + repr(vars(backend)["_endpoint"])
    for secret in (KEY, "pass-word-9", "query-secret", "hdr-secret-42"):
        assert secret not in shown
    assert public_url(api.url) == "http://127.0.0.1:9/v1"


def test_the_key_changes_with_what_may_change_the_answer_and_not_with_the_secret():
    api = Api(lambda body, attempt: (200, {}, completion("ok")))
    api.url = "http://127.0.0.1:9/v1"

    def key(one=None, **fields: object) -> str:
        (backend,) = open_backends({"base": spec(api, **fields)}, None)  # type: ignore[arg-type]
        prepared = backend.prepare(one or request())
        assert isinstance(prepared, Prepared)
        return prepared.key

    assert key() == key(api_key="another-key-entirely", concurrency=1, timeout_s=5)
    others = [
        key(model="other"),
        key(base_url="http://127.0.0.1:8/v1"),
        key(revision="2"),
        key(system="Be brief."),
        key(engine={"reasoning_effort": "low"}),
        key(request(temperature=0.5)),
        key(request(sample=1)),
        key(request(seed=1)),
        key(request(options=("A", "B"))),
    ]
    assert len({key(), *others}) == len(others) + 1


def test_the_environment_key_is_never_sent_to_another_address(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-from-the-environment")
    with serving(Api(lambda body, attempt: (200, {}, completion("ok")))) as api:
        ask(spec(api, api_key=None), request())
    assert not any("sk-from-the-environment" in value for value in api.authorizations)


def test_a_stream_left_half_way_cancels_what_is_in_flight_and_can_be_taken_up_again():
    def reply(body: BODY, attempt: int) -> REPLY:
        time.sleep(0.0 if body["messages"][0]["content"] == "0" else 1.0)  # type: ignore[index]
        return 200, {}, completion("ok")

    with serving(Api(reply)) as api:
        (backend,) = open_backends({"base": spec(api, concurrency=4)}, None)  # type: ignore[arg-type]
        asked = [one for one in (backend.prepare(request(str(i))) for i in range(9)) if isinstance(one, Prepared)]
        began = time.monotonic()
        stream = backend.stream(asked)
        next(stream)
        stream.close()  # type: ignore[attr-defined]
        backend.close()
        backend.close()
        assert time.monotonic() - began < 1.0
        assert len(api.calls) <= 5
        ((_, answer),) = backend.stream(asked[:1])
        backend.close()
    assert answer.text == "ok"
