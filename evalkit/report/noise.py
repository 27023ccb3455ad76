"""How much is noise, in words and lines: base asked again beside what tuned changed."""

from __future__ import annotations

import math
from dataclasses import dataclass

from evalkit.report.numbers import NOTHING, count, difference, percent, pp, rate, size
from evalkit.types import Comparison, Estimate, NoiseFloor, SuiteNoise


@dataclass(frozen=True, slots=True)
class Line:
    """A suite, or all of them, as the page shows it; every field but `beyond` as it reads.

    floor: what two runs of base over the whole suite differ by; measured: tuned - base over the whole suite. beyond: "within" or
    "beyond" that floor, "" where nobody can tell.
    """

    name: str
    n: str
    answers: str
    flips: str
    tuned_flips: str
    delta: str
    floor: str
    measured: str
    beyond: str
    deterministic: bool
    missing: int
    basis: str


@dataclass(frozen=True, slots=True)
class NoiseView:
    """The section: a sentence, a line a suite, and the pooled tax of base against itself where there is one."""

    sentence: str
    lines: tuple[Line, ...]
    tax: str


def noise_view(comparison: Comparison) -> NoiseView | None:
    """None where base was not asked again."""
    noise = comparison.noise
    if noise is None:
        return None
    suites = {suite.name: suite for suite in comparison.suites}
    lines = [_line(one, suites[one.name].delta if one.name in suites else None) for one in noise.suites]
    tax = ""
    if noise.tax is not None and noise.tuned_tax is not None:
        tax = (
            f"Pooled over retain suites, base against itself has a tax of {_tax(noise.tax)}; tuned has {_tax(noise.tuned_tax)} "
            "on the same items."
        )
    return NoiseView(sentence(noise), tuple(lines), tax)


def sentence(noise: NoiseFloor) -> str:
    """What base's second run shows, in a sentence or two."""
    if not noise.answers:
        return "Base was asked again, and no answer came both times."
    marked = noise.flip_rate
    if noise.deterministic:
        flips = "no flip" if marked is not None else "no change"
        return (
            f"Base gave all {count(noise.answers)} answers again word for word: it is deterministic here, so {flips} below is "
            "noise of decoding."
        )
    share = percent(noise.answers_differ / noise.answers)
    read = f"{share} of base's {count(noise.answers)} answers read differently when it is asked again"
    if marked is None or noise.tuned_flip_rate is None:
        return f"{read}."
    return (
        f"Asked again, base flips {rate(marked)} of {count(marked.n)} items against itself; tuned flips {rate(noise.tuned_flip_rate)} "
        f"of the same. {read}."
    )


def _line(suite: SuiteNoise, whole: Estimate | None) -> Line:
    answers = NOTHING
    if suite.answers:
        differ = f"{count(suite.answers_differ)} of {count(suite.answers)}"
        answers = "deterministic here" if suite.deterministic else differ
    return Line(
        name=suite.name,
        n=count(suite.n),
        answers=answers,
        flips=_flips(suite.flip_rate),
        tuned_flips=_flips(suite.tuned_flip_rate),
        delta=difference(suite.delta, suite.unit),
        floor=_floor(suite),
        measured=pp(whole.value, suite.unit) if whole else NOTHING,
        beyond=_beyond(suite, whole),
        deterministic=suite.deterministic,
        missing=suite.missing,
        basis=f"{count(suite.flips)} flips, n = {count(suite.n)}" + (f", {suite.delta.method}" if suite.delta else ""),
    )


def _flips(share: Estimate | None) -> str:
    return NOTHING if share is None else rate(share)


def _floor(suite: SuiteNoise) -> str:
    if suite.floor is None:
        return "none seen" if suite.n else NOTHING
    return "0" if not suite.floor else f"\u00b1{size(suite.floor, suite.unit)}"


def _beyond(suite: SuiteNoise, whole: Estimate | None) -> str:
    if whole is None or suite.floor is None or not math.isfinite(whole.value) or not whole.value:
        return ""
    return "beyond" if abs(whole.value) > suite.floor else "within"


def _tax(tax: Estimate) -> str:
    return difference(tax).removeprefix("+")
