"""Math without a script: LaTeX becomes MathML while the book is built, set in a web font.

`latex2mathml` parses; this module repairs what browsers (MathML Core) would draw wrongly,
refuses what they cannot draw, and cuts the math font down to the characters of the book.
The font, STIX Two Math (SIL Open Font License), comes with the installed package `ziamath`.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable
from importlib.metadata import distribution
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, tostring

from docutils import nodes
from fontTools import subset
from fontTools.ttLib import TTFont
from latex2mathml.commands import FUNCTIONS
from latex2mathml.converter import Converter
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment
    from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)

FONT_FILE = "stix-two-math.woff"

ENVIRONMENTS = {"align*", "array", "bmatrix", "Bmatrix", "cases", "matrix", "pmatrix"} | {
    "smallmatrix",
    "split",
    "vmatrix",
    "Vmatrix",
}
# Written often, unknown to latex2mathml (or numbered by it): the same thing under a known name.
SAME_ENVIRONMENT = {"align": "align*", "aligned": "align*", "equation": "", "equation*": ""}

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

# In every font, whatever the pages use: what a browser draws for a letter is its italic form.
ALWAYS = frozenset(map(chr, [*range(0x20, 0x7F), *range(0x1D434, 0x1D468), 0x210E])) | set("√′″")
ALWAYS |= frozenset(map(chr, range(0x1D6E2, 0x1D71C)))

# Unicode has letters for the styles that MathML Core left out (`mathvariant`).
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


class LatexError(ValueError):
    """A formula that the site cannot show; the message says why."""


def mathml(latex: str, *, display: bool = False) -> Element:
    """Convert one formula.

    Args:
        latex: the formula, without dollar signs.
        display: a formula on its own line, else one in running text.

    Raises:
        LatexError: if the formula uses a command or an environment that is not known, cannot be
            parsed, or would be drawn wrongly.

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
    _style(math)
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


def _style(math: Element) -> None:
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
    for candidate in (
        wanted,
        wanted.replace("MATHEMATICAL ", ""),
        wanted.replace("LAMDA", "LAMBDA"),
    ):
        try:
            return unicodedata.lookup(candidate)
        except KeyError:
            continue
    return char


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


def font_bytes(used: Iterable[str]) -> bytes:
    """Cut STIX Two Math down to some characters, with all that its MATH table needs for them.

    Two things are set so that browsers draw well: large radicals get the width that small ones
    have nearly (Chromium reserves the width of the widest), and a subscript keeps its height
    under letters that reach below the line, as in LaTeX.

    Returns:
        A WOFF file; the same characters give the same bytes.

    """
    path = distribution("ziamath").locate_file("ziamath/fonts/STIXTwoMath-Regular.ttf")
    font = TTFont(str(path), recalcTimestamp=False)
    known = font.getBestCmap()
    text = "".join(sorted(set(used)))
    options = subset.Options()
    options.flavor = "woff"
    options.hinting = False
    options.layout_features = []
    options.drop_tables += ["DSIG", "GPOS", "GSUB", "GDEF"]
    options.notdef_outline = True
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=[ord(char) for char in text if ord(char) in known])
    cutter.subset(font)
    _narrow_radicals(font)
    font["MATH"].table.MathConstants.SubscriptBaselineDropMin.Value = -60
    font.flavor = "woff"
    stream = BytesIO()
    font.save(stream, reorderTables=True)
    return stream.getvalue()


def _narrow_radicals(font: TTFont, width: int = 860) -> None:
    for name in font.getGlyphOrder():
        advance, bearing = font["hmtx"][name]
        if name.startswith("uni221A.") and advance > width:
            scale = width / advance
            glyph = font["glyf"][name]
            glyph.coordinates.scale((scale, 1))
            glyph.coordinates.toInt()
            glyph.recalcBounds(font["glyf"])
            font["hmtx"][name] = (width, round(bearing * scale))


# --- Sphinx: one conversion while a page is read, the font when the site is complete


def _of(env: BuildEnvironment) -> dict[str, set[str]]:
    if not hasattr(env, "knotes_math"):
        env.knotes_math = {}  # type: ignore[attr-defined]
    found: dict[str, set[str]] = env.knotes_math  # type: ignore[attr-defined]
    return found


def read_page(app: Sphinx, document: nodes.document) -> None:
    """Convert the formulas of a page; one that cannot be shown is a warning at its line."""
    used = _of(app.env).setdefault(app.env.docname, set())
    formulas = [*document.findall(nodes.math), *document.findall(nodes.math_block)]
    for node in formulas:
        try:
            math = mathml(node.astext(), display=isinstance(node, nodes.math_block))
        except LatexError as error:
            logger.warning("formula %r: %s", node.astext(), error, location=node, type="math")
            continue
        node["mathml"] = markup(math)
        used |= characters(math)
        if isinstance(node, nodes.math):
            _keep_together(node)


def _keep_together(node: nodes.math) -> None:
    """Move the punctuation around a formula into its box, so that no line starts with a comma."""
    siblings = node.parent.children
    index = siblings.index(node)
    after = siblings[index + 1] if index + 1 < len(siblings) else None
    if isinstance(after, nodes.Text) and (match := re.match(r"[.,;:!?)\]’”]+(-\w+)?", after)):
        node["after"] = match[0]
        siblings[index + 1] = nodes.Text(after[match.end() :])
    before = siblings[index - 1] if index else None
    if isinstance(before, nodes.Text) and (match := re.search(r"[(\[‘“]+$", before)):
        node["before"] = match[0]
        siblings[index - 1] = nodes.Text(before[: match.start()])


def forget_page(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    """Drop what is known about a page that is read again or gone."""
    _of(env).pop(docname, None)


def merge_pages(
    app: Sphinx, env: BuildEnvironment, docnames: list[str], other: BuildEnvironment
) -> None:
    """Take over the pages that another process has read."""
    _of(env).update({name: _of(other)[name] for name in docnames if name in _of(other)})


def write_font(app: Sphinx, exception: Exception | None) -> None:
    """Put the math font, cut to the characters of all pages, beside the style sheet."""
    if exception is not None or app.builder.format != "html":
        return
    font = font_bytes(ALWAYS.union(*_of(app.env).values()))
    target = Path(app.outdir, "_static", FONT_FILE)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(font)


def _body(node: nodes.math | nodes.math_block) -> str:
    if "mathml" in node:
        return str(node["mathml"])
    return f'<code class="math-error">{html.escape(node.astext())}</code>'


def visit_inline(self: HTML5Translator, node: nodes.math) -> None:
    """Write a formula in running text."""
    before, after = (html.escape(node.get(key, "")) for key in ("before", "after"))
    self.body.append(f'<span class="math">{before}{_body(node)}{after}</span>')
    raise nodes.SkipNode


def visit_display(self: HTML5Translator, node: nodes.math_block) -> None:
    """Write a formula on its own line, in a box that scrolls by itself where it is too wide."""
    self.body.append(self.starttag(node, "div", CLASS="math"))
    if node.get("number"):
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})')
        self.add_permalink_ref(node, "Link to this equation")
        self.body.append("</span>")
    self.body.append(f"{_body(node)}</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> None:
    """Register the math renderer `knotes`."""
    app.add_html_math_renderer("knotes", (visit_inline, None), (visit_display, None))
    app.connect("doctree-read", read_page)
    app.connect("env-purge-doc", forget_page)
    app.connect("env-merge-info", merge_pages)
    app.connect("build-finished", write_font)
