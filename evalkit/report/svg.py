"""From an altair chart to SVG that fits the page: no inline style, hover titles, sized by its view box."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import Any

# An inline style would need a hole in the content-security policy; vega repeats in it what attributes already say.
_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"


def chart_over(alt: Any, rows: list[dict[str, Any]]) -> Any:
    """A chart over rows as they are; a data frame would be checked again in every layer."""
    return alt.Chart(alt.InlineData(values=rows))


def finished(chart: Any, width: int, height: int) -> Any:
    """The chart at its size, without frame, padding or paper of its own."""
    return (
        chart.properties(width=width, height=height, padding=0, background="transparent")
        .configure(font="sans-serif")
        .configure_view(stroke=None)
    )


def svg_text(chart: Any) -> str:
    """The chart as SVG made fit for the page: hover titles for descriptions, no inline style, sized by its view box."""
    import vl_convert

    ET.register_namespace("", _SVG)
    root = ET.fromstring(vl_convert.vegalite_to_svg(chart.to_json(validate=False)))
    for element in root.iter():
        element.attrib.pop("style", None)
        for name in [name for name in element.attrib if name.startswith("aria-roledescription")]:
            del element.attrib[name]
        target = element.get(f"{{{_XLINK}}}href")
        if target:
            # The renderer resolves a fragment against a base address of its own.
            del element.attrib[f"{{{_XLINK}}}href"]
            if "#" in target:
                element.set("href", target[target.index("#") :])
        label = element.attrib.pop("aria-label", None)
        if label and element.tag in (f"{{{_SVG}}}path", f"{{{_SVG}}}text"):
            title = ET.Element(f"{{{_SVG}}}title")
            title.text = label
            element.insert(0, title)
        elif element.get("role") == "graphics-symbol":
            # A group without its label, as of an axis: its texts are read by themselves.
            del element.attrib["role"]
    text = ET.tostring(root, encoding="unicode")
    return re.sub(r"\sclass=\"marks\"", ' class="marks" focusable="false"', text)
