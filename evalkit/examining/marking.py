"""What a judge said and what people said -> the record of its exam. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from evalkit.config import JudgeSpec
from evalkit.examining.labels import TIE, Form, LabelFile, Labelled
from evalkit.statistics import agreement_between, agreement_rate, cohens_kappa
from evalkit.types import Estimate, ExamRecord, ExamSlice, Failure

MARK = 0.5
"""From this mark on a judge passes an answer."""

_LONGER = 1.2


@dataclass(frozen=True, slots=True)
class Said:
    """What the judge said of one item: its preference for the first answer of a pair, or its mark of an answer.

    value: in [0, 1]; None: unscored. alike: whether both orders brought the same verdict; None where there is one.
    """

    item: Labelled
    value: float | None = None
    alike: bool | None = None
    failure: Failure | None = None


def exam_record(
    judge: JudgeSpec,
    judge_hash: str,
    file: LabelFile,
    said: Sequence[Said],
    *,
    level: float = 0.95,
    taken: str = "",
    cautions: Sequence[str] = (),
) -> ExamRecord:
    """Agreement, kappa, error rates, order consistency and slices, each with an interval at `level`.

    Items that were drawn with recorded probabilities are weighted by 1 / probability throughout. What has nothing to rest
    on is left out.
    """
    read = [one for one in said if one.value is not None]
    decided = [one for one in read if one.item.people != TIE]
    unread = [one for one in said if one.value is None and one.item.people != TIE]

    def share(of: Sequence[Said], value: Callable[[Said], float]) -> Estimate:
        return agreement_rate([value(one) for one in of], _weights(of), level=level)

    def agreeing(one: Said) -> float:
        return _agreement(one, file.form)

    def erring(one: Said) -> float:
        return float(_word(one, file.form) != one.item.people)

    # Of answers nobody can say "tie", so that where people are split there is nothing to hold a judge's word against.
    known = read if file.form == "pairs" else decided
    kappa = cohens_kappa(
        [one.item.people for one in known], [_word(one, file.form) for one in known], _weights(known), level=level
    )
    twice = [one for one in read if one.alike is not None]
    several = [one.item.labels for one in said if len(one.item.labels) > 1]
    people = agreement_between(several, ties=False, level=level)
    errors = {
        name: share([one for one in decided if one.item.people == word], erring)
        for name, word in _ERRORS[file.form].items()
    }
    return ExamRecord(
        judge=judge.name,
        judge_hash=judge_hash,
        labels=file.name,
        labels_hash=file.hash,
        form=file.form,
        n=len(decided),
        unscored=len(unread),
        unanswered=sum(one.failure is not None and one.failure.retryable for one in unread),
        agreement=share(decided, agreeing),
        kappa=None if math.isnan(kappa.value) else kappa,
        human_agreement=people if people.n else None,
        errors={name: error for name, error in errors.items() if error.n},
        order_consistency=share(twice, lambda one: float(bool(one.alike))) if twice else None,
        slices=tuple(
            ExamSlice(name, len(part), share(part, agreeing))
            for name, part in (_by_length(decided) if file.form == "pairs" else {}).items()
            if part
        ),
        taken=taken,
        judge_version=judge.version,
        cautions=tuple(cautions),
    )


_ERRORS: dict[Form, dict[str, str]] = {
    "pairs": {
        "people prefer the first, the judge does not": "first",
        "people prefer the second, the judge does not": "second",
    },
    "answers": {"people fail it, the judge passes it": "fail", "people pass it, the judge fails it": "pass"},
}


def _weights(of: Sequence[Said]) -> list[float] | None:
    probabilities = [one.item.probability for one in of]
    drawn = [1 / probability for probability in probabilities if probability is not None]
    return drawn if probabilities and len(drawn) == len(probabilities) else None


def _word(one: Said, form: Form) -> str:
    """The judge's verdict in people's words: a flip with the order is a tie."""
    value = one.value or 0.0
    if form == "answers":
        return "pass" if value >= MARK else "fail"
    return TIE if value == MARK else "first" if value > MARK else "second"


def _agreement(one: Said, form: Form) -> float:
    value = one.value or 0.0
    if form == "answers":
        return float(_word(one, form) == one.item.people)
    return value if one.item.people == "first" else 1 - value


def _by_length(decided: Sequence[Said]) -> dict[str, list[Said]]:
    """Pairs by how the answer that people prefer compares in length: a judge that favours long answers shows here."""
    slices: dict[str, list[Said]] = {
        "preferred answer 20 % longer or more": [],
        "about equal in length": [],
        "preferred answer 20 % shorter or more": [],
    }
    longer, equal, shorter = slices.values()
    for one in decided:
        first, second = (len(text) for text in one.item.texts)
        preferred, other = (first, second) if one.item.people == "first" else (second, first)
        if preferred == other:
            equal.append(one)
        elif preferred >= _LONGER * other:
            longer.append(one)
        else:
            (shorter if other >= _LONGER * preferred else equal).append(one)
    return slices
