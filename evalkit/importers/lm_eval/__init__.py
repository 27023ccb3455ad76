"""Result folders of lm-evaluation-harness: `results_*.json` with the `samples_*.jsonl` that `--log_samples` writes.

A row: {doc_id, doc, target, arguments, resps, filtered_resps, filter, metrics, doc_hash, prompt_hash, target_hash, and each metric
by name}. The harness itself is not needed. Source: github.com/EleutherAI/lm-evaluation-harness (0.4.13),
`lm_eval/evaluator.py` and `lm_eval/loggers/evaluation_tracker.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evalkit.importers.lm_eval.folder import Folder
from evalkit.importers.lm_eval.marks import first_shared, logged_task
from evalkit.importers.lm_eval.samples import Samples, aligned
from evalkit.importers.naming import PerTask, check_name
from evalkit.importers.scored import ImportedScores, told_apart
from evalkit.importers.suites import Suites, Terms, common
from evalkit.types import Progress, Silent


def import_lm_eval(
    base: Path,
    tuned: Path,
    *,
    tasks: Sequence[str] = (),
    metrics: Sequence[str] = (),
    filters: Sequence[str] = (),
    roles: Sequence[str] = (),
    margins: Sequence[str] = (),
    aggregates: Sequence[str] = (),
    clusters: Sequence[str] = (),
    base_name: str | None = None,
    tuned_name: str | None = None,
    progress: Progress | None = None,
) -> ImportedScores:
    """Two result folders as one comparison: items paired by doc_id, with the marks that the harness gave.

    base, tuned: each a folder, or one `results_*.json`; of several runs of a task the newest counts. tasks: tasks and
    groups to be compared; all where not said. The others are `VALUE` or `NAME=VALUE`, of a task or suite: metrics, filters:
    which of the task's is the score, the first that can be where not said. roles, margins, aggregates: of a suite.
    clusters: a field of the documents whose value items of one cluster share. Raises InputError.
    """
    terms = Terms.read(roles, margins, aggregates)
    said = {
        flag: PerTask.read(flag, given)
        for flag, given in (("--metric", metrics), ("--filter", filters), ("--cluster", clusters))
    }
    folders = (Folder.read(base, "base"), Folder.read(tuned, "tuned"))
    suites = _suites(folders, tasks)
    leaves = [[leaf for mine in suites.values() for leaf in mine if leaf in folder.samples] for folder in folders]
    for folder in folders:
        folder.check_logged([leaf for mine in suites.values() for leaf in mine if leaf in folder.tasks])
    common(leaves[0], leaves[1], tasks)
    terms.check(suites)
    known = {*suites, *(leaf for mine in suites.values() for leaf in mine)}
    for one in said.values():
        one.check(known)
    records = [
        folder.model([leaf for mine in suites.values() for leaf in mine], name)
        for folder, name in zip(folders, (base_name, tuned_name), strict=True)
    ]
    imported = ImportedScores(*told_apart(records[0], records[1], (base, tuned)))
    versions = dict.fromkeys(record.engine_version for record in records)
    found = Suites(terms, imported.records, f"logs of lm-evaluation-harness {', '.join(versions)}".strip())
    progress = progress or Silent()
    progress.phase("reading logs", sum(len(mine) for mine in suites.values()), unit="tasks")
    for suite, mine in suites.items():
        for leaf in mine:
            filter_, cluster = said["--filter"].of(leaf, suite), said["--cluster"].of(leaf, suite)
            read = [Samples.read(folder.samples[leaf], filter_, cluster) for folder in folders]
            read, moved = aligned(read[0], read[1])
            found.cautions += moved
            metric = first_shared(read[0], read[1], said["--metric"].of(leaf, suite))
            found.add(suite, *(logged_task(one, metric) for one in read))
            progress.advance()
    imported.suite_records = found.finish()
    imported.cautions = (*(caution for folder in folders for caution in folder.cautions(leaves[0])), *found.cautions)
    return imported


def _suites(folders: Sequence[Folder], chosen: Sequence[str]) -> dict[str, list[str]]:
    """Suite -> its tasks: a group is a suite, a task outside of any is one by itself. Raises InputError."""
    groups = {name: leaves for folder in reversed(folders) for name, leaves in folder.groups.items()}
    every = list(dict.fromkeys(task for folder in folders for task in folder.tasks))
    if not chosen:
        inner = {name for name, leaves in groups.items() for other, more in groups.items() if _within(leaves, more)}
        chosen = [name for name in groups if name not in inner]
        grouped = {leaf for name in chosen for leaf in groups[name]}
        chosen = [*chosen, *(task for task in every if task not in grouped)]
    suites: dict[str, list[str]] = {}
    taken: set[str] = set()
    for name in chosen:
        check_name("--task", name, {*groups, *every})
        mine = [leaf for leaf in groups.get(name, [name]) if leaf not in taken]
        if mine:
            suites[name] = mine
            taken.update(mine)
    return suites


def _within(leaves: Sequence[str], others: Sequence[str]) -> bool:
    return set(leaves) < set(others)
