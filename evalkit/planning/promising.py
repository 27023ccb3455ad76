"""Before a comparison begins: whether it can be promised to decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evalkit.deciding.looks import last_level
from evalkit.inputs import Inputs
from evalkit.planning import PlannedJudge, design_of, expectations, plan
from evalkit.remembering import judge_records, with_jury
from evalkit.running.pairs import JudgedPairs
from evalkit.running.requests import Item
from evalkit.stored.records import Records
from evalkit.types import Expected, InputError, ModelRecord, Progress, SuiteRecord

_RUNS = 200  # simulated: enough to see what is far from deciding


def judges_that_decide(inputs: Inputs, items: Sequence[Item], models: Mapping[str, ModelRecord]) -> list[PlannedJudge]:
    """The judges, juries included, whose exam lets them decide under the policy, with the prompts they are going to read.

    None where nothing that is asked is for a judge to read: there is no gate then.
    """
    terms = inputs.policy.judge
    records = with_jury(inputs.judge, judge_records(inputs.readers, models, {}))
    prompts = min((len(JudgedPairs(one, items, inputs.suites, Records())) for one in inputs.readers), default=0)
    return [
        PlannedJudge(one.name, prompts)
        for one in records
        if prompts
        and one.jury is None
        and one.exam is not None
        and one.exam.standing(terms.exam.min_agreement, terms.max_unscored) == "passed"
    ]


def promised(
    inputs: Inputs,
    items: Sequence[Item],
    records: Sequence[SuiteRecord],
    models: Mapping[str, ModelRecord],
    *,
    sequential: bool,
    seed: int,
    progress: Progress,
) -> tuple[str, ...]:
    """Nothing where equal models would get GO as often as the policy asks; else a caution, or InputError if it refuses."""
    design = design_of(records, items, judges_that_decide(inputs, items, models))
    if not design.suites:
        return ()
    found = plan(
        design,
        inputs.policy,
        expectations({one.record.name: one.record for one in design.suites}, {}),
        runs=_RUNS,
        seed=seed,
        level=last_level(inputs.policy.level, inputs.policy.sequential) if sequential else None,
        remedies=False,
        progress=progress,
    )
    if found.high >= found.power:  # so few simulations are no ground to warn of a near miss
        return ()
    told = (
        f"equal models would get GO in about {100 * found.go:.0f} % of such runs, were {100 * Expected().discordance:g} % of items to "
        f"differ, and the policy asks for {100 * found.power:g} %"
    )
    if inputs.policy.plan == "refuse":
        where = inputs.policy.file or "policy"
        raise InputError(f"{where}: plan: refuse: {told}; evalkit plan, with the same arguments, says what would help")
    progress.note(f"{told}; evalkit plan, with the same arguments, says what would help")
    return (f"planned: {told}",)
