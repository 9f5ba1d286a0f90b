"""Marks that say which statement of the older notes a sentence or a cell settles.

In a text: the role ``{note}`N1-042` ``. At a code cell: the tag ``note:N1-042``. Both give a
small mark with the anchor ``note-n1-042`` (the first one on a page), and a label of that name
for the whole book (the first page that has it), so that other pages can link to the proof.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx.util import logging
from sphinx.util.docutils import SphinxRole

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)

NOTE_ID = re.compile(r"N[0-9]-\d{3}")
WANTED = "a note id is N, a digit, '-' and three digits, as in N1-042"


class note_mark(nodes.Inline, nodes.TextElement):
    """A mark; `note` is the id of the statement."""


class NoteRole(SphinxRole):
    """``{note}`N1-042` ``: the sentence before settles this statement."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Make the mark, or a warning if the id is malformed."""
        note = self.text.strip()
        if not NOTE_ID.fullmatch(note):
            logger.warning("note role: %s; got %r", WANTED, note, location=self.get_location())
            return [], []
        return [note_mark(note, note, note=note)], []


def read_page(app: Sphinx, document: nodes.document) -> None:
    """Add the marks that cell tags ask for, then give every mark its anchor."""
    for cell in list(document.findall(nodes.container)):
        if cell.get("nb_element") != "cell_code":
            continue
        paragraph = nodes.paragraph(classes=["knotes-notes"])
        metadata: dict[str, Any] = cell.get("cell_metadata") or {}
        for tag in metadata.get("tags", []):
            if not re.match("note", tag, re.IGNORECASE):
                continue
            note = tag.removeprefix("note:")
            if note == tag or not NOTE_ID.fullmatch(note):
                logger.warning("cell tag %r: %s, after 'note:'", tag, WANTED, location=cell)
                continue
            paragraph += note_mark(note, note, note=note)
        if len(paragraph):
            cell.parent.insert(cell.parent.index(cell), paragraph)
    labels = app.env.get_domain("std").anonlabels  # type: ignore[attr-defined]
    seen: set[str] = set()
    for mark in document.findall(note_mark):
        anchor = f"note-{mark['note'].lower()}"
        if anchor not in seen:
            seen.add(anchor)
            mark["ids"].append(anchor)
            labels.setdefault(anchor, (app.env.docname, anchor))


def visit_html(self: HTML5Translator, node: note_mark) -> None:
    """Write the mark: a small link to itself."""
    note = html.escape(node["note"])
    anchor = f"note-{note.lower()}"
    own = f' id="{anchor}"' if node["ids"] else ""
    title = f"Settles statement {note} of the older notes"
    self.body.append(f'<a class="knotes-note"{own} href="#{anchor}" title="{title}">{note}</a>')
    raise nodes.SkipNode


def visit_other(self: nodes.NodeVisitor, node: note_mark) -> None:
    """Leave the mark out of formats other than HTML."""
    raise nodes.SkipNode


def setup(app: Sphinx) -> None:
    """Register the role, the node and the cell tags."""
    other = (visit_other, None)
    app.add_node(note_mark, html=(visit_html, None), latex=other, text=other)
    app.add_role("note", NoteRole())
    app.connect("doctree-read", read_page)
