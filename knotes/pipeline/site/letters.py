"""Letters of a style: Unicode has them, MathML Core has left `mathvariant` out."""

from __future__ import annotations

import re
import unicodedata
from xml.etree.ElementTree import Element

from .latex import LatexError

STYLES = {
    "bold": "MATHEMATICAL BOLD",
    "italic": "MATHEMATICAL ITALIC",
    "bold-italic": "MATHEMATICAL BOLD ITALIC",
    "double-struck": "MATHEMATICAL DOUBLE-STRUCK",
    "script": "MATHEMATICAL SCRIPT",
    "fraktur": "MATHEMATICAL FRAKTUR",
    "sans-serif": "MATHEMATICAL SANS-SERIF",
    "monospace": "MATHEMATICAL MONOSPACE",
}


def restyle(math: Element) -> None:
    """Replace `mathvariant` by the Unicode letters of that style, text by its CSS class."""
    for element in math.iter():
        style = element.get("mathvariant")
        if style is None or style == "normal":
            continue
        del element.attrib["mathvariant"]
        if element.tag == "mtext":
            element.set("class", f"math-{style}")
        elif style not in STYLES:
            raise LatexError(f"letters of the style {style!r} are not supported")
        else:
            element.text = "".join(_letter(char, STYLES[style]) for char in element.text or "")


def _letter(char: str, style: str) -> str:
    # U+03F5 and U+03D5 are the forms that LaTeX calls \epsilon and \phi.
    named = {"ϵ": "EPSILON SYMBOL", "ϕ": "PHI SYMBOL", "∇": "NABLA", "∂": "PARTIAL DIFFERENTIAL"}
    name = unicodedata.name(char, "")
    greek = re.fullmatch(r"GREEK (SMALL|CAPITAL) LETTER (\w+)", name)
    latin = re.fullmatch(r"LATIN (SMALL|CAPITAL) LETTER (\w)", name)
    digit = re.fullmatch(r"DIGIT (\w+)", name)
    if char in named:
        wanted = f"{style} {named[char]}"
    elif match := greek or latin:
        wanted = f"{style} {match[1]} {match[2]}"
    elif digit:
        wanted = f"{style} {name}"
    else:
        return char
    for candidate in (wanted, wanted.replace("MATHEMATICAL ", "")):
        try:
            return unicodedata.lookup(candidate)
        except KeyError:
            continue
    return char
