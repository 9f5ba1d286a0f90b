"""Math without a script: LaTeX becomes MathML while a page is read, set in a web font.

The formulas are converted by `mathml`, the font is cut by `font` when the site is complete.
"""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import TYPE_CHECKING

from docutils import nodes
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

from . import mathml
from .font import ALWAYS, FONT_FILE, font_bytes
from .latex import LatexError

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment
    from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)


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
            math = mathml.convert(node.astext(), display=isinstance(node, nodes.math_block))
        except LatexError as error:
            logger.warning("formula %r: %s", node.astext(), error, location=node, type="math")
            continue
        node["mathml"] = mathml.markup(math)
        used |= mathml.characters(math)
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
