"""Fixtures shared by the tests of the pipeline: a small book in a folder of its own, and kernels."""

import textwrap

import nbformat
import pytest

from knotes.pipeline.book import Book
from knotes.pipeline.engine import Run
from knotes.pipeline.tracing import TRACING

HEADER = """\
---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

(sample)=
# Sample page

What it is for.

"""


def page_text(*cells):
    """The text of a page with one code cell under each of the headings Step 1, Step 2, …"""
    text = HEADER
    for number, code in enumerate(cells, 1):
        body = textwrap.dedent(code).strip()
        text += f"## Step {number}\n\nProse.\n\n```{{code-cell}} ipython3\n{body}\n```\n\n"
    return text


def notebook_of(*cells):
    """A notebook with these code cells; a pair is the source of a cell and its tags."""
    pairs = [cell if isinstance(cell, tuple) else (cell, ()) for cell in cells]
    return nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell(
                textwrap.dedent(source).strip(), metadata={"tags": list(tags)}
            )
            for source, tags in pairs
        ]
    )


@pytest.fixture
def book(tmp_path):
    """An empty book."""
    (tmp_path / "book" / "part").mkdir(parents=True)
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: book/index\nparts: []\n")
    return Book(tmp_path)


@pytest.fixture
def write_page(book):
    """Write a text page from the texts of its code cells; returns its path."""

    def write(*cells, name="sample"):
        path = book.folder / "part" / f"{name}.md"
        path.write_text(page_text(*cells))
        return path

    return write


@pytest.fixture(scope="session")
def warm():
    """Warm kernels that note the use of the API: one server for all tests of a worker."""
    with Run(observers=[TRACING]) as run:
        yield run


@pytest.fixture(scope="session")
def cold():
    """Cold kernels, for pages that do not need TensorFlow."""
    with Run("cold") as run:
        yield run
