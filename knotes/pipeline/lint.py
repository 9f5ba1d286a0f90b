"""Type-check the code cells of every page with mypy, as if each page were a module.

    python -m knotes.pipeline.lint

ruff reads notebooks itself; mypy does not, so the cells are written to ``_build/lint``.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from knotes.pipeline import notebooks
from knotes.pipeline.book import Book

# A page reuses names, mixes arrays with lists, which NumPy's stubs take amiss, and puts
# `calls.append(n) or n` into a lambda, and breaks signatures on purpose; what is left
# finds names that do not exist, wrong attributes, and wrong calls of this project's functions.
LENIENT = (
    "arg-type",
    "assignment",
    "call-overload",
    "dict-item",
    "func-returns-value",
    "has-type",
    "index",
    "misc",
    "no-redef",
    "operator",
    "override",
    "type-var",
    "union-attr",
    "var-annotated",
)
FLAGS = (
    *(f"--disable-error-code={code}" for code in LENIENT),
    "--config-file=",
    "--ignore-missing-imports",
    "--follow-imports=silent",
    "--allow-redefinition",
    "--check-untyped-defs",
)


def module_of(page: Path, folder: Path) -> Path:
    """Write the cells of a page as a Python module; a comment above each names the cell."""
    parts = []
    for number, cell in enumerate(notebooks.code_cells(notebooks.read_text(page)), 1):
        parts.append(f"# {notebooks.name_of(page)}: code cell {number}\n{cell.source}\n")
    target = folder / (notebooks.name_of(page).replace("/", "_").replace("-", "_") + ".py")
    notebooks.write_atomically(target, "\n\n".join(parts))
    return target


def main(book: Book | None = None, pages: Iterable[Path] = ()) -> int:
    """Check the pages of a book (default: all); returns mypy's exit status."""
    book = book or Book.find()
    folder = book.built / "lint"
    modules = [module_of(page, folder) for page in (pages or book.pages())]
    command = [sys.executable, "-m", "mypy", *FLAGS, *map(str, modules)]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
