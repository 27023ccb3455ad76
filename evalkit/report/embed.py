"""What the page carries of the run: every item's numbers, and the texts of the items most worth reading.

A packed block is JSON, gzipped and in base64, so that no character of a model's output is ever markup.
"""

from __future__ import annotations

import base64
import gzip
import json
import math
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from evalkit.records import SCHEMA, Samples, verdicts_frame
from evalkit.report.items import CELLS, FORMS, KEY, OVERLAPS, VIEWS, disagreement, item_codes, length_unit

TEXT_ITEMS = 3000
TEXT_CHARS = 20_000_000
LONGEST = 12_000  # characters of one text; what is longer keeps its two ends


@dataclass(frozen=True, slots=True)
class Embedded:
    """The packed blocks, and how much of the run's text they hold."""

    columns: str
    texts: str
    items: int
    with_text: int
    shortened: int


def embed(table: pa.Table | Samples, items: Any, *, seed: int = 0, most: int = TEXT_ITEMS) -> Embedded:
    """Pack `items` (of `item_frame`) whole, and of `table` the texts of at most `most` of them.

    Flips come first, then items on which the judge contradicts itself or the scores, then a seeded sample; within each,
    every suite and cell in turn.
    """
    held = Samples.of(table)
    columns: dict[str, Callable[[], object]] = {
        "suite": lambda: _coded(items["suite"]),
        "task": lambda: _coded(items["task"]),
        "id": lambda: items["id"].tolist(),
        "cell": lambda: _indices(items["cell"], CELLS),
        "cause": lambda: _coded(items["cause"].fillna("")),
        "form": lambda: _indices(items["form"], FORMS),
        "overlap": lambda: _indices(items["overlap"], OVERLAPS),
        "judge": lambda: _indices(items["judge"], VIEWS),
        "base": lambda: _numbers(items["base"], 4),
        "tuned": lambda: _numbers(items["tuned"], 4),
        "base_length": lambda: _numbers(items["base_length"], 0),
        "tuned_length": lambda: _numbers(items["tuned_length"], 0),
        "unit": lambda: length_unit(held),
        "cells": lambda: list(CELLS),
        "judges": lambda: list(VIEWS),
        "overlaps": lambda: list(OVERLAPS),
    }
    texts, shortened = _texts(held, items, chosen(items, seed)[:most])
    packed = _packed((name, column()) for name, column in columns.items())
    return Embedded(packed, pack(texts), len(items), len(texts), shortened)


def chosen(items: Any, seed: int) -> np.ndarray:
    """Positions of all items, the ones most worth reading first."""
    flips = items["cell"].isin(["regressed", "fixed"])
    tier = np.where(flips, 0, np.where(disagreement(items), 1, 2))
    shuffled = np.random.default_rng(seed).permutation(len(items))
    drawn = items.iloc[shuffled]
    turn = drawn.groupby(["suite", "cell"], sort=False, observed=True).cumcount().to_numpy()
    return shuffled[np.lexsort((turn, tier[shuffled]))]


def pack(data: object) -> str:
    """JSON, gzipped and in base64; the same data always give the same text."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode("utf-8", "replace"), 6, mtime=0)).decode("ascii")


def _packed(parts: Iterable[tuple[str, object]]) -> str:
    """As `pack` packs an object of these, made and packed one after the other: together they are large."""
    squeeze = zlib.compressobj(6, zlib.DEFLATED, 31)
    pieces: list[bytes] = []
    for place, (name, value) in enumerate(parts):
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        pieces.append(squeeze.compress(f"{',' if place else '{'}{json.dumps(name)}:{text}".encode("utf-8", "replace")))
    pieces += [squeeze.compress(b"}"), squeeze.flush()]
    return base64.b64encode(b"".join(pieces)).decode("ascii")


def shorten(text: str | None, longest: int = LONGEST) -> str | None:
    """A long text's two ends, with a line between them that says what was left out and where it is."""
    if text is None or len(text) <= longest:
        return text
    head, tail = longest * 2 // 3, longest // 3
    left_out = len(text) - head - tail
    return f"{text[:head]}\n\n[... {left_out:,} characters left out; whole in samples.parquet ...]\n\n{text[-tail:]}"


def _texts(samples: Samples, items: Any, order: np.ndarray) -> tuple[dict[str, object], int]:
    """Texts by item position, in order of worth until the page has its fill; and how many texts were shortened."""
    if not len(order):
        return {}, 0
    codes, _ = item_codes(samples)
    shown = np.zeros(len(items), dtype=bool)
    shown[order] = True
    rows = np.flatnonzero(shown[codes])
    near = samples.take(rows, [name for name in SCHEMA.names if name != "logprobs"])
    place = {tuple(key): int(at) for key, at in zip(items.iloc[order][KEY].to_numpy(), order, strict=True)}
    held: dict[int, dict[str, list[dict[str, object]]]] = {}
    for at, row in zip(codes[rows].tolist(), near.drop_columns(["verdicts"]).to_pylist(), strict=True):
        held.setdefault(at, {}).setdefault(row["arm"], []).append(row)
    said: dict[int, list[dict[str, object]]] = {}
    for row in verdicts_frame(near).to_dict("records"):
        said.setdefault(place[row["suite"], row["task"], row["id"]], []).append(row)
    texts: dict[str, object] = {}
    shortened = chars = 0
    for at in (int(position) for position in order):
        entry, cut, length = _entry(held.get(at, {}), said.get(at, []))
        if chars + length > TEXT_CHARS:
            break
        texts[str(at)], shortened, chars = entry, shortened + cut, chars + length
    return texts, shortened


def _entry(arms: dict[str, list[dict[str, object]]], verdicts: list[dict[str, object]]) -> tuple[object, int, int]:
    """One item's texts, how many of them were shortened, and their length together."""
    cut = length = 0

    def keep(value: object, longest: int = LONGEST) -> str | None:
        nonlocal cut, length
        if not isinstance(value, str):
            return None
        cut += len(value) > longest
        length += min(len(value), longest)
        return shorten(value, longest)

    def answer(row: dict[str, object]) -> dict[str, object]:
        full = {
            "value": row["value"],
            "text": keep(row["text"]),
            "reasoning": keep(row["reasoning"]),
            "answer": keep(row["answer"], 2000),
            "cause": row["cause"],
            "overlap": row["overlap"],
            "finish": row["finish_reason"],
            "tokens": row["completion_tokens"],
            "failure": row["failure"],
            "message": keep(row["failure_message"], 2000),
            "hint": keep(row["failure_hint"], 500),
        }
        return {name: value for name, value in full.items() if value is not None}

    base, tuned = arms.get("base", []), arms.get("tuned", [])
    first = (tuned or base or [{}])[0]
    other = (base or [{}])[0].get("prompt")
    entry: dict[str, object] = {
        "prompt": keep(first.get("prompt")),
        "gold": keep(first.get("gold"), 2000),
        "metric": first.get("metric"),
        "base": [answer(row) for row in base],
        "tuned": [answer(row) for row in tuned],
        "verdicts": [
            {
                "judge": row["judge"],
                "order": row["order"],
                "winner": row["winner"] if isinstance(row["winner"], str) else None,
                "reason": keep(row["reason"], 3000),
                "failure": keep(row["failure"], 500),
            }
            for row in verdicts
        ],
    }
    if other != first.get("prompt"):
        entry["base_prompt"] = keep(other)
    return entry, cut, length


def _coded(values: Any) -> dict[str, object]:
    """A column of words as codes into its distinct words."""
    codes, words = pd.factorize(values.astype("object"))
    return {"codes": codes.tolist(), "words": [str(word) for word in words]}


def _indices(values: Any, known: Sequence[str]) -> list[int]:
    return pd.Index(list(known), dtype=object).get_indexer(pd.Index(values, dtype=object)).tolist()


def _numbers(values: Any, digits: int) -> list[float | None]:
    return [None if math.isnan(value) else round(value, digits) for value in values.astype(float).tolist()]
