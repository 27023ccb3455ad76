"""Bits per byte: how many bits the model needs for a byte of a given text. Lower is better; for guards, in bits.

-log2 p(text) / bytes of the text in UTF-8. Bytes, not tokens: models with different tokenizers can be compared by it.
A suite's value is the mean over texts; the corpus number of lm-evaluation-harness weighs each text by its bytes.
Source: Gao et al. 2020, The Pile, arXiv:2101.00027, section 3.1.
"""

from __future__ import annotations

import math

from evalkit.scorers.registry import scorer
from evalkit.types import Completion, Example


@scorer(
    "bits_per_byte",
    metric="bits per byte",
    binary=False,
    needs_answer=False,
    of_completion=True,
    bounded=False,
    kinds=("loglikelihood",),
)
def bits_per_byte(completion: Completion, example: Example) -> float:
    """Bits per byte of the item's text; NaN where the engine gave no log-likelihood for all of it."""
    if not completion.logprobs:
        return math.nan
    size = len(example.messages[0].content.encode("utf-8", "surrogatepass"))
    return -sum(completion.logprobs) / math.log(2) / size
