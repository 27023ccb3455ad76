"""Contains: the gold stands somewhere in the extracted answer, as whole words; case and spacing do not count."""

from evalkit.scorers.registry import scorer
from evalkit.types import Example


@scorer("contains")
def contains(answer: str, example: Example) -> float:
    """1 when the gold occurs in the answer as whole words."""
    return float(has_words(answer, example.answer or ""))


def has_words(text: str, words: str) -> bool:
    """Whether `words` occur in `text` with no letter or digit directly before or after them."""
    words = " ".join(words.casefold().split())
    if not words:
        return False
    text = " ".join(text.casefold().split())
    # No pattern: one for each gold would be compiled for each answer.
    at = text.find(words)
    while at >= 0:
        end = at + len(words)
        if not _is_word(text[at - 1 : at]) and not _is_word(text[end : end + 1]):
            return True
        at = text.find(words, at + 1)
    return False


def _is_word(character: str) -> bool:
    """Whether it is a letter, a digit or an underscore; no character is none."""
    return character.isalnum() or character == "_"
