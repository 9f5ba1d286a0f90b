"""Text pages and their stored notebooks: read, normalize, compare, write.

A page is two files with one stem: ``page.md``, which people edit, and ``page.ipynb``, the same
cells with their outputs, which only the recorder writes (see `knotes.pipeline.record`).
"""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jupytext
import nbformat

from knotes.pipeline.book import PageError, name_of

__all__ = ["PageError", "name_of"]

#: Packages whose versions decide what a page shows; a notebook notes those it was made with.
SUBJECTS = ("keras", "tensorflow", "numpy", "matplotlib", "scikit-learn")
SKIP = "nbval-skip"
KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
# Options of a code cell that decide how it runs or what a reader sees.
CELL_METADATA = ("tags", "mystnb")


def digest(path: Path) -> str:
    """SHA-256 of the bytes of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_text(path: Path) -> Any:
    """Read a MyST page as a notebook without outputs.

    Raises `PageError` if the file is missing, is not a notebook, or contains no code cell.
    """
    if path.suffix != ".md" or not path.is_file():
        raise PageError(f"{path}: expected the .md text of a page")
    try:
        notebook = jupytext.read(path, fmt="md:myst")
    except Exception as error:
        raise PageError(f"{name_of(path)}: not a readable MyST notebook: {error}") from error
    if not any(cell.cell_type == "code" for cell in notebook.cells):
        raise PageError(f"{name_of(path)}: no code cell; a page of the book runs something")
    return notebook


def read_stored(path: Path) -> Any:
    """Read a stored notebook (.ipynb); `PageError` if it is missing or broken."""
    try:
        return nbformat.read(path, as_version=4)
    except Exception as error:
        raise PageError(f"{name_of(path)}: stored notebook not readable: {error}") from error


def code_cells(notebook: Any) -> list[Any]:
    """The code cells of a notebook, in order."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def is_skipped(cell: Any) -> bool:
    """Whether a cell asks not to be run."""
    return SKIP in tags_of(cell)


def is_run(cell: Any) -> bool:
    """Whether a cell is one that Jupyter runs and counts: code, not empty, not to be skipped."""
    return cell.cell_type == "code" and bool(cell.source.strip()) and not is_skipped(cell)


def versions() -> dict[str, str]:
    """The installed versions of what decides what a page shows."""
    found = {}
    for package in SUBJECTS:
        # TensorFlow for CPUs alone has a name of its own
        for name in (package, f"{package}-cpu"):
            try:
                found[package] = version(name)
                break
            except PackageNotFoundError:
                continue
    return found


def essence(cell: Any) -> tuple[str, str, dict[str, Any]]:
    """What text and stored notebook have in common for one cell: type, source, options."""
    options = {k: cell.metadata[k] for k in CELL_METADATA if cell.metadata.get(k)}
    return cell.cell_type, cell.source, options


def tags_of(cell: Any) -> list[str]:
    """The tags of a cell (empty list if it has none)."""
    return list(cell.metadata.get("tags", []))


def headings(notebook: Any) -> Iterator[tuple[Any, str]]:
    """Yield each cell with the Markdown heading that it stands under ('' before the first)."""
    heading = ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            fenced = False
            for line in cell.source.splitlines():
                fenced ^= line.lstrip().startswith(("```", ":::"))
                if line.startswith("#") and not fenced:
                    heading = line.lstrip("#").strip()
        yield cell, heading


def out_of_step(text: Any, stored: Any) -> list[str]:
    """How a text page and its stored notebook differ, as lines for a reader (empty: in step)."""
    faults = []
    if len(text.cells) != len(stored.cells):
        faults.append(f"the text has {len(text.cells)} cells, the notebook {len(stored.cells)}")
    numbers: Counter[str] = Counter()  # as everywhere, code cells are counted apart
    for a, b in zip(text.cells, stored.cells, strict=False):
        numbers[a.cell_type] += 1
        if essence(a) != essence(b):
            old, new = _first_difference(b.source, a.source)
            what = f"{new!r} in the text, {old!r} stored" if old != new else "options differ"
            faults.append(f"{a.cell_type} cell {numbers[a.cell_type]}: {what}")
            break
    counts = [cell.execution_count for cell in code_cells(stored) if is_run(cell)]
    if counts != list(range(1, len(counts) + 1)):
        faults.append(f"execution counts are {counts}, expected 1 to {len(counts)}")
    return faults


def _first_difference(old: str, new: str) -> tuple[str, str]:
    a, b = old.splitlines(), new.splitlines()
    for left, right in zip(a, b, strict=False):
        if left != right:
            return left, right
    n = min(len(a), len(b))
    return "\n".join(a[n : n + 1]), "\n".join(b[n : n + 1])


def normalize(notebook: Any, source: str) -> Any:
    """A copy with nothing in it that changes from run to run.

    Cell ids come from the content, times and run-dependent metadata are dropped, counts are 1..n.
    `source` is the digest of the text that the notebook was made from.
    """
    count = 0
    seen: dict[str, int] = {}
    cells = []
    for cell in notebook.cells:
        kind, text, options = essence(cell)
        name = hashlib.sha256(f"{kind}\n{text}".encode()).hexdigest()[:8]
        seen[name] = seen.get(name, 0) + 1
        fresh = getattr(nbformat.v4, f"new_{kind}_cell")(
            text, metadata=options, id=name if seen[name] == 1 else f"{name}-{seen[name]}"
        )
        if kind == "code":
            if cell.metadata.get("knotes"):  # what it uses of the API, in a fixed order
                fresh.metadata["knotes"] = cell.metadata["knotes"]
            if is_run(cell):
                count += 1
                fresh.execution_count = count
            fresh.outputs = [_normal_output(o, fresh.execution_count) for o in cell.outputs]
        cells.append(fresh)
    metadata = {
        "kernelspec": KERNELSPEC,
        "language_info": {"name": "python"},
        "knotes": {"source": source, "versions": versions()},
    }
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)


def _normal_output(output: Any, count: int | None) -> Any:
    output = nbformat.from_dict(output)
    if output.output_type == "execute_result":
        output.execution_count = count
    output.get("metadata", {}).pop("needs_background", None)
    return output


def write(notebook: Any, path: Path) -> bool:
    """Store a notebook: whole or not at all. Return whether the file changed.

    Raises `PageError` if the file cannot be written.
    """
    nbformat.validate(notebook)
    text = nbformat.writes(notebook, indent=1) + "\n"
    try:
        if path.is_file() and path.read_bytes() == text.encode():
            return False
        write_atomically(path, text)
    except OSError as error:
        raise PageError(f"{name_of(path)}: cannot be stored: {error.strerror}") from error
    return True


def write_atomically(path: Path, text: str) -> None:
    """Write a text file through a temporary one beside it, then replace."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, "the file is read-only", str(path))
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf8", newline="\n") as file:
            file.write(text)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
