"""AlpacaEval's annotations.json: one judge's preference on each instruction, with both texts.

Rows: instruction, output_1 (the baseline), output_2, generator_1, generator_2, preference: 1 the baseline, 2 the model, between
them a probability; null where the judge's reply could not be read. Source: github.com/tatsu-lab/alpaca_eval.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from pathlib import Path

from evalkit.importers.imported import Imported
from evalkit.importers.rows import content_hash, field_of
from evalkit.statistics import alpaca_eval_length_controlled
from evalkit.types import InputError


def import_alpaca_eval(
    annotations: Path, *, base: str | None = None, tuned: str | None = None, difficulty: Path | None = None
) -> Imported:
    """Annotations of one model against one baseline. base, tuned: other names than the generators'.

    difficulty: AlpacaEval's instruction_difficulty, one number a row; adds the numbers that AlpacaEval itself would give.
    Raises InputError naming the row for whatever is wrong.
    """
    rows = _rows(annotations)
    models = [_one_generator(rows, f"generator_{number}", annotations) for number in (1, 2)]
    judge = _one_generator(rows, "annotator", annotations) if "annotator" in rows[0] else "annotator"
    imported = Imported(
        suite="alpaca-eval",
        base=base or models[0],
        tuned=tuned or models[1],
        judge=judge,
        judge_kind="pairwise",
        source=f"{annotations.name}, annotations of AlpacaEval (Dubois et al. 2024, arXiv:2404.04475)",
        licence="CC-BY-NC-4.0: no commercial use of the instructions",
        hash=content_hash([annotations]),
    )
    seen: Counter[str] = Counter()
    read: list[tuple[int, float, int, int]] = []
    for number, row in enumerate(rows):
        place = f"{annotations}: row {number}"
        asked, first, second = (_text(row, name, place) for name in ("instruction", "output_1", "output_2"))
        score = _score(field_of(row, "preference", place), place)
        digest = hashlib.sha256(asked.encode("utf-8", "surrogatepass")).hexdigest()[:12]
        seen[digest] += 1
        id = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
        reason = _reason(row.get("raw_completion"))
        imported.add(id, asked, first, second, [imported.verdict(id, "unknown", score, reason)])
        if score is not None:
            read.append((number, score, len(first), len(second)))
    if difficulty is not None:
        values = _difficulties(difficulty, len(rows))
        imported.alpaca_eval = _as_published(read, values)
        if len(values) != len(rows):
            imported.cautions = (
                f"{len(values)} instruction difficulties for {len(rows)} annotations: matched by position, as alpaca_eval "
                "does, so that where rows are missing they belong to other instructions",
            )
    return imported


def _rows(path: Path) -> list[dict[str, object]]:
    try:
        rows = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except ValueError as error:
        raise InputError(f"{path}: is no JSON: {error}") from None
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"{path}: must be a list of annotations, as alpaca_eval writes annotations.json")
    return rows


def _one_generator(rows: list[dict[str, object]], name: str, path: Path) -> str:
    values = {str(field_of(row, name, f"{path}: row {number}")) for number, row in enumerate(rows)}
    if len(values) > 1:
        some = ", ".join(sorted(values)[:3])
        raise InputError(
            f"{path}: {name}: several in one file ({some}); import one model, baseline and annotator at a time"
        )
    return values.pop()


def _text(row: dict[str, object], name: str, place: str) -> str:
    value = field_of(row, name, place)
    if not isinstance(value, str):
        raise InputError(f"{place}: {name}: {value!r}: must be a text; leave annotations of missing outputs out")
    return value


def _score(preference: object, place: str) -> float | None:
    if preference is None or preference == -1 or (isinstance(preference, float) and math.isnan(preference)):
        return None
    if not isinstance(preference, int | float) or isinstance(preference, bool):
        raise InputError(f"{place}: preference: {preference!r}: must be a number from 1 to 2, or null")
    if preference == 0:
        return 0.5  # how alpaca_eval's binary annotators write a draw
    if not 1 <= preference <= 2:
        raise InputError(f"{place}: preference: {preference!r}: must lie from 1 (baseline) to 2 (model)")
    return float(preference) - 1


def _reason(raw: object) -> str:
    """The judge's reply, where it is words: weighted annotators store the log-probabilities of one token."""
    return raw if isinstance(raw, str) and "'logprobs'" not in raw else ""


def _difficulties(path: Path, n: int) -> list[float]:
    try:
        data = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise InputError(f"--difficulty: no such file {path}") from None
    except ValueError as error:
        raise InputError(f"--difficulty: {path}: is no JSON: {error}") from None
    values = data.get("instruction_difficulty") if isinstance(data, dict) else data
    if not isinstance(values, list) or not all(isinstance(value, int | float) for value in values):
        raise InputError(f'--difficulty: {path}: must be a list of numbers, or {{"instruction_difficulty": [...]}}')
    if len(values) < n:
        raise InputError(f"--difficulty: {path}: {len(values)} numbers for {n} annotations; one a row, in their order")
    return values


def _as_published(read: list[tuple[int, float, int, int]], difficulty: list[float]) -> dict[str, float]:
    scores, base, tuned = ([row[place] for row in read] for place in (1, 2, 3))
    minimal = alpaca_eval_length_controlled(scores, base, tuned)
    noreg = alpaca_eval_length_controlled(scores, base, tuned, [difficulty[row[0]] for row in read])
    return {"length_controlled_minimal": minimal.value, "length_controlled_noreg": noreg.value}
