"""What the command line does, as functions: compare two models, run one, load and re-decide a stored run."""

from __future__ import annotations

import dataclasses
import datetime
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa

from evalkit.backends.fingerprint import FileHashes
from evalkit.comparing.comparison import compare_records
from evalkit.comparing.fidelity import fidelity_cautions, reasoning_cautions
from evalkit.comparing.noise import with_noise
from evalkit.comparing.texts import StoredTexts
from evalkit.config import (
    ExecutorSpec,
    JudgeSpec,
    ModelSpec,
    PolicySpec,
    SuiteSpec,
)
from evalkit.contamination.arms import scan, training_files
from evalkit.deciding.gate import decide
from evalkit.deciding.looks import as_repeated, first_look, hope, in_stages, look_level, look_line
from evalkit.examining.anchors import check_anchors
from evalkit.examining.labelling import draw as draw_to_label
from evalkit.examining.labelling import labels_of, passed_over, read_rows
from evalkit.fresh import asked_in, held_back, left_out
from evalkit.importers import Imported, ImportedScores
from evalkit.inputs import (
    Inputs,
    Terms,
    check_again,
    check_incumbent,
    check_policy,
    model_spec,
    over_incumbent,
    policy_spec,
    standing,
    with_pools,
)
from evalkit.planning.promising import promised
from evalkit.provenance import hardware, versions
from evalkit.remembering import judge_records, merged, suite_records, with_jury, with_sampling
from evalkit.report.files import read_manifest, write_run
from evalkit.running.requests import draw, first_of_each_task
from evalkit.running.schedule import Collected, Schedule
from evalkit.scorers.code import check_programs
from evalkit.stored.cache import Journal, cache_folder
from evalkit.stored.records import narrow_frame, samples_frame, verdicts_as_frame, verdicts_frame
from evalkit.stored.samples import Samples
from evalkit.types import (
    ARMS,
    INCUMBENT,
    Anchors,
    Comparison,
    Decision,
    InputError,
    JudgeRecord,
    Looked,
    Manifest,
    Phase,
    Progress,
    RunError,
    Silent,
    SuiteRecord,
)
from evalkit.yamlfile import validate

SCHEMA = 1


@dataclass(frozen=True)
class Run:
    """A finished run: its evidence and everything that follows from it. `folder` is None where nothing was written."""

    manifest: Manifest
    comparison: Comparison
    decision: Decision
    held: Samples
    folder: Path | None = None

    @property
    def table(self) -> pa.Table:
        """The whole table in memory, texts and verdicts too. `held` reads the columns and rows that are wanted."""
        return self.held.table()

    @property
    def samples(self) -> pd.DataFrame:
        """One row per (suite, task, id, arm, sample): prompt, text, extracted answer, gold, value, cause, failure."""
        return samples_frame(self.held)

    @property
    def verdicts(self) -> pd.DataFrame:
        """One row per verdict: suite, task, id, judge, order, winner, reason."""
        return verdicts_frame(self.held)

    @property
    def policy(self) -> PolicySpec:
        """The policy this run was decided under."""
        return validate(PolicySpec, dict(self.manifest.policy), file="manifest.json: policy")

    def write(self, folder: str | Path) -> Path:
        """Write the six files into `folder`; return the path of report.html."""
        folder = Path(folder)
        same = self.folder is not None and folder.resolve() == self.folder.resolve()
        return write_run(folder, self.comparison, self.decision, self.manifest, self.held, keep_samples=same)


def compare(
    base: str | Path | ModelSpec,
    tuned: str | Path | ModelSpec,
    *,
    suites: Sequence[str | SuiteSpec] | None = None,
    judge: str | JudgeSpec | None = None,
    policy: str | Path | PolicySpec | None = None,
    train_data: Sequence[str | Path] = (),
    out: str | Path | None = None,
    incumbent: str | Path | ModelSpec | None = None,
    limit: int | None = None,
    seed: int = 0,
    probes: bool = True,
    sequential: bool = False,
    fresh_from: Sequence[str | Path] = (),
    aa: int | None = None,
    executor: str | ExecutorSpec | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Run both models on the suites and compare them; `out` also writes the six files there.

    What is None comes from an `evalkit.yaml` beside base, else suite `quick`, no judge and the default policy.
    train_data: files and folders that tuned was trained on, or base as `base=FILE`; items are looked up in them, and in
    those that the model files name. probes: also measure bits per byte on held-out text and KL(tuned || base), where the
    engines allow it. incumbent: the model in use now, for gates and judges that are `against: incumbent`. aa: ask base so
    many items of each task a second time, to see how much of what changed is noise. sequential: look at the run as often as
    the policy says, and stop when it is decided. fresh_from: folders of stored runs or sweeps, whose items are left out.
    executor: where engines stand: "local", "ray", a Ray cluster's address, or a whole `ExecutorSpec`.
    Raises InputError for anything wrong in the files before an engine starts. For the decision, see `run_comparison`.
    """
    run = run_comparison(
        base,
        tuned,
        suites=suites,
        judge=judge,
        policy=policy,
        train_data=train_data,
        out=out,
        incumbent=incumbent,
        limit=limit,
        seed=seed,
        probes=probes,
        sequential=sequential,
        fresh_from=fresh_from,
        aa=aa,
        executor=executor,
        progress=progress,
    )
    return run.comparison


def run_comparison(
    base: str | Path | ModelSpec,
    tuned: str | Path | ModelSpec,
    *,
    suites: Sequence[str | SuiteSpec] | None = None,
    judge: str | JudgeSpec | None = None,
    policy: str | Path | PolicySpec | None = None,
    train_data: Sequence[str | Path] = (),
    out: str | Path | None = None,
    incumbent: str | Path | ModelSpec | None = None,
    limit: int | None = None,
    seed: int = 0,
    probes: bool = True,
    sequential: bool = False,
    fresh_from: Sequence[str | Path] = (),
    hold_out: float = 0.0,
    aa: int | None = None,
    executor: str | ExecutorSpec | None = None,
    progress: Progress | None = None,
    command: str = "",
) -> Run:
    """As `compare`, and decide: the whole `Run`. command: what the user typed, for the manifest.

    hold_out: the share of every task's items that is kept back for confirming a choice among several candidates.
    """
    progress = progress or Silent()
    progress.phase("reading suites and models")
    specs = {"base": model_spec(base), "tuned": model_spec(tuned)}
    inputs = Inputs.read(specs["base"], suites, judge, policy, executor)
    gated = over_incumbent(inputs.policy, {suite.name: Terms.of(suite) for suite in inputs.suites})
    check_incumbent(inputs.readers, incumbent, gated)
    check_again(specs["base"], aa)
    if incumbent is not None:
        specs[INCUMBENT] = model_spec(incumbent)
    fresh, without = None, frozenset()
    cautions: tuple[str, ...] = ()
    if fresh_from:
        without, fresh, cautions = left_out(inputs.suites, asked_in(fresh_from))
    if hold_out:
        held, too_few = held_back(inputs.suites, hold_out, seed=seed)
        without, cautions = without | held, cautions + too_few
    files = training_files({arm: specs[arm] for arm in ARMS}, train_data)
    cautions += (*check_programs(inputs.suites), *inputs.unread)
    for caution in cautions:
        progress.note(caution)
    if out is not None:
        check_writable(Path(out))
    schedule = Schedule(specs, inputs.readers, cache_folder(), inputs.graders, inputs.executor)
    items = draw(inputs.suites, seed=seed, limit=limit, without=without)
    graders = {one.name: one for one in inputs.graders.values()}.values()

    # Whose exam lets it decide is known now that the judges' models are; what a policy may not ask is said at once.
    examined = with_jury(inputs.judge, judge_records(inputs.readers, schedule.models, {}))
    planned = suite_records(inputs, items, specs, schedule.models)
    _check_terms(inputs.policy, planned, examined)
    promise = promised(inputs, items, planned, schedule.models, sequential=sequential, seed=seed, progress=progress)
    scanned = scan(inputs.suites, files, FileHashes(cache_folder()), progress)
    began = datetime.datetime.now(datetime.UTC)

    def whole(collected: Collected, looked: Looked | None, anchors: Mapping[str, Anchors | None] | None = None) -> Run:
        """What has come in so far as a run of its own; without anchors a look, of which only the decision is wanted."""
        held = collected.records.samples(scanned.shares)
        frame = narrow_frame(held)
        read_by = tuple(
            dataclasses.replace(record, anchors=(anchors or {}).get(record.name))
            for record in judge_records(inputs.readers, collected.models, collected.costs)
        )
        manifest = Manifest(
            schema=SCHEMA,
            run_id=f"{began:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}",
            created=began.isoformat(timespec="seconds"),
            command=command,
            base=with_sampling(collected.models["base"], specs["base"]),
            tuned=with_sampling(collected.models["tuned"], specs["tuned"]),
            # Again, now that all marks were seen: a source may find that its scores are graded only then.
            suites=suite_records(inputs, items if looked is None else items[: looked.asked], specs, collected.models),
            judges=with_jury(inputs.judge, read_by),
            graders=judge_records(graders, collected.models, collected.costs),
            policy=inputs.policy.model_dump(mode="json"),
            versions=versions(),
            hardware=hardware(),
            seed=seed,
            limit=limit,
            phases=tuple(merged(collected.phases)),
            pools=inputs.pools,
            train_data=scanned.files,
            incumbent=with_sampling(collected.models[INCUMBENT], specs[INCUMBENT]) if incumbent is not None else None,
            aa=aa,
            sequential=looked,
            fresh_from=fresh,
            hold_out=hold_out,
        )
        models = {arm: getattr(manifest, arm) for arm in (*ARMS, *([INCUMBENT] if gated else []))}
        said = (
            *cautions,
            *collected.cautions,
            *fidelity_cautions(models, frame, manifest.suites, StoredTexts(held)),
            *reasoning_cautions(models, manifest.suites),
        )
        return _decide(
            dataclasses.replace(manifest, cautions=said),
            inputs.policy,
            held,
            None,
            frame,
            describe=anchors is not None,
            noise=anchors is not None,
        )

    looked = first_look(inputs.policy.sequential, len(items)) if sequential else None
    if looked is not None and schedule.reloads:
        progress.note(
            f"each of the {looked.looks} looks loads the engines of this machine in turn: it pays where answers take far longer "
            "than loading"
        )
    stages = in_stages(items, looked.looks, seed=seed) if looked else [items]
    items = [item for stage in stages for item in stage]

    def decided(collected: Collected, stage: int) -> bool:
        """Look at what has come in by the end of a stage."""
        nonlocal looked
        assert looked is not None
        looked = dataclasses.replace(looked, look=stage + 1, asked=sum(len(one) for one in stages[: stage + 1]))
        decision = whole(collected, looked).decision
        if decision.complete and decision.outcome != "inconclusive":
            looked = dataclasses.replace(looked, stopped="decided")
        elif looked.futility is not None and hope(decision, inputs.policy.level, looked) < looked.futility:
            looked = dataclasses.replace(looked, stopped="futile")
        progress.note(look_line(decision, looked))
        return looked.stopped != "end"

    with Journal(cache_folder() / "journal.sqlite") as journal:
        beside = inputs.probes if probes else None
        again = first_of_each_task(stages[0], aa or 0)
        collected = schedule.collect(
            inputs.suites,
            items,
            journal,
            progress,
            probes=beside,
            seed=seed,
            gated=gated,
            again=again,
            stages=stages,
            decided=decided,
        )
        anchors = {
            one.name: check_anchors(one, journal, cache_folder(), progress, today=f"{began:%Y-%m-%d}")
            for one in inputs.readers
        }
    for _, phases in anchors.values():
        collected.phases += [dataclasses.replace(one, name=f"{one.name}: stored pairs") for one in phases]
    progress.phase("comparing and deciding")
    deciding = time.monotonic()
    if looked is not None and looked.stopped == "end":
        looked = dataclasses.replace(looked, look=looked.looks, asked=len(items))
    run = whole(collected, looked, {name: one for name, (one, _) in anchors.items()})
    if run.decision.outcome == "inconclusive":
        run = _with_cautions(run, promise)
    phases = (*run.manifest.phases, Phase("deciding", time.monotonic() - deciding))
    run = dataclasses.replace(run, manifest=dataclasses.replace(run.manifest, phases=phases))
    if out is not None:
        progress.phase("writing the report")
        run.write(out)
        run = dataclasses.replace(run, folder=Path(out))
    return run


def import_run(
    imported: Imported | ImportedScores,
    *,
    policy: str | Path | PolicySpec | None = None,
    out: str | Path | None = None,
    command: str = "",
) -> Run:
    """Decide what an importer brought, as if it had been run here; `out` also writes the six files there.

    Raises InputError for a policy that names what the import does not hold.
    """
    chosen = policy_spec(policy) if policy is not None else PolicySpec()
    _check_terms(chosen, imported.suite_records, imported.judge_records)
    check_incumbent((), None, over_incumbent(chosen, _terms(imported.suite_records)))
    if out is not None:
        check_writable(Path(out))
    began = datetime.datetime.now(datetime.UTC)
    samples = imported.records.samples()
    models = {"base": imported.base_record, "tuned": imported.tuned_record}
    manifest = Manifest(
        schema=SCHEMA,
        run_id=f"{began:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}",
        created=began.isoformat(timespec="seconds"),
        command=command,
        base=models["base"],
        tuned=models["tuned"],
        suites=imported.suite_records,
        judges=imported.judge_records,
        policy=chosen.model_dump(mode="json"),
        versions=versions(),
        hardware=hardware(),
        cautions=(*imported.cautions, *fidelity_cautions(models, samples_frame(samples), imported.suite_records)),
    )
    run = _decide(manifest, chosen, samples, None)
    if out is not None:
        run.write(out)
        run = dataclasses.replace(run, folder=Path(out))
    return run


def load(folder: str | Path, *, policy: str | Path | PolicySpec | None = None, describe: bool = True) -> Run:
    """Read a stored run and decide it, under its own policy or another. Raises RunError, InputError.

    describe: also compute what no gate reads, drift and test-time compute; without it no text of a decided run is read.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise RunError(f"{folder}: no such folder; give the folder that `evalkit compare --out` wrote")
    manifest = read_manifest(folder)
    if manifest.schema != SCHEMA:
        raise RunError(f"{folder}/manifest.json: schema {manifest.schema}, and this evalkit reads {SCHEMA}")
    chosen = policy_spec(policy) if policy is not None else None
    if chosen is None:
        chosen = validate(PolicySpec, dict(manifest.policy), file=f"{folder}/manifest.json: policy")
    else:
        chosen = with_pools(chosen, manifest.pools)
        _check_terms(chosen, standing(manifest.suites, manifest.graders, chosen), manifest.judges)
        manifest = dataclasses.replace(manifest, policy=chosen.model_dump(mode="json"))
    held = Samples.stored(folder / "samples.parquet")
    _check_answered(folder, over_incumbent(chosen, _terms(manifest.suites)), held)
    return _decide(manifest, chosen, held, folder, describe=describe)


def with_labels(run: Run, files: Sequence[Path], judge: str | None = None) -> Run:
    """A stored run with what people said of some of its pairs, decided anew. Raises InputError for labels not of its draw."""
    rows = [row for path in files for row in read_rows(path)]
    if not rows:
        raise InputError(f"{files[0]}: holds no row; draw some with: evalkit judge label-next")
    drawn = draw_to_label(run.manifest, run.verdicts, judge or rows[0].judge, seed=rows[0].seed)
    labels = labels_of(drawn, rows)
    if not labels:
        raise InputError(f"{files[0]}: nobody has filled in the column `label`: write first, second or tie")
    # Of labels read before nothing stays, and neither does what was said of them.
    cautions = tuple(one for one in run.manifest.cautions if not one.startswith(f"labels for {drawn.judge}:"))
    skipped = passed_over(drawn, rows)
    if skipped:
        cautions += (
            f"labels for {drawn.judge}: {skipped} of {len(labels) + skipped} pairs were passed over, which counts as chance; "
            "the correction is off where it was not",
        )
    records = tuple(
        dataclasses.replace(record, labels=labels) if record.name == drawn.judge else record
        for record in run.manifest.judges
    )
    manifest = dataclasses.replace(run.manifest, judges=records, cautions=tuple(dict.fromkeys(cautions)))
    return _decide(manifest, run.policy, run.held, run.folder)


def run_one(
    model: str | Path | ModelSpec,
    *,
    suites: Sequence[str | SuiteSpec] | None = None,
    ids: Sequence[str] = (),
    limit: int | None = None,
    seed: int = 0,
    executor: str | ExecutorSpec | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Ask one model alone; its samples as a frame. ids: only these items. executor: as of `compare`. Raises InputError for an id no suite has."""
    spec = model_spec(model)
    inputs = Inputs.read(
        spec, suites, "none", PolicySpec(), executor
    )  # a policy may name suites that are not asked here
    items = draw(inputs.suites, seed=seed, limit=limit)
    if ids:
        known = {item.example.id for item in items}
        unknown = [one for one in ids if one not in known]
        if unknown:
            raise InputError(f"--id: no item {unknown[0]!r} in {', '.join(suite.name for suite in inputs.suites)}")
        items = [item for item in items if item.example.id in ids]
    progress = progress or Silent()
    for caution in check_programs(inputs.suites):
        progress.note(caution)
    schedule = Schedule({"base": spec}, (), cache_folder(), inputs.graders, inputs.executor)
    with Journal(cache_folder() / "journal.sqlite") as journal:
        collected = schedule.collect(inputs.suites, items, journal, progress)
    return samples_frame(collected.records.samples())


def check_writable(folder: Path) -> None:
    """Hours of generation must not end at a folder that cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".evalkit-{secrets.token_hex(4)}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(f"--out: {folder}: cannot be written: {error}") from None


def _terms(suites: Sequence[SuiteRecord]) -> dict[str, Terms]:
    return {suite.name: Terms.of_record(suite) for suite in suites}


def _check_terms(policy: PolicySpec, suites: Sequence[SuiteRecord], judges: Sequence[JudgeRecord]) -> None:
    mark = policy.judge.exam.min_agreement, policy.judge.max_unscored
    passed = {
        one.name: one.exam is not None and one.exam.standing(*mark) == "passed" for one in judges if one.jury is None
    }
    check_policy(policy, _terms(suites), passed)


def _check_answered(folder: Path, gated: Mapping[str, str], held: Samples) -> None:
    """A stored run holds the incumbent's answers to what a policy now holds against it. Raises RunError."""
    samples = samples_frame(held, ["suite", "task", "id", "arm"]) if gated else pd.DataFrame()
    for suite, says in gated.items():
        mine = samples.loc[samples["suite"] == suite, :]
        by_arm = {
            arm: set(map(tuple, mine.loc[mine["arm"] == arm, ["task", "id"]].to_numpy()))
            for arm in ("tuned", INCUMBENT)
        }
        asked, lacking = len(by_arm["tuned"]), len(by_arm["tuned"] - by_arm[INCUMBENT])
        if lacking:
            answers = (
                f"its answers to {asked - lacking} of {asked} items"
                if asked > lacking
                else "none of its answers to them"
            )
            raise RunError(
                f"{folder}: {says}: incumbent, and of the items of suite {suite!r} this run holds {answers}; compare again "
                "with this policy and --incumbent"
            )


def _decide(
    manifest: Manifest,
    policy: PolicySpec,
    table: pa.Table | Samples,
    folder: Path | None,
    frame: pd.DataFrame | None = None,
    *,
    describe: bool = True,
    noise: bool = True,
) -> Run:
    manifest = dataclasses.replace(manifest, suites=standing(manifest.suites, manifest.graders, policy))
    looked = manifest.sequential
    held = Samples.of(table)
    samples, texts = narrow_frame(held) if frame is None else frame, StoredTexts(held)
    comparison = compare_records(
        samples,
        verdicts_frame(held, reasons=False) if manifest.judges else verdicts_as_frame(()),
        manifest,
        level=policy.level if looked is None else look_level(policy.level, looked),
        pools=policy.pools,
        min_agreement=policy.judge.exam.min_agreement,
        max_unscored=policy.judge.max_unscored,
        over_incumbent=over_incumbent(policy, _terms(manifest.suites)),
        relative=policy.retain.relative,
        describe=describe,
        texts=texts,
    )
    decision = decide(comparison, policy)
    if looked is not None:
        comparison, decision = as_repeated(comparison, decision, policy.level, looked)
    comparison = with_noise(comparison, samples, manifest, texts) if noise else comparison
    return Run(manifest, comparison, decision, held, folder)


def _with_cautions(run: Run, cautions: tuple[str, ...]) -> Run:
    """The same with further cautions, which change no number. They stand where the stored run, loaded again, has them."""
    known = len(run.manifest.cautions)
    said = run.comparison.cautions
    return dataclasses.replace(
        run,
        manifest=dataclasses.replace(run.manifest, cautions=(*run.manifest.cautions, *cautions)),
        comparison=dataclasses.replace(run.comparison, cautions=(*said[:known], *cautions, *said[known:])),
    )
