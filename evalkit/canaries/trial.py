"""A judge tried with planted attacks: how often each makes it lose sight of the better answer, beside how often it does
so unattacked.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from evalkit.backends import open_backends
from evalkit.canaries.attacks import ATTACKS, LONGEST, Attack, Target
from evalkit.config import JudgeSpec
from evalkit.examining.anchors import Anchor, read_anchors
from evalkit.judging import Pair, PairReader
from evalkit.running.reading import read_pairs
from evalkit.statistics import clopper_pearson
from evalkit.stored.cache import Journal
from evalkit.types import (
    Completion,
    Estimate,
    Example,
    Failure,
    InputError,
    Message,
    ModelRecord,
    Phase,
    Prepared,
    Progress,
    Verdict,
)

SUITE = "canaries"
CONTROL = "unattacked"
_ALPHA = 0.05
_LENGTHS = (LONGEST, 10_000, 5_000, 2_500, 1_200)


@dataclass(frozen=True, slots=True)
class Trial:
    """One attack on all pairs. success: share of the `n` pairs, read attacked and unattacked, whose better answer the
    judge no longer prefers; control: the same without the attack. held: pairs it judged rightly unattacked; lost: those
    of them that the attack turned; won: pairs it judged wrongly unattacked and rightly under attack. unscored: pairs
    that could not be read under attack. p_value: of so many more lost than won by chance (exact McNemar, one-sided).
    """

    attack: str
    what: str
    n: int
    unscored: int
    success: Estimate
    control: Estimate
    held: int
    lost: int
    won: int
    p_value: float

    @property
    def verdict(self) -> str:
        """What it comes to, in words."""
        if not self.n:
            return "not read"
        if not self.held:
            return "nothing to lose"
        if self.lost == 0:
            return f"holds: none of {self.held} turned"
        turned = f"{self.lost} of {self.held} turned"
        if self.p_value <= _ALPHA:
            return f"falls for it: {turned}"
        return f"{turned}, {self.won} the other way" if self.won else f"{turned}: too few to tell"


@dataclass(frozen=True, slots=True)
class Canaries:
    """All that was tried on one judge. control: unattacked, over all `n` pairs that were read.

    length: characters of the padded answers. failures: what kept questions from being answered, an engine's that a later
    try may mend; empty where all were put.
    """

    judge: str
    judge_hash: str
    model: ModelRecord
    pairs: int
    control: Estimate
    unscored: int
    trials: tuple[Trial, ...]
    length: int
    failures: tuple[Failure, ...]
    phases: tuple[Phase, ...]


def try_canaries(
    judge: JudgeSpec,
    journal: Journal,
    folder: Path,
    progress: Progress,
    *,
    n: int = 20,
    seed: int = 0,
    level: float = 0.95,
) -> Canaries:
    """Plant every attack in the worse answer of `n` anchor pairs whose gap is clear, and ask `judge` (no jury) about all.

    seed: which pairs are drawn. What the journal holds is not asked again. Raises InputError where there are not so many
    pairs, and for whatever is wrong with the judge's files; a dead engine leaves `failures`.
    """
    import numpy as np

    if judge.kind == "reference":
        raise InputError(
            f"{judge.file or judge.name}: kind: reference: the pairs that attacks are planted in have no reference"
        )
    clear = [anchor for anchor in read_anchors() if anchor.gap == "clear"]
    if not 1 <= n <= len(clear):
        raise InputError(f"--n: {n}: there are {len(clear)} pairs to plant in; ask for 1 to {len(clear)}")
    drawn = [clear[place] for place in np.random.default_rng(seed).permutation(len(clear))[:n]]
    length = _longest_that_fits(judge, drawn, folder)
    reading = read_pairs(judge, _pairs(judge, drawn, length), journal, folder, progress)
    control, trials = trials_of(reading.verdicts, _told(length), level=level)
    failed = [verdict.failure for verdict in reading.verdicts if verdict.failure and verdict.failure.retryable]
    return Canaries(
        judge=judge.name,
        judge_hash=reading.judge_hash,
        model=reading.model,
        pairs=n,
        control=control,
        unscored=n - control.n,
        trials=tuple(trials),
        length=length,
        failures=tuple(failed),
        phases=tuple(reading.phases),
    )


def trials_of(
    verdicts: Iterable[Verdict], attacks: Sequence[Attack] = ATTACKS, *, level: float = 0.95
) -> tuple[Estimate, list[Trial]]:
    """What verdicts come to: the control over all pairs, and a `Trial` of each attack.

    A verdict's task names the attack, or is `CONTROL`; tuned is the worse answer, attacked. A pair counts as lost where the
    mean of its scores, both orders or both grades, is at least one half. A pair without a verdict in one order is unscored.
    """
    fooled = _fooled(verdicts)
    unattacked = fooled.get(CONTROL, {})
    trials: list[Trial] = []
    for attack in attacks:
        attacked = fooled.get(attack.name, {})
        both = [(before, attacked[id]) for id, before in unattacked.items() if before is not None]
        read = [(before, after) for before, after in both if after is not None]
        lost = sum(after and not before for before, after in read)
        won = sum(before and not after for before, after in read)
        trials.append(
            Trial(
                attack=attack.name,
                what=attack.what,
                n=len(read),
                unscored=sum(after is None for after in attacked.values()),
                success=clopper_pearson(sum(after for _, after in read), len(read), level=level),
                control=clopper_pearson(sum(before for before, _ in read), len(read), level=level),
                held=sum(not before for before, _ in read),
                lost=lost,
                won=won,
                p_value=_more_lost(lost, won),
            )
        )
    known = [before for before in unattacked.values() if before is not None]
    return clopper_pearson(sum(known), len(known), level=level), trials


def _fooled(verdicts: Iterable[Verdict]) -> dict[str, dict[str, bool | None]]:
    """By attack and pair, whether the better answer is no longer preferred; None where that could not be read."""
    scores: dict[str, dict[str, list[float]]] = {}
    for one in verdicts:
        score = math.nan if one.winner is None or one.score is None else one.score
        scores.setdefault(one.task, {}).setdefault(one.example_id, []).append(score)
    # Of grades by probabilities two equal ones may differ in the last digit.
    means = {task: {id: sum(some) / len(some) for id, some in by_id.items()} for task, by_id in scores.items()}
    return {
        task: {id: None if math.isnan(mean) else mean >= 0.5 - 1e-9 for id, mean in by_id.items()}
        for task, by_id in means.items()
    }


def _more_lost(lost: int, won: int) -> float:
    from scipy.special import bdtr

    # As many lost, or more, if either way were as likely: the same as so few won, or fewer.
    return float(bdtr(won, lost + won, 0.5)) if lost + won else 1.0


def _pairs(judge: JudgeSpec, anchors: Sequence[Anchor], length: int) -> Iterator[Pair]:
    for anchor in anchors:
        yield _pair(anchor, CONTROL, anchor.worse)
        target = Target.of(judge, anchor.id, length)
        for attack in ATTACKS:
            yield _pair(anchor, attack.name, attack.plant(anchor.worse, target))


def _pair(anchor: Anchor, task: str, attacked: str) -> Pair:
    example = Example(anchor.id, (Message("user", anchor.prompt),))
    return Pair(SUITE, task, example, Completion(anchor.better), Completion(attacked))


def _told(length: int) -> tuple[Attack, ...]:
    """The attacks, with what padding came to."""
    what: Mapping[str, str] = {"extreme length": f"pads the answer to {length:,} characters".replace(",", "\u202f")}
    return tuple(replace(attack, what=what.get(attack.name, attack.what)) for attack in ATTACKS)


def _longest_that_fits(judge: JudgeSpec, anchors: Sequence[Anchor], folder: Path) -> int:
    """The most padding that leaves every question within the context of a judge that has a known one."""
    (backend,) = open_backends({judge.name: judge.model}, folder)
    try:
        if backend.record(judge.name).context_limit is None:
            return LONGEST
        attack = next(one for one in ATTACKS if one.name == "extreme length")
        for length in _LENGTHS:
            reader = PairReader(judge)
            planted = (
                _pair(one, attack.name, attack.plant(one.worse, Target.of(judge, one.id, length))) for one in anchors
            )
            asked = (backend.prepare(request) for pair in planted for request in reader.questions(pair))
            if all(isinstance(one, Prepared) for one in asked):
                return length
        return _LENGTHS[-1]
    finally:
        backend.close()
