"""Which of the public API the stored pages exercise: ``make coverage``.

    python -m knotes.pipeline.api [--accept] [PAGE ...]

Prints, and writes to ``_build/coverage.txt``, what is exercised and what is missing, and saves the
inventory of the installed Keras and what each page exercises in ``api/``: the tests fail when less
is covered than these files say, or when the installed Keras has a symbol that the inventory does
not know and nobody covers. With pages named, tells what these exercise and writes nothing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from knotes.pipeline import notebooks
from knotes.pipeline.api import ApiError, coverage, exercised, installed, inventory
from knotes.pipeline.api.report import page_report, report
from knotes.pipeline.book import Book, PageError


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status: 0, or 1 if coverage fell or a page is not current."""
    parser = argparse.ArgumentParser(prog="knotes.pipeline.api", description=__doc__)
    parser.add_argument("pages", nargs="*", metavar="PAGE", help="tell what these pages exercise")
    parser.add_argument("--accept", action="store_true", help="save even if coverage fell")
    options = parser.parse_args(arguments)
    try:
        book = Book.find()
        if options.pages:
            return tell(book, options.pages)
        return measure(book, accept=options.accept)
    except (ApiError, PageError) as error:
        print(error, file=sys.stderr)
        return 1


def tell(book: Book, pages: Sequence[str]) -> int:
    """Print what the named pages exercise."""
    symbols = inventory.load(book).symbols
    named = coverage.read_pages(book, book.resolve(pages))
    print("\n\n".join(page_report(symbols, page, cells) for page, cells in named.items()))
    return 0


def measure(book: Book, *, accept: bool) -> int:
    """Print what the whole book exercises and save it, a fall only if it is accepted."""
    notes = coverage.read_pages(book)
    offered = installed.read()
    now = coverage.measure(offered.symbols, notes)
    text = report(now, notes)
    told = book.built / "coverage.txt"
    notebooks.write_atomically(told, text)
    print(text)
    known = inventory.load(book) if inventory.path_in(book).is_file() else offered
    less = [*exercised.falls(exercised.load(book), now), *exercised.news(known, offered, now)]
    if less:
        print("Less than before:", *less, sep="\n  ", file=sys.stderr)
        if not accept:
            print("Nothing saved. If this is meant: make coverage ACCEPT=1", file=sys.stderr)
            return 1
    if known != offered or not inventory.path_in(book).is_file():
        offered.write(book)
    changed = exercised.save(book, exercised.of_pages(offered.symbols, notes))
    pages = f"{', '.join(changed)} changed" if changed else "no page changed"
    print(f"Saved in api/: {pages}. All of this: {told.relative_to(book.root)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
