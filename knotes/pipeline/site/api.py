"""The index of the API, its coverage, and links from code to both.

What pages use was noted when they were recorded (`knotes.pipeline.api`). Here it meets the labels
of the pages, ``(keras.layers.Dense)=`` and ``(keras.layers.Dense.units)=``:

* ``{api-index} keras.layers``: every symbol of a namespace, what it does, where it is taught, and
  for each parameter the cell that exercises it
* ``{api-coverage}``: how much of the API the pages exercise, in numbers and as a picture
* names of the API in code cells lead to their section, or else to their entry in the index

Every name in a label must exist, on one page only; otherwise the build warns, and warnings are
errors.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from docutils import nodes
from sphinx.errors import ConfigError
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from knotes.pipeline import notebooks
from knotes.pipeline.api import ApiError, claims, inventory, notes
from knotes.pipeline.api.coverage import Coverage, measure
from knotes.pipeline.api.inventory import Inventory
from knotes.pipeline.api.notes import Note
from knotes.pipeline.api.symbols import spelled
from knotes.pipeline.book import Book

from .code import depart_literal_block, imported, names_in, source_of, visit_literal_block
from .directory import Directory, Target
from .listing import Writer
from .records import is_notebook

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

logger = logging.getLogger(__name__)

LABELS = "knotes_labels"  # of a page, in the metadata that Sphinx keeps for it


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
    """What the build knows of the API, from the inventory and from the pages."""

    def __init__(self) -> None:
        """Start with nothing; `start` reads the inventory, `collect` the pages."""
        self.notes: dict[str, list[Note]] = {}
        self.names: dict[str, tuple[str, str]] = {}
        self.directory = Directory(Inventory("", {}), {}, Coverage({}), {})

    def start(self, app: Sphinx) -> None:
        """Read the inventory and the one-line jobs."""
        book = Book(Path(app.srcdir))
        try:
            offered = inventory.load(book)
        except ApiError as error:
            raise ConfigError(str(error)) from error
        self.names = spelled(offered.symbols)
        jobs = yaml.safe_load((book.root / "api" / "jobs.yml").read_text("utf8"))
        self.directory = Directory(offered, jobs, Coverage(offered.symbols), {})

    def collect(self, app: Sphinx, env: BuildEnvironment) -> list[str]:
        """Read what the pages use and claim; warn where the two do not fit together.

        Returns the pages to write anew, which hang on all others.
        """
        stored = {
            name: notebooks.read_stored(Path(env.doc2path(name)))
            for name in sorted(env.found_docs)
            if is_notebook(env, name)
        }
        self.notes = {
            page: [notes.stored(cell) for cell in notebooks.code_cells(notebook)]
            for page, notebook in stored.items()
        }
        offered = self.directory.inventory
        self.directory = Directory(
            offered,
            self.directory.jobs,
            measure(offered.symbols, self.notes),
            {page: env.titles[page].astext() for page in stored},
        )
        claimed: dict[tuple[str, str], str] = {}
        for page, notebook in stored.items():
            text = Path(env.doc2path(page)).with_suffix(".md")
            source = notebook.metadata.get("knotes", {}).get("source")
            if text.is_file() and source != notebooks.digest(text):
                logger.warning(
                    "the record of what the page uses is older than its text; run: make outputs",
                    location=page,
                )
            labels = claims.labels_of(notebook)
            for message in claims.unknown(labels, self.names):
                logger.warning("%s", message, location=page)
            for label in labels:
                self._claim(env, page, label, claimed)
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
        title = self.directory.titles[page]
        text = title if section in ("", title) else f"{title}: {section}"
        self.directory.taught.setdefault(key, Target(page, anchor, text))

    def fill(self, app: Sphinx, doctree: nodes.document, docname: str) -> None:
        """Fill the places of indexes and coverage; find the names to link in code cells."""
        relative = functools.partial(app.builder.get_relative_uri, docname)
        for place in list(doctree.findall(api_place)):
            writer = Writer(self.directory, relative)
            if "group" in place:
                text = writer.index(place["group"])
            else:
                text = {"numbers": writer.numbers, "missing": writer.missing}[place["coverage"]]()
            place.replace_self(nodes.raw("", text, format="html"))
        if docname not in self.notes:
            return
        cells = [c for c in doctree.findall(nodes.container) if c.get("nb_element") == "cell_code"]
        blocks = [source_of(cell) for cell in cells]
        known = imported(block.astext() for block in blocks if block is not None)
        for block, note in zip(blocks, self.notes[docname], strict=False):
            if block is None:
                continue
            links = block["knotes_links"] = []
            for line, column, name, key in names_in(block.astext(), known, note, self.names):
                target = self.directory.entry(key)
                links.append((line, column, name, target.page, target.anchor, target.text))


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
