"""Questions that come one by one while others are answered, over real HTTP."""

import threading
import time

from openai_local_api import Api, completion, request, serving, spec

from evalkit.backends import open_backends
from evalkit.backends.openai_request import Dialect, arguments
from evalkit.types import Constraint, Message, Request, Sampling


def test_answers_are_handed_out_while_nothing_is_to_be_asked(tmp_path):
    """The second question is put only after the first answer was seen: a stream that waited for it would never end."""
    seen = threading.Event()

    with serving(Api(lambda body, attempt: (200, {}, completion("ok")))) as api:
        (backend,) = open_backends({"base": spec(api)}, tmp_path)
        assert backend.streams_as_asked

        def questions():
            yield backend.prepare(request("1"))
            deadline = time.monotonic() + 60
            while not seen.is_set() and time.monotonic() < deadline:
                yield None
            yield backend.prepare(request("2"))

        landed = []
        for one, answer in backend.stream(questions()):
            landed.append((one.request.example_id, answer.text))
            seen.set()
        backend.close()
    assert landed == [("1", "ok"), ("2", "ok")] and len(api.calls) == 2


def test_where_a_form_cannot_be_enforced_it_is_asked_for_in_words():
    held = Constraint(choice=("first", "second"), otherwise="End with the line [n] verdict: first or second")
    asked = Request("j", "s", "t", "1", (Message("user", "Which?"),), Sampling(), constraint=held)
    api = Api(lambda body, attempt: (200, {}, None))
    api.url = "http://127.0.0.1:1/v1"
    enforced = arguments(spec(api), asked, None, Dialect())
    unenforced = arguments(spec(api), asked, None, Dialect(schemas=False))
    assert enforced["messages"][-1]["content"] == "Which?"
    assert unenforced["messages"][-1]["content"] == f"Which?\n\n{held.otherwise}"
