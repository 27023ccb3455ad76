"""What the harness finds around it while its tasks are loaded: quiet, its own seeds, and the mirror of the hub."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import logging
import os
import random
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from evalkit.tasks.data import MIRROR
from evalkit.types import InputError

# The seeds that the harness's command line starts with.
_SEED, _NUMPY_SEED = 0, 1234

# A task's own files are read as they are: by these readers of `datasets`, unless they lie on a server.
_READERS = ("json", "csv", "parquet", "arrow", "text")


@contextlib.contextmanager
def harness_at_work(where: str) -> Iterator[None]:
    """While tasks are loaded: all of the below at once. Afterwards everything is as it was."""
    with seeded(), quiet("lm_eval", "lm-eval", "datasets", "evaluate"), compiled_once(), _mirrored(where):
        yield


@contextlib.contextmanager
def quiet(*names: str) -> Iterator[None]:
    """Its log, its progress bars and what tasks print would run into ours. Errors are raised, and still show.

    names: the loggers that are silenced; each costs a walk over all loggers of the process.
    """
    import datasets

    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    had_bars = not datasets.are_progress_bars_disabled()
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    datasets.disable_progress_bars()
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if had_bars:
            datasets.enable_progress_bars()


@contextlib.contextmanager
def compiled_once() -> Iterator[None]:
    """The harness compiles a template anew for every field of every document: 95 % of the time of building MMLU."""
    from lm_eval.utils import env

    env.from_string = _compiler()
    try:
        yield
    finally:
        del env.from_string  # the class's own again


@functools.cache
def _compiler() -> Callable[..., Any]:
    from lm_eval.utils import env

    return functools.lru_cache(maxsize=1024)(type(env).from_string.__get__(env))


@contextlib.contextmanager
def seeded() -> Iterator[None]:
    """Generators as the harness sets them: tasks shuffle while loading, and some metrics draw.

    Ifeval's metric asks langdetect, whose draws the harness leaves unseeded: the same text could win for one model and
    lose for the other.
    """
    state, numpy_state = random.getstate(), np.random.get_state()
    random.seed(_SEED)
    np.random.seed(_NUMPY_SEED)
    langdetect = sys.modules.get("langdetect.detector_factory")
    before = langdetect.DetectorFactory.seed if langdetect else None
    if langdetect:
        langdetect.DetectorFactory.seed = _SEED
    try:
        yield
    finally:
        random.setstate(state)
        np.random.set_state(numpy_state)
        if langdetect:
            langdetect.DetectorFactory.seed = before


@contextlib.contextmanager
def _mirrored(where: str) -> Iterator[None]:
    """Where `EVALKIT_DATA` is set: data sets from `<it>/<dataset_path>/<dataset_name>/<split>.parquet` or `.jsonl`.

    The path is the one that the task file gives. Nothing is fetched then.
    """
    mirror = os.environ.get(MIRROR)
    if not mirror:
        yield
        return
    import datasets

    load = datasets.load_dataset

    def read(path: str, name: str | None = None, *args: Any, **kwargs: Any) -> Any:
        folder = Path(mirror).expanduser() / path / (name or "default")
        for reader, ending in (("parquet", ".parquet"), ("json", ".jsonl")):
            files = {file.stem: str(file) for file in sorted(folder.glob(f"*{ending}"))}
            if files:
                return load(reader, data_files=files, split=kwargs.get("split"))
        own_files = path in _READERS and "://" not in json.dumps(kwargs.get("data_files", "://"))
        if own_files or Path(path).exists():
            return load(path, name, *args, **kwargs)
        raise InputError(f"{where}: {MIRROR} is set, and holds no {folder}/<split>.parquet or .jsonl")

    datasets.load_dataset = read
    try:
        yield
    finally:
        datasets.load_dataset = load
