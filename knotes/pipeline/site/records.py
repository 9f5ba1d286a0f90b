"""What was verified, on the page that it is about: a line under the title, and a report.

The records are those of `knotes.pipeline.verification`.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx.errors import ConfigError
from sphinx.util.docutils import SphinxDirective

from knotes.pipeline.book import Book
from knotes.pipeline.verification import FOLDER, VERSIONS, PageRecord, Record, RecordError, load

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

REPORT_PAGE = "book/start/verification"


@dataclass(frozen=True)
class Notebook:
    """The present state of a page: hash of its stored notebook, number of its code cells."""

    sha256: str
    cells: int

    @classmethod
    def of(cls, env: BuildEnvironment, docname: str) -> Notebook:
        """Read the state of a page."""
        data = Path(env.doc2path(docname)).read_bytes()
        cells = [cell for cell in json.loads(data)["cells"] if cell["cell_type"] == "code"]
        return cls(hashlib.sha256(data).hexdigest(), len(cells))


def summary(docname: str, notebook: Notebook, records: list[Record]) -> str | None:
    """Say what the records that match a page's present bytes verified; None if none matches.

    Raises:
        RecordError: if a record matches the page and counts its cells otherwise.

    """
    matching = {
        record.name: page
        for record in records
        if (page := record.pages.get(docname)) and page.sha256 == notebook.sha256
    }
    if not matching:
        return None
    for name, page in matching.items():
        if page.cells != notebook.cells:
            raise RecordError(
                f"{FOLDER}/{name}/{docname.removeprefix('book/')}.json: cells: expected "
                f"{notebook.cells}, the code cells of the notebook with this sha256, "
                f"got {page.cells}"
            )
    environments = [page.environment for page in matching.values()]
    verified = notebook.cells - max(page.opt_outs for page in matching.values())
    parts = [f"{verified} of {notebook.cells} cells verified"]
    for key, name in VERSIONS.items():
        parts.append(f"{name} {', '.join(dict.fromkeys(some[key] for some in environments))}")
    parts.append(", ".join(dict.fromkeys(some["device"] for some in environments)))
    roundings = {name for page in matching.values() for name in page.agreed}
    if len(roundings) > 1:
        parts.append(f"agreed in {len(roundings)} rounding environments")
    return " · ".join(parts)


def runs(record: Record) -> Iterator[str]:
    """Say on what the pages of a record were verified, HTML, a line for each environment.

    With the day of the last comparison and the rounding environments in which all pages agreed.
    """
    groups: dict[str, list[PageRecord]] = {}
    for page in record.pages.values():
        told = ", ".join(f"{key} {value}" for key, value in page.environment.items())
        groups.setdefault(told, []).append(page)
    for told, pages in groups.items():
        day = max(page.date for page in pages)
        agreed = [name for name in pages[0].agreed if all(name in p.agreed for p in pages)]
        roundings = f"; roundings {', '.join(agreed)}" if agreed else ""
        yield f"<strong>{html.escape(record.name)}</strong>, {day}: {html.escape(told + roundings)}"


def badge(text: str | None, link: str | None) -> str:
    """Make the line for under the title, HTML."""
    state = "unverified" if text is None else "verified"
    line = html.escape(text or "not verified since the last change")
    if link:
        line = f'<a href="{html.escape(link)}">{line}</a>'
    return f'<p class="knotes-badge knotes-{state}">{line}</p>'


class verification_report(nodes.General, nodes.Element):
    """Place of the report, filled when the page is written."""


class VerificationReport(SphinxDirective):
    """``{verification-report}``: the table of all pages and records."""

    def run(self) -> list[nodes.Node]:
        """Leave a place for the table; it hangs on all pages, so it is made last."""
        _report_pages(self.env).add(self.env.docname)
        return [verification_report()]


def _report_pages(env: BuildEnvironment) -> set[str]:
    if not hasattr(env, "knotes_report_pages"):
        env.knotes_report_pages = set()  # type: ignore[attr-defined]
    pages: set[str] = env.knotes_report_pages  # type: ignore[attr-defined]
    return pages


def merge_pages(
    app: Sphinx, env: BuildEnvironment, docnames: list[str], other: BuildEnvironment
) -> None:
    """Take over the report pages that another process has read."""
    _report_pages(env).update(_report_pages(other))


class Verification:
    """The records of one build, and what they say about its pages."""

    def __init__(self) -> None:
        """Start without records; `start` reads them."""
        self.records: list[Record] = []

    def start(self, app: Sphinx) -> None:
        """Read the records."""
        try:
            self.records = load(Book(Path(app.srcdir)))
        except RecordError as error:
            raise ConfigError(str(error)) from error

    def text(self, env: BuildEnvironment, docname: str) -> str | None:
        """Say what is verified on a page that was read from a notebook."""
        try:
            return summary(docname, Notebook.of(env, docname), self.records)
        except RecordError as error:
            raise ConfigError(str(error)) from error

    def _pages(self, env: BuildEnvironment) -> Iterator[str]:
        """Name the pages with code, in the order of the table of contents."""
        order: dict[str, None] = {}

        def visit(name: str) -> None:
            if name not in order:
                order[name] = None
                for child in env.toctree_includes.get(name, ()):
                    visit(child)

        visit(env.config.root_doc)
        return (name for name in order if is_notebook(env, name))

    def outdated(self, app: Sphinx, env: BuildEnvironment) -> list[str]:
        """Name the pages whose line changed with the records though their text did not."""
        before: dict[str, str | None] = getattr(env, "knotes_badges", {})
        now = {name: self.text(env, name) for name in self._pages(env)}
        env.knotes_badges = now  # type: ignore[attr-defined]
        changed = {name for name in now if now[name] != before.get(name, "")}
        return sorted((changed | _report_pages(env)) & env.found_docs)

    def add_badge(
        self, app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object
    ) -> None:
        """Put the line under the title of a page."""
        if doctree is None or not is_notebook(app.env, page):
            return
        link = context["pathto"](REPORT_PAGE) if REPORT_PAGE in app.env.found_docs else None
        line = badge(self.text(app.env, page), link)
        context["body"] = re.sub("</h1>", lambda _: f"</h1>\n{line}", context["body"], count=1)

    def report(self, app: Sphinx, doctree: nodes.document, docname: str) -> None:
        """Fill the places of the report."""
        for place in list(doctree.findall(verification_report)):
            place.replace_self(nodes.raw("", self.table(app, docname), format="html"))

    def table(self, app: Sphinx, docname: str) -> str:
        """Make the report, HTML: a row a page, a column a record."""
        env = app.env
        relative = app.builder.get_relative_uri
        head = ["Page", "Cells", *(record.name for record in self.records)]
        rows = []
        for page in self._pages(env):
            title = html.escape(env.titles[page].astext())
            notebook = Notebook.of(env, page)
            row = [f'<a href="{relative(docname, page)}">{title}</a>', str(notebook.cells)]
            for record in self.records:
                entry = record.pages.get(page)
                if entry is None:
                    row.append("—")
                elif entry.sha256 != notebook.sha256:
                    row.append("changed since")
                else:
                    opted = f", {entry.opt_outs} not compared" if entry.opt_outs else ""
                    roundings = f", {len(entry.agreed)} roundings" if len(entry.agreed) > 1 else ""
                    row.append(f"{entry.cells - entry.opt_outs} verified{opted}{roundings}")
            rows.append(row)
        lines = "".join(f"<li>{line}</li>" for record in self.records for line in runs(record))
        told = f"<ul>{lines}</ul>" if lines else "<p>No verification run is recorded yet.</p>"
        cells = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in head)
        body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
        return (
            f'{told}<div class="knotes-scroll"><table class="knotes">'
            f"<thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table></div>"
        )


def is_notebook(env: BuildEnvironment, docname: str) -> bool:
    """Tell whether a page was read from a stored notebook."""
    return docname in env.found_docs and str(env.doc2path(docname)).endswith(".ipynb")


def setup(app: Sphinx) -> None:
    """Register the line, the directive, and when pages are written again."""
    verification = Verification()
    app.add_node(verification_report)
    app.add_directive("verification-report", VerificationReport)
    app.connect("builder-inited", verification.start)
    app.connect("env-merge-info", merge_pages)
    app.connect("env-updated", verification.outdated)
    app.connect("doctree-resolved", verification.report)
    app.connect("html-page-context", verification.add_badge)
