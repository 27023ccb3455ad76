"""What a run is told to use, by flags or by an `evalkit.yaml` beside BASE: suites, judge and policy, read and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evalkit.catalog import find_judge, load_plugins
from evalkit.composed import Chosen, choose
from evalkit.config import (
    LOCAL,
    ExecutorSpec,
    JudgeSpec,
    ModelSpec,
    PolicySpec,
    ProbesSpec,
    ProjectSpec,
    SuiteSpec,
    executor_fields,
    read_model,
    read_policy,
    read_project,
)
from evalkit.judging import check_judge
from evalkit.scorers import UNSCORED, check_golds, marking
from evalkit.tasks import Suite, load_suite
from evalkit.terms import Terms, check_policy, with_pools
from evalkit.types import ARMS, INCUMBENT, PROBES, InputError
from evalkit.yamlfile import validate

DEFAULT_SUITE = "quick"
_TAKEN = (*ARMS, INCUMBENT)

Graders = Mapping[tuple[str, str], JudgeSpec]
"""The pointwise judge of each (suite, task) that is marked by one."""


@dataclass(frozen=True)
class Inputs:
    """Everything but the models: the suites with their rows, the judge and the policy.

    readers: who really reads the pairs: the judge, or the members of a jury. pools: those that composed suites bring;
    `policy` holds them already.
    """

    suites: tuple[Suite, ...]
    judge: JudgeSpec | None
    policy: PolicySpec
    probes: ProbesSpec
    graders: Graders
    readers: tuple[JudgeSpec, ...] = ()
    pools: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    executor: ExecutorSpec = LOCAL

    @property
    def unread(self) -> tuple[str, ...]:
        """Cautions on tasks that nothing marks: they have no scorer, and no judge was named to read them."""
        if self.judge is not None:
            return ()
        cautions: list[str] = []
        for suite in self.suites:
            unread = [task.name for task in suite.tasks if marking(task).metric == UNSCORED]
            if unread:
                some = "" if len(unread) == len(suite.tasks) else f"task {', '.join(map(repr, unread))} of "
                cautions.append(f"{some}suite {suite.name!r} is read by a judge alone, and none was named: --judge")
        return tuple(cautions)

    @classmethod
    def read(
        cls,
        beside: ModelSpec,
        suites: Sequence[str | SuiteSpec] | None,
        judge: str | JudgeSpec | None,
        policy: str | Path | PolicySpec | None,
        executor: str | ExecutorSpec | None = None,
    ) -> Inputs:
        """Read and check it all; what is None comes from the `evalkit.yaml` beside the model, else is the default.

        Raises InputError naming file and field of whatever is wrong.
        """
        project = _project(beside.folder)
        where = executor_spec(executor, project.executor)
        chosen = _chosen(project, suites)
        loaded = _load(chosen)
        written = policy_spec(policy) if policy is not None else _project_policy(project)
        applied = with_pools(written, chosen.pools)
        reader, graders = _judge(project, judge), _graders(loaded)
        # Whether the judge has passed an exam is known when its model is: `api` checks again.
        check_policy(applied, {suite.name: Terms.of(suite) for suite in loaded}, {reader.name: True} if reader else {})
        readers = readers_of(reader)
        for one in readers:
            if one.name in {grader.name for grader in graders.values()}:
                raise InputError(
                    f"{one.file or one.name}: name: a grader of this run is called so too; rename one of them"
                )
        return cls(loaded, reader, applied, project.probes, graders, readers, chosen.pools, where)


def named(
    folder: str,
    suites: Sequence[str | SuiteSpec] | None,
    judge: str | JudgeSpec | None,
    policy: str | Path | PolicySpec | None,
) -> tuple[Chosen, JudgeSpec | None, PolicySpec]:
    """The suites, judge and policy that a run would use whose base's file is in `folder`. No row of data is read.

    Raises InputError.
    """
    project = read_project(folder) if folder else ProjectSpec()
    chosen = _chosen(project, suites)
    written = policy_spec(policy) if policy is not None else _project_policy(project)
    return chosen, _judge(project, judge), with_pools(written, chosen.pools)


def read_suite_by_name(name: str, beside: str = ".") -> tuple[Suite, ...]:
    """One suite with its rows, or the members of a composed one, checked as a run checks them. Raises InputError.

    beside: the folder whose `evalkit.yaml` names the plugins that its tasks may need.
    """
    _project(beside)
    return _load(choose([name], asked_by="suite"))


def _project(folder: str) -> ProjectSpec:
    """The project file of a folder, its plugins loaded."""
    project = read_project(folder) if folder else ProjectSpec()
    load_plugins(project.plugins, project.folder or ".", asked_by=f"{project.file}: plugins")
    return project


def _load(chosen: Chosen) -> tuple[Suite, ...]:
    loaded = tuple(load_suite(spec) for spec in chosen.suites)
    for suite in loaded:
        _check_marking(suite)
    names = [suite.name for suite in loaded]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise InputError(f"--suite: two suites are named {twice!r}; names within a run are unique")
    if PROBES in names:
        raise InputError(f"--suite: {PROBES!r} is the name of what evalkit measures itself; call the suite otherwise")
    return loaded


def _check_marking(suite: Suite) -> None:
    """Scorers are there and fit their golds; what has no bounds, or is better when lower, is left to guards."""
    file = suite.spec.file or suite.name
    for task in suite.tasks:
        if task.spec is not None:
            check_golds(task.spec, task.examples, asked_by=f"{file}: tasks[{suite.spec.tasks.index(task.spec)}]")
    how = [marking(task) for task in suite.tasks]
    if not all(one.bounded for one in how) and len({one.metric for one in how}) > 1:
        units = ", ".join(dict.fromkeys(one.metric for one in how))
        raise InputError(
            f"{file}: tasks: one suite's scores are counted in different units: {units}; make it one suite a unit"
        )
    for task, one in zip(suite.tasks, how, strict=True):
        if suite.spec.role != "guard" and (one.worse_is_higher or not one.bounded):
            raise InputError(
                f"{file}: role: {suite.spec.role}: task {task.name!r} is marked by {one.metric}, where higher is "
                "worse or scores have no bounds; say `role: guard`, whose gate bounds the increase"
            )


def _chosen(project: ProjectSpec, suites: Sequence[str | SuiteSpec] | None) -> Chosen:
    if suites:
        return choose(suites)
    if project.suites:
        return choose(project.suites, project.folder, asked_by=f"{project.file}: suites")
    return choose([DEFAULT_SUITE])


def _judge(project: ProjectSpec, judge: str | JudgeSpec | None) -> JudgeSpec | None:
    if isinstance(judge, str):
        judge = find_judge(judge) if judge != "none" else None
    elif judge is None and project.judge:
        judge = find_judge(project.judge, project.folder, asked_by=f"{project.file}: judge")
    if judge is not None and judge.name in _TAKEN:
        raise InputError(f"{judge.file}: name: {judge.name!r} means a model under test; call the judge otherwise")
    if judge is not None and judge.kind != "jury":
        check_judge(judge)
    return judge


def readers_of(judge: JudgeSpec | None) -> tuple[JudgeSpec, ...]:
    """The judge, or a jury's members, each read and checked. Raises InputError."""
    if judge is None or judge.kind != "jury":
        return () if judge is None else (judge,)
    where = f"{judge.file or judge.name}: members"
    members = [find_judge(name, judge.folder or ".", asked_by=where) for name in judge.members]
    for member in members:
        if member.kind == "jury":
            raise InputError(f"{where}: {member.name!r} is a jury itself; name its members")
        if member.name in (*_TAKEN, judge.name) or [one.name for one in members].count(member.name) > 1:
            raise InputError(f"{where}: the name {member.name!r} is taken; call the judge in {member.file} otherwise")
        if member.against != judge.against:
            raise InputError(
                f"{where}: {member.name!r} holds tuned against {member.against}, and the jury against {judge.against}"
            )
        check_judge(member)
    return tuple(members)


def _graders(suites: Sequence[Suite]) -> Graders:
    """The pointwise judges that tasks name, each read and checked once; by the place of the task that asks."""
    found: dict[tuple[str, str], JudgeSpec] = {}
    for suite in suites:
        for task in suite.tasks:
            if task.spec is not None and task.spec.grader is not None:
                where = f"{suite.spec.file or suite.name}: task {task.name!r}: grader"
                grader = find_judge(task.spec.grader, suite.spec.folder, asked_by=where)
                if not grader.is_graded_apart:
                    raise InputError(
                        f"{where}: {task.spec.grader!r} is of kind {grader.kind}; `score: rubric` needs one that sees one answer "
                        "at a time: pointwise, reference or checklist"
                    )
                check_judge(grader)
                found[suite.name, task.name] = grader
    names = {grader.name: grader for grader in found.values()}
    for grader in found.values():
        if grader.name in _TAKEN or names[grader.name] != grader:
            raise InputError(f"{grader.file}: name: {grader.name!r} is taken in this run; call the judge otherwise")
    return found


def check_again(base: ModelSpec, aa: int | None) -> None:
    """Only a model that runs can be asked twice. Raises InputError."""
    if aa is not None and base.backend == "replay":
        raise InputError(
            f"{base.file or base.name}: backend: replay: --aa asks base the same questions again, and recorded answers would only "
            "be read again; leave --aa out, or compare with the model itself"
        )


def executor_spec(executor: str | ExecutorSpec | None, project: ExecutorSpec) -> ExecutorSpec:
    """Where engines stand: as given, by a word that leaves what the project file says of Ray as it is. Raises InputError."""
    if executor is None or isinstance(executor, ExecutorSpec):
        return executor or project
    try:
        stated = validate(ExecutorSpec, executor_fields(executor))
    except ValueError as error:
        raise InputError(f"--executor: {executor!r}: {error}") from None
    if stated.kind != project.kind:
        return stated
    return project.model_copy(update={"address": stated.address}) if stated.address else project


def policy_spec(policy: str | Path | PolicySpec) -> PolicySpec:
    """A policy as given, or read from its file. Raises InputError."""
    return policy if isinstance(policy, PolicySpec) else read_policy(policy)


def _project_policy(project: ProjectSpec) -> PolicySpec:
    return read_policy(Path(project.folder) / project.policy) if project.policy else PolicySpec()


def model_spec(model: str | Path | ModelSpec) -> ModelSpec:
    """A model as given, or read from its file. Raises InputError."""
    return model if isinstance(model, ModelSpec) else read_model(model)
