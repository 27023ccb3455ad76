"""Which family of models one belongs to: judges favour their own (Panickssery et al. 2024, arXiv:2404.13076)."""

from __future__ import annotations

import re

from evalkit.types import ModelRecord

# By the words of a model's name. What is derived from a family and keeps its name (distils, fine-tunes) belongs to it.
_FAMILIES = {
    "claude": r"claude",
    "command": r"command|aya",
    "deepseek": r"deepseek",
    "falcon": r"falcon",
    "gemma": r"gemma|gemini|palm",
    "glm": r"glm|chatglm",
    "gpt": r"gpt|chatgpt|o1|o3|o4|davinci",
    "granite": r"granite",
    "grok": r"grok",
    "internlm": r"internlm",
    "kimi": r"kimi|moonlight",
    "llama": r"llama|vicuna|alpaca|nemotron|tulu",
    "minimax": r"minimax",
    "mistral": r"mistral|mixtral|ministral|magistral|codestral|zephyr",
    "olmo": r"olmo",
    "phi": r"phi",
    "qwen": r"qwen|qwq|qvq",
    "smollm": r"smollm",
    "yi": r"yi",
}


def family(record: ModelRecord) -> str | None:
    """The family by the model's name, else by its checkpoint's architecture; None where neither tells."""
    name = record.model.rstrip("/").rpartition("/")[2].casefold()
    # Several families in one name: a distil is named after what it was taught by and what it is; the last is what it is.
    places = {
        found.start(): known
        for known, words in _FAMILIES.items()
        for found in re.finditer(rf"(?<![a-z])(?:{words})(?![a-z])", name)
    }
    return places[max(places)] if places else record.architecture


def self_preference(judge: ModelRecord, base: ModelRecord, tuned: ModelRecord) -> str | None:
    """Why this judge may favour a candidate, in words; None where nothing says so."""
    arms = {"base": base, "tuned": tuned}
    same = [arm for arm, record in arms.items() if record.fingerprint == judge.fingerprint]
    if same:
        return f"the judge is {' and '.join(same)} itself: models favour what they wrote"
    mine = family(judge)
    kin = [arm for arm, record in arms.items() if mine is not None and family(record) == mine]
    if not kin:
        return None
    return f"the judge and {' and '.join(kin)} are of one family ({mine}): models favour their own"
