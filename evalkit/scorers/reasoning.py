"""A reasoning trace is split off before anything is extracted: it is never parsed as the answer.

The answer is what stands after the last closing marker. Whatever stands before it is trace: several traces, a trace that
quotes its own markers, and one that the template opened in the prompt all end there. An unclosed trace leaves no answer.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from evalkit.config import ReasoningSpec
from evalkit.types import Completion, Prepared


def split_reasoning(
    completion: Completion, markers: ReasoningSpec | None, prepared: Prepared | None = None
) -> Completion:
    """The completion with its trace moved to `reasoning`. An unclosed trace leaves no answer: it was truncated.

    prepared: what was asked, which tells whether the template opened the trace. A trace that an API split off by itself
    stays as it is.
    """
    if markers is None or completion.failure is not None:
        return completion
    trace, closed, answer = completion.text.rpartition(markers.end)
    if markers.start in answer or (not closed and _opened_before(completion, markers, prepared)):
        kept = _joined(completion.reasoning, _bare(completion.text, markers))
        return dataclasses.replace(completion, reasoning=kept, text="", finish_reason="length")
    if not closed:
        return completion
    kept = _joined(completion.reasoning, _bare(trace, markers))
    return dataclasses.replace(completion, reasoning=kept, text=answer.strip())


def cut_at_stops(completion: Completion, stops: Sequence[str]) -> Completion:
    """The answer up to its first stop string, which for a reasoning model no engine was told: it would end a trace too."""
    found = [place for place in (completion.text.find(stop) for stop in stops if stop) if place >= 0]
    if not found:
        return completion
    return dataclasses.replace(completion, text=completion.text[: min(found)], finish_reason="stop")


def _opened_before(completion: Completion, markers: ReasoningSpec, prepared: Prepared | None) -> bool:
    """Whether a text without any marker is a trace that was opened in the prompt.

    Where the prompt was rendered here it says so itself. An API's template is not seen: there a text that ran into its
    limit counts as a trace that never ended, and one that ended by itself as an answer without a trace.
    """
    if prepared is not None and prepared.token_ids is not None:
        return prepared.prompt.rstrip().endswith(markers.start)
    return completion.finish_reason == "length" and not completion.reasoning


def _bare(trace: str, markers: ReasoningSpec) -> str:
    """A trace without the marker that opens it; markers further in are left for the reader to see."""
    return trace.strip().removeprefix(markers.start).strip()


def _joined(*traces: str | None) -> str:
    return "\n\n".join(trace for trace in traces if trace)
