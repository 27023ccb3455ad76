"""A judge's rubric as a template: what it may show, what it must, and its mistakes found before any engine starts."""

from __future__ import annotations

import functools

from evalkit.config import JudgeSpec
from evalkit.tasks.templates import Template
from evalkit.types import InputError

# What a rubric of each kind must show the judge; the rest it may.
_MUST = {
    "pairwise": ("first", "second"),
    "pointwise": ("response",),
    "reference": ("response", "answer"),
    "checklist": ("response",),
}
_MAY = ("prompt", "answer")


def check_judge(spec: JudgeSpec) -> None:
    """Raise InputError for a rubric that names an unknown variable, hides what is judged, or cannot be rendered."""
    if spec.kind == "jury":
        raise InputError(f"{spec.file or spec.name}: kind: jury: has no rubric of its own; name one of its members")
    where, must = _place(spec), _MUST[spec.kind]
    template = rubric_of(spec)
    known = sorted({*_MAY, *must})
    unknown = sorted(template.names - set(known))
    if unknown:
        raise InputError(
            f"{where}: {{{{ {unknown[0]} }}}}: unknown variable; a {spec.kind} rubric knows: {', '.join(known)}"
        )
    hidden = next((name for name in must if name not in template.names), None)
    if hidden is not None:
        raise InputError(f"{where}: never shows the judge {{{{ {hidden} }}}}; what is judged must stand in it")
    template.render({name: name for name in known}, where)


def rubric_of(spec: JudgeSpec) -> Template:
    """The rubric, compiled once. Raises InputError where it is no template."""
    return _compiled(spec.rubric, _place(spec))


def _place(spec: JudgeSpec) -> str:
    return f"{spec.file or spec.name}: rubric"


@functools.lru_cache(maxsize=64)
def _compiled(rubric: str, asked_by: str) -> Template:
    return Template(rubric, asked_by=asked_by)
