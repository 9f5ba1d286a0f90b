"""The recorder: run text pages and store their outputs in the notebooks beside them.

    python -m knotes.pipeline.record [--kernels cold] [PAGE ...]

The only writer of ``book/**/*.ipynb``. Without arguments it runs the pages whose notebook was made
from another text, or with other versions of Keras and its kin. Each page is run twice, in processes
that order sets and draw unseeded numbers differently: what does not repeat could not be verified,
and is named instead of stored. A notebook is replaced only when every cell ran.
"""

from __future__ import annotations

import argparse
import difflib
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from knotes import environment
from knotes.pipeline import compare, contract, notebooks
from knotes.pipeline.api import ApiError, notes
from knotes.pipeline.book import Book, PageError, name_of
from knotes.pipeline.engine import Run
from knotes.pipeline.tracing import TRACING


def why_stale(page: Path) -> str:
    """Why the stored notebook of a text page is not what a run of it gives; empty if it is."""
    stored = page.with_suffix(".ipynb")
    if not stored.is_file():
        return "never run"
    try:
        notebook = notebooks.read_stored(stored)
    except PageError:
        return "its notebook cannot be read"
    made = notebook.metadata.get("knotes", {})
    if made.get("source") != notebooks.digest(page):
        return "the text has changed"
    if notebooks.out_of_step(notebooks.read_text(page), notebook):
        return "text and notebook are out of step"
    now, then = notebooks.versions(), made.get("versions", {})
    other = [name for name in now if now[name] != then.get(name)]
    return ", ".join(f"{name} {then.get(name, '?')} → {now[name]}" for name in other)


def run(page: Path, with_: Run) -> tuple[Any, float]:
    """Run a text page: the normalized notebook with its outputs, and the seconds of its cells.

    Raises `PageError` naming page, cell, line and error if a cell fails or the page is broken off.
    """
    source, notebook = notebooks.digest(page), notebooks.read_text(page)
    result = with_.page(notebook, page.parent)
    cells = notebooks.code_cells(result.notebook)
    if result.broken:
        raise PageError(_place(page, result.notebook, result.broken_at, result.broken))
    for number, told in enumerate(result.cells, 1):
        if told.fault:
            where = f", line {told.line}" if told.line else ""
            raise PageError(_place(page, result.notebook, number, told.fault, where))
        for output in cells[number - 1].outputs:
            for name in set(compare.IMAGES) & set(compare.data_of(output)):
                try:
                    compare.pixels(output["data"][name])
                except ValueError as error:
                    raise PageError(_place(page, notebook, number, f"figure: {error}")) from error
    if TRACING in with_.observers:
        try:
            notes.store(result.notebook, notes.decode(result.observed[TRACING.name]))
        except ApiError as error:
            raise PageError(f"{name_of(page)}: {error}") from error
    return notebooks.normalize(result.notebook, source), result.seconds


def _place(page: Path, notebook: Any, number: int, what: str, where: str = "") -> str:
    """Page, cell, line and error, then the source of the cell."""
    if not number:
        return f"{name_of(page)}: {what}"
    cell = notebooks.code_cells(notebook)[number - 1]
    heading = next(h for c, h in notebooks.headings(notebook) if c is cell)
    source = "\n".join("    " + compare.clipped(text) for text in cell.source.splitlines())
    what = compare.clipped(what, 2000)
    return f"{name_of(page)}: code cell {number} ({heading}){where}: {what}\n{source}"


def not_repeated(first: Any, second: Any) -> list[str]:
    """The outputs that came out otherwise when a page was run again, cell by cell."""
    lines = []
    for number, (old, new) in enumerate(
        zip(notebooks.code_cells(first), notebooks.code_cells(second), strict=True), 1
    ):
        if "nbval-ignore-output" not in notebooks.tags_of(old):
            lines += [f"cell {number}: {told}" for told in _differences(old.outputs, new.outputs)]
        if old.metadata.get("knotes") != new.metadata.get("knotes"):
            lines.append(f"cell {number}: what it uses of the API")
    return lines


def _differences(old: Sequence[Any], new: Sequence[Any]) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        found = compare.compare_outputs(old, new, Path(folder, "figure.png"))
    texts = [f"{difference.what}\n{difference.detail}".rstrip() for difference in found]
    return [text.replace("\n", "\n      ") for text in texts]


def changes(old: Any | None, new: Any) -> list[str]:
    """What changed in the outputs between two notebooks of a page, told cell by cell."""
    new_cells = notebooks.code_cells(new)
    if old is None:
        return [f"new page, {len(new_cells)} cells"]
    old_cells = notebooks.code_cells(old)
    headings = dict((id(cell), heading) for cell, heading in notebooks.headings(new))
    matcher = difflib.SequenceMatcher(
        a=[c.source for c in old_cells], b=[c.source for c in new_cells], autojunk=False
    )
    lines = []
    pairs: dict[int, int] = {}
    for i, j, size in matcher.get_matching_blocks():
        pairs.update((j + k, i + k) for k in range(size))
    gone = len(old_cells) - len(pairs)
    if gone:
        lines.append(f"{gone} cells of the stored page are gone or changed in source")
    for number, cell in enumerate(new_cells):
        place = f"cell {number + 1} ({headings[id(cell)]})"
        if number not in pairs:
            shown = "; ".join(map(compare.summary, cell.outputs)) or "no output"
            lines.append(f"{place}: new source, {shown}")
            continue
        stored = old_cells[pairs[number]].outputs
        found = _differences(stored, cell.outputs)
        lines += [f"{place}: {text}" for text in found]
        if not found and stored != cell.outputs:
            lines.append(f"{place}: equal within the tolerance, stored anew")
    return lines


class Recorder:
    """Runs pages, each twice, on all cores, and stores them one after the other."""

    def __init__(self, book: Book, kernels: str = "warm", workers: int | None = None) -> None:
        self.book = book
        self._stack = ExitStack()
        self._pool = ThreadPoolExecutor(workers or os.cpu_count() or 1)
        cache = book.built / "cache" if book else None
        self.runs = [
            self._stack.enter_context(
                Run(kernels, observers=[TRACING], hash_seed=seed, cache=cache)
            )
            for seed in (1, 2)
        ]

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._stack.close()
        self._pool.shutdown()

    def record(self, pages: Sequence[Path]) -> Iterator[tuple[Path, list[str] | PageError]]:
        """Run and store pages; yields each with what to tell of it, or why it was not stored."""
        running = [
            (page, [self._pool.submit(run, page, each) for each in self.runs]) for page in pages
        ]
        for page, twice in running:
            try:
                yield page, self._store(page, twice)
            except PageError as error:
                twice[1].cancel()
                yield page, error

    def _store(self, page: Path, twice: Sequence[Future[tuple[Any, float]]]) -> list[str]:
        new, seconds = twice[0].result()
        again, _ = twice[1].result()
        if not page.is_file() or notebooks.digest(page) != new.metadata["knotes"]["source"]:
            raise PageError(f"{name_of(page)}: its text has changed while it was run; run it again")
        if found := not_repeated(new, again):
            told = "\n    ".join([f"{name_of(page)}: run twice, came out otherwise:", *found])
            raise PageError(told)
        target = page.with_suffix(".ipynb")
        lines = []
        try:
            old = notebooks.read_stored(target) if target.is_file() else None
        except PageError as error:
            lines.append(f"{error}; it is made anew")
            old = None
        state = "stored" if notebooks.write(new, target) else "unchanged"
        lines.append(f"{state}: {len(notebooks.code_cells(new))} cells in {seconds:.1f} s")
        lines += [f"  {line}" for line in changes(old, new)]
        return lines + [f"to mend: {fault}" for fault in contract.faults(page, self.book)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status: 0, 1 if a page failed, 130 if interrupted."""
    parser = argparse.ArgumentParser(prog="knotes.pipeline.record", description=__doc__)
    parser.add_argument("pages", nargs="*", metavar="PAGE", help="default: pages that are stale")
    parser.add_argument("--kernels", choices=("warm", "cold"), default="warm")
    options = parser.parse_args(arguments)
    try:
        book = Book.find()
        pages = book.resolve(options.pages)
        if not pages:
            stale = {page: why for page in book.pages() if (why := why_stale(page))}
            for page, why in stale.items():
                print(f"{name_of(page)}: to be run: {why}")
            pages = list(stale)
    except PageError as error:
        print(error, file=sys.stderr)
        return 1
    if not pages:
        print("Every stored notebook is made from the text as it is: nothing to run.")
        return 0
    if reason := environment.lacking():
        print(f"Last digits may differ: {reason}.")
    stored = failed = 0
    try:
        with Recorder(book, options.kernels) as recorder:
            for page, told in recorder.record(pages):
                if isinstance(told, PageError):
                    failed += 1
                    print(f"FAILED, stored notebook untouched. {told}", file=sys.stderr, flush=True)
                else:
                    stored += 1
                    print("\n  ".join([name_of(page), *told]), flush=True)
            if recorder.runs[0].cold and options.kernels == "warm":
                print(f"Cold kernels: {recorder.runs[0].cold}.")
    except KeyboardInterrupt:
        left = len(pages) - stored - failed
        print(f"\nInterrupted: {stored} pages stored, {left} untouched.", file=sys.stderr)
        return 130
    if len(pages) > 1 or failed:
        print(f"{stored} of {len(pages)} pages run and stored.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
