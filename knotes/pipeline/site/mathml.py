"""A formula as MathML that browsers draw well: what they would draw wrongly is repaired."""

from __future__ import annotations

from xml.etree.ElementTree import Element, tostring

from latex2mathml.commands import FUNCTIONS

from .latex import LatexError, parse
from .letters import restyle

NAMES = frozenset(name[1:] for name in FUNCTIONS)
LIMITS = frozenset({"max", "min", "sup", "inf", "lim", "arg\u2009max", "arg\u2009min", "det", "Pr"})
SPACES = {
    "negativethinmathspace": "-0.167em",
    "negativemediummathspace": "-0.222em",
    "negativethickmathspace": "-0.278em",
    "thinmathspace": "0.167em",
    "thickmathspace": "0.278em",
}
OPENING, CLOSING, BARS, SUMS = "([{⌊⌈⟨", ")]}⌋⌉⟩", "|‖", "∑∏"
ORDINARY = "∞∅⊤⊥∂∇∀∃⋯⋮⋱"  # symbols, not operators: no space around them
ACCENTS = {"^": "ˆ", "~": "˜", "¯": "¯", "˙": "˙", "¨": "¨", "ˇ": "ˇ", "→": "→"}
ROWS = frozenset({"math", "mrow", "mtd", "msqrt", "mstyle", "mpadded", "mphantom"})


def convert(latex: str, *, display: bool = False) -> Element:
    """Convert one formula.

    Args:
        latex: the formula, without dollar signs.
        display: a formula on its own line, else one in running text.

    Raises:
        LatexError: if the formula uses a command or an environment that is not known, cannot be
            parsed, or would be drawn wrongly.

    """
    math = parse(latex, display=display)
    restyle(math)
    _limits(math)
    _primes(math)
    for element in list(math.iter()):
        _symbol(element)
        _accent(element)
        _table(element)
    for element in list(math.iter()):
        if element.tag in ROWS:
            _merge_letters(element)
            _signs(element)
            _space_functions(element)
        elif element.tag in ("msub", "msubsup") and element[0].text == "f":
            _kern(element)
    return math


def markup(math: Element) -> str:
    """Serialize a converted formula for an HTML page."""
    return tostring(math, encoding="unicode", short_empty_elements=False)


def characters(math: Element) -> set[str]:
    """Collect the characters that the font must have to draw a formula."""
    return set("".join(math.itertext())) - set("\n\t ")


def _limits(math: Element) -> None:
    """Put limits below and above sums (browsers move them aside in running text) and words."""
    display = math.get("display") == "block"
    for element in math.iter():
        base = element[0] if len(element) else None
        if base is None or base.tag != "mo" or element.tag not in ("msub", "msup", "msubsup"):
            continue
        if (base.text or " ") in SUMS or (display and base.text in LIMITS):
            element.tag = {"msub": "munder", "msup": "mover", "msubsup": "munderover"}[element.tag]


def _primes(math: Element) -> None:
    """Set primes beside their letter: the glyph is raised already, a superscript is too small."""
    for element in list(math.iter()):
        prime = element[-1] if element.tag in ("msup", "msubsup") and len(element) else None
        if prime is None or set(prime.text or " ") != {"′"}:
            continue
        element.remove(prime)
        if element.tag == "msup":
            element.tag = "mrow"
            element.append(prime)
        else:
            element.tag = "msub"
            row = Element("mrow")
            base = element[0]
            element.remove(base)
            row.extend([base, prime])
            element.insert(0, row)


def _symbol(element: Element) -> None:
    """Set what a character is: an operator has space around it, a letter has none."""
    text = element.text or ""
    if element.tag == "mi":
        if text == "~":  # \sim; a tie (~) arrives as a space
            element.tag, element.text = "mo", "∼"
        elif text == ":":
            element.tag = "mo"
            element.attrib.update({"lspace": "0", "rspace": "0.278em"})
        elif text and text in OPENING + CLOSING:
            element.tag = "mo"
            form = "prefix" if text in OPENING else "postfix"
            element.attrib.update({"form": form, "stretchy": "false"})
        elif text in NAMES | {"arg"}:
            element.set("class", "math-function")
    elif element.tag == "mo" and text:
        if text in ORDINARY:
            element.tag = "mi"
            element.attrib.clear()
            if text != "∂":
                element.set("mathvariant", "normal")
        elif len(text) > 1 and text[0].isalpha():
            element.tag = "mi"
            element.attrib.clear()
            element.set("class", "math-function")
        elif text == "/" or (text in BARS and "form" not in element.attrib):
            element.attrib.update({"stretchy": "false", "lspace": "0", "rspace": "0"})
    elif element.tag == "mspace":
        element.set("width", SPACES.get(element.get("width", "0"), element.get("width", "0")))


def _accent(element: Element) -> None:
    """Draw marks over one letter as accents, lines over several as lines."""
    if element.tag not in ("mover", "munder") or len(element) != 2 or element[1].tag != "mo":
        return
    base, mark = element[0], element[1]
    text = mark.text or ""
    wide = sum(1 for part in base.iter() if not len(part)) > 1
    if text == "―" or (text == "¯" and wide):
        line = "math-overline" if element.tag == "mover" else "math-underline"
        element.remove(mark)
        element.tag = "mrow"
        element.attrib = {"class": line}
    elif text in ACCENTS and element.tag == "mover":
        if wide or (mark.get("stretchy") == "true" and text == "→"):
            raise LatexError(f"the accent {text!r} is drawn well over a single letter only")
        mark.text = ACCENTS[text]
        mark.attrib = {"stretchy": "false"}
        element.set("accent", "true")


def _table(element: Element) -> None:
    """Name aligned equations, whose columns touch, for the style sheet."""
    if element.tag == "mtable" and element.get("columnspacing", "").startswith("0em"):
        element.set("class", "math-aligned")
    if element.tag in ("mtable", "mtr", "mtd"):
        for name in ("columnspacing", "rowspacing", "displaystyle", "columnalign"):
            value = element.attrib.pop(name, None)
            if name == "columnalign" and value != "center" and value:
                element.set("class", f"math-{value}")
            elif name == "displaystyle" and value:
                element.set(name, value)


def _merge_letters(row: Element) -> None:
    r"""Make one identifier of \mathrm{fan}, which arrives as three."""
    for child in list(row):
        if child.tag != "mi" or child.get("mathvariant") != "normal":
            continue
        index = list(row).index(child)
        before = row[index - 1] if index else None
        if (
            before is not None
            and before.tag == "mi"
            and (before.get("mathvariant") == "normal" or before.get("class") == "math-roman")
            and (before.text or "").isalpha()
            and (child.text or "").isalpha()
        ):
            before.text = (before.text or "") + (child.text or "")
            before.attrib.pop("mathvariant", None)
            before.set("class", "math-roman")
            row.remove(child)


def _signs(row: Element) -> None:
    """Tell the minus of -x from the minus of a - x; no gap between an operator and a sum."""
    before: Element | None = None
    for child in row:
        operator = before is None or (
            before.tag == "mo"
            and before.get("form") != "postfix"
            and (before.text or "") not in ")]}|‖"
        )
        if child.tag == "mo" and child.text in ("−", "+", "±") and operator:
            child.set("form", "prefix")
        large = child[0] if child.tag in ("munder", "munderover", "mover") and len(child) else child
        if large.tag == "mo" and (large.text or " ") in SUMS and operator:
            large.set("lspace", "0")
        before = before if child.tag == "mspace" else child


def _kern(script: Element) -> None:
    """Bring a subscript under the overhang of an italic f."""
    lower = script[1]
    script.remove(lower)
    row = Element("mrow")
    row.extend([Element("mspace", width="-0.12em"), lower])
    script.insert(1, row)


def _space_functions(row: Element) -> None:
    r"""Put the thin space of LaTeX around \log and its like: 2 log x, but log(x)."""
    children = list(row)
    for index, child in enumerate(children):
        if not _is_function(child):
            continue
        after = children[index + 1] if index + 1 < len(children) else None
        before = children[index - 1] if index else None
        if after is not None and not _is_operator(after) and after.tag != "mspace":
            row.insert(list(row).index(child) + 1, Element("mspace", width="0.167em"))
        if before is not None and before.tag != "mspace" and not _is_function(before):
            closes = before.tag == "mo" and (before.text or " ") in CLOSING + BARS
            if closes or not _is_operator(before):
                row.insert(list(row).index(child), Element("mspace", width="0.167em"))


def _is_function(element: Element) -> bool:
    while element.tag in ("msub", "msup", "msubsup", "munder", "munderover") and len(element):
        element = element[0]
    return element.tag == "mi" and (
        element.get("class") == "math-function" or (element.text or "") in NAMES
    )


def _is_operator(element: Element) -> bool:
    if element.tag == "mrow" and len(element):  # \left( … \right)
        return element[0].tag == "mo" and element[0].get("fence") == "true"
    return element.tag == "mo"
