"""What the command line does, as functions: compare two models, run one, load and re-decide a stored run."""

from __future__ import annotations

import dataclasses
import datetime
import secrets
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from evalkit.attempt import Attempt, Wanted
from evalkit.comparing.fidelity import fidelity_cautions
from evalkit.config import (
    ExecutorSpec,
    JudgeSpec,
    ModelSpec,
    PolicySpec,
    SuiteSpec,
)
from evalkit.contamination.arms import training_files
from evalkit.examining.labelling import draw as draw_to_label
from evalkit.examining.labelling import labels_of, passed_over, read_rows
from evalkit.importers import Imported, ImportedScores
from evalkit.inputs import Inputs, check_again, model_spec, policy_spec
from evalkit.provenance import hardware, versions
from evalkit.run import SCHEMA, Run, decided, new_id
from evalkit.running.requests import draw
from evalkit.running.schedule import Schedule
from evalkit.scorers.code import check_programs
from evalkit.stored.cache import Journal, cache_folder
from evalkit.stored.records import samples_frame
from evalkit.stored.runs import read_manifest
from evalkit.stored.samples import Samples
from evalkit.terms import Terms, check_incumbent, check_terms, over_incumbent, standing, terms_of, with_pools
from evalkit.types import (
    ARMS,
    INCUMBENT,
    Comparison,
    InputError,
    Manifest,
    Progress,
    RunError,
    Silent,
)
from evalkit.yamlfile import validate


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
    progress, since = progress or Silent(), time.monotonic()
    progress.phase("reading suites and models")
    specs = {"base": model_spec(base), "tuned": model_spec(tuned)}
    inputs = Inputs.read(specs["base"], suites, judge, policy, executor)
    gated = over_incumbent(inputs.policy, {suite.name: Terms.of(suite) for suite in inputs.suites})
    check_incumbent(inputs.readers, incumbent, gated)
    check_again(specs["base"], aa)
    if incumbent is not None:
        specs[INCUMBENT] = model_spec(incumbent)
    training = training_files({arm: specs[arm] for arm in ARMS}, train_data)
    wanted = Wanted(limit, seed, probes, sequential, fresh_from, hold_out, aa, command)
    attempt = Attempt(specs, inputs, gated, training, wanted, progress, since=since)
    if out is not None:
        check_writable(Path(out))  # only now: what is refused leaves no empty folder
    run = attempt.run()
    if out is not None:
        progress.phase("writing the report")
    return _written(run, out)


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
    check_terms(chosen, imported.suite_records, imported.judge_records)
    check_incumbent((), None, over_incumbent(chosen, terms_of(imported.suite_records)))
    if out is not None:
        check_writable(Path(out))
    began = datetime.datetime.now(datetime.UTC)
    samples = imported.records.samples()
    models = {"base": imported.base_record, "tuned": imported.tuned_record}
    manifest = Manifest(
        schema=SCHEMA,
        run_id=new_id(began),
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
    run = decided(manifest, chosen, samples, None)
    return _written(run, out)


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
        check_terms(chosen, standing(manifest.suites, manifest.graders, chosen), manifest.judges)
        manifest = dataclasses.replace(manifest, policy=chosen.model_dump(mode="json"))
    held = Samples.stored(folder / "samples.parquet")
    _check_answered(folder, over_incumbent(chosen, terms_of(manifest.suites)), held)
    return decided(manifest, chosen, held, folder, describe=describe)


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
    return decided(manifest, run.policy, run.held, run.folder)


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


def _written(run: Run, out: str | Path | None) -> Run:
    """The run with its folder; its six files are there where one was named."""
    if out is None:
        return run
    run.write(out)
    return dataclasses.replace(run, folder=Path(out))
