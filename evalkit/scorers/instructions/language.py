"""language and change_case: the language of the answer, by langdetect, and its capitals."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Annotated

import langdetect
from langdetect.detector_factory import PROFILES_DIRECTORY, DetectorFactory
from pydantic import AfterValidator

from evalkit.scorers.instructions.registry import Count, Relation, compare, instruction
from evalkit.scorers.instructions.sentences import words


def _known(code: str) -> str:
    languages = _detectors().langlist
    if code not in languages:
        raise ValueError(f"langdetect knows no language {code!r}, only {', '.join(languages)}")
    return code


Language = Annotated[str, AfterValidator(_known)]


@instruction("language:response_language")
def response_language(text: str, *, language: Language) -> bool:
    """The whole answer reads as that language; a text without letters passes."""
    return detected(text) in (language, None)


@instruction("change_case:english_capital")
def english_capital(text: str) -> bool:
    """English without a small letter."""
    return text.isupper() and detected(text) in ("en", None)


@instruction("change_case:english_lowercase")
def english_lowercase(text: str) -> bool:
    """English without a capital letter."""
    return text.islower() and detected(text) in ("en", None)


@instruction("change_case:capital_word_frequency")
def capital_word_frequency(text: str, *, capital_frequency: Count, capital_relation: Relation) -> bool:
    """So many words in capitals only, `I` and `A` among them."""
    return compare(sum(word.isupper() for word in words(text)), capital_relation, capital_frequency)


def detected(text: str) -> str | None:
    """The ISO 639-1 code of a text's language, None where there is nothing to go by. The same text gives the same code.

    langdetect draws the n-grams it looks at: seeded here, for this detector alone. It also takes its profiles in the order in
    which the file system lists them, and sums probabilities in that order: here they are sorted.
    """
    detector = _detectors().create()
    try:
        detector.append(text)
        return detector.detect()
    except langdetect.LangDetectException:
        return None


@functools.cache
def _detectors() -> DetectorFactory:
    factory = DetectorFactory()
    factory.load_json_profile([path.read_text("utf-8") for path in sorted(Path(PROFILES_DIRECTORY).iterdir())])
    factory.set_seed(0)
    return factory
