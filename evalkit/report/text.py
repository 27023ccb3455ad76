"""Text from files and models, made safe to look at: what cannot be seen, or turns the text around it, becomes a mark."""

from __future__ import annotations

import re

# Control codes but tab and line feed; direction marks and overrides; line and paragraph separators; what has no width; tags and
# the variation selectors that a text can be hidden in; lone surrogates and the two code points that are no characters. The
# joiners and selectors that scripts and emoji need are left as they are.
_INVISIBLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    r"\ud800-\udfff\ufffe\uffff\U000e0000-\U000e01ef]"
)
MARK = "\ufffd"


def visible(text: str) -> str:
    """The text with every invisible or direction-turning character replaced by a mark."""
    return _INVISIBLE.sub(MARK, text)


def one_line(text: str) -> str:
    """Visible text on a single line."""
    return re.sub(r"[\t\n ]+", " ", visible(text))


def shortened(text: str, cells: int) -> str:
    """Visible text on one line, cut to so many terminal cells with an ellipsis; a wide character counts as two."""
    from rich.cells import cell_len, set_cell_size

    text = one_line(text)
    return text if cell_len(text) <= cells else set_cell_size(text, cells - 1).rstrip() + "…"
