"""Which judge this is: by content. An exam is passed by a judge, not by a name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict

from evalkit.config import JudgeSpec
from evalkit.judging.prompts import closing, judge_sampling


def judge_hash(spec: JudgeSpec, model_fingerprint: str) -> str:
    """Content hash over all that decides a verdict: rubric, words, form, orders, model and its settings.

    model_fingerprint: of the judge's model, as its backend's record gives it. Names, prices and speed are left out.
    """
    content = {
        "kind": spec.kind,
        "rubric": spec.rubric,
        "verdict": spec.verdict,
        "explain": spec.explain,
        "scale": spec.scale if spec.kind in ("pointwise", "reference") else None,
        "criteria": dict(spec.criteria),
        "weights": dict(spec.weights),
        "questions": spec.questions,
        "tie_width": spec.tie_width if spec.is_graded_apart else None,
        "orders": spec.orders,
        "closing": closing(spec, ""),
        "model": model_fingerprint,
        "system": spec.model.system,
        "format": spec.model.format,
        "chat_template": spec.model.chat_template,
        "chat_template_kwargs": dict(spec.model.chat_template_kwargs),
        "reasoning": spec.model.reasoning.model_dump() if spec.model.reasoning else None,
        "sampling": asdict(judge_sampling(spec)),
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.blake2b(text.encode(), digest_size=20).hexdigest()


def rubric_hash(spec: JudgeSpec) -> str:
    """Content hash of what the judge is told to look at, whoever the judge is."""
    content = [spec.kind, spec.rubric, dict(spec.criteria), list(spec.questions), list(spec.scale), list(spec.verdict)]
    return hashlib.blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=20).hexdigest()


def jury_hash(spec: JudgeSpec, members: Sequence[str]) -> str:
    """Of a jury: its members' hashes, in any order, and how they are combined."""
    content = json.dumps([spec.combine, sorted(members)])
    return hashlib.blake2b(content.encode(), digest_size=20).hexdigest()
