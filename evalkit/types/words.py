"""The words that name roles, verdicts, arms and causes, and what they mean everywhere."""

from __future__ import annotations

from typing import Literal

Role = Literal["target", "retain", "guard"]
GateVerdict = Literal["pass", "fail", "inconclusive"]
Outcome = Literal["go", "no_go", "inconclusive"]
Side = Literal["above", "below"]
Spending = Literal["obrien_fleming", "pocock"]
"""How the error of a sequential run is spent over its looks."""
Winner = Literal["base", "tuned", "tie"]
Order = Literal["base_first", "tuned_first", "apart", "unknown"]
"""Which answer a judge saw first. apart: it saw them one at a time and graded each. unknown: annotations that do not say."""
Against = Literal["base", "incumbent"]
"""What tuned's answers are held against."""
Exam = Literal["passed", "failed", "none"]
Votes = Literal["answer", "box"]

ARMS = ("base", "tuned")
AGAIN = "base-again"
"""The arm of base asked the same questions a second time, to see how much is noise. Nothing that decides reads it."""
INCUMBENT = "incumbent"
"""The arm of the model in use now, which tuned may be held against beside base."""

PROBES = "drift probes"
"""The suite name under which the samples table keeps what was measured beside the suites. No suite may have it."""

LOST_TO_FORM = ("unparsed", "unextracted")
"""The causes of an answer that was lost to its form: none could be read, or the right one stands elsewhere. An answer cut
off at the token limit is not among them: it never came to an end, in any form."""

IMPORTED = "imported"
"""The backend of a model whose answers another tool collected: there is nothing to ask again."""

FLAGGED_FROM = 0.2
"""Share from which an item counts as overlapping: below it Llama 2 calls a sample clean. Low on purpose: a question seen
in training is often only part of what is asked (options, instructions), and the items left over should be free of doubt."""

BY_TASK = "task"
"""What the slices of a suite are named that are its own tasks. No suite file may name a slice so."""

SMALLEST_SLICE = 10
"""Items, scored on both sides, that a slice must have to be shown."""
