"""Run base against each candidate in turn; what one engine can answer for several is asked of it before."""

from __future__ import annotations

import dataclasses
import re
import shlex
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from evalkit.api import check_writable, run_comparison
from evalkit.config import ExecutorSpec, JudgeSpec, ModelSpec, PolicySpec, SuiteSpec
from evalkit.contamination.arms import training_files
from evalkit.fresh import held_back
from evalkit.inputs import Inputs, model_spec
from evalkit.run import Run
from evalkit.running.requests import draw
from evalkit.running.schedule import Schedule
from evalkit.scorers.code import check_programs
from evalkit.stored.cache import Journal, cache_folder
from evalkit.stored.records import samples_frame
from evalkit.sweeping.contributions import COLUMNS
from evalkit.sweeping.result import Finished, sweep_of
from evalkit.sweeping.steps import step_of
from evalkit.sweeping.together import answer_together
from evalkit.terms import Terms, check_incumbent, over_incumbent
from evalkit.types import Candidate, EvalkitError, InputError, Progress, Silent, Sweep, Watching

_OWN_FILES = ("report.html", "sweep.json", "summary.md")
ERROR = "error.txt"
"""Where a candidate's folder holds the traceback of a run that broke off."""


def run_sweep(
    base: str | Path | ModelSpec,
    candidates: Sequence[str | Path | ModelSpec],
    *,
    suites: Sequence[str | SuiteSpec] | None = None,
    judge: str | JudgeSpec | None = None,
    policy: str | Path | PolicySpec | None = None,
    out: str | Path,
    incumbent: str | Path | ModelSpec | None = None,
    limit: int | None = None,
    seed: int = 0,
    hold_out: float = 0.0,
    probes: bool = False,
    executor: str | ExecutorSpec | None = None,
    progress: Progress | None = None,
) -> Sweep:
    """Compare each candidate with base, in `out`/<candidate>, and put them side by side; nothing of the sweep's own page
    is written.

    What is None comes from an `evalkit.yaml` beside base, as for `compare`. hold_out: the share of every task's items that
    no candidate is asked, kept for confirming the best. incumbent, executor: as of `compare`. probes: as of `compare`; they start base's engine for every
    candidate again, since base reads what each one wrote.

    Raises InputError for whatever is wrong in any file before the first engine starts. A candidate whose run breaks off
    is named in the result, and the others go on.
    """
    progress = progress or Silent()
    progress.phase("reading suites and models")
    folder = Path(out)
    base_spec, specs = _read(base, candidates)
    inputs = Inputs.read(base_spec, suites, judge, policy, executor)
    gated = over_incumbent(inputs.policy, {suite.name: Terms.of(suite) for suite in inputs.suites})
    check_incumbent(inputs.readers, incumbent, gated)
    if incumbent is not None:
        incumbent = model_spec(incumbent)
    check_programs(inputs.suites)
    check_writable(folder)
    _check_models(base_spec, specs, inputs)
    _answer_together(base_spec, specs, inputs, progress, seed=seed, limit=limit, hold_out=hold_out)
    finished: list[Finished] = []
    failed: list[Candidate] = []
    for place, (spec, name) in enumerate(zip(specs, folder_names(specs), strict=True), start=1):
        step = step_of(spec)
        candidate = Candidate(spec.name, spec.file, None, step=step)
        where = folder / name
        options = _options(suites, judge, policy, incumbent, seed, executor)
        options += [*_flag("--limit", limit), *_flag("--hold-out", hold_out or None), *(["--probes"] if probes else [])]
        try:
            run = run_comparison(
                base_spec,
                spec,
                suites=suites,
                judge=judge,
                policy=policy,
                out=where,
                incumbent=incumbent,
                limit=limit,
                seed=seed,
                probes=probes,
                hold_out=hold_out,
                executor=executor,
                progress=_Named(progress, f"{spec.name} ({place} of {len(specs)})"),
                command=shlex.join(["evalkit", "sweep", base_spec.file, spec.file, *options]),
            )
        except Exception as error:
            if isinstance(error, InputError) and place == 1:
                raise  # of what all candidates share, as their own files were found in order
            # One candidate must not take a night's work of the others with it.
            failed.append(dataclasses.replace(candidate, failure=_told(error)))
            progress.note(f"{spec.name}: {_told(error)}")
            _leave(where, error)
        else:
            (where / ERROR).unlink(missing_ok=True)
            finished.append(_finished(spec, name, step, run))
    progress.phase("putting the candidates side by side")
    sweep = sweep_of(base_spec.name, finished, failed, rng=np.random.default_rng(seed))
    confirm = _confirm(sweep, base_spec, folder, _options(suites, judge, policy, incumbent, seed, executor))
    return dataclasses.replace(sweep, hold_out=hold_out, confirm=confirm)


def folder_names(specs: Sequence[ModelSpec]) -> list[str]:
    """A folder name for each candidate: its own name where a file system takes that, and none twice."""
    taken: set[str] = {*_OWN_FILES}
    names: list[str] = []
    for spec in specs:
        plain = re.sub(r"[^A-Za-z0-9._-]+", "-", spec.name).strip("-.")[:80] or "candidate"
        name = next(one for one in (plain, *(f"{plain}-{i}" for i in range(2, 10_000))) if one.lower() not in taken)
        taken.add(name.lower())
        names.append(name)
    return names


def _read(
    base: str | Path | ModelSpec, candidates: Sequence[str | Path | ModelSpec]
) -> tuple[ModelSpec, list[ModelSpec]]:
    """All model files, every problem said at once; names that tell the models apart."""
    if not candidates:
        raise InputError("sweep: no candidate was named; give at least one model file after BASE")
    problems: list[str] = []
    specs: list[ModelSpec] = []
    for model in (base, *candidates):
        try:
            specs.append(model_spec(model))
        except InputError as error:
            problems.append(str(error))
    if problems:
        raise InputError("\n".join(dict.fromkeys(problems)))
    by_name: dict[str, ModelSpec] = {}
    for spec in specs:
        before = by_name.setdefault(spec.name, spec)
        if before is spec:
            continue
        where = spec.file or "sweep"
        if spec.file and before.file and Path(spec.file).resolve() == Path(before.file).resolve():
            as_what = "the base" if before is specs[0] else "a candidate"
            raise InputError(f"{where}: named twice: it is {as_what} already; leave it out of the candidates")
        raise InputError(
            f"{where}: name: {spec.name!r}: {before.file or 'another model'} is called so too; give each model of a sweep "
            "a name of its own"
        )
    return specs[0], specs[1:]


def _check_models(base: ModelSpec, candidates: Sequence[ModelSpec], inputs: Inputs) -> None:
    """Open each pair as its run will, which reads weights, tokenizers and adapters, and starts no engine."""
    problems: list[str] = []
    for spec in candidates:
        try:
            training_files({"base": base, "tuned": spec}, ())
            Schedule(
                {"base": base, "tuned": spec}, inputs.readers, cache_folder(), inputs.graders, inputs.executor
            ).close()
        except InputError as error:
            problems.append(str(error))
    if problems:
        raise InputError("\n".join(dict.fromkeys(problems)))


def _answer_together(
    base: ModelSpec,
    candidates: Sequence[ModelSpec],
    inputs: Inputs,
    progress: Progress,
    *,
    seed: int,
    limit: int | None,
    hold_out: float,
) -> None:
    """Have one engine answer as base and as every candidate it can serve beside it; each run finds that in the journal."""
    without, _ = held_back(inputs.suites, hold_out, seed=seed) if hold_out else (frozenset(), ())
    items = draw(inputs.suites, seed=seed, limit=limit, without=without)
    with Journal(cache_folder() / "journal.sqlite") as journal:
        answer_together(base, candidates, items, journal, cache_folder(), progress, inputs.executor)


def _finished(spec: ModelSpec, name: str, step: int | None, run: Run) -> Finished:
    samples = samples_frame(run.held, COLUMNS)
    return Finished(spec.name, spec.file, name, step, run.manifest, run.comparison, run.decision, samples)


def _leave(folder: Path, error: Exception) -> None:
    """A folder that says what happened, and no report of an earlier run that could be taken for this one's."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for stale in ("report.html", "summary.json", "summary.md", "junit.xml"):
            (folder / stale).unlink(missing_ok=True)
        (folder / ERROR).write_text("".join(traceback.format_exception(error)), encoding="utf-8", errors="replace")
    except OSError:
        return  # a full disk is what may have broken the run


def _told(error: Exception) -> str:
    """What went wrong, in a line; of a bug also what kind of error it was."""
    text = " ".join(str(error).split()) or "no message"
    hint = getattr(error, "hint", "")
    return (
        f"{text}{f' ({hint})' if hint else ''}"
        if isinstance(error, EvalkitError)
        else f"{type(error).__name__}: {text}"
    )


def _options(
    suites: Sequence[str | SuiteSpec] | None,
    judge: str | JudgeSpec | None,
    policy: str | Path | PolicySpec | None,
    incumbent: str | Path | ModelSpec | None,
    seed: int,
    executor: str | ExecutorSpec | None,
) -> list[str]:
    """The flags that say the same on a command line; what came from Python is named by its file."""
    words: list[str] = []
    for suite in suites or ():
        words += _flag("--suite", suite if isinstance(suite, str) else suite.file or suite.name)
    if judge is not None:
        words += _flag("--judge", judge if isinstance(judge, str) else judge.file or judge.name)
    if policy is not None:
        words += _flag("--policy", (policy.file or None) if isinstance(policy, PolicySpec) else policy)
    if incumbent is not None:
        words += _flag("--incumbent", (incumbent.file or None) if isinstance(incumbent, ModelSpec) else incumbent)
    if executor is not None:
        words += _flag("--executor", executor if isinstance(executor, str) else executor.address or executor.kind)
    return words + _flag("--seed", seed or None)


def _flag(name: str, value: object) -> list[str]:
    return [] if value is None else [name, str(value)]


def _confirm(sweep: Sweep, base: ModelSpec, folder: Path, options: Sequence[str]) -> str | None:
    """The command that compares the best on items that nobody was asked; None where a suite has none of them."""
    if sweep.best is None or not sweep.fresh or min(sweep.fresh.values()) <= 0:
        return None
    best = sweep.candidate(sweep.best)
    if best.decision is None or best.decision.outcome == "no_go":
        return None
    words = ["evalkit", "compare", base.file, best.file, "--fresh-from", str(folder), *options]
    return shlex.join(words) if base.file and best.file else None


class _Named:
    """A Progress that says whose run it reports."""

    def __init__(self, progress: Progress, name: str) -> None:
        self._progress = progress
        self._name = name

    def phase(self, name: str, total: int | None = None, *, unit: str = "requests") -> None:
        """As of the progress within, under the candidate's name."""
        self._progress.phase(f"{self._name}: {name}", total, unit=unit)

    def advance(self, requests: int = 1, tokens: int = 0) -> None:
        """As of the progress within."""
        self._progress.advance(requests, tokens)

    def note(self, text: str) -> None:
        """As of the progress within, under the candidate's name."""
        self._progress.note(f"{self._name}: {text}")

    def scoring(self, suites: Mapping[str, int]) -> None:
        """As of the progress within, where it watches."""
        if isinstance(self._progress, Watching):
            self._progress.scoring(suites)

    def scored(self, suite: str, place: tuple[str, str, int], arm: str, value: float | None) -> None:
        """As of the progress within, where it watches."""
        if isinstance(self._progress, Watching):
            self._progress.scored(suite, place, arm, value)
