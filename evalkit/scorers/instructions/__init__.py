"""The instructions of IFEval: each a name, its settings, and a check that reads a text.

Zhou et al. 2023, Instruction-Following Evaluation for Large Language Models, arXiv:2311.07911. The checks keep the rules of
the reference, google-research/instruction_following_eval (Apache-2.0), down to its oddities, so that marks can be compared
with published ones. They depart from it in this alone:

- Nothing is drawn at random. Where a setting is missing or of no use to it, the reference draws one: a letter for each `#` or
  `!` that keywords:letter_frequency should count, which makes its verdicts on two items (keys 1122 and 1129) differ from
  run to run. Here the character that the prompt asks for is counted, and a missing setting is refused.
- Words and markers are literal text; the reference reads them as regular expressions. The benchmark's own hold none.
- English sentences are split by a Punkt of the same parameters that differs in rows of lone points; see `sentences`.
- Every check takes time proportional to the text, whatever a model wrote.
"""

from evalkit.scorers.instructions import content, form, frame, keywords, language, length  # noqa: F401  they register
from evalkit.scorers.instructions.registry import Followed, bind

__all__ = ["Followed", "bind"]
