"""Several candidates ranked by what one judge, or many battles, said of them."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from evalkit.judging import prompt_scores
from evalkit.records import read_table, verdicts_frame
from evalkit.report.files import SAMPLES, read_manifest
from evalkit.statistics.bradley_terry import Battle, Strength, bradley_terry
from evalkit.tasks.data import jsonl_rows
from evalkit.types import InputError, Manifest, ModelRecord


def battles_of_runs(runs: Sequence[Path], judge: str | None = None) -> tuple[list[Battle], str, str]:
    """One battle a judged prompt of each run; the judge's name, and the model that most runs share (the baseline).

    Models are told apart by what they are, not by their names: a retrained checkpoint is another one. judge: None where the runs
    share one. Raises InputError, RunError.
    """
    read = [(run, read_manifest(run), verdicts_frame(read_table(run / SAMPLES))) for run in runs]
    hashes = [{record.name: record.hash for record in manifest.judges} for _, manifest, _ in read]
    shared = sorted(set.intersection(*(set(one) for one in hashes)))
    if judge is not None and judge not in shared:
        raise InputError(
            f"--judge: {judge!r} did not read every one of these runs; those that did: {', '.join(shared) or 'none'}"
        )
    if judge is None and len(shared) != 1:
        told = (
            f"several judges read them: {', '.join(shared)}; name one with --judge"
            if shared
            else "no judge read them all"
        )
        raise InputError(f"these runs cannot be ranked together: {told}")
    name = judge or shared[0]
    if len({one[name] for one in hashes}) > 1:
        raise InputError(f"judge {name!r} is not the same in all of these runs: its model, rubric or settings differ")
    names = _names([manifest for _, manifest, _ in read], name)
    battles: list[Battle] = []
    met: list[str] = []
    for _, manifest, verdicts in read:
        first, second = (names[one.fingerprint] for one in _sides(manifest, name))
        met += [first, second]
        for place, score in prompt_scores(verdicts.loc[verdicts["judge"] == name, :]).items():
            battles.append(
                Battle(
                    "/".join(map(str, place)) if isinstance(place, tuple) else str(place), first, second, float(score)
                )
            )
    if not battles:
        raise InputError(f"judge {name!r} read no prompt of these runs in every order asked")
    return battles, name, max(dict.fromkeys(met), key=met.count)


def battles_of_file(path: Path) -> list[Battle]:
    """Rows {question_id, model_a, model_b, winner: model_a | model_b | tie}. Raises InputError."""
    if not path.is_file():
        raise InputError(f"--battles: no such file {path}")
    points = {"model_a": 0.0, "model_b": 1.0, "tie": 0.5}
    battles: list[Battle] = []
    for row in jsonl_rows(path):
        for field in ("question_id", "model_a", "model_b", "winner"):
            if field not in row.values:
                raise InputError(f"{row.place}: no field {field!r}; the row has: {', '.join(sorted(row.values))}")
        winner = str(row.values["winner"]).partition(" ")[0]  # "tie (bothbad)", "tie (inconsistent)"
        if winner not in points:
            raise InputError(f"{row.place}: winner: {row.values['winner']!r}: must be model_a, model_b or tie")
        asked, first, second = (str(row.values[field]) for field in ("question_id", "model_a", "model_b"))
        battles.append(Battle(asked, first, second, points[winner]))
    if not battles:
        raise InputError(f"{path}: holds no battle")
    return battles


def rank(battles: Sequence[Battle], baseline: str, *, level: float = 0.95, seed: int = 0) -> list[Strength]:
    """The models of the battles, the strongest first. Raises InputError for a baseline that none of them is."""
    models = sorted({name for battle in battles for name in (battle.first, battle.second)})
    if baseline not in models:
        near = difflib.get_close_matches(baseline, models, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(models)}"
        raise InputError(f"--baseline: no model {baseline!r}; {hint}")
    return bradley_terry(battles, baseline, level=level, rng=np.random.default_rng(seed))


def _sides(manifest: Manifest, judge: str) -> tuple[ModelRecord, ModelRecord]:
    record = next(one for one in manifest.judges if one.name == judge)
    other = manifest.incumbent if record.against == "incumbent" else manifest.base
    assert other is not None
    return other, manifest.tuned


def _names(manifests: Sequence[Manifest], judge: str) -> dict[str, str]:
    """A name for each fingerprint; where two models are called the same, with the beginning of theirs."""
    records = {one.fingerprint: one.name for manifest in manifests for one in _sides(manifest, judge)}
    taken = list(records.values())
    return {mark: name if taken.count(name) == 1 else f"{name} ({mark[:6]})" for mark, name in records.items()}
