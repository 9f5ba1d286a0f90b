"""Names of the API in code cells: which they are, and how they become links."""

from __future__ import annotations

import ast
import html
import re
from collections.abc import Iterable, Mapping

from docutils import nodes
from sphinx.writers.html5 import HTML5Translator

from knotes.pipeline.api.notes import Note


def imported(sources: Iterable[str]) -> dict[str, str]:
    """What the names that the cells of a page import stand for: ``layers`` → ``keras.layers``."""
    known = {}
    for source in sources:
        for node in ast.walk(_parse(source)):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    if alias.name.split(".")[0] == "keras":
                        known[alias.asname or "keras"] = alias.name if alias.asname else "keras"
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("keras"):
                for alias in node.names:
                    known[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return known


def _parse(source: str) -> ast.AST:
    try:
        return ast.parse(source)
    except SyntaxError:  # a cell that shows one
        return ast.Module([], [])


def names_in(
    source: str,
    known: Mapping[str, str],
    note: Note,
    names: Mapping[str, tuple[str, str]],
) -> list[tuple[int, int, str, tuple[str, str]]]:
    """The names of the API in the source of a cell: line (from 1), column, text, what it names.

    Names below an import are read from the source. A method of an object, ``model.fit``, is known
    from what the cell called when it ran; a name that could be two of these gets no link.
    """
    called: dict[str, set[str]] = {}
    for entries in note.values():
        for entry in entries:
            full = entry.partition("(")[0]
            called.setdefault(full.rpartition(".")[2], set()).add(full)
    lines = source.splitlines()
    found = {}
    for node in ast.walk(_parse(source)):
        key: tuple[str, str] | None = None
        if isinstance(node, ast.Attribute):
            name, dotted = node.attr, _dotted(node, known)
            end, column = node.end_lineno, (node.end_col_offset or 0) - len(name.encode())
            if dotted:
                key = names.get(dotted)
            elif len(called.get(name, ())) == 1:
                key = names.get(next(iter(called[name])))
        elif isinstance(node, ast.Name) and node.id in known:
            name, end, column = node.id, node.lineno, node.col_offset
            key = names.get(known[name])
        if key is None or end is None:
            continue
        line = lines[end - 1]
        start = len(line.encode()[:column].decode(errors="replace"))
        if line[start : start + len(name)] == name:  # positions inside f-strings are not reliable
            found[end, start] = (end, start, name, key)
    return sorted(found.values())


def _dotted(node: ast.expr, known: Mapping[str, str]) -> str:
    """The full name of ``layers.Dense``, empty if its first part was not imported from Keras."""
    if isinstance(node, ast.Attribute):
        below = _dotted(node.value, known)
        return f"{below}.{node.attr}" if below else ""
    return known.get(node.id, "") if isinstance(node, ast.Name) else ""


def visit_literal_block(self: HTML5Translator, node: nodes.literal_block) -> None:
    """Write code as always, then link the names that the pages' notes and labels gave in it."""
    try:
        HTML5Translator.visit_literal_block(self, node)
    except nodes.SkipNode:
        if node.get("knotes_links"):
            here = self.builder.current_docname
            links = {
                (line, column): (
                    name,
                    f"{self.builder.get_relative_uri(here, page)}#{anchor}",
                    title,
                )
                for line, column, name, page, anchor, title in node["knotes_links"]
            }
            self.body[-1] = linked(self.body[-1], links)
        raise


def depart_literal_block(self: HTML5Translator, node: nodes.literal_block) -> None:
    """Close code that was not highlighted."""
    HTML5Translator.depart_literal_block(self, node)


def linked(code: str, links: Mapping[tuple[int, int], tuple[str, str, str]]) -> str:
    """Highlighted code with links at given lines and columns: name, address, tooltip."""
    head, start, rest = code.partition("<pre>")
    line, column, parts = 1, 0, []
    for piece in re.findall(r"<[^>]*>|[^<]+", rest):
        if piece.startswith("<"):
            parts.append(piece)
            continue
        text = html.unescape(piece)
        name, address, title = links.get((line, column), ("", "", ""))
        if name and text == name:
            address, title = html.escape(address), html.escape(title)
            piece = f'<a class="knotes-api" href="{address}" title="{title}">{piece}</a>'  # noqa: PLW2901
        parts.append(piece)
        line += text.count("\n")
        column = len(text) - text.rindex("\n") - 1 if "\n" in text else column + len(text)
    return head + start + "".join(parts)


def source_of(cell: nodes.container) -> nodes.literal_block | None:
    """The source of a code cell in a page."""
    for part in cell.findall(nodes.container):
        if part.get("nb_element") == "cell_code_source":
            return next(iter(part.findall(nodes.literal_block)), None)
    return None
