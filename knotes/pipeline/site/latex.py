"""LaTeX is parsed into MathML by `latex2mathml`; what it or browsers do not know is refused."""

from __future__ import annotations

import html
import re
from xml.etree.ElementTree import Element

from latex2mathml.converter import Converter

ENVIRONMENTS = {"align*", "array", "bmatrix", "Bmatrix", "cases", "matrix", "pmatrix"} | {
    "smallmatrix",
    "split",
    "vmatrix",
    "Vmatrix",
}
# Written often, unknown to latex2mathml (or numbered by it): the same thing under a known name.
SAME_ENVIRONMENT = {"align": "align*", "aligned": "align*", "equation": "", "equation*": ""}


class LatexError(ValueError):
    """A formula that the site cannot show; the message says why."""


def parse(latex: str, *, display: bool) -> Element:
    """Parse a formula; the result still needs the repairs of `knotes.pipeline.site.mathml`.

    Raises `LatexError` if the formula uses a command or an environment that is not known, or cannot
    be parsed.
    """
    source = _environments(latex.strip())
    try:
        math: Element = Converter(display="block" if display else "inline").convert_to_element(
            source
        )
    except Exception as error:  # latex2mathml raises IndexError, KeyError and its own classes
        name = type(error).__name__
        raise LatexError(f"cannot be parsed ({name}): check braces, \\left and \\right") from error
    for element in math.iter():
        element.text = html.unescape(element.text) if element.text else element.text
    _refuse(math)
    return math


def _environments(latex: str) -> str:
    def same(match: re.Match[str]) -> str:
        name = match[2]
        if name in SAME_ENVIRONMENT:
            other = SAME_ENVIRONMENT[name]
            return f"\\{match[1]}{{{other}}}" if other else ""
        if name not in ENVIRONMENTS:
            known = ", ".join(sorted(ENVIRONMENTS | {"aligned"}))
            raise LatexError(f"environment {name!r} is not known; known are {known}")
        return match[0]

    latex = re.sub(r"\\(begin|end)\s*\{([^}]*)\}", same, latex)
    # A line break outside of any environment: the lines of a display formula.
    outside = re.sub(r"\\begin\{([^}]*)\}.*?\\end\{\1\}", "", latex, flags=re.DOTALL)
    if r"\\" in outside:
        latex = rf"\begin{{split}}{latex}\end{{split}}"
    return latex


def _refuse(math: Element) -> None:
    for element in math.iter():
        text = element.text or ""
        if element.tag == "mtext":
            text = element.text = re.sub(r"\\([_%&#${}])", r"\1", text)
        elif text == "\\arg":
            text = element.text = "arg"
        if "\\" in text:
            raise LatexError(f"command {text!r} is not known")
        if element.tag == "mi" and text == "&":
            raise LatexError("'&' outside of an environment such as aligned or cases")
        if element.tag == "menclose":
            raise LatexError("\\boxed, \\cancel and \\sout are not drawn by browsers")
        if element.tag == "mspace" and element.get("linebreak"):
            raise LatexError("a line break \\\\ here is not drawn by browsers")
