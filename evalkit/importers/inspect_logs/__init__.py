"""Logs of Inspect (`inspect_ai`): `.eval` or `.json`, one a task and model, read by Inspect's own reader.

Samples are paired by id, and epochs are samples of one item. Source: github.com/UKGovernmentBEIS/inspect_ai (0.3.285).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evalkit.importers.inspect_logs.folder import LogFolder
from evalkit.importers.inspect_logs.marks import Scale, first_shared, logged_task
from evalkit.importers.inspect_logs.samples import read_log
from evalkit.importers.naming import PerTask, check_name
from evalkit.importers.scored import ImportedScores, told_apart
from evalkit.importers.suites import Suites, Terms, common
from evalkit.types import Progress, Silent


def import_inspect(
    base: Path,
    tuned: Path,
    *,
    tasks: Sequence[str] = (),
    scorers: Sequence[str] = (),
    scales: Sequence[str] = (),
    roles: Sequence[str] = (),
    margins: Sequence[str] = (),
    aggregates: Sequence[str] = (),
    clusters: Sequence[str] = (),
    base_name: str | None = None,
    tuned_name: str | None = None,
    progress: Progress | None = None,
) -> ImportedScores:
    """Two logs, or two folders of them, as one comparison: samples paired by id, with the marks of one scorer.

    base, tuned: each a log, or a folder, of which the newest log of a task counts. tasks: those to be compared; all where
    not said. The others are `VALUE` or `NAME=VALUE`: scorers: which one's marks count, the first where not said;
    `scorer.key` of one that gives several. scales: `LOW:HIGH`, the marks that become 0 and 1. clusters: a field of
    the samples' metadata whose value items of one cluster share; that which a `stderr(cluster=...)` names where not said.
    roles, margins, aggregates: of a suite. Raises InputError, and where Inspect is not installed.
    """
    terms = Terms.read(roles, margins, aggregates)
    said = {
        flag: PerTask.read(flag, given)
        for flag, given in (("--scorer", scorers), ("--scale", scales), ("--cluster", clusters))
    }
    folders = (LogFolder.read(base, "base"), LogFolder.read(tuned, "tuned"))
    places = {name: log.place for folder in folders for name, log in folder.logs.items()}
    suites: dict[str, list[str]] = {}
    for name, (suite, _) in places.items():
        suites.setdefault(suite, []).append(name)
    for name in tasks:
        check_name("--task", name, {*suites, *places})
    wanted = {name for name in places if not tasks or name in tasks or places[name][0] in tasks}
    suites = {suite: kept for suite, mine in suites.items() if (kept := [name for name in mine if name in wanted])}
    held = [[name for name in folder.logs if name in wanted] for folder in folders]
    common(held[0], held[1], tasks)
    terms.check(suites)
    for one in said.values():
        one.check({*suites, *wanted})
    models = [folder.model(name, wanted) for folder, name in zip(folders, (base_name, tuned_name), strict=True)]
    imported = ImportedScores(*told_apart(models[0], models[1], (base, tuned)))
    versions = dict.fromkeys(one.engine_version for one in models if one.engine_version)
    found = Suites(terms, imported.records, f"logs of Inspect {', '.join(versions)}".strip())
    progress = progress or Silent()
    progress.phase("reading logs", sum(len(mine) for mine in suites.values()), unit="tasks")
    for suite, mine in suites.items():
        for name in mine:
            scale = Scale.read(said["--scale"].of(name, suite))
            read = [read_log(folder.logs[name], said["--cluster"].of(name, suite)) for folder in folders]
            scorer = first_shared(read[0], read[1], said["--scorer"].of(name, suite))
            found.add(suite, *(logged_task(one, scorer, scale) for one in read))
            progress.advance()
    imported.suite_records = found.finish()
    imported.cautions = (*(caution for folder in folders for caution in folder.cautions(wanted)), *found.cautions)
    return imported
