"""What the page carries of the run: every item's numbers, and as many texts as it has room for.

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

from evalkit.report.items import CELLS, FORMS, OVERLAPS, VIEWS, disagreement, judge_views, length_unit
from evalkit.report.shards import pack_texts
from evalkit.stored.records import Samples

PAGE_BYTES = 24_000_000  # of all packed blocks; with tables and charts around them the page stays below 25 MB


@dataclass(frozen=True, slots=True)
class Embedded:
    """The packed blocks, and how much of the run's text they hold.

    columns: every item's numbers. places: by item, the number of the shard of `shards` with its texts, -1 without one.
    """

    columns: str
    places: str
    shards: tuple[str, ...]
    items: int
    with_text: int
    shortened: int


def embed(table: pa.Table | Samples, items: Any, *, seed: int = 0, room: int = PAGE_BYTES) -> Embedded:
    """Pack `items` (of `item_frame`) whole, and of `table` as many texts as `room` characters of page leave space for.

    Flips come first, then items on which the judge contradicts itself or the scores, then a seeded sample; within each,
    every suite and cell in turn.
    """
    held = Samples.of(table)
    columns: dict[str, Callable[[], object]] = {
        "suite": lambda: _coded(items["suite"]),
        "task": lambda: _coded(items["task"]),
        "id": lambda: items["id"].tolist(),
        "slices": lambda: _coded(items["slices"]),
        "cell": lambda: _indices(items["cell"], CELLS),
        "cause": lambda: _coded(items["cause"].fillna("")),
        "form": lambda: _indices(items["form"], FORMS),
        "overlap": lambda: _indices(items["overlap"], OVERLAPS),
        "readers": lambda: [
            {"name": name, "codes": _indices(views, VIEWS)} for name, views in judge_views(held, items).items()
        ],
        "base": lambda: _numbers(items["base"], 4),
        "tuned": lambda: _numbers(items["tuned"], 4),
        "base_length": lambda: _numbers(items["base_length"], 0),
        "tuned_length": lambda: _numbers(items["tuned_length"], 0),
        "unit": lambda: length_unit(held),
        "cells": lambda: list(CELLS),
        "judges": lambda: list(VIEWS),
        "overlaps": lambda: list(OVERLAPS),
    }
    packed = _packed((name, column()) for name, column in columns.items())
    # The places come after the texts, and pack to about a byte an item.
    texts = pack_texts(held, len(items), chosen(items, seed), room - len(packed) - 2 * len(items))
    with_text = int((texts.place >= 0).sum())
    return Embedded(packed, pack(texts.place.tolist()), texts.blocks, len(items), with_text, texts.shortened)


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


def _coded(values: Any) -> dict[str, object]:
    """A column of words as codes into its distinct words."""
    codes, words = pd.factorize(values.astype("object"))
    return {"codes": codes.tolist(), "words": [str(word) for word in words]}


def _indices(values: Any, known: Sequence[str]) -> list[int]:
    return pd.Index(list(known), dtype=object).get_indexer(pd.Index(values, dtype=object)).tolist()


def _numbers(values: Any, digits: int) -> list[float | None]:
    return [None if math.isnan(value) else round(value, digits) for value in values.astype(float).tolist()]
