"""More than two models in one order, from finished runs that share a judge, or from files of battles."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from evalkit.importers.rows import field_of, id_of, rows_of
from evalkit.judging import jury_verdicts, prompt_scores
from evalkit.statistics import bradley_terry
from evalkit.stored.records import Samples, verdicts_frame
from evalkit.stored.runs import SAMPLES, read_manifest
from evalkit.types import IMPORTED, InputError, JudgeRecord, Manifest, ModelRecord, RankedModel, Ranking, RunError


@dataclass(slots=True)
class Battles:
    """Comparisons of two answers to one prompt. names, fingerprints: of the models, by number.

    first, second: the two models' numbers; scores: second's, in [0, 1], a tie 0.5; prompts: the number of the prompt, or of
    the cluster of prompts that it belongs to. All of one length, one entry a battle.
    """

    judge: str
    names: list[str] = field(default_factory=list)
    fingerprints: list[str] = field(default_factory=list)
    first: list[int] = field(default_factory=list)
    second: list[int] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    prompts: list[int] = field(default_factory=list)
    cautions: tuple[str, ...] = ()
    _models: dict[tuple[str, str], int] = field(default_factory=dict)
    _prompts: dict[tuple[str, ...], int] = field(default_factory=dict)

    def model(self, name: str, fingerprint: str = "") -> int:
        """The number of a model; told apart by fingerprint, and by name only where that is all there is."""
        key = (fingerprint, "" if fingerprint else name)
        if key not in self._models:
            self._models[key] = len(self.names)
            self.names.append(name)
            self.fingerprints.append(fingerprint)
        return self._models[key]

    def add(self, prompt: tuple[str, ...], first: int, second: int, score: float) -> None:
        """One battle."""
        self.prompts.append(self._prompts.setdefault(prompt, len(self._prompts)))
        self.first.append(first)
        self.second.append(second)
        self.scores.append(score)

    def labels(self) -> list[str]:
        """The names, with the beginning of the fingerprint where two models share one."""
        shared = {name for name in self.names if self.names.count(name) > 1}
        told = zip(self.names, self.fingerprints, strict=True)
        return [f"{name} ({print_[:8]})" if name in shared and print_ else name for name, print_ in told]


def battles_of_files(files: Sequence[Path]) -> Battles:
    """Battles of JSONL rows {question_id, model_a, model_b, winner}; winner: model_a, model_b, or a word that begins with tie.

    Raises InputError naming file, line and field.
    """
    battles = Battles(judge="battles")
    for place, row in rows_of(files):
        names = [str(field_of(row, name, place)) for name in ("model_a", "model_b")]
        if names[0] == names[1]:
            raise InputError(f"{place}: model_b: {names[1]!r} is model_a too; a model does not fight itself")
        winner = field_of(row, "winner", place)
        points = {"model_a": 0.0, "model_b": 1.0}.get(str(winner), 0.5 if str(winner).startswith("tie") else None)
        if points is None:
            raise InputError(f"{place}: winner: {winner!r}: must be model_a, model_b or tie; leave unread battles out")
        first, second = (battles.model(name) for name in names)
        battles.add((id_of(row, place),), first, second, points)
    if not battles.scores:
        raise InputError(f"{', '.join(map(str, files))}: no battle")
    return battles


def battles_of_runs(folders: Sequence[Path], judge: str | None = None) -> Battles:
    """Battles of finished runs: tuned against what a judge held it against, both orders of a prompt averaged.

    judge: which one, where the runs share several. Raises RunError for what is no finished run, InputError where the
    runs share no judge, or one of that name is not the same judge everywhere.
    """
    manifests = [read_manifest(folder) for folder in folders]
    _check_runs_differ(folders, manifests)
    name = _common_judge(folders, manifests, judge)
    records = [_record(manifest, name) for manifest in manifests]
    _check_same_judge(folders, records)
    battles = Battles(judge=name)
    for folder, manifest, record in zip(folders, manifests, records, strict=True):
        against = manifest.incumbent if record.against == "incumbent" else manifest.base
        if against is None:
            raise RunError(f"{folder}: judge {name!r} held tuned against an incumbent, and the manifest names none")
        first, second = (battles.model(model.name, _identity(model)) for model in (against, manifest.tuned))
        if first == second:
            raise InputError(f"{folder}: {against.name!r} and {manifest.tuned.name!r} are the same model; leave it out")
        held = Samples.stored(folder / SAMPLES)
        verdicts, groups = verdicts_frame(held, reasons=False), _groups(held.table(["suite", "task", "id", "group"]))
        if record.members:
            own = jury_verdicts(verdicts, name, record.members, record.combine)
        else:
            own = verdicts.loc[verdicts["judge"] == name, :]
        hashes = {suite.name: "" if against.backend == IMPORTED else suite.hash for suite in manifest.suites}
        # A suite that was changed asks other questions under the same ids.
        scores = prompt_scores(own)
        if scores.empty:
            raise InputError(f"{folder}: judge {name!r} read no prompt in every order; leave this run out")
        for item, score in zip(scores.index.to_list(), scores.tolist(), strict=True):
            suite, task, id_ = item
            whole = (groups[item],) if item in groups else (task, id_)
            battles.add((suite, hashes.get(suite, ""), *whole), first, second, score)
    battles.cautions = tuple(_cautions(manifests))
    return battles


def rank(
    battles: Battles,
    baseline: str | None = None,
    *,
    level: float = 0.95,
    rng: np.random.Generator,
    rounds: int = 1000,
) -> Ranking:
    """Models by Bradley-Terry strength, the strongest first. baseline: by default the model with the most battles.

    Raises InputError for an unknown baseline, and where no chain of battles joins all models.
    """
    labels = battles.labels()
    first, second = np.array(battles.first), np.array(battles.second)
    _check_joined(labels, first, second)
    fought = np.bincount(np.concatenate([first, second]), minlength=len(labels))
    anchor = int(np.argmax(fought)) if baseline is None else _place(baseline, labels)
    strengths = bradley_terry(
        first,
        second,
        np.array(battles.scores),
        np.array(battles.prompts),
        models=len(labels),
        baseline=anchor,
        level=level,
        rng=rng,
        rounds=rounds,
    )
    models = [
        RankedModel(label, print_, strength)
        for label, print_, strength in zip(labels, battles.fingerprints, strengths, strict=True)
    ]
    # What is unknown (NaN) stands last, and claims no place.
    models.sort(key=lambda one: -one.strength.elo.value if one.strength.elo.value == one.strength.elo.value else np.inf)
    return Ranking(battles.judge, labels[anchor], level, tuple(models), len(set(battles.prompts)), battles.cautions)


def _groups(table: pa.Table) -> dict[tuple[str, str, str], str]:
    """The cluster of each prompt that belongs to one, by (suite, task, id)."""
    held = table.filter(table["group"].is_valid()).select(["suite", "task", "id", "group"])
    return {(row["suite"], row["task"], row["id"]): row["group"] for row in held.to_pylist()}


def _identity(model: ModelRecord) -> str:
    """What tells a model from others; of imported annotations only the name is known."""
    return "" if model.backend == IMPORTED else model.fingerprint


def _record(manifest: Manifest, name: str) -> JudgeRecord:
    return next(record for record in manifest.judges if record.name == name)


def _check_runs_differ(folders: Sequence[Path], manifests: Sequence[Manifest]) -> None:
    seen: dict[str, Path] = {}
    for folder, manifest in zip(folders, manifests, strict=True):
        if manifest.run_id in seen:
            raise InputError(f"{folder}: the same run as {seen[manifest.run_id]}; name each run once")
        seen[manifest.run_id] = folder


def _common_judge(folders: Sequence[Path], manifests: Sequence[Manifest], judge: str | None) -> str:
    names = [[record.name for record in manifest.judges] for manifest in manifests]
    shared = [name for name in names[0] if all(name in others for others in names)]
    held = "; ".join(f"{folder}: {', '.join(own) or 'none'}" for folder, own in zip(folders, names, strict=True))
    if judge is not None:
        if judge in shared:
            return judge
        near = difflib.get_close_matches(judge, shared, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"judges by run: {held}"
        raise InputError(f"--judge: no judge {judge!r} in every run; {hint}")
    if not shared:
        raise InputError(f"the runs share no judge, and strengths by different judges do not compare; judges: {held}")
    leading = [name for name in shared if all(_record(manifest, name).jury is None for manifest in manifests)] or shared
    if len(leading) > 1:
        raise InputError(f"--judge: the runs share several judges: {', '.join(leading)}; name one")
    return leading[0]


def _check_same_judge(folders: Sequence[Path], records: Sequence[JudgeRecord]) -> None:
    def identity(record: JudgeRecord) -> str:
        imported = record.model is not None and record.model.backend == IMPORTED
        return record.name if imported else record.hash

    for folder, record in zip(folders, records, strict=True):
        if identity(record) != identity(records[0]):
            raise InputError(
                f"--judge: {record.name!r} in {folder} is another judge than in {folders[0]} (model, settings or rubric "
                "changed); run those comparisons again with one judge"
            )


def _cautions(manifests: Sequence[Manifest]) -> Iterable[str]:
    if any(manifest.base.backend == IMPORTED for manifest in manifests):
        yield "imported annotations tell models, judges and prompts apart by name only"
    versions: dict[str, set[str]] = {}
    for manifest in manifests:
        for suite in manifest.suites:
            if manifest.base.backend != IMPORTED:
                versions.setdefault(suite.name, set()).add(suite.hash)
    changed = sorted(name for name, hashes in versions.items() if len(hashes) > 1)
    if changed:
        yield f"suites changed between the runs, so that their prompts count as different ones: {', '.join(changed)}"


def _place(name: str, labels: Sequence[str]) -> int:
    if name in labels:
        return labels.index(name)
    near = difflib.get_close_matches(name, labels, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(labels)}"
    raise InputError(f"--baseline: unknown model {name!r}; {hint}")


def _check_joined(labels: Sequence[str], first: np.ndarray, second: np.ndarray) -> None:
    group = np.arange(len(labels))
    for one, two in zip(first, second, strict=True):
        if group[one] != group[two]:
            group[group == group[two]] = group[one]
    if len(set(group.tolist())) > 1:
        parts = [
            "{" + ", ".join(labels[int(i)] for i in np.flatnonzero(group == key)) + "}" for key in np.unique(group)
        ]
        raise InputError(
            f"no battle joins {' and '.join(parts)}: their strengths do not compare; add a run between one of each"
        )
