"""A judge's reply, read strictly: a verdict is the whole reply or it is none.

A reader that searches for a word reads NOT_ATTEMPTED as A, and "first and second are equal" as a win for the first.
"""

from __future__ import annotations

import json
import re

from evalkit.config import JudgeSpec
from evalkit.types import Completion, Failure, Order, Request, Verdict, Winner

_KEPT = 2000
"""Characters of a reply or a reason that are kept."""

_CODE_BLOCK = re.compile(r"```(?:json)?\s*\n(.*)\n\s*```", re.DOTALL)
_QUOTES = ('"', "'", "`", "**", "\u201c\u201d", "\u2018\u2019")
POINTS: dict[Winner, float] = {"tuned": 1.0, "tie": 0.5, "base": 0.0}
"""What a verdict is worth to tuned."""


def read_verdict(
    spec: JudgeSpec, order: Order, request: Request, completion: Completion, nonce: str | None = None
) -> Verdict:
    """Who won, in one order. What cannot be read is unscored (winner None) and keeps the reply; it is never a tie.

    nonce: of the question's fences: a last line that carries it is read, whatever stands before.

    score is tuned's: 1 won, 0.5 tied, 0 lost.
    """

    def verdict(winner: Winner | None, reason: str, failure: Failure | None = None) -> Verdict:
        return Verdict(
            example_id=request.example_id,
            judge=spec.name,
            order=order,
            winner=winner,
            score=None if winner is None else POINTS[winner],
            reason=reason[:_KEPT],
            suite=request.suite,
            task=request.task,
            failure=failure,
        )

    if completion.failure is not None:
        return verdict(None, completion.text, completion.failure)
    if completion.finish_reason == "length":
        hint = f"raise model.sampling.max_tokens in {spec.file or spec.name}"
        return verdict(None, completion.text, _unreadable("the reply was cut off at max_tokens", hint))
    tagged = _tagged(completion.text, nonce) if nonce else None
    read = tagged or (_explained(completion.text) if spec.explain else (completion.text, completion.reasoning or ""))
    place = _place(read[0], spec.verdict) if read is not None else None
    if read is None or place is None:
        wanted = ", ".join(spec.verdict)
        form = f"JSON with reason and verdict ({wanted})" if spec.explain else f"one of {wanted}"
        told = _unreadable(f"not {form}: {completion.text[:200]!r}", "a larger judge, or a rubric that asks for less")
        return verdict(None, completion.text, told)
    winners: tuple[Winner, Winner, Winner] = (
        ("base", "tuned", "tie") if order == "base_first" else ("tuned", "base", "tie")
    )
    return verdict(winners[place], read[1])


def _unreadable(message: str, hint: str) -> Failure:
    return Failure("judge", "unreadable_verdict", message, hint)


def _place(text: str, words: tuple[str, str, str]) -> int | None:
    """Which of the words `text` is, as a whole; a full stop and one pair of quotes around it are forgiven."""
    folded = [word.casefold() for word in words]
    text = text.strip().casefold()
    candidates = [text, text.removesuffix(".")]
    for quote in _QUOTES:
        opening, closing = (quote[0], quote[1]) if quote[0] != quote[-1] else (quote, quote)
        candidates += [
            inner.removeprefix(opening).removesuffix(closing).removesuffix(".")
            for inner in candidates[:2]
            if inner.startswith(opening) and inner.endswith(closing)
        ]
    return next((folded.index(one) for one in candidates if one in folded), None)


def _tagged(text: str, nonce: str) -> tuple[str, str] | None:
    """Verdict and reason of a reply whose last line is `[nonce] verdict: word`, and that says no other word so."""
    lines = [line.strip() for line in text.strip().splitlines()]
    tag = f"[{nonce}] verdict:"
    said = {line[len(tag) :].strip().casefold() for line in lines if line.casefold().startswith(tag)}
    if not lines or not lines[-1].casefold().startswith(tag) or len(said) != 1:
        return None
    return said.pop(), "\n".join(lines[:-1]).strip()


def _explained(text: str) -> tuple[str, str] | None:
    """Verdict and reason of a reply that is one JSON object with these two fields, each said once."""
    block = _CODE_BLOCK.fullmatch(text.strip())
    try:
        data = json.loads(block.group(1) if block else text, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, dict) or not {"verdict"} <= set(data) <= {"reason", "verdict"}:
        return None
    verdict, reason = data["verdict"], data.get("reason", "")
    return (verdict, reason) if isinstance(verdict, str) and isinstance(reason, str) else None


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a field is said twice")
    return dict(pairs)
