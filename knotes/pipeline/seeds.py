"""Do the claims of a page hang on its seeds? ``make seeds`` runs pages with others.

    python -m knotes.pipeline.seeds [--seed N] [PAGE ...]

Each cell that raises, an assertion for the most part, is told with its page. What is printed is
another thing with another seed, and is not compared.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from knotes.pipeline import notebooks, reseed
from knotes.pipeline.book import Book, PageError, name_of
from knotes.pipeline.engine import Run
from knotes.pipeline.weather import Weather

SEEDS = (1, 2)


def other(seed: int) -> Weather:
    """The environment in which every seed that a page chooses is larger by `seed`."""
    about = f"seeds larger by {seed}"
    return Weather(f"seed {seed}", about, {reseed.OFFSET: str(seed)}, (reseed.__name__,))


def faults(page: Path, run: Run) -> list[str]:
    """What a text page no longer keeps in a run with other seeds, a line for each cell."""
    result = run.page(notebooks.read_text(page), page.parent)
    headings = {id(cell): heading for cell, heading in notebooks.headings(result.notebook)}
    names = [headings[id(cell)] for cell in notebooks.code_cells(result.notebook)]
    told = [
        f"code cell {number} ({heading}), line {cell.line}: {cell.fault}"
        for number, (cell, heading) in enumerate(zip(result.cells, names, strict=True), 1)
        if cell.fault
    ]
    if result.broken:
        told.append(f"code cell {result.broken_at}: {result.broken}")
    return told


def compared(pages: Sequence[Path], seeds: Sequence[int]) -> Iterator[tuple[int, Path, list[str]]]:
    """Run pages on all cores with each of the seeds; yields seed, page and faults."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for seed in seeds:
            with Run(weather=other(seed)) as run:
                told = pool.map(partial(faults, run=run), pages)
                yield from ((seed, page, lines) for page, lines in zip(pages, told, strict=True))


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; exit status 1 if any cell of any page raised."""
    parser = argparse.ArgumentParser(prog="knotes.pipeline.seeds", description=__doc__)
    parser.add_argument("pages", nargs="*", metavar="PAGE", help="default: the whole book")
    parser.add_argument("--seed", type=int, action="append", help=f"default: {SEEDS}")
    options = parser.parse_args(arguments)
    try:
        book = Book.find()
        pages = book.resolve(options.pages) or book.pages()
    except PageError as error:
        print(error, file=sys.stderr)
        return 1
    failed = 0
    for seed, page, lines in compared(pages, options.seed or SEEDS):
        failed += bool(lines)
        for line in lines:
            print(f"{name_of(page)}, seeds + {seed}: {line}", flush=True)
    print(f"{failed} of {len(pages) * len(options.seed or SEEDS)} runs hang on their seeds.")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
