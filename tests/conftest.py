"""Fixtures shared by tests: a small book in a folder of its own; kernels; the site, built once."""

import os
import subprocess
import sys
import sysconfig
import textwrap
from pathlib import Path

import nbformat
import pytest
from filelock import FileLock

from knotes.pipeline.book import Book
from knotes.pipeline.engine import Run
from knotes.pipeline.tracing import TRACING

ROOT = Path(__file__).parents[1]
# All that the site is made from, with the versions that are installed.
SOURCES = (
    "book", "_static", "_config.yml", "_toc.yml", "verification", "api", "knotes", "Makefile",
    "requirements.lock",
)  # fmt: skip
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


def newest_source():
    """Time of the last change to what the site is made from, and of the last installation."""
    files = [file for name in SOURCES for file in [ROOT / name, *(ROOT / name).rglob("*")]]
    files = [file for file in files if file.is_file() and file.suffix != ".pyc"]
    installed = Path(sysconfig.get_path("purelib")).glob("*.dist-info")
    return max(path.stat().st_mtime for path in [*files, *installed])


@pytest.fixture(scope="session")
def site():
    """The folder of the built site: the one of the last `make book`, built now if it is older.

    Several test processes may ask at once: one builds, the others wait.
    """
    build = ROOT / "_build"
    build.mkdir(exist_ok=True)
    with FileLock(build / ".tests-build.lock", timeout=600):
        built = build / ".built"
        if not built.is_file() or built.stat().st_mtime < newest_source():
            # With the programs of this environment, whatever .venv is.
            programs = Path(sys.executable).parent
            command = ["make", "--old-file=.venv/ready", f"BIN={programs}", "book"]
            outer = {"MAKEFLAGS", "MAKELEVEL"}
            clean = {key: value for key, value in os.environ.items() if key not in outer}
            run = subprocess.run(
                command, cwd=ROOT, env=clean, capture_output=True, text=True, check=False
            )
            if run.returncode:
                lines = [line for line in run.stderr.splitlines() if "WARNING" in line]
                pytest.fail("the book does not build:\n" + "\n".join(lines or [run.stderr[-3000:]]))
    return build / "html"
