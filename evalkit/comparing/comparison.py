"""Records + Verdicts -> Comparison (pure): suites, pooled tax and gain.

(Named `comparison`, not `compare`: `evalkit.compare` is the function users call, and a submodule of that name would
replace it on the first import.)
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import pandas as pd

from evalkit.comparing.drift import measure_drift
from evalkit.comparing.pairing import PairedScores, pair, scored
from evalkit.comparing.slicing import p_of_change, with_flags
from evalkit.comparing.suites import pool_result, suite_result
from evalkit.comparing.texts import Texts
from evalkit.comparing.thinking import at_test_time
from evalkit.comparing.unchanged import unchanged
from evalkit.judging import examined_result, jury_verdicts
from evalkit.statistics import (
    holm,
    pooled,
    worst_of,
)
from evalkit.stored.columns import is_in
from evalkit.stored.records import seen_as
from evalkit.types import (
    ARMS,
    INCUMBENT,
    PROBES,
    Comparison,
    Estimate,
    Manifest,
    SuiteRecord,
    SuiteResult,
    Worst,
)

_MANY_OVERLAP = 0.05  # the share of a suite's items in training data from which on a caution says so


def compare_records(
    samples: pd.DataFrame,
    verdicts: pd.DataFrame,
    manifest: Manifest,
    *,
    level: float = 0.95,
    pools: Mapping[str, Sequence[str]] | None = None,
    min_agreement: float = 0.65,
    max_unscored: float = 0.02,
    describe: bool = True,
    over_incumbent: Collection[str] = (),
    relative: float | None = None,
    texts: Texts | None = None,
) -> Comparison:
    """Every number of the report that does not depend on the policy's verdicts.

    samples, verdicts: of all arms, an incumbent's too, as `records.samples_frame` and `records.verdicts_frame` give them; `manifest` says which suites
    were asked, in which role. level: of every interval, two-sided. pools: suites to be judged as one, by pool name.
    min_agreement, max_unscored: what a judge's exam must show, as the policy says.
    describe: also what no gate reads: drift, and test-time compute.
    over_incumbent: the suites of which any gate is held against the incumbent; its answers are among `samples`.
    relative: the share of base's score that a retain suite may lose, where the policy says so.
    texts: of samples that do not hold them themselves, as `records.narrow_frame` gives them.
    Raises InputError when a pool names a suite that the run has not.
    """
    everything = samples
    of_both = is_in(samples["arm"], ARMS)
    samples = samples if of_both.all() else samples.loc[of_both, :]
    paired = pair(samples, manifest.suites)
    checked = bool(manifest.train_data)
    suites = with_flags(
        [
            suite_result(
                record, {task.name: paired[record.name, task.name] for task in scored(record)}, level, checked, relative
            )
            for record in manifest.suites
            if scored(record)
        ]
    )
    models = {"base": manifest.base, "tuned": manifest.tuned}
    if manifest.incumbent is not None:
        models["incumbent"] = manifest.incumbent
    judges = tuple(
        examined_result(
            judge,
            jury_verdicts(verdicts, judge.name, judge.members, judge.combine)
            if judge.members
            else verdicts.loc[verdicts["judge"] == judge.name, :],
            everything,
            models,
            level=level,
            min_agreement=min_agreement,
            max_unscored=max_unscored,
            seed=manifest.seed,
            characters=texts.characters if texts is not None else None,
        )
        for judge in manifest.judges
    )
    failures = (
        samples.loc[samples["failure"].notna() & (samples["suite"] != PROBES), "failure"].astype(str).value_counts()
    )
    over = _over_incumbent(everything, verdicts, manifest, over_incumbent, level, pools or {}, relative, texts)
    return Comparison(
        base=manifest.base.name,
        tuned=manifest.tuned.name,
        level=level,
        suites=suites,
        tax=_weighted(suites, level, "retain"),
        gain=_weighted(suites, level, "target"),
        judges=judges,
        pools=tuple(
            pool_result(name, members, manifest, paired, level, relative) for name, members in (pools or {}).items()
        ),
        # What a judge without an exam could not grade must not make a run incomplete either.
        n=sum(suite.n for suite in suites if not suite.advisory),
        missing=sum(suite.missing for suite in suites if not suite.advisory),
        failures={str(kind): int(count) for kind, count in failures.items()},
        cautions=(
            *manifest.cautions,
            *_overlap_cautions(suites),
            *_saturated(suites),
            *(over.cautions if over else ()),
        ),
        test_time=at_test_time(samples, manifest, level=level, texts=texts) if describe else (),
        drift=measure_drift(samples, manifest.suites, level=level, seed=manifest.seed, texts=texts) if describe else (),
        worst_tax=_worst(suites, level),
        losses_found=_losses_found(suites, paired, manifest, level),
        unchanged=unchanged(samples, manifest, texts),
        against_incumbent=over,
    )


def _over_incumbent(
    samples: pd.DataFrame,
    verdicts: pd.DataFrame,
    manifest: Manifest,
    suites: Collection[str],
    level: float,
    pools: Mapping[str, Sequence[str]],
    relative: float | None,
    texts: Texts | None,
) -> Comparison | None:
    """Tuned against the incumbent on these suites, by the very same functions.

    Tax and gain are given only where every suite of their role is among them: of some they would be another number under
    the same name.
    """
    if manifest.incumbent is None or not suites:
        return None
    mine = seen_as(samples.loc[samples["suite"].isin(list(suites)), :], INCUMBENT, "tuned")
    asked = replace(
        manifest,
        base=manifest.incumbent,
        incumbent=None,
        judges=(),
        cautions=(),
        train_data=tuple(file for file in manifest.train_data if file.arm == "tuned"),
        suites=tuple(_sampled(record, mine) for record in manifest.suites if record.name in suites),
    )
    pools = {name: members for name, members in pools.items() if set(members) <= set(suites)}
    found = compare_records(
        mine, verdicts, asked, level=level, pools=pools, describe=False, relative=relative, texts=texts
    )
    whole = {
        role: {one.name for one in manifest.suites if one.role == role} <= set(suites) for role in ("retain", "target")
    }
    return replace(
        found,
        suites=tuple(replace(suite, cautions=_of_incumbent(suite.cautions)) for suite in found.suites),
        tax=found.tax if whole["retain"] else None,
        worst_tax=found.worst_tax if whole["retain"] else None,
        gain=found.gain if whole["target"] else None,
        unchanged=replace(found.unchanged, against=INCUMBENT) if found.unchanged else None,
        cautions=_of_incumbent(found.cautions),
    )


def _of_incumbent(cautions: Sequence[str]) -> tuple[str, ...]:
    """Cautions that name the two models' scores, with the incumbent by its name."""
    return tuple(one.replace(" (base ", " (incumbent ").replace("; base ", "; incumbent ") for one in cautions)


def _sampled(record: SuiteRecord, samples: pd.DataFrame) -> SuiteRecord:
    """The suite as these arms were asked it: a model file may ask for more samples of an item than the others do."""
    mine = samples.loc[samples["suite"] == record.name, :]
    most = {str(task): int(rows["sample"].max()) + 1 for task, rows in mine.groupby("task", observed=True)}
    tasks = tuple(replace(task, samples=max(task.samples, most.get(task.name, 1))) for task in record.tasks)
    return replace(record, tasks=tasks)


def with_set_aside(comparison: Comparison, what: Literal["form", "overlap"]) -> Comparison:
    """The same comparison with the differences that are left when items lost to form, or that overlap, are set aside.

    The very same where there are none.
    """

    def left(suite: SuiteResult) -> Estimate | None:
        return suite.without_format if what == "form" else suite.overlap.delta_without

    incumbent = comparison.against_incumbent
    if incumbent is not None:
        comparison = replace(comparison, against_incumbent=with_set_aside(incumbent, what))
    if all(left(suite) is None for suite in (*comparison.suites, *comparison.pools)):
        return comparison
    suites, pools = (
        tuple(
            replace(
                suite,
                delta=left(suite) or suite.delta,
                relative=suite.relative_without.get(what, suite.relative),
            )
            for suite in group
        )
        for group in (comparison.suites, comparison.pools)
    )
    tax, gain = (_weighted(suites, comparison.level, role) for role in ("retain", "target"))
    tax, gain = tax if comparison.tax else None, gain if comparison.gain else None
    return replace(comparison, suites=suites, pools=pools, tax=tax, gain=gain)


def _weighted(suites: Sequence[SuiteResult], level: float, role: Literal["retain", "target"]) -> Estimate | None:
    """The pooled tax over retain suites, a loss counted positive; the pooled gain over targets."""
    mine = [suite for suite in suites if suite.role == role and not suite.advisory]
    deltas, weights, names = [s.delta for s in mine], [s.weight for s in mine], [s.name for s in mine]
    return pooled(deltas, weights, level=level, sign=-1 if role == "retain" else +1, names=names)


def _worst(suites: Sequence[SuiteResult], level: float) -> Worst | None:
    """The largest loss of a retain suite, with limits that hold for all of them at once."""
    mine = [suite for suite in suites if suite.role == "retain" and not suite.advisory]
    return worst_of([suite.delta for suite in mine], [suite.name for suite in mine], level=level)


def _losses_found(
    suites: Sequence[SuiteResult],
    paired: Mapping[tuple[str, str], PairedScores],
    manifest: Manifest,
    level: float,
) -> dict[str, float]:
    """The retain suites with a loss that is not chance, all of them together, and their adjusted p-values."""
    macro = {record.name for record in manifest.suites if record.aggregate == "macro"}
    tested: list[tuple[SuiteResult, float]] = []
    for suite in suites:
        if suite.role != "retain" or suite.advisory:
            continue
        parts = [paired[suite.name, task.name] for task in suite.tasks]
        exact = suite.name not in macro and all(part.binary and part.groups is None for part in parts)
        p = p_of_change(suite.delta, suite.regressed, suite.fixed, exact=exact)
        if p is not None:
            tested.append((suite, p))
    adjusted = holm([p for _, p in tested])
    found = [
        (suite.name, float(p))
        for (suite, _), p in zip(tested, adjusted, strict=True)
        if suite.delta.value < 0 and p <= 1 - level
    ]
    return dict(sorted(found, key=lambda one: one[1]))


def _saturated(suites: Sequence[SuiteResult]) -> Iterator[str]:
    for suite in suites:
        for caution in suite.cautions:
            if caution not in suite.delta.cautions:
                yield f"{suite.name}: {caution}"


def _overlap_cautions(suites: Sequence[SuiteResult]) -> Iterator[str]:
    for suite in suites:
        if suite.overlap.flagged > _MANY_OVERLAP * suite.overlap.n:
            yield (
                f"{suite.name}: {suite.overlap.flagged} of {suite.overlap.n} items stand in training data; what was "
                "gained or kept there may be memory"
            )
