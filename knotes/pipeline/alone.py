"""Run each section of a page alone, as a reader who comes by a deep link: ``make sections``.

    python -m knotes.pipeline.alone [PAGE ...]

Before a section only the import cell runs, the common cell, and what the section says that it
continues (`knotes.pipeline.sections`). It must end without an error, and show what is stored, but
for the numbers that Keras counts up in names (``dense_3``), and unless it draws random numbers
without a seed of its own: then another seed before it changes its outputs, and it only has to run.
"""

from __future__ import annotations

import argparse
import copy
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import nbformat

from knotes.pipeline import compare, notebooks, sections
from knotes.pipeline.book import Book, PageError, name_of
from knotes.pipeline.contract import OPT_OUTS
from knotes.pipeline.contract.pending import pairs
from knotes.pipeline.engine import PageRun, Run

#: The rule of the contract that a page keeps when this can be asked of it.
RULE = "alone"
COUNTED = re.compile(r"(?<=[a-z])_\d+\b")
OTHER_SEED = "import keras\nkeras.utils.set_random_seed(20_261)"


def faults(page: Path, run: Run) -> list[str]:
    """What the sections of a page do not keep when each runs alone, a line for each cell."""
    stored = notebooks.read_stored(page.with_suffix(".ipynb"))
    told = []
    for section in sections.of(stored):
        if section.cells:
            lines = _faults(section, notebooks.code_cells(stored), page.parent, run)
            told += [f"## {section.heading}: {line}" for line in lines]
    return told


def _faults(section: sections.Section, stored: list[Any], folder: Path, run: Run) -> list[str]:
    own = {cell.number for cell in section.cells}
    numbers = [cell.number for cell in (*section.before, *section.cells)]
    result = _run(section, stored, folder, run)
    if result.broken:
        return [f"code cell {numbers[result.broken_at - 1]}: {result.broken}"]
    told = [
        f"code cell {number}: {cell.fault}"
        for number, cell in zip(numbers, result.cells, strict=True)
        if cell.fault
    ]
    if told:
        return told
    shown = dict(zip(numbers, notebooks.code_cells(result.notebook), strict=True))
    differing = {
        number: lines
        for number in sorted(own)
        if (lines := _differences(stored[number - 1], shown[number]))
    }
    if differing:
        again = _run(section, stored, folder, run, OTHER_SEED)
        others = notebooks.code_cells(again.notebook)[len(section.before) + 1 :]
        drawn = {
            cell.number
            for cell, other in zip(section.cells, others, strict=True)
            if _differences(shown[cell.number], other)
        }
        # what comes after the first draw may follow from it
        differing = {n: lines for n, lines in differing.items() if n < min(drawn, default=n + 1)}
    return [f"code cell {n}: shows {'; '.join(lines)}" for n, lines in differing.items()]


def _run(
    section: sections.Section, stored: list[Any], folder: Path, run: Run, between: str = ""
) -> PageRun:
    """Run a section, and code between it and the cells before it."""
    before, own = (
        [copy.deepcopy(stored[cell.number - 1]) for cell in cells]
        for cells in (section.before, section.cells)
    )
    extra = [nbformat.v4.new_code_cell(between)] if between else []
    return run.page(nbformat.v4.new_notebook(cells=[*before, *extra, *own]), folder)


def _differences(stored: Any, new: Any) -> list[str]:
    """How the outputs of a cell differ, but for what Keras counts up in names."""
    if OPT_OUTS & set(notebooks.tags_of(stored)):
        return []
    old, fresh = ([_uncounted(output) for output in cell.outputs] for cell in (stored, new))
    with tempfile.TemporaryDirectory() as there:
        found = compare.compare_outputs(old, fresh, Path(there, "figure.png"))
    return [f"{difference.what} {difference.detail}".strip() for difference in found]


def _uncounted(output: Any) -> Any:
    output = copy.deepcopy(output)
    for key in ("text", "evalue"):
        if key in output:
            output[key] = COUNTED.sub("", output[key])
    if "traceback" in output:
        output["traceback"] = [COUNTED.sub("", line) for line in output["traceback"]]
    for kind, data in output.get("data", {}).items():
        if isinstance(data, str) and kind not in compare.IMAGES:
            output["data"][kind] = COUNTED.sub("", data)
    return output


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; exit status 1 if a section of a page does not stand alone."""
    parser = argparse.ArgumentParser(prog="knotes.pipeline.alone", description=__doc__)
    help_ = "default: those of the second edition"
    parser.add_argument("pages", nargs="*", metavar="PAGE", help=help_)
    options = parser.parse_args(arguments)
    try:
        book = Book.find()
        first = {page for page, rule in pairs() if rule == RULE}
        pages = book.resolve(options.pages) or [
            page for page in book.pages() if book.name_of(page) not in first
        ]
    except PageError as error:
        print(error, file=sys.stderr)
        return 1
    failed = 0
    with Run() as run, ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for page, lines in zip(pages, pool.map(partial(faults, run=run), pages), strict=True):
            failed += bool(lines)
            for line in lines:
                print(f"{name_of(page)}, {line}", flush=True)
    print(f"{len(pages) - failed} of {len(pages)} pages have sections that run alone.")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
