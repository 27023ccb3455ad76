"""What an API's refusal means: wait and ask again, give up this request, or give up the endpoint.

    no reply within `timeout_s`                                      asked again twice, then a Failure
    429, 5xx, 408, 409, cut connections, replies that are no JSON    asked again, then a Failure
    400 prompt too long, content filter, any other 4xx               a Failure at once
    401, 402, 403, 404 and an exhausted quota                        EngineError: every further request would meet it

Secrets are masked in everything an error carries, for servers quote keys back.
"""

from __future__ import annotations

import datetime
import email.utils
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import openai

from evalkit.types import EngineError, Failure

LONGEST_WAIT_S = 600.0
"""A server that asks for a longer pause than this is not waited for: the request becomes a retryable failure."""

_MESSAGE_LIMIT = 500
_TOO_LONG = re.compile(
    r"context[ _](length|window|size)|maximum (context|input|prompt|model) length|(prompt|input) is too long"
    r"|too many (input )?tokens|reduce the length",
    re.IGNORECASE,
)
_FILTERED = re.compile(r"content[ _](filter|policy|management)|moderation|flagged", re.IGNORECASE)
_UNKNOWN_MODEL = re.compile(
    r"model_not_found|(unknown|invalid) model|model\b.{0,120}(not (found|exist|a valid)|does not exist|no access)",
    re.IGNORECASE | re.DOTALL,
)


class BadReply(Exception):
    """An answer with status 200 that is not a completion: an error page, a cut body, an error object."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where requests go and what messages may say about it. `secrets` are masked in every text."""

    place: str
    model: str
    base_url: str
    secrets: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Endpoint({self.place!r}, {self.model!r}, {public_url(self.base_url)!r})"

    def mask(self, text: str) -> str:
        """`text` on one line, without secrets, cut to a readable length."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        text = " ".join(text.split())
        return text if len(text) <= _MESSAGE_LIMIT else text[:_MESSAGE_LIMIT] + " ..."


def public_url(url: str) -> str:
    """`url` without user, password, query and fragment, any of which may hold a secret."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))


def secrets_of(values: Iterable[str]) -> tuple[str, ...]:
    """Values to mask, and the token inside a `Bearer ...`; longest first so that none survives inside another."""
    found = {part for value in values for part in (value, *value.split()) if len(part) > 5 and part != "Bearer"}
    return tuple(sorted(found, key=len, reverse=True))


def retry_after_s(error: BaseException | None) -> float | None:
    """Seconds the server asked to wait: `retry-after-ms`, `Retry-After` in seconds or as a date; None if unsaid."""
    if not isinstance(error, openai.APIStatusError):
        return None
    headers = error.response.headers
    for name, scale in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers[name]) * scale)
        except (KeyError, ValueError):
            continue
    try:
        until = email.utils.parsedate_to_datetime(headers.get("retry-after", ""))
    except ValueError:
        return None
    if until.tzinfo is None:  # "-0000": the date is UTC all the same
        until = until.replace(tzinfo=datetime.UTC)
    return max(0.0, (until - datetime.datetime.now(datetime.UTC)).total_seconds())


def is_transient(error: BaseException) -> bool:
    """Whether the same request may succeed later. Replies that took too long are counted apart: each may cost again."""
    if isinstance(error, BadReply | openai.APIConnectionError):
        return True
    if not isinstance(error, openai.APIStatusError) or error.response.headers.get("x-should-retry") == "false":
        return False
    if (retry_after_s(error) or 0.0) > LONGEST_WAIT_S or _quota_is_spent(error):
        return False
    return error.status_code in (408, 409, 425, 429) or error.status_code >= 500


def is_overloaded(error: BaseException) -> bool:
    """Whether the server had too much to do: fewer requests at a time would have been answered."""
    return isinstance(error, openai.APIStatusError) and error.status_code in (429, 503, 529) and is_transient(error)


def explain(error: Exception, endpoint: Endpoint, *, timeout_s: float) -> Failure | EngineError:
    """What an error that outlived its retries means for this request (Failure) or for the endpoint (EngineError)."""
    place, url = endpoint.place, public_url(endpoint.base_url)

    def failure(kind: str, message: str, hint: str = "", *, retryable: bool = False) -> Failure:
        return Failure("engine", kind, endpoint.mask(message), hint, retryable)

    if isinstance(error, TimeoutError):
        hint = f"raise `timeout_s` in {place}, or lower `concurrency` or `sampling.max_tokens`"
        return failure("timeout", f"{url}: no reply within {timeout_s:g} s", hint, retryable=True)
    if isinstance(error, BadReply):
        return failure(error.kind, f"{url}: {error}", f"does `base_url` in {place} point at the API?", retryable=True)
    if isinstance(error, openai.APIConnectionError):
        cause = f" ({type(error.__cause__).__name__}: {error.__cause__})" if error.__cause__ else ""
        hint = f"is the server of `base_url` in {place} running?"
        return failure("connection", f"{url}: no connection{cause}", hint, retryable=True)
    if not isinstance(error, openai.APIStatusError):
        return failure("engine_error", f"{url}: {type(error).__name__}: {error}", retryable=False)

    status = error.status_code
    said = error.message.removeprefix(f"Error code: {status} - ")
    told = f"{url}: HTTP {status}: {said}"
    if _FILTERED.search(f"{error.code} {said}") and status in (400, 403, 422):
        return failure("content_filter", told, "the provider refused the prompt before the model saw it")
    if status in (401, 403):
        # The body is left out: some servers quote the key, in part, which no mask can catch.
        return EngineError(
            f"{place}: api_key: {url} refuses it (HTTP {status}) for model {endpoint.model!r}",
            kind="bad_key",
            hint=f"check `api_key` (or `headers`) in {place} and that the key may use this model at {url}",
        )
    if status == 402 or _quota_is_spent(error):
        return EngineError(
            endpoint.mask(f"{place}: api_key: {url} says its quota is spent: {said}"),
            kind="quota_spent",
            hint=f"top up the account behind `api_key` in {place}, then run again: what was answered is kept",
        )
    if status == 404 or (status == 400 and _UNKNOWN_MODEL.search(f"{error.code} {said}")):
        if status == 404 and not _UNKNOWN_MODEL.search(f"{error.code} {said}"):
            return EngineError(
                endpoint.mask(f"{place}: base_url: {url} has no such route (HTTP 404), or no model {endpoint.model!r}"),
                kind="bad_model",
                hint=f"check `base_url` in {place} (most end in /v1), and that {url}/models lists `model`",
            )
        return EngineError(
            endpoint.mask(f"{place}: model: {url} does not know {endpoint.model!r}: {said}"),
            kind="bad_model",
            hint=f"check `model` and `base_url` in {place}; {url}/models lists what is served",
        )
    if status in (400, 413, 422) and (error.code == "context_length_exceeded" or _TOO_LONG.search(said)):
        return failure("prompt_too_long", told, "shorten the prompt or lower `sampling.max_tokens`")
    if status == 429:
        wait = retry_after_s(error)
        asked = f"; the server asks for {wait:.0f} s of pause" if wait else ""
        hint = f"lower `concurrency` or raise `max_retries` in {place}, or run again later"
        return failure("rate_limited", told + asked, hint, retryable=True)
    if status >= 500 or status in (408, 409, 425):
        return failure("server_error", told, "the server's log says more; run again later", retryable=True)
    return failure("rejected", told, f"the server takes no such request; check `sampling` and `engine` in {place}")


def _quota_is_spent(error: openai.APIStatusError) -> bool:
    return error.code == "insufficient_quota" or error.type == "insufficient_quota"
