"""On what terms suites are gated, and whether a policy asks of a run what the run can answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from evalkit.config import JudgeSpec, PolicySpec
from evalkit.scorers import UNSCORED, marking
from evalkit.tasks import Suite
from evalkit.types import INCUMBENT, Against, InputError, JudgeRecord, Role, SuiteRecord


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms a suite is gated: its role and its own limits. advisory: it decides nothing, as no exam of a judge that
    marks it lets it. against: what its file says it is held against; None where that is the policy's to say. file: that
    file, where it is known. scored: a scorer or a grader marks it; else a judge alone reads it, and it has no gate.
    """

    role: Role
    margin: float | None = None
    guard: Mapping[str, float | None] = field(default_factory=dict)
    advisory: bool = False
    bounded: bool = True
    against: Against | None = None
    file: str = ""
    scored: bool = True

    def has_limit(self, policy: PolicySpec) -> bool:
        """Whether any gate applies under this policy. A guard's limits may all be switched off; a rate needs bounds."""
        rated = self.bounded and self.guard.get("max_rate", policy.guard.max_rate) is not None
        return self.role != "guard" or rated or self.max_increase(policy) is not None

    def max_increase(self, policy: PolicySpec) -> float | None:
        """A guard's limit on its increase under this policy; None where it is switched off."""
        return self.guard.get("max_increase", policy.guard.max_increase if self.margin is None else self.margin)

    def against_by(self, policy: PolicySpec) -> Against:
        """What this policy holds it against."""
        return self.against or policy.against(self.role)

    @classmethod
    def of(cls, suite: Suite) -> Terms:
        """The terms of a suite as its file, or the composed one that holds it, states them.

        Whether a judge that marks it has passed an exam is known when its model is: `standing` says it.
        """
        marks = [marking(task) for task in suite.tasks]
        return cls(
            suite.spec.role,
            suite.spec.margin,
            suite.spec.guard.stated,
            bounded=all(one.bounded for one in marks),
            against=suite.spec.against,
            file=suite.spec.file,
            scored=any(one.metric != UNSCORED for one in marks),
        )

    @classmethod
    def of_record(cls, record: SuiteRecord) -> Terms:
        """The terms that a stored run remembers."""
        bounded = all(task.bounded for task in record.tasks)
        scored = any(task.metric != UNSCORED for task in record.tasks)
        return cls(
            record.role, record.margin, dict(record.guard), record.advisory, bounded, record.against, scored=scored
        )


def standing(
    suites: Sequence[SuiteRecord], graders: Sequence[JudgeRecord], policy: PolicySpec
) -> tuple[SuiteRecord, ...]:
    """The suites as this policy takes them: advisory where any judge that marks them has passed no exam under it."""
    mark = policy.judge.exam.min_agreement, policy.judge.max_unscored
    passed = {one.name for one in graders if one.exam is not None and one.exam.standing(*mark) == "passed"}
    return tuple(
        replace(suite, advisory=not passed.issuperset(suite.graders)) if suite.graders else suite for suite in suites
    )


def check_policy(policy: PolicySpec, suites: Mapping[str, Terms], judges: Mapping[str, bool]) -> None:
    """Names in a policy must be names in the run, and a pool's suites gated alike, or a gate would silently never apply.

    suites: their terms, by name. judges: whether each has passed an exam, by name. Raises InputError.
    """
    where = policy.file or "policy"
    for name, terms in suites.items():
        if not terms.has_limit(policy):
            raise InputError(
                f"{where}: guard: suite {name!r} is a guard without any limit, so that no gate would apply to it; state "
                "guard.max_increase here, or `guard: {max_increase: ...}` in the suite"
            )
    for name, members in policy.pools.items():
        for member in members:
            if member not in suites:
                raise InputError(f"{where}: pools.{name}: no suite {member!r} in this run; it has: {', '.join(suites)}")
        terms = [suites[member] for member in members]
        for member, one in zip(members, terms, strict=True):
            if not one.scored:
                raise InputError(f"{where}: pools.{name}: {member!r} is read by a judge alone and has nothing to pool")
        roles = {one.role for one in terms}
        if len(roles) > 1:
            raise InputError(f"{where}: pools.{name}: its suites have different roles: {', '.join(sorted(roles))}")
        if any(
            (one.margin, one.guard, one.against) != (terms[0].margin, terms[0].guard, terms[0].against) for one in terms
        ):
            raise InputError(
                f"{where}: pools.{name}: its suites state different limits of their own; pool what is gated alike"
            )
        if len({one.advisory for one in terms}) > 1:
            raise InputError(
                f"{where}: pools.{name}: some of its suites are marked by a judge without a passed exam and decide nothing; pool what is gated alike"
            )
    if policy.required != "all":
        for name in policy.required:
            if problem := _not_required(name, policy, suites, judges):
                raise InputError(f"{where}: required: {problem}")


def _not_required(name: str, policy: PolicySpec, suites: Mapping[str, Terms], judges: Mapping[str, bool]) -> str | None:
    """Why no gate of this name decides anything; None where one does."""
    pool = next((pool for pool, members in policy.pools.items() if name in members), None)
    if pool is not None:
        return f"{name!r} is gated as part of pool {pool!r}; name the pool"
    if name in suites and suites[name].advisory:
        return f"{name!r} is marked by a judge without a passed exam, and decides nothing; evalkit judge exam"
    if name in suites and not suites[name].scored:
        return f"{name!r} is read by a judge alone and has no gate of its own; name the judge"
    if judges.get(name) is False:
        return f"judge {name!r} has passed no exam, and decides nothing; evalkit judge exam"
    pooled = {member for members in policy.pools.values() for member in members}
    gated = {name for name, terms in suites.items() if terms.scored and not terms.advisory} - pooled
    known = {"tax", *gated, *policy.pools, *(name for name, passed in judges.items() if passed)}
    if name not in known:
        return f"no gate {name!r} in this run; it has: {', '.join(sorted(known))}"
    return None


def with_pools(policy: PolicySpec, pools: Mapping[str, tuple[str, ...]]) -> PolicySpec:
    """The policy with the pools that composed suites bring, except where it defines a pool of that name itself."""
    return policy.model_copy(update={"pools": {**pools, **policy.pools}}) if pools else policy


def over_incumbent(policy: PolicySpec, suites: Mapping[str, Terms]) -> dict[str, str]:
    """The suites of which any gate of this policy is held against the incumbent, each with who says so, in words.

    suites: their terms, by name.
    """
    where = policy.file or "policy"
    found: dict[str, str] = {}
    for name, terms in suites.items():
        if policy.tax.against == INCUMBENT and terms.role == "retain":
            found[name] = f"{where}: tax.against"
        elif terms.against_by(policy) == INCUMBENT and (
            terms.role != "guard" or terms.max_increase(policy) is not None
        ):
            own = f"{terms.file or f'suite {name!r}'}: against"
            found[name] = own if terms.against else f"{where}: {terms.role}.against"
    return found


def check_incumbent(judges: Sequence[JudgeSpec], incumbent: object, gated: Mapping[str, str] | None = None) -> None:
    """What is `against: incumbent` needs one, and an incumbent something that is held against it. Raises InputError.

    gated: the suites with a gate against it, as `over_incumbent` gives them.
    """
    if gated and incumbent is None:
        says = next(iter(gated.values()))
        raise InputError(
            f"{says}: incumbent: no incumbent was named; add --incumbent prod.yaml, or say `against: base`"
        )
    wanting = next((judge for judge in judges if judge.against == "incumbent"), None)
    if wanting is not None and incumbent is None:
        raise InputError(
            f"{wanting.file or wanting.name}: against: incumbent: no incumbent was named; add --incumbent prod.yaml"
        )
    if incumbent is not None and wanting is None and not gated:
        raise InputError(
            "--incumbent: no gate and no judge of this run holds TUNED against it; say `against: incumbent` in the policy "
            "(tax, retain, target or guard), in a suite, or in the file that --judge names"
        )


def terms_of(suites: Sequence[SuiteRecord]) -> dict[str, Terms]:
    """What a policy may say of each suite of a run, by name."""
    return {suite.name: Terms.of_record(suite) for suite in suites}


def check_terms(policy: PolicySpec, suites: Sequence[SuiteRecord], judges: Sequence[JudgeRecord]) -> None:
    """A policy asks nothing of this run's suites and judges that they cannot answer. Raises InputError."""
    mark = policy.judge.exam.min_agreement, policy.judge.max_unscored
    passed = {
        one.name: one.exam is not None and one.exam.standing(*mark) == "passed" for one in judges if one.jury is None
    }
    check_policy(policy, terms_of(suites), passed)
