"""Where a run came from, as the page shows it: both models field by field, the policy, and how to ask again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import yaml

from evalkit.report.numbers import count
from evalkit.types import IMPORTED, Manifest, ModelRecord, SuiteRecord


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of the provenance table: the same field of both models, and of an incumbent."""

    name: str
    base: str
    tuned: str
    incumbent: str = ""

    @property
    def differs(self) -> bool:
        """Whether the two arms differ here."""
        return self.base != self.tuned


def model_facts(manifest: Manifest) -> list[Fact]:
    """What each arm was, field by field; only fields that say something."""
    base, tuned = _facts(manifest.base), _facts(manifest.tuned)
    incumbent = _facts(manifest.incumbent) if manifest.incumbent else dict.fromkeys(base, "")
    facts = [Fact(name, base[name], tuned[name], incumbent[name]) for name in base]
    return [one for one in facts if one.base or one.tuned or one.incumbent]


def commands(manifest: Manifest) -> dict[str, dict[str, str]]:
    """How each arm is asked one suite again: arm -> suite -> an `evalkit run` line that lacks only the item's id.

    The files are those that the models were read from, the suites those that the command line named, else the
    suite's own file. Empty for imported answers.
    """
    if manifest.base.backend == IMPORTED:
        return {}
    try:
        said = shlex.split(manifest.command)
    except ValueError:
        said = []
    named = [_value(said, place) for place, word in enumerate(said) if word.split("=")[0] in ("--suite", "-s")]
    arms = {"base": manifest.base.file or "BASE.yaml", "tuned": manifest.tuned.file or "TUNED.yaml"}

    def flags(suite: SuiteRecord) -> list[str]:
        own = [name for name in named if name == suite.name or Path(name).stem == suite.name] or named
        own = own or ([suite.file] if suite.file else [])
        return [part for name in own for part in ("--suite", name)]

    return {
        arm: {suite.name: shlex.join(["evalkit", "run", file, *flags(suite)]) for suite in manifest.suites}
        for arm, file in arms.items()
    }


def policy_text(manifest: Manifest) -> str:
    """The policy as the YAML a policy file holds."""
    plain = json.loads(json.dumps(dict(manifest.policy), default=_plain))
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True).strip()


def when(created: str) -> str:
    """An ISO time as a person writes it: 23 September 2026, 14:15 UTC."""
    try:
        moment = datetime.fromisoformat(created)
    except ValueError:
        return created
    return f"{moment.day} {moment:%B %Y, %H:%M} {moment.tzname() or ''}".rstrip()


def _value(words: list[str], place: int) -> str:
    """What an option at `place` is set to, written `--option value` or `--option=value`."""
    _, equals, value = words[place].partition("=")
    return value if equals else words[place + 1] if place + 1 < len(words) else ""


def _plain(value: object) -> object:
    """Mappings that are not dicts, and whatever else a policy may hold, as JSON knows them."""
    return dict(value) if isinstance(value, Mapping) else str(value)


def _reasoning(model: ModelRecord) -> str:
    if not model.reasoning:
        return ""
    return f"markers, {count(model.thinking_budget)} tokens" if model.thinking_budget else "markers, no budget stated"


def _facts(model: ModelRecord) -> dict[str, str]:
    def options(values: Mapping[str, object]) -> str:
        return ", ".join(f"{name} {value}" for name, value in values.items())

    sampling = asdict(model.sampling) if model.sampling else {}
    return {
        "name": model.name,
        "backend": model.backend,
        "model": model.model,
        "revision": model.revision or "",
        "adapter": " ".join(part for part in (model.adapter, f"({model.adapter_mode})") if part and part != "(None)"),
        "weights": model.fingerprint,
        "tokenizer": model.tokenizer_fingerprint or "",
        "chat template": model.template_hash or "",
        "format": model.format or "",
        "precision": model.precision or "",
        "context limit": f"{count(model.context_limit)} tokens" if model.context_limit else "",
        "engine": f"{model.engine} {model.engine_version}".strip(),
        "engine options": options(model.engine_options),
        "sampling": options({name: value for name, value in sampling.items() if value not in ((), None)}),
        "reasoning": _reasoning(model),
        "notes": "; ".join(model.notes),
    }
