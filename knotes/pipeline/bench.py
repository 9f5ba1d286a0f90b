"""Benchmark of the verification, in one run on one machine: compare the ratios, not the seconds.

    python -m knotes.pipeline.bench [--pages N | PAGE ...]

For some pages of the book: the time that the cells themselves take (the limit), ours with one
worker and with two, and plain nbval; and what one start of the server of kernels costs.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import nbformat

from knotes import environment
from knotes.pipeline.book import Book, PageError
from knotes.pipeline.engine import Run

PLAIN = ["--nbval", "--nbval-current-env", "--noconftest", "-o", "addopts="]
WAYS = {
    "ours, one worker": ["--nbval"],
    "ours, -n 2": ["--nbval", "-n2"],
    "plain nbval": PLAIN,
}


@dataclass(frozen=True)
class Took:
    """One run: wall seconds, seconds that its cells took (if it tells them), whether it passed."""

    wall: float
    cells: float
    passed: bool


def measure(book: Book, pages: Sequence[Path], options: Sequence[str]) -> Took:
    """Run pytest over pages with `options` in a process of its own and time it."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *map(str, pages)]
        begin = time.perf_counter()
        done = subprocess.run(
            [*command, *options, f"--junitxml={report}"],
            cwd=book.root,
            env={**os.environ, **environment.VARIABLES},
            capture_output=True,
            check=False,
        )
        wall = time.perf_counter() - begin
        properties = ElementTree.parse(report).getroot().iter("property")
        cells = sum(float(p.get("value", 0)) for p in properties if p.get("name") == "seconds")
    return Took(wall, cells, done.returncode == 0)


def start_of_server() -> float:
    """Seconds from nothing to the first warm kernel, for a page without cells."""
    begin = time.perf_counter()
    with Run() as run:
        run.page(nbformat.v4.new_notebook(), Path.cwd(), more=False)
        return time.perf_counter() - begin


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; exit status 1 if a run of ours found a difference."""
    parser = argparse.ArgumentParser(prog="knotes.pipeline.bench", description=__doc__)
    parser.add_argument("pages", nargs="*", metavar="PAGE")
    parser.add_argument("--number", type=int, default=12, help="pages, evenly chosen (default 12)")
    options = parser.parse_args(arguments)
    try:
        book = Book.find()
        every = book.resolve(options.pages) or book.pages()
    except PageError as error:
        print(error, file=sys.stderr)
        return 1
    count = min(len(every), options.number)
    pages = [every[i * len(every) // count].with_suffix(".ipynb") for i in range(count)]
    print(f"{len(pages)} pages, {os.cpu_count()} cores", flush=True)
    start = start_of_server()
    took = {way: measure(book, pages, flags) for way, flags in WAYS.items()}
    one, two, plain = took.values()
    print(f"{'the cells themselves':22}{one.cells:8.1f} s")
    print(f"{'one start of the server':22}{start:7.1f} s")
    for way, run in took.items():
        print(f"{way:22}{run.wall:8.1f} s  {'pass' if run.passed else 'FAIL'}")
    print(f"one worker, without the start, over the cells: {(one.wall - start) / one.cells:.2f}")
    print(f"two workers over one: {two.wall / one.wall:.2f}")
    print(f"plain nbval over one worker: {plain.wall / one.wall:.2f}")
    return 0 if one.passed and two.passed else 1


if __name__ == "__main__":
    sys.exit(main())
