"""Columns of words as numbers: what is grouped, sorted or joined is an array of integers, whatever it says.

values: a pandas Series, of categories or of words; frame: a DataFrame.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Codes = NDArray[np.int64]


def coded(values: Any) -> tuple[Codes, pd.Index]:
    """A number for each value, from 0, and what each number stands for; -1 for what is missing."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        return values.cat.codes.to_numpy().astype(np.int64), pd.Index(values.cat.categories)
    codes, names = pd.factorize(values)
    return np.asarray(codes, dtype=np.int64), pd.Index(names)


def words(values: Any) -> NDArray[np.object_]:
    """The values as objects, None where one is missing."""
    codes, names = coded(values)
    return with_none(names)[codes]


def with_none(names: pd.Index) -> NDArray[np.object_]:
    """What the numbers of `coded` stand for, as an array to look them up in: -1 is None."""
    return np.concatenate([names.to_numpy(dtype=object), np.array([None], dtype=object)])


def is_(values: Any, word: str) -> NDArray[np.bool_]:
    """Where a column says that."""
    codes, names = coded(values)
    place = names.get_indexer(pd.Index([word], dtype=object))[0] if len(names) else -1
    return codes == place if place >= 0 else np.zeros(len(values), dtype=bool)


def is_in(values: Any, wanted: Sequence[str]) -> NDArray[np.bool_]:
    """Where a column says one of these."""
    codes, names = coded(values)
    return np.append(names.isin(list(wanted)), False)[codes]


def places(frame: Any, columns: Sequence[str]) -> Codes:
    """A number for each row, equal where all these columns are, and in their order. Numbers and words without gaps."""
    found = np.zeros(len(frame), dtype=np.int64)
    for name in columns:
        codes, size = _ranks(frame[name])
        found = found * size + codes
    return found


def _ranks(values: Any) -> tuple[Codes, int]:
    if pd.api.types.is_integer_dtype(values.dtype):
        numbers = values.to_numpy(dtype=np.int64)
        least = int(numbers.min(initial=0))
        return numbers - least, int(numbers.max(initial=0)) - least + 1
    codes, names = coded(values)
    if not names.is_monotonic_increasing:
        order = np.argsort(names.to_numpy(dtype=object))
        rank = np.empty(len(names) + 1, dtype=np.int64)
        rank[order], rank[-1] = np.arange(len(names)), -1
        codes = rank[codes]
    return codes + 1, len(names) + 1


def matched(base: Codes, tuned: Codes) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where the numbers stand that both arrays hold, in their order."""
    _, first, second = np.intersect1d(base, tuned, return_indices=True)
    return first, second
