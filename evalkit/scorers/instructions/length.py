"""length_constraints: how many words, sentences and paragraphs."""

import re

from evalkit.scorers.instructions.registry import Count, Relation, Text, compare, instruction
from evalkit.scorers.instructions.sentences import sentences


@instruction("length_constraints:number_words")
def number_words(text: str, *, num_words: Count, relation: Relation) -> bool:
    """So many runs of letters, digits and underscores: `don't` is two, and vowel signs of Indic scripts part a word.

    The reference counts so by NLTK releases that match with `re`; later ones match with `regex`, where a vowel sign is a letter.
    """
    return compare(len(re.findall(r"\w+", text)), relation, num_words)


@instruction("length_constraints:number_sentences")
def number_sentences(text: str, *, num_sentences: Count, relation: Relation) -> bool:
    """So many sentences, as Punkt splits English."""
    return compare(len(sentences(text)), relation, num_sentences)


@instruction("length_constraints:number_paragraphs")
def number_paragraphs(text: str, *, num_paragraphs: Count) -> bool:
    """Exactly so many paragraphs between dividers `***`; only the first and the last may be empty, and then do not count."""
    first, *rest = [part.strip() for part in text.split("***")]
    inner, last = rest[:-1], rest[-1:]
    if not all(inner):
        return False
    return sum(map(bool, [first, *inner, *last])) == num_paragraphs


@instruction("length_constraints:nth_paragraph_first_word")
def nth_paragraph_first_word(text: str, *, num_paragraphs: Count, nth_paragraph: Count, first_word: Text) -> bool:
    """Exactly so many paragraphs between blank lines, the nth of which begins with the word, up to any punctuation.

    As in the reference, empty paragraphs do not count but keep their place: the nth is looked for among all.
    """
    paragraphs = [part.strip() for part in text.split("\n\n")]
    if sum(map(bool, paragraphs)) != num_paragraphs or not 1 <= nth_paragraph <= num_paragraphs:
        return False
    opening = paragraphs[nth_paragraph - 1].split(maxsplit=1)[:1]
    word = "".join(opening).lstrip("'").lstrip('"')
    return re.split(r"[.,?!'\"]", word, maxsplit=1)[0].lower() == first_word.lower()
