"""The recorder: run text pages and store their outputs in the notebooks beside them.

    python -m knotes.pipeline.record [--kernels cold] [PAGE ...]

The only writer of ``book/**/*.ipynb``. Without arguments it runs the pages whose text differs
from the one their notebook was made from. A notebook is replaced only when every cell ran.
"""

from __future__ import annotations

import argparse
import difflib
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbval.kernel import CURRENT_ENV_KERNEL_NAME, NbvalKernelspecManager
from nbval.plugin import coalesce_streams

from knotes.pipeline import compare, contract, notebooks, warm
from knotes.pipeline.api import ApiError, coverage, notes
from knotes.pipeline.notebooks import PageError

CELL_SECONDS = 300
# Line of the cell that raised last, asked of the kernel: short tracebacks do not show it.
_FRAMES = "__import__('traceback').extract_tb(__import__('sys').last_traceback)"
FAILING_LINE = f"next((f.lineno for f in {_FRAMES} if 'ipykernel_' in f.filename), '')"


def is_current(page: Path) -> bool:
    """Whether the stored notebook of a text page was made from exactly this text."""
    stored = page.with_suffix(".ipynb")
    if not stored.is_file():
        return False
    try:
        notebook = notebooks.read_stored(stored)
    except PageError:
        return False
    source = notebook.metadata.get("knotes", {}).get("source")
    in_step = not notebooks.out_of_step(notebooks.read_text(page), notebook)
    return source == notebooks.digest(page) and in_step


def run(page: Path) -> Any:
    """Run a text page in a fresh kernel; return the normalized notebook with its outputs.

    Raises `PageError` naming page, cell, line and error if a cell fails, times out or kills
    the kernel.
    """
    notebook = notebooks.read_text(page)
    client = NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        record_timing=False,
        store_widget_state=False,
        kernel_name=CURRENT_ENV_KERNEL_NAME,
        resources={"metadata": {"path": str(page.parent)}},
    )
    at = {"cell": notebooks.code_cells(notebook)[0], "line": ""}
    noted: list[Any] = []

    async def on_error(cell: Any, cell_index: int, execute_reply: Any) -> None:
        at["line"] = str(await warm.ask(client.kc, FAILING_LINE) or "")

    async def on_executed(cell: Any, cell_index: int, execute_reply: Any) -> None:
        if cell is notebooks.code_cells(notebook)[-1]:
            noted.extend(await coverage.ask(client.kc))

    client.on_cell_start = lambda cell, cell_index: at.update(cell=cell)
    client.on_cell_error = on_error
    client.on_cell_executed = on_executed
    client.km = client.create_kernel_manager()
    client.km.kernel_spec_manager = NbvalKernelspecManager()
    try:
        client.execute(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except (CellExecutionError, CellTimeoutError, RuntimeError) as error:
        raise PageError(_failure(page, notebook, error, **at)) from error
    for cell in notebooks.code_cells(notebook):
        cell.outputs = coalesce_streams(cell.outputs)
        expected = "raises-exception" in notebooks.tags_of(cell)
        if expected and not any(o.output_type == "error" for o in cell.outputs):
            raise PageError(f"{_place(page, notebook, cell)}: tagged raises-exception, raised none")
    if warm.tracing():
        try:
            notes.store(notebook, noted)
        except ApiError as error:
            raise PageError(f"{notebooks.name_of(page)}: {error}") from error
    return notebooks.normalize(notebook, page)


def _failure(page: Path, notebook: Any, error: Exception, cell: Any, line: str) -> str:
    """Page, cell, line and error of a cell that failed."""
    where = f", line {line}" if line.isdigit() else ""
    if isinstance(error, CellExecutionError):
        what = f"{error.ename}: {error.evalue}"
    elif isinstance(error, CellTimeoutError):
        what = f"still running after {CELL_SECONDS} s"
    elif isinstance(error, DeadKernelError):
        what = "the kernel died"
    else:  # it did not come up
        what = str(error)
    source = "\n".join("    " + text for text in cell.source.splitlines())
    return f"{_place(page, notebook, cell)}{where}: {what}\n{source}"


def _place(page: Path, notebook: Any, cell: Any) -> str:
    number = next(i for i, c in enumerate(notebooks.code_cells(notebook), 1) if c is cell)
    heading = next(h for c, h in notebooks.headings(notebook) if c is cell)
    return f"{notebooks.name_of(page)}: code cell {number} ({heading})"


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
    with tempfile.TemporaryDirectory() as folder:
        for number, cell in enumerate(new_cells):
            place = f"cell {number + 1} ({headings[id(cell)]})"
            if number not in pairs:
                shown = "; ".join(map(compare.summary, cell.outputs)) or "no output"
                lines.append(f"{place}: new source, {shown}")
                continue
            stored = old_cells[pairs[number]].outputs
            found = compare.compare_outputs(stored, cell.outputs, Path(folder, "figure.png"))
            for difference in found:
                text = f"{difference.what}\n{difference.detail}".rstrip()
                lines.append(f"{place}: {text}".replace("\n", "\n      "))
            if not found and stored != cell.outputs:
                lines.append(f"{place}: equal within the tolerance, stored anew")
    return lines


def record(page: Path) -> bool:
    """Run one page, store its notebook, print what changed. Return whether the file changed."""
    target = page.with_suffix(".ipynb")
    name = notebooks.name_of(page)
    print(f"{name}: running", flush=True)
    begin = time.perf_counter()
    try:
        old = notebooks.read_stored(target) if target.is_file() else None
    except PageError as error:
        print(f"  {error}; it is made anew")
        old = None
    new = run(page)
    changed = notebooks.write(new, target)
    seconds = time.perf_counter() - begin
    state = "stored" if changed else "unchanged"
    print(f"  {state}: {len(notebooks.code_cells(new))} cells in {seconds:.1f} s")
    for line in changes(old, new):
        print(f"    {line}")
    for fault in contract.faults(page):
        print(f"  to mend: {fault}")
    return changed


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status: 0, or 1 if a page failed."""
    parser = argparse.ArgumentParser(prog="knotes.pipeline.record", description=__doc__)
    parser.add_argument("pages", nargs="*", metavar="PAGE", help="default: changed pages")
    parser.add_argument("--kernels", choices=("warm", "cold"), default="warm")
    options = parser.parse_args(arguments)
    failed = 0
    try:
        pages = notebooks.resolve_pages(options.pages)
        if not pages:
            pages = [page for page in notebooks.text_pages() if not is_current(page)]
    except PageError as error:
        print(error, file=sys.stderr)
        return 1
    if not pages:
        print("Every stored notebook is made from the text as it is: nothing to run.")
        return 0
    reason = warm.enable(options.kernels)
    if reason:
        print(f"Cold kernels: {reason}.")
    for page in pages:
        try:
            record(page)
        except PageError as error:
            failed += 1
            print(f"FAILED, stored notebook untouched. {error}", file=sys.stderr)
    if len(pages) > 1 or failed:
        print(f"{len(pages) - failed} of {len(pages)} pages run and stored.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
