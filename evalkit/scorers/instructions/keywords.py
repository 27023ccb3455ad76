"""keywords: words that must, must not, or so often must occur. Case never counts."""

import re
from typing import Annotated

from pydantic import StringConstraints

from evalkit.scorers.instructions.registry import Count, Relation, Text, Texts, compare, instruction

Character = Annotated[str, StringConstraints(min_length=1, max_length=1, to_lower=True)]


@instruction("keywords:existence")
def existence(text: str, *, keywords: Texts) -> bool:
    """Each keyword occurs, be it within a longer word."""
    return all(_occurrences(keyword, text) for keyword in keywords)


@instruction("keywords:frequency")
def frequency(text: str, *, keyword: Text, frequency: Count, relation: Relation) -> bool:
    """The keyword occurs so often, within longer words as well."""
    return compare(_occurrences(keyword, text), relation, frequency)


@instruction("keywords:forbidden_words")
def forbidden_words(text: str, *, forbidden_words: Texts) -> bool:
    """None of the words occurs as a whole word."""
    return not any(re.search(rf"\b{re.escape(word)}\b", text, re.IGNORECASE) for word in forbidden_words)


@instruction("keywords:letter_frequency")
def letter_frequency(text: str, *, letter: Character, let_frequency: Count, let_relation: Relation) -> bool:
    """The character occurs so often. Two items count `#` and `!`, where the reference counts a letter drawn at random."""
    return compare(text.lower().count(letter), let_relation, let_frequency)


def _occurrences(words: str, text: str) -> int:
    return len(re.findall(re.escape(words), text, re.IGNORECASE))
