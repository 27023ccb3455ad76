"""detectable_format: lists, highlights, sections, titles, JSON, fixed answers."""

import json
import re

from evalkit.scorers.instructions.registry import Count, Text, instruction

_ANSWERS = ("My answer is yes.", "My answer is no.", "My answer is maybe.")
_FENCES = ("```json", "```Json", "```JSON", "```")


@instruction("detectable_format:number_bullet_lists")
def number_bullet_lists(text: str, *, num_bullets: Count) -> bool:
    """Exactly so many lines that open with `*`, but not `**`, or with `-`, be it a rule of dashes."""
    stars = re.findall(r"^[^\S\n]*\*[^*].*$", text, re.MULTILINE)
    dashes = re.findall(r"^[^\S\n]*-", text, re.MULTILINE)
    return len(stars) + len(dashes) == num_bullets


@instruction("detectable_format:number_highlighted_sections")
def number_highlighted_sections(text: str, *, num_highlights: Count) -> bool:
    """At least so many stretches between asterisks within a line, *one* and **two** alike."""
    single = re.findall(r"\*[^\n*]*\*", text)
    double = re.findall(r"\*\*[^\n*]*\*\*", text)
    return sum(1 for found in single + double if found.strip("*").strip()) >= num_highlights


@instruction("detectable_format:multiple_sections")
def multiple_sections(text: str, *, section_spliter: Text, num_sections: Count) -> bool:
    """At least so many headings: the word and a number."""
    return len(re.findall(rf"{re.escape(section_spliter)}\s?\d+", text)) >= num_sections


@instruction("detectable_format:title")
def title(text: str) -> bool:
    """A line holds <<a title>>, from its first << to its last >>, in which there is something."""
    for line in text.split("\n"):
        start, end = line.find("<<"), line.rfind(">>")
        if start != -1 and end > start + 2 and line[start : end + 2].lstrip("<").rstrip(">").strip():
            return True
    return False


@instruction("detectable_format:json_format")
def json_format(text: str) -> bool:
    """All of it is JSON, be it in a code fence."""
    text = text.strip()
    for fence in _FENCES:
        text = text.removeprefix(fence)
    try:
        json.loads(text.removesuffix("```").strip())
    except (ValueError, RecursionError):  # nested deeper than any program reads
        return False
    return True


@instruction("detectable_format:constrained_response")
def constrained_response(text: str) -> bool:
    """One of the three fixed answers occurs."""
    return any(answer in text for answer in _ANSWERS)
