"""The long columns of a run's samples, which no statistic holds: read for the rows that are asked about, or in one pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from evalkit.scorers.refusal import declines
from evalkit.stored.samples import Samples, pc

Rows = NDArray[np.integer]


class Texts(Protocol):
    """Prompts, answers, traces and log-probabilities. rows: index labels of the frame that the statistics read."""

    def known(self, rows: Rows) -> NDArray[np.bool_]:
        """Of which rows the answer's text is at hand, be it empty."""
        ...

    def values(self, rows: Rows, column: str) -> list[Any]:
        """A column's values, None where there is none. For rows that are few, or values that are short."""
        ...

    def characters(self, rows: Rows) -> NDArray[np.float64]:
        """The length of each answer; NaN where its text is not at hand."""
        ...

    def declines(self, rows: Rows) -> NDArray[np.bool_]:
        """Which answers decline what was asked, as the scorer `refusal` has it."""
        ...

    def differ(self, column: str, rows: Rows, others: Rows) -> NDArray[np.bool_]:
        """Where two rows' values differ, pair by pair. Missing equals missing, NaN equals NaN."""
        ...


class StoredTexts:
    """Those of a table on disk. rows: numbers of rows."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples
        self._passes: dict[str, NDArray[Any]] = {}

    def known(self, rows: Rows) -> NDArray[np.bool_]:
        """As of `Texts`. Where no row lacks its text, nothing is read."""
        if not self._samples.has_nulls("text"):
            return np.ones(len(rows), dtype=bool)
        return ~np.isnan(self.characters(rows))

    def values(self, rows: Rows, column: str) -> list[Any]:
        """As of `Texts`."""
        return self._samples.take(np.asarray(rows), [column])[column].to_pylist()

    def characters(self, rows: Rows) -> NDArray[np.float64]:
        """As of `Texts`."""
        return self._pass("characters", "text", _lengths)[rows]

    def declines(self, rows: Rows) -> NDArray[np.bool_]:
        """As of `Texts`."""
        return self._pass("declines", "text", _declined)[rows]

    def differ(self, column: str, rows: Rows, others: Rows) -> NDArray[np.bool_]:
        """As of `Texts`, by hashes of 64 bits."""
        hashes = self._pass(f"hash of {column}", column, _hashed)
        return hashes[rows] != hashes[others]

    def _pass(self, name: str, column: str, act: Callable[[pa.ChunkedArray], NDArray[Any]]) -> NDArray[Any]:
        """What `act` makes of a whole column, block by block; kept, since it is a number a row."""
        if name not in self._passes:
            parts = [act(block[column]) for block in self._samples.blocks([column])]
            self._passes[name] = np.concatenate(parts) if parts else np.array([])
        return self._passes[name]


class FrameTexts:
    """Those of a frame that holds its texts itself. rows: labels of its index."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame

    def known(self, rows: Rows) -> NDArray[np.bool_]:
        """As of `Texts`."""
        return self._frame.loc[rows, "text"].notna().to_numpy()

    def values(self, rows: Rows, column: str) -> list[Any]:
        """As of `Texts`."""
        return [None if _is_missing(one) else one for one in self._frame.loc[rows, column]]

    def characters(self, rows: Rows) -> NDArray[np.float64]:
        """As of `Texts`."""
        return np.array([np.nan if one is None else len(one) for one in self.values(rows, "text")], dtype=float)

    def declines(self, rows: Rows) -> NDArray[np.bool_]:
        """As of `Texts`."""
        return np.array([declines(one or "") for one in self.values(rows, "text")], dtype=bool)

    def differ(self, column: str, rows: Rows, others: Rows) -> NDArray[np.bool_]:
        """As of `Texts`."""
        pairs = zip(self.values(rows, column), self.values(others, column), strict=True)
        return np.array([_plain(one) != _plain(other) for one, other in pairs], dtype=bool)


def texts_of(frame: pd.DataFrame, texts: Texts | None) -> Texts:
    """Those given; else the frame's own."""
    return FrameTexts(frame) if texts is None else texts


def _lengths(column: pa.ChunkedArray) -> NDArray[np.float64]:
    return pc.utf8_length(column).cast(pa.float64()).to_numpy()


def _declined(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    return np.array([declines(text or "") for text in column.to_pylist()], dtype=bool)


def _hashed(column: pa.ChunkedArray) -> NDArray[np.uint64]:
    return np.array([xxhash.xxh3_64_intdigest(_plain(one).encode()) for one in column.to_pylist()], dtype=np.uint64)


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and np.isnan(value))


def _plain(value: Any) -> str:
    """As text, so that NaN (an option that the engine gave no number for) equals NaN; what is missing is as the empty text."""
    if value is None or isinstance(value, float):
        return ""
    return value if isinstance(value, str) else repr([float(one) for one in value])
