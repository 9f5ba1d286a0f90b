"""The index of the API, its coverage, and links from code to both.

What pages use was noted when they were recorded (`knotes.pipeline.api`). Here it meets the labels
of the pages, ``(keras.layers.Dense)=`` and ``(keras.layers.Dense.units)=``:

* ``{api-index} keras.layers``: every symbol of a namespace, what it does, where it is taught, and
  for each parameter the cell that exercises it
* ``{api-coverage}``: how much of the API the pages exercise, in numbers and as a picture
* names of the API in code cells lead to their section, or else to their entry in the index

Every name in a label must exist, on one page only, and everything that is exercised must have a
place to link to; otherwise the build warns, and warnings are errors.
"""

from __future__ import annotations

import ast
import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from docutils import nodes
from sphinx.errors import ConfigError
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.writers.html5 import HTML5Translator

from knotes.pipeline import notebooks
from knotes.pipeline.api import coverage, inventory
from knotes.pipeline.api.coverage import Coverage, Place
from knotes.pipeline.api.inventory import Symbol

from .records import is_notebook

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

logger = logging.getLogger(__name__)

LABELS = "knotes_labels"  # of a page, in the metadata that Sphinx keeps for it
INDEX_PAGE = "book/reference/api"


@dataclass(frozen=True)
class Target:
    """A place in the book: page, anchor, and the words of a link to it."""

    page: str
    anchor: str
    text: str


class api_place(nodes.General, nodes.Element):
    """Place of an index or of the coverage, filled when the page is written."""


class ApiIndex(SphinxDirective):
    """``{api-index} keras.layers``: the symbols of one group; ``apart`` those listed apart."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Leave a place; what stands there hangs on all pages."""
        pages_of(self.env).add(self.env.docname)
        return [api_place(group=self.arguments[0])]


class ApiCoverage(SphinxDirective):
    """``{api-coverage} numbers`` or ``missing``: how much is exercised, and what is not."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Leave a place; what stands there hangs on all pages."""
        pages_of(self.env).add(self.env.docname)
        return [api_place(coverage=self.arguments[0])]


def pages_of(env: BuildEnvironment) -> set[str]:
    """The pages that hold an index or the coverage."""
    if not hasattr(env, "knotes_api_pages"):
        env.knotes_api_pages = set()  # type: ignore[attr-defined]
    pages: set[str] = env.knotes_api_pages  # type: ignore[attr-defined]
    return pages


class Api:
    """The API in one build: what exists, what is exercised, where it is taught."""

    def __init__(self) -> None:
        """Start with nothing; `start` reads the inventory, `collect` the pages."""
        self.symbols: Mapping[str, Symbol] = {}
        self.names: dict[str, tuple[str, str]] = {}
        self.jobs: dict[str, str] = {}
        self.coverage = Coverage({})
        self.notes: dict[str, list[coverage.Note]] = {}
        self.taught: dict[tuple[str, str], Target] = {}
        self.keras = ""

    def start(self, app: Sphinx) -> None:
        """Read the inventory and the one-line jobs."""
        folder = Path(app.srcdir, "api")
        try:
            saved = coverage.load(folder / "keras.json")
        except coverage.CoverageError as error:
            raise ConfigError(str(error)) from error
        self.keras, self.symbols = saved.keras, saved.symbols
        self.names = inventory.spelled(self.symbols)
        self.jobs = yaml.safe_load((folder / "jobs.yml").read_text("utf8"))

    def collect(self, app: Sphinx, env: BuildEnvironment) -> list[str]:
        """Read what the pages use and claim; warn where the two do not fit together.

        Returns the pages to write anew, which hang on all others.
        """
        self.coverage, self.notes, self.taught = Coverage(self.symbols), {}, {}
        claimed: dict[tuple[str, str], str] = {}
        for page in sorted(name for name in env.found_docs if is_notebook(env, name)):
            path = Path(env.doc2path(page))
            notebook = notebooks.read_stored(path)
            text = path.with_suffix(".md")
            source = notebook.metadata.get("knotes", {}).get("source")
            if text.is_file() and source != notebooks.digest(text):
                logger.warning(
                    "the record of what the page uses is older than its text; run: make outputs",
                    location=page,
                )
            self.notes[page] = [coverage.stored(cell) for cell in notebooks.code_cells(notebook)]
            self.coverage.add(page, self.notes[page])
            labels = coverage.labels_of(notebook)
            for message in coverage.unknown_labels(labels, self.names):
                logger.warning("%s", message, location=page)
            for label in labels:
                self._claim(env, page, label, claimed)
        for name in self.symbols:
            if self.coverage.exercised(name) and self.link(env, name) is None:
                logger.warning("%s is exercised, but no page to link to shows it", name)
        return sorted(pages_of(env) & env.found_docs)

    def _claim(
        self, env: BuildEnvironment, page: str, label: str, claimed: dict[tuple[str, str], str]
    ) -> None:
        key = self.names.get(label)
        if key is None:
            return
        if claimed.setdefault(key, page) != page:
            logger.warning(
                "label (%s)=: %s has it too; one page teaches a symbol",
                label, claimed[key], location=page,
            )  # fmt: skip
            return
        found = env.metadata[page].get(LABELS, {}).get(label.lower())
        if found is None:
            logger.warning("label (%s)=: it stands before nothing", label, location=page)
            return
        anchor, section = found
        title = env.titles[page].astext()
        text = title if section in ("", title) else f"{title}: {section}"
        self.taught.setdefault(key, Target(page, anchor, text))

    def link(self, env: BuildEnvironment, name: str, parameter: str = "") -> Target | None:
        """Where a symbol or parameter is taught, or else first exercised."""
        taught = self.taught.get((name, parameter))
        if taught:
            return taught
        if parameter:
            places = self.coverage.pairs.get((name, parameter), [])
        else:
            places = self.coverage.exercised(name)
        home = self.taught.get((name, ""))
        places = sorted(places, key=lambda place: home is None or place.page != home.page)
        return self.cell(env, places[0]) if places else None

    def cell(self, env: BuildEnvironment, place: Place) -> Target | None:
        """The target of a code cell."""
        if place.page not in env.found_docs:
            return None
        title = env.titles[place.page].astext()
        return Target(place.page, f"cell-{place.cell}", f"{title}, cell {place.cell}")

    def proof(self, env: BuildEnvironment, name: str, parameter: str) -> Target | None:
        """The cell that exercises a parameter, on the page that teaches the symbol if there."""
        places = self.coverage.pairs.get((name, parameter), [])
        home = self.taught.get((name, ""))
        places = sorted(places, key=lambda place: home is None or place.page != home.page)
        return self.cell(env, places[0]) if places else None

    # --- filled when a page is written

    def fill(self, app: Sphinx, doctree: nodes.document, docname: str) -> None:
        """Fill the places of indexes and coverage; find the names to link in code cells."""
        for place in list(doctree.findall(api_place)):
            writer = _Writer(self, app, docname)
            if "group" in place:
                text = writer.index(place["group"])
            else:
                text = {"numbers": writer.numbers, "missing": writer.missing}[place["coverage"]]()
            place.replace_self(nodes.raw("", text, format="html"))
        if docname not in self.notes:
            return
        cells = [c for c in doctree.findall(nodes.container) if c.get("nb_element") == "cell_code"]
        blocks = [_source_of(cell) for cell in cells]
        known = imported(block.astext() for block in blocks if block is not None)
        for block, note in zip(blocks, self.notes[docname], strict=False):
            if block is None:
                continue
            found = names_in(block.astext(), known, note, self.names)
            block["knotes_links"] = [
                (line, column, name, *self._where(app.env, key))
                for line, column, name, key in found
            ]

    def _where(self, env: BuildEnvironment, key: tuple[str, str]) -> tuple[str, str, str]:
        """Page, anchor and tooltip for a name in code."""
        name, below = key
        title = f"{name}.{below}" if below else f"{name}: {self.jobs.get(name, '')}".rstrip(": ")
        taught = self.taught.get(key) or self.taught.get((name, ""))
        if taught:
            return taught.page, taught.anchor, title
        return INDEX_PAGE, name, title


def read_page(app: Sphinx, document: nodes.document) -> None:
    """Give each code cell an anchor, ``cell-1`` and so on; keep where labels of the API stand."""
    labels = app.env.metadata[app.env.docname].setdefault(LABELS, {})
    for name, anchor in document.nameids.items():
        place = document.ids.get(anchor) if name.startswith("keras.") else None
        while place is not None and not isinstance(place, nodes.section):
            place = place.parent  # it may stand before a paragraph, too
        if place is not None:
            labels[name] = anchor, place[0].astext()
    number = 0
    for cell in document.findall(nodes.container):
        if cell.get("nb_element") == "cell_code":
            number += 1
            cell["ids"].append(f"cell-{number}")


def _source_of(cell: nodes.container) -> nodes.literal_block | None:
    for part in cell.findall(nodes.container):
        if part.get("nb_element") == "cell_code_source":
            return next(iter(part.findall(nodes.literal_block)), None)
    return None


# --- names in code


def imported(sources: Any) -> dict[str, str]:
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
    note: coverage.Note,
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
    """Write code as always, then link the names that `Api.fill` found in it."""
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


# --- index and coverage as HTML


def marked_up(text: str) -> str:
    """Plain text with `code` in backquotes as HTML."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))


class _Writer:
    """Writes the index and the coverage for one page."""

    def __init__(self, api: Api, app: Sphinx, docname: str) -> None:
        self.api, self.env, self.builder, self.docname = api, app.env, app.builder, docname

    def a(self, target: Target, text: str, title: str = "") -> str:
        """A link."""
        address = self.builder.get_relative_uri(self.docname, target.page)
        address = html.escape(f"{address}#{target.anchor}")
        tip = f' title="{html.escape(title)}"' if title else ""
        return f'<a href="{address}"{tip}>{text}</a>'

    def index(self, group: str) -> str:
        """The symbols of a group: ``keras.layers``, ``methods of keras.Model``."""
        members = [
            s
            for s in self.api.symbols.values()
            if s.group == group
            or (group in inventory.APART and s.group.startswith(f"{group}.") and s.kind != "method")
        ]
        if not members:
            raise ConfigError(f"api-index: expected a namespace of Keras, got {group!r}")
        entries = "".join(self.entry(symbol) for symbol in sorted(members, key=_order))
        return f'<dl class="knotes-index">{entries}</dl>'

    def entry(self, symbol: Symbol) -> str:
        """One symbol: name, aliases, job, where it is taught, parameters."""
        state = self.api.coverage.state(symbol.name)
        name = html.escape(symbol.name)
        also = ""
        if symbol.aliases:
            shown = ", ".join(f"<code>{html.escape(alias)}</code>" for alias in symbol.aliases)
            also = f'<span class="knotes-also">also {shown}</span>'
        target = self.api.link(self.env, symbol.name)
        if (symbol.name, "") in self.api.taught and target:
            where = f"Taught in {self.a(target, html.escape(target.text))}."
        elif target:
            where = f"Seen working in {self.a(target, html.escape(target.text))}."
        else:
            where = self._not_exercised(symbol, state)
        job = marked_up(self.api.jobs.get(symbol.name, ""))
        return (
            f'<dt id="{name}" class="knotes-{state}"><code>{html.escape(symbol.name)}</code> {also}'
            f'<a class="headerlink" href="#{name}" title="Link to this entry">#</a></dt>'
            f'<dd>{job} <span class="knotes-where">{where}</span>{self.parameters(symbol)}'
            f"{self.methods(symbol)}</dd>"
        )

    def _not_exercised(self, symbol: Symbol, state: str) -> str:
        if state == "missing":
            return f"Listed only: {symbol.apart}." if symbol.apart else "No page shows it yet."
        words = {"subclassed": "Only subclassed so far", "named": "Only given by name so far"}[
            state
        ]
        target = self.api.cell(self.env, self.api.coverage.places[state][symbol.name][0])
        return f"{words}, in {self.a(target, html.escape(target.text))}." if target else f"{words}."

    def methods(self, symbol: Symbol) -> str:
        """The methods that only this class has, each with a link to a cell that calls it."""
        if symbol.kind != "class" or inventory.is_base(symbol.name):
            return ""
        lines = []
        for method in self.api.symbols.values():
            if method.kind != "method" or method.name.rpartition(".")[0] != symbol.name:
                continue
            target = self.api.link(self.env, method.name)
            name = html.escape(method.name)
            text = f"<code>{html.escape(method.name.rpartition('.')[2])}</code>"
            shown = self.a(target, text, target.text) if target else text
            lines.append(f'<span id="{name}">{shown}({self.chips(method)})</span>')
        return f'<div class="knotes-parameters">{" ".join(lines)}</div>' if lines else ""

    def parameters(self, symbol: Symbol) -> str:
        """The parameters, each with a link to the cell that exercises it."""
        if not symbol.parameters or symbol.apart in inventory.APART.values():
            return ""
        return f'<div class="knotes-parameters">{self.chips(symbol)}</div>'

    def chips(self, symbol: Symbol) -> str:
        """The names of parameters, linked where a cell exercises them."""
        shown = []
        for name in symbol.parameters:
            proof = self.api.proof(self.env, symbol.name, name)
            text = f"<code>{html.escape(name)}</code>"
            if proof:
                shown.append(self.a(proof, text, f"exercised in {proof.text}"))
            else:
                shown.append(f'<span class="knotes-missing" title="no cell yet">{text}</span>')
        return ", ".join(shown)

    def numbers(self) -> str:
        """How much is exercised, group by group."""
        every = coverage.rows(self.api.coverage)
        target = [row for row in every if not row.apart]
        whole = coverage.total(target, "everything")
        core = coverage.core(every)
        says = (
            f"<p>Keras {html.escape(self.api.keras)} has {whole.symbols} public symbols with "
            f"{whole.parameters} parameters. The pages exercise {whole.exercised} of the symbols "
            f"and {whole.pairs} of the parameters; of the {core.symbols} symbols and "
            f"{core.parameters} parameters in the namespaces for layers, losses, metrics, "
            f"activations, initializers, regularizers, constraints, optimizers, schedules and "
            f"callbacks, {core.exercised} and {core.pairs}.</p>"
        )
        return says + self.table([*target, whole])

    def table(self, rows: Sequence[coverage.Row]) -> str:
        """The numbers as a table with a bar in each cell."""
        head = ("Namespace", "Symbols", "Parameters", "Only by name", "Only subclassed")
        body = ""
        for row in rows:
            name = html.escape(row.group.replace("methods of keras.", "methods of "))
            rest = (row.states.get("named", 0), row.states.get("subclassed", 0))
            cells = bar(row.exercised, row.symbols) + bar(row.pairs, row.parameters)
            cells += "".join(f"<td>{number or ''}</td>" for number in rest)
            body += f'<tr><th scope="row">{name}</th>{cells}</tr>'
        cells = "".join(f'<th scope="col">{name}</th>' for name in head)
        return (
            '<div class="knotes-scroll"><table class="knotes knotes-numbers">'
            f"<thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table></div>"
        )

    def missing(self) -> str:
        """What is not exercised, folded by group."""
        parts = []
        for row in (row for row in coverage.rows(self.api.coverage) if not row.apart):
            members = [s for s in self.api.symbols.values() if s.group == row.group and not s.apart]
            lost = [s for s in members if not self.api.coverage.exercised(s.name)]
            partly = [
                (s, gone)
                for s in members
                if s not in lost and (gone := self.api.coverage.missing_parameters(s))
            ]
            if not lost and not partly:
                continue
            shown = []
            for symbol in sorted(lost, key=_order):
                entry = Target(INDEX_PAGE, symbol.name, "")
                shown.append(self.a(entry, f"<code>{html.escape(symbol.short)}</code>"))
            text = f"<p>Symbols: {', '.join(shown)}</p>" if shown else ""
            if partly:
                listed = "; ".join(
                    f"<code>{html.escape(s.short)}</code>: "
                    + ", ".join(f"<code>{html.escape(name)}</code>" for name in gone)
                    for s, gone in partly
                )
                text += f"<p>Parameters of symbols that are exercised: {listed}</p>"
            count = sum(len(gone) for _, gone in partly)
            title = f"{html.escape(row.group)}: symbols {len(lost)}, further parameters {count}"
            parts.append(f"<details><summary>{title}</summary>{text}</details>")
        return f'<div class="knotes-lost">{"".join(parts)}</div>'


def _order(symbol: Symbol) -> tuple[str, str]:
    return symbol.name.lower(), symbol.name


def bar(part: int, whole: int) -> str:
    """A cell with a bar as long as the share, and the two numbers in words."""
    share = 100 * part / whole if whole else 0
    return (
        f'<td class="knotes-bar"><span style="--share: {share:.1f}%"></span>{part} of {whole}</td>'
    )


def setup(app: Sphinx) -> None:
    """Register directives, links and checks."""
    api = Api()
    app.add_node(api_place)
    app.add_node(
        nodes.literal_block, override=True, html=(visit_literal_block, depart_literal_block)
    )
    app.add_directive("api-index", ApiIndex)
    app.add_directive("api-coverage", ApiCoverage)
    app.connect("builder-inited", api.start)
    app.connect("doctree-read", read_page)
    app.connect("env-updated", api.collect)
    app.connect("doctree-resolved", api.fill)
