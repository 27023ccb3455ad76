"""Which family a model is of, and whether a judge is a relative of those it judges: models favour their own.

Source: Panickssery et al. 2024, LLM evaluators recognize and favor their own generations, arXiv:2404.13076.
"""

from __future__ import annotations

import re

from evalkit.types import Against, ModelRecord

# By family, what a name or an architecture holds; letters around it make another word of it (phi in dolphin).
_NAMES = {
    "llama": "(code|tiny|open)?llama|vicuna",
    "qwen": "(code)?qwen|qwq|qvq",
    "mistral": "mistral|mixtral|ministral|magistral|codestral|devstral|pixtral|voxtral|mathstral",
    "gemma": "(code|medi?|pali|shield|recurrent)?gemma|gemini",  # Google's, open and closed
    "phi": "phi",
    "gpt": "(chat)?gpt(?![-_ ]?(j|neo|neox|2|bigcode|sw3)(?![a-z0-9]))|davinci|o[134](?=$|[-_:@])",
    "claude": "claude",
    "deepseek": "deepseek",
    "smollm": "smollm|smolvlm",
    "olmo": "olmoe?",
    "falcon": "falcon",
    "granite": "granite",
    "glm": "(chat)?glm",
    "yi": "yi",
    "command": "command|cohere|aya",
    "nemotron": "nemotron|minitron",
    "internlm": "internlm",
    "kimi": "kimi|moonshot|moonlight",
    "minimax": "minimax|abab",
    "grok": "grok",
    "jamba": "jamba",
    "hunyuan": "hunyuan",
    "ernie": "ernie",
    "baichuan": "baichuan",
    "exaone": "exaone",
    "nova": "nova[-_](micro|lite|pro|premier)",
    "seed": "seed[-_]oss|doubao",
    "mimo": "mimo",
    "stablelm": "stablelm",
    "pythia": "pythia|gpt[-_ ]?neox",
    "bloom": "bloomz?",
}
_FAMILIES = re.compile(
    "|".join(f"(?P<{family}>(?<![a-z])(?:{names})(?![a-z]))" for family, names in _NAMES.items()), re.IGNORECASE
)


def family(record: ModelRecord) -> str | None:
    """The family a model is of, by the last part of its name, else by its checkpoint's architecture; None if neither tells.

    A name with several (DeepSeek-R1-Distill-Qwen) counts as the first; `self_preference` goes by all of them.
    """
    return next(iter(_families(record)), None)


def _families(record: ModelRecord) -> tuple[str, ...]:
    for text in (re.split(r"[/\\]", record.model.rstrip("/\\"))[-1], record.architecture or ""):
        found = dict.fromkeys(match.lastgroup for match in _FAMILIES.finditer(text) if match.lastgroup)
        if found:
            return tuple(found)
    return ()


def self_preference(
    judge: ModelRecord, base: ModelRecord, tuned: ModelRecord, *, against: Against = "base"
) -> str | None:
    """The caution where the judge is one of those it compares, or of the family of one or both; None where it is not.

    against: what stands in `base`'s place.
    """
    candidates = {against: base, "tuned": tuned}
    itself = [name for name, record in candidates.items() if record.fingerprint == judge.fingerprint]
    relatives = {
        name: shared
        for name, record in candidates.items()
        if name not in itself and (shared := [one for one in _families(judge) if one in _families(record)])
    }
    said: list[str] = []
    if itself:
        said.append(f"the judge is {' and '.join(itself)} itself")
    families = list(dict.fromkeys(shared[0] for shared in relatives.values()))
    if len(relatives) == 2 and len(families) == 1:
        first, second = relatives
        said.append(f"the judge, {first} and {second} are all of the {families[0]} family")
    else:
        said += [f"the judge and {name} are both of the {shared[0]} family" for name, shared in relatives.items()]
    return f"{'; '.join(said)}: models favour their own" if said else None
