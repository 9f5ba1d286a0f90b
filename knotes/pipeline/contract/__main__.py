"""Print how much each page asks of its reader: `make pages`, or `make pages PAGES=…`.

python -m knotes.pipeline.contract book/layers
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from knotes.pipeline.book import Book, PageError
from knotes.pipeline.contract.load import measure, table
from knotes.pipeline.contract.page import Page


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; exit status 1 for a name that is no page, or a page that cannot be read."""
    try:
        book = Book.find()
        paths = book.resolve(sys.argv[1:] if arguments is None else arguments) or book.pages()
        order = {name: place for place, name in enumerate(book.listed())}
        names = sorted(
            map(book.name_of, paths), key=lambda name: (order.get(name, len(order)), name)
        )
        print(table([(name, measure(Page(book.page(name), book))) for name in names]))
    except PageError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
