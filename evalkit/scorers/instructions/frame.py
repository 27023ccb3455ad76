"""startend, combination and punctuation: how the answer as a whole begins, ends and is put together."""

from evalkit.scorers.instructions.registry import Text, instruction


@instruction("startend:end_checker")
def end_checker(text: str, *, end_phrase: Text) -> bool:
    """The phrase comes last, be it within quotation marks; case does not count."""
    return text.strip().strip('"').lower().endswith(end_phrase.lower())


@instruction("startend:quotation")
def quotation(text: str) -> bool:
    """A straight double quotation mark opens and closes it."""
    text = text.strip()
    return len(text) > 1 and text[0] == text[-1] == '"'


@instruction("combination:repeat_prompt")
def repeat_prompt(text: str, *, prompt_to_repeat: Text) -> bool:
    """It opens with the request; case does not count."""
    return text.strip().lower().startswith(prompt_to_repeat.lower())


@instruction("combination:two_responses")
def two_responses(text: str) -> bool:
    """Two different answers with ****** between them; before the first and after the last there may be one as well."""
    parts = [part.strip() for part in text.split("******")]
    given = [part for part in parts if part]
    return all(parts[1:-1]) and len(given) == 2 and given[0] != given[1]


@instruction("punctuation:no_comma")
def no_comma(text: str) -> bool:
    """No comma occurs."""
    return "," not in text
