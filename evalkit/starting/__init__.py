"""The files that `evalkit init` writes: models, policy, project and CI."""

from evalkit.starting.ci import CI, ci_file, repository
from evalkit.starting.models import Backend, model_file, seen_from
from evalkit.starting.project import Wanted, files, unnamed

__all__ = [
    "CI",
    "Backend",
    "Wanted",
    "ci_file",
    "files",
    "model_file",
    "repository",
    "seen_from",
    "unnamed",
]
