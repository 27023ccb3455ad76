"""From a name of the harness to its tasks, with their data read."""

from __future__ import annotations

import difflib
import functools
from pathlib import Path
from typing import Any

from evalkit.tasks.data import MIRROR
from evalkit.tasks.lm_eval.options import Options
from evalkit.types import InputError


def find_leaves(options: Options, folder: str, where: str) -> dict[str, Any]:
    """The tasks behind a task, group or tag, by name. Raises InputError for an unknown one or unreadable data."""
    index = _index(options, folder, where)
    if options.task not in index.task_index:
        near = difflib.get_close_matches(options.task, index.task_index, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "`lm_eval ls tasks` lists them; own ones need `include_path`"
        raise InputError(f"{where}.task: unknown task {options.task!r}; {hint}")
    try:
        return dict(index.load([options.task])["tasks"])
    except InputError:
        raise
    except ImportError as error:
        raise InputError(f"{where}.task: {options.task!r} needs a package that is not installed: {error}") from None
    except Exception as error:  # a boundary: the hub client, the data set's own code and the task file's raise at will
        first = str(error).splitlines()[0] if str(error) else ""
        raise InputError(
            f"{where}.task: {options.task!r} cannot be loaded: {type(error).__name__}: {first}; without a network, set "
            f"{MIRROR} to a mirror of the hub"
        ) from None


def _index(options: Options, folder: str, where: str) -> Any:
    """The harness's `TaskManager` for a name. Own files come first, and hide built-in tasks of the same name."""
    if options.include_path is None:
        return _built_in()
    from lm_eval.tasks import TaskManager

    path = Path(folder) / Path(options.include_path).expanduser()
    if not path.is_dir():
        raise InputError(f"{where}.include_path: no such folder {options.include_path!r}; looked for {path}")
    own = TaskManager(include_path=str(path), include_defaults=False)
    # Only a group can name tasks that are not in its folder.
    if options.task not in (*own.all_subtasks, *own.all_tags):
        for name, entry in _built_in().task_index.items():
            own.task_index.setdefault(name, entry)
    return own


@functools.cache
def _built_in() -> Any:
    """The index of some 14,000 files, which takes 5 to 15 seconds to read: once a process."""
    from lm_eval.tasks import TaskManager

    return TaskManager()
