"""The files that `evalkit init` writes: models, policy, project and CI."""

from evalkit.starting.ci import ci_file, repository
from evalkit.starting.models import model_file, seen_from
from evalkit.starting.project import files, unnamed
from evalkit.starting.wanted import CI, Backend, Wanted

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
