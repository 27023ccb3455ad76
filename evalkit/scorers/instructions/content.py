"""detectable_content: placeholders and postscripts."""

import re

from evalkit.scorers.instructions.registry import Count, Text, instruction

_POSTSCRIPTS = {"P.S.": r"p\.\s?s\.", "P.P.S": r"p\.\s?p\.\s?s"}


@instruction("detectable_content:number_placeholders")
def number_placeholders(text: str, *, num_placeholders: Count) -> bool:
    """At least so many stretches in square brackets, each on one line."""
    # A bracket that no other one closes takes the rest of its line along, so that no line is read twice.
    return len(list(filter(None, re.findall(r"\[[^\]\n]*(\]?)", text)))) >= num_placeholders


@instruction("detectable_content:postscript")
def postscript(text: str, *, postscript_marker: Text) -> bool:
    """The marker occurs, anywhere; in P.S. and P.P.S a space may follow each point."""
    pattern = _POSTSCRIPTS.get(postscript_marker, re.escape(postscript_marker.lower()))
    return re.search(pattern, text.lower()) is not None
