"""The texts of the page in shards: small packed blocks, each unpacked only when an item of it is opened or searched.

A shard is JSON, gzipped and in base64, as every block of the page: no character of a model's output is ever markup.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from evalkit.report.items import item_codes
from evalkit.report.numbers import count
from evalkit.stored.records import SCHEMA, Samples
from evalkit.stored.samples import pc

SHARD_CHARS = 400_000  # of one shard before it is packed: a few milliseconds to unpack
LONGEST = 12_000  # characters of one text; what is longer keeps its two ends
_COLUMNS = [name for name in SCHEMA.names if name not in ("logprobs", "suite", "task", "id")]
_TEXTS = ("text", "reasoning")
_PASSES = 4  # over the texts, until what was chosen fits
_ROW = 250  # characters of an answer besides its text
_ENOUGH = 0.9  # of the room, where more items would have texts


@dataclass(frozen=True, slots=True)
class Shards:
    """Packed texts. place: by item, the shard that holds its texts; -1 where the page does not."""

    blocks: tuple[str, ...]
    place: np.ndarray
    shortened: int

    @property
    def size(self) -> int:
        """Characters of all blocks together."""
        return sum(map(len, self.blocks))


def pack_texts(samples: Samples, n: int, order: np.ndarray, room: int) -> Shards:
    """The texts of as many of `n` items as `room` characters of packed blocks hold, in `order` of their worth.

    How small texts become is seen by packing: a stretch of neighbours first, then what is chosen, until it fits.
    """
    if not len(order) or room <= 0:
        return Shards((), np.full(n, -1), 0)
    codes, _ = item_codes(samples)
    length = _lengths(samples, codes, n)
    if (before := int(length.sum())) * 3 <= room * 8:  # no text that people read packs much worse than to 3/8
        limit = before
    else:
        stretch = np.zeros(n, dtype=bool)
        for begin in np.linspace(0, n, 24, endpoint=False).astype(int):
            stretch[begin : begin + 60] = True
        limit = int(0.95 * room * length[stretch].sum() / max(1, _pack(samples, codes, stretch).size))
    reach, best = np.cumsum(length[order]), None
    for _ in range(_PASSES):
        mine = order[: np.searchsorted(reach, limit, side="right")]
        shown = np.zeros(n, dtype=bool)
        shown[mine] = True
        found = _pack(samples, codes, shown)
        if found.size <= room and (best is None or found.size > best.size):
            best = found
        if best is found and (len(mine) == len(order) or found.size >= _ENOUGH * room):
            break
        limit = int(length[mine].sum() * 0.97 * room / max(1, found.size))
    return best or Shards((), np.full(n, -1), 0)


def shorten(text: str | None, longest: int = LONGEST) -> str | None:
    """A long text's two ends, with a line between them that says what was left out and where it is."""
    if text is None or len(text) <= longest:
        return text
    head, tail = longest * 2 // 3, longest // 3
    left_out = len(text) - head - tail
    return (
        f"{text[:head]}\n\n[... {count(left_out)} characters left out; whole in samples.parquet ...]\n\n{text[-tail:]}"
    )


def _lengths(samples: Samples, codes: np.ndarray, n: int) -> np.ndarray:
    """About how many characters each item has: its answers, and its prompt once."""
    answers, prompts, begin = np.zeros(n), np.zeros(n), 0
    for block in samples.blocks(["prompt", *_TEXTS]):
        mine = codes[begin : begin + block.num_rows]
        begin += block.num_rows
        for name in _TEXTS:
            answers += np.bincount(mine, weights=_characters(block[name]), minlength=n)
        np.maximum.at(prompts, mine, _characters(block["prompt"]))
    return answers + prompts + _ROW * np.bincount(codes, minlength=n)


def _characters(column: Any) -> np.ndarray:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    counted = pc.fill_null(pc.utf8_length(column), 0).to_numpy()
    return np.minimum(counted, LONGEST).astype(float)


def _pack(samples: Samples, codes: np.ndarray, shown: np.ndarray) -> Shards:
    """The texts of these items, neighbours in one shard: their prompts begin alike."""
    place = np.full(len(shown), -1)
    blocks: list[str] = []
    parts: list[str] = []
    held = shortened = 0

    def close() -> None:
        nonlocal held
        packed = gzip.compress(f"{{{','.join(parts)}}}".encode("utf-8", "replace"), 6, mtime=0)
        blocks.append(base64.b64encode(packed).decode("ascii"))
        parts.clear()
        held = 0

    for at, rows in _by_item(samples, codes, shown):
        entry, cut = _entry(rows)
        part = f'"{at}":{json.dumps(entry, ensure_ascii=False, allow_nan=False, separators=(",", ":"))}'
        parts.append(part)
        place[at] = len(blocks)
        held += len(part)
        shortened += cut
        if held >= SHARD_CHARS:
            close()
    if parts:
        close()
    return Shards(tuple(blocks), place, shortened)


def _by_item(samples: Samples, codes: np.ndarray, shown: np.ndarray) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """Of these items one after the other, the rows of samples: a block of them in memory at a time."""
    kept = shown[codes]
    near, mine = samples.only(kept), codes[kept]
    if (np.diff(mine) < 0).any():  # a table that was put together by hand
        order = np.argsort(mine, kind="stable")
        near, mine = Samples.of(near.table(_COLUMNS).take(pa.array(order))), mine[order]
    begin, current = 0, -1
    rows: list[dict[str, Any]] = []
    for block in near.blocks(_COLUMNS):
        for at, row in zip(mine[begin : begin + block.num_rows].tolist(), block.to_pylist(), strict=True):
            if at != current and rows:
                yield current, rows
                rows = []
            current = at
            rows.append(row)
        begin += block.num_rows
    if rows:
        yield current, rows


def _entry(rows: list[dict[str, Any]]) -> tuple[dict[str, object], int]:
    """One item's texts, and how many of them were shortened."""
    cut = 0

    def keep(value: object, longest: int = LONGEST) -> str | None:
        nonlocal cut
        if not isinstance(value, str):
            return None
        cut += len(value) > longest
        return shorten(value, longest)

    def number(value: float | None) -> float | None:
        return None if value is None or value != value else value

    def answer(row: dict[str, Any]) -> dict[str, object]:
        full = {
            "value": number(row["value"]),
            "text": keep(row["text"]),
            "reasoning": keep(row["reasoning"]),
            "answer": keep(row["answer"], 2000),
            "cause": row["cause"],
            "overlap": number(row["overlap"]),
            "finish": row["finish_reason"],
            "tokens": row["completion_tokens"],
            "failure": row["failure"],
            "message": keep(row["failure_message"], 2000),
            "hint": keep(row["failure_hint"], 500),
        }
        return {name: value for name, value in full.items() if value is not None}

    base = [row for row in rows if row["arm"] == "base"]
    tuned = [row for row in rows if row["arm"] == "tuned"]
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
                "judge": said["judge"],
                "order": said["order"],
                "winner": said["winner"],
                "reason": keep(said["reason"], 3000),
                "failure": keep(said["failure"], 500),
            }
            for row in rows
            for said in row["verdicts"] or ()
        ],
    }
    if other != first.get("prompt"):
        entry["base_prompt"] = keep(other)
    return entry, cut
